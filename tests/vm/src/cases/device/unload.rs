// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unloading the module and loading it again: item 192. The command line must say where it is
//! (`--module`).

use super::lifecycle::available;
use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::module::{load, path, unload, unload_when_unused, warm_up};
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::vale_list;
use crate::harness::raw::*;
use crate::harness::traces::{live, read_parameter, references};
use crate::harness::traffic::*;
use crate::harness::wire::{ip, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::stat::{makedev, mknod, Mode, SFlag};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, pause, ForkResult};
use std::fs::{self, File, Permissions};
use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt;

pub const CASES: &[Case] = crate::cases![
    item_192_module_in_use_cannot_be_unloaded,
    item_192_an_open_interface_holds_the_module,
    item_192_an_attached_interface_holds_the_module,
    item_192_nothing_stays_after_unloading,
    item_192_open_debug_files_hold_the_module,
    item_192_parameters_at_load_time,
    item_192_loading_and_unloading_leaks_nothing,
    item_192_opening_the_node_loads_the_module,
];

const BUSY: Errno = Errno::EWOULDBLOCK;

fn item_192_module_in_use_cannot_be_unloaded() -> Outcome {
    let device = Device::open()?;
    fails("with a file open", unload(), BUSY)?;
    let bound = vale("vale192:a").slots(64, 64).bind_on(device)?;
    fails("with a port bound", unload(), BUSY)?;
    let Bound { map, device, .. } = bound;
    drop(device);
    fails("with a region mapped", unload(), BUSY)?;
    drop(map);
    let dup = Device::open()?.dup()?;
    fails("with a duplicate open", unload(), BUSY)?;
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    let child = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => loop {
            pause();
        },
    };
    drop(dup);
    fails("with a file open in a child", unload(), BUSY)?;
    kill(child, Signal::SIGKILL)?;
    waitpid(child, None)?;
    unload_when_unused()?;
    fails("once more", unload(), Errno::ENOENT)?;
    works("loading", load(""))
}

fn item_192_an_open_interface_holds_the_module() -> Outcome {
    wire()?;
    let bound = vale("fm0").bind()?;
    bound.send(&numbered(0..100))?;
    fails("with an interface open", unload(), BUSY)?;
    drop(bound);
    unload_when_unused()?;
    works("loading", load(""))?;
    works("opening it again", vale("fm0").bind()).map(drop)
}

fn item_192_an_attached_interface_holds_the_module() -> Outcome {
    wire()?;
    for attempt in 0..3 {
        attach("vale192:fm0")?;
        fails("with an interface attached", unload(), BUSY)?;
        if attempt < 2 {
            detach("vale192:fm0")?;
        } else {
            ip("link del fm0")?;
        }
        unload_when_unused()?;
        works("loading", load(""))?;
    }
    Ok(())
}

fn item_192_nothing_stays_after_unloading() -> Outcome {
    let (a, b) = pair("vale192")?;
    a.send(&numbered(0..9))?;
    let null = null(GLOBAL_MEM_ID).extra(1000).bind()?;
    drop((a, b, null));
    unload_when_unused()?;
    for path in [
        "/dev/netmap",
        "/sys/module/netmap",
        "/sys/kernel/debug/netmap",
    ] {
        that(format!("{path} has gone"), fs::metadata(path).is_err())?;
    }
    let opened = Device::open().err();
    that(
        format!("no device, got {opened:?}"),
        matches!(opened, Some(Errno::ENOENT | Errno::ENODEV)),
    )?;
    works("loading", load(""))?;
    let (a, b) = pair("vale192")?;
    a.send(&numbered(0..9))?;
    same("frames afterwards", b.recv()?, numbered(0..9))
}

