// SPDX-License-Identifier: MIT OR Apache-2.0

//! Persistent ports: interfaces that cases make by the module.

use super::check::{failure, that, works, Outcome};
use super::raw::device::header;
use super::raw::Device;
use super::traffic::wait_until;
use super::wire::{ip, wire};
use ferromap_abi::{consts::*, wire::*};
use nix::errno::Errno;
use nix::sched::{setns, CloneFlags};
use std::fs;
use std::process::{Child, Command};

/// VALE_NEWIF, with these wishes. What was obtained.
pub fn newif_with(name: &str, mut wish: NmreqValeNewif) -> Result<NmreqValeNewif, Errno> {
    Device::open()?.request(NETMAP_REQ_VALE_NEWIF, name, &mut wish)?;
    Ok(wish)
}

/// VALE_NEWIF.
pub fn newif(name: &str) -> Result<NmreqValeNewif, Errno> {
    newif_with(name, NmreqValeNewif::default())
}

/// VALE_DELIF.
pub fn delif(name: &str) -> Result<(), Errno> {
    Device::open()?.ctrl(&mut header(NETMAP_REQ_VALE_DELIF, name.as_bytes()))
}

/// A small port that is up and has no frames of its own to send.
pub fn made(name: &str) -> Outcome {
    made_in(name, 0)
}

/// The same in that region.
pub fn made_in(name: &str, nr_mem_id: u16) -> Outcome {
    let wish = NmreqValeNewif {
        nr_tx_slots: 64,
        nr_rx_slots: 64,
        nr_mem_id,
        ..NmreqValeNewif::default()
    };
    newif_with(name, wish)?;
    fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
    ip(&format!("link set {name} up"))
}

/// What `ip` tells of an interface: the value behind the last of these keys, each of which is
/// looked for behind the one before.
pub fn told(name: &str, keys: &str) -> Outcome<String> {
    let mut command = Command::new("ip");
    command.args(["-json", "-details", "-stats", "link", "show", "dev", name]);
    let done = command.output()?;
    let text = String::from_utf8_lossy(&done.stdout).replace(' ', "");
    let missing = || failure(format!("no {keys} of {name} in `{text}`"));
    let mut rest = &text[..];
    for key in keys.split(' ') {
        let key = format!("\"{key}\":");
        let at = rest.find(&key).ok_or_else(missing)?;
        rest = &rest[at + key.len()..];
    }
    let end = rest.find([',', '}']).ok_or_else(missing)?;
    Ok(rest[..end].trim_matches('"').to_owned())
}

/// Whether an interface that is up has a link.
pub fn has_link(name: &str) -> Outcome<bool> {
    let text = Command::new("ip")
        .args(["link", "show", "dev", name])
        .output()?
        .stdout;
    Ok(String::from_utf8_lossy(&text).contains("LOWER_UP"))
}

/// A namespace of another process, which lives as long as this.
pub struct Elsewhere(Child);

impl Elsewhere {
    pub fn new() -> Outcome<Self> {
        let child = Command::new("unshare")
            .args(["--net", "sleep", "60"])
            .spawn()?;
        let (pid, ours) = (child.id(), fs::read_link("/proc/self/ns/net")?);
        wait_until("the other namespace is there", || {
            fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs != ours)
        })?;
        Ok(Elsewhere(child))
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Takes this thread there, for good.
    pub fn enter(&self) -> Outcome {
        let net = fs::File::open(format!("/proc/{}/ns/net", self.id()))?;
        works("setns", setns(net, CloneFlags::CLONE_NEWNET))
    }

    /// Runs `ip` there.
    pub fn ip(&self, words: &str) -> Outcome {
        let pid = self.0.id().to_string();
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--target", &pid, "ip"])
            .args(words.split(' '));
        that(format!("there: ip {words}"), command.status()?.success())
    }

    /// What `f` does there.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                self.enter()?;
                f()
            });
            done.join().map_err(|_| failure("it panicked there"))?
        })
    }

    /// Moves an interface there, where it is up again.
    pub fn take(&self, name: &str) -> Outcome {
        ip(&format!("link set {name} netns {}", self.id()))?;
        self.ip(&format!("link set {name} up"))
    }

    /// Moves it back.
    pub fn give_back(&self, name: &str) -> Outcome {
        let here = std::process::id();
        self.ip(&format!("link set {name} netns {here}"))?;
        ip(&format!("link set {name} up"))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A namespace beside the one of `wire`, and neither has interfaces that talk by themselves.
pub fn two_places() -> Outcome<Elsewhere> {
    let silence = || {
        let parameter = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
        Ok(fs::write(parameter, "1")?)
    };
    wire()?;
    silence()?;
    let there = Elsewhere::new()?;
    there.run(silence)?;
    Ok(there)
}
