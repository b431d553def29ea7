// SPDX-License-Identifier: MIT OR Apache-2.0

//! Interfaces that cases make for themselves, in network namespaces of their own.

use crate::harness::check::*;
use crate::harness::raw::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sched::{unshare, CloneFlags};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs iproute2's `ip`.
pub fn ip(words: &str) -> Outcome {
    run("ip", words)
}

/// Runs `ethtool`.
pub fn ethtool(words: &str) -> Outcome {
    run("ethtool", words)
}

fn run(tool: &str, words: &str) -> Outcome {
    let mut command = Command::new(tool);
    let done = command
        .args(words.split(' '))
        .stdout(Stdio::null())
        .status()?;
    that(format!("{tool} {words}"), done.success())
}

/// A namespace of our own with `fm0` and `fm1`, wired to each other and up. It is gone when the
/// case ends.
pub fn wire_with(options: &str) -> Outcome {
    works("unshare", unshare(CloneFlags::CLONE_NEWNET))?;
    ip(&format!(
        "link add fm0{options} type veth peer name fm1{options}"
    ))?;
    for name in ["fm0", "fm1"] {
        // Nothing but what tests send.
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

pub fn wire() -> Outcome {
    wire_with("")
}

/// The same, for frames that no buffer has room for.
pub fn jumbo_wire() -> Outcome {
    wire()?;
    ip("link set fm0 mtu 9000")?;
    ip("link set fm1 mtu 9000")
}

/// Receives until there are `count` frames, or in vain.
pub fn wait_for(bound: &Bound, count: usize) -> Outcome<Vec<Vec<u8>>> {
    let start = Instant::now();
    let mut frames = Vec::new();
    while frames.len() < count && start.elapsed() < Duration::from_secs(10) {
        bound.poll(PollFlags::POLLIN, 100)?;
        frames.extend(bound.rx(0).take_frames());
    }
    bound.device.rxsync()?;
    Ok(frames)
}

/// That a binding whose interface has gone says so, at once and from now on.
pub fn has_let_go(bound: &Bound) -> Outcome {
    let events = PollFlags::POLLIN | PollFlags::POLLOUT;
    for _ in 0..3 {
        same("poll", bound.poll(events, 0)?, PollFlags::POLLERR)?;
        fails("txsync", bound.device.txsync(), Errno::EIO)?;
        fails("rxsync", bound.device.rxsync(), Errno::EIO)?;
    }
    Ok(())
}