fn item_192_open_debug_files_hold_the_module() -> Outcome {
    for path in [
        "/sys/kernel/debug/netmap/live",
        "/sys/kernel/debug/netmap/ports",
    ] {
        let port = vale("vale192:a").slots(64, 64).bind()?;
        let mut file = File::open(path)?;
        same("a byte", file.read(&mut [0])?, 1)?;
        drop(port);
        wait_until("only the file is left", || references() == Some(1))?;
        fails(format!("with {path} open"), unload(), BUSY)?;
        // What the file shows meanwhile must be whole.
        file.rewind()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        that(
            format!("the port has gone from {text:?}"),
            !text.contains("vale192"),
        )?;
        drop(file);
        unload_when_unused()?;
        works("loading", load(""))?;
    }
    // A parameter's file does not hold the module, and must not outlive it.
    let mut file = File::open("/sys/module/netmap/parameters/buf_num")?;
    unload_when_unused()?;
    that("nothing to read any more", file.read(&mut [0; 64]).is_err())?;
    works("loading", load(""))
}

fn item_192_parameters_at_load_time() -> Outcome {
    unload_when_unused()?;
    works(
        "loading",
        load("max_bridges=2 buf_num=8000 priv_buf_num=5000"),
    )?;
    same("max_bridges", read_parameter("max_bridges")?.as_str(), "2")?;
    same("buf_num", read_parameter("buf_num")?.as_str(), "8000")?;
    let small = |name: &str| vale(name).slots(64, 64).bind();
    let held = [small("vale0:a")?, small("vale1:a")?];
    fails(
        "the third switch",
        small("vale2:a").map(drop),
        Errno::ENOMEM,
    )?;
    drop(held);
    unload_when_unused()?;
    that(
        "a parameter that is no number",
        load("buf_num=many").is_err(),
    )?;
    // Values out of range are refused where they are used, not here.
    works("loading", load("max_bridges=-1 buf_num=0"))?;
    fails("a switch", small("vale0:a").map(drop), Errno::ENOMEM)?;
    let shared = null(GLOBAL_MEM_ID).try_bind();
    fails("the shared region", shared, Errno::EINVAL)?;
    unload_when_unused()?;
    works("loading", load(""))
}

fn item_192_loading_and_unloading_leaks_nothing() -> Outcome {
    unload_when_unused()?;
    let before = available()?;
    for _ in 0..15 {
        works("loading", load("buf_num=20000"))?;
        let (a, b) = pair("vale192")?;
        a.send(&numbered(0..9))?;
        same("frames", b.recv()?, numbered(0..9))?;
        null(GLOBAL_MEM_ID).try_bind()?;
        drop((a, b));
        same("ports", vale_list()?, vec![])?;
        unload_when_unused()?;
    }
    // Each round had some 60 MB.
    wait_until("the memory is back", || {
        available().is_ok_and(|now| now + 64 * 1024 > before)
    })?;
    works("loading", load(""))?;
    works("the shared region", warm_up())?;
    that("objects are counted", !live().is_empty())
}

/// A node that is there before the module is, as systems make it at boot from the module's alias.
/// The kernel asks modprobe for `char-major-10-249`; a stand-in answers, for the VM has the module
/// elsewhere.
fn item_192_opening_the_node_loads_the_module() -> Outcome {
    const SETTING: &str = "/proc/sys/kernel/modprobe";
    const MODPROBE: &str = "/tmp/modprobe";
    const NODE: &str = "/tmp/netmap";
    let alias = "char-major-10-249";
    let script = format!(
        "#!/bin/sh\ncase $* in *{alias}*) exec /sbin/insmod {};; esac\nexit 1\n",
        path()?
    );
    fs::write(MODPROBE, script)?;
    fs::set_permissions(MODPROBE, Permissions::from_mode(0o755))?;
    mknod(
        NODE,
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o600),
        makedev(10, 249),
    )?;
    let usual = fs::read_to_string(SETTING)?;
    unload_when_unused()?;
    fs::write(SETTING, MODPROBE)?;
    let opened = File::open(NODE);
    fs::write(SETTING, usual.trim())?;
    fs::remove_file(NODE)?;
    fs::remove_file(MODPROBE)?;
    drop(opened?);
    that("the module's own node is there", Device::open().is_ok())?;
    works("the shared region", warm_up())
}
