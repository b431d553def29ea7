// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that are on an interface by a BPF link, as newer loaders put them there. Netlink does
//! not take them off: they stay while somebody holds the link, or until it is detached.

use crate::{calls, programs::title};
use libbpf_rs::query::{LinkInfoIter, LinkTypeInfo};
use nix::errno::Errno;
use std::fs;

/// Detaches the link by which a program is on an interface, if it is there by one, and says so.
/// Returns whether it was.
pub fn let_go(program: u32, interface: i32) -> Result<bool, String> {
    let Some(link) = of(program, interface)? else {
        return Ok(false);
    };
    let held = holders(link);
    match calls::detach_link(link) {
        Ok(()) => {
            common::note!(
                "xdp: {} was there by BPF link {link}, {held}, which holds nothing from now on",
                title(program)
            );
            Ok(true)
        }
        Err(e) => Err(format!(
            "{} is there by BPF link {link}, {held}: {}. Be root, or end who holds it",
            title(program),
            Errno::try_from(e).map_or("it cannot be detached", |errno| errno.desc())
        )),
    }
}

/// The number of the link by which a program is on an interface. None is seen by those who may not
/// look.
fn of(program: u32, interface: i32) -> Result<Option<u32>, String> {
    let here = |info| matches!(info, LinkTypeInfo::Xdp(xdp) if xdp.ifindex as i32 == interface);
    let links: Vec<u32> = LinkInfoIter::default()
        .filter(|link| link.prog_id == program && here(link.info.clone()))
        .map(|link| link.id)
        .collect();
    match links[..] {
        [] => Ok(None),
        [link] => Ok(Some(link)),
        // The kernel does not tell the namespace of a link.
        _ => Err(format!(
            "{} is by BPF links {links:?} on interfaces that have the number {interface} in \
             several network namespaces: end who holds the right one",
            title(program)
        )),
    }
}

/// Who has a link open, in words.
fn holders(link: u32) -> String {
    let mut holders = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if name.bytes().all(|b| b.is_ascii_digit()) && has(&name, link) {
            let comm = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            holders.push(format!("{} (pid {name})", comm.trim_end()));
        }
    }
    if holders.is_empty() {
        return "held by no process that we can see, so perhaps pinned in /sys/fs/bpf".to_owned();
    }
    format!("held by {}", holders.join(" and "))
}

fn has(pid: &str, link: u32) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fdinfo"));
    files.into_iter().flatten().flatten().any(|file| {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        text.lines().any(|line| {
            let number = line.strip_prefix("link_id:").map(str::trim);
            number.and_then(|n| n.parse().ok()) == Some(link)
        })
    })
}
