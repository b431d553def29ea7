// SPDX-License-Identifier: MIT OR Apache-2.0

//! In which context the kernel calls the module, and what the module makes of it (docs/locks.md).

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::fs;
use std::path::Path;

pub const CASES: &[Case] =
    crate::cases![context_frames_of_a_bypassing_socket_are_freed_with_bottom_halves_off];

/// Calls of one function of the kernel are noted while this lives.
struct Probe;

const TRACING: &str = "/sys/kernel/tracing";
const EVENTS: &str = "/sys/kernel/tracing/kprobe_events";
const ENABLE: &str = "/sys/kernel/tracing/events/ferromap/probe/enable";

impl Probe {
    fn of(function: &str) -> Outcome<Self> {
        if !Path::new(EVENTS).exists() {
            // The directory is a mount point of its own.
            let done = nix::mount::mount(
                Some("tracefs"),
                TRACING,
                Some("tracefs"),
                nix::mount::MsFlags::empty(),
                None::<&str>,
            );
            works("mount of tracefs", done)?;
        }
        fs::write(EVENTS, format!("p:ferromap/probe {function}"))?;
        fs::write(format!("{TRACING}/trace"), "")?;
        fs::write(ENABLE, "1")?;
        Ok(Probe)
    }

    /// The kernel's flags of each call that this thread made: `.`, `b` or `D` for what is off, and
    /// three more letters.
    fn calls(&self) -> Outcome<Vec<String>> {
        let trace = fs::read_to_string(format!("{TRACING}/trace"))?;
        let me = format!("-{}", nix::unistd::gettid());
        let lines = trace.lines().filter(|line| !line.starts_with('#'));
        // "vm-tests-77      [001] b..1.    12.3456: probe: (function+0x0/0x10)"
        let mine = lines.filter_map(|line| {
            let mut words = line.split_whitespace();
            let task = words.next()?;
            task.ends_with(&me).then(|| words.nth(1))?
        });
        Ok(mine.map(str::to_string).collect())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = fs::write(ENABLE, "0");
        let _ = fs::write(EVENTS, "");
    }
}

/// An AF_PACKET socket with PACKET_QDISC_BYPASS comes to the egress hook under RCU alone. Its
/// frames were freed into the CPU's store as if nobody could interrupt: with traffic on that CPU a
/// frame got two owners, and the kernel a panic.
fn context_frames_of_a_bypassing_socket_are_freed_with_bottom_halves_off() -> Outcome {
    wire()?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let socket = Stack::on("fm0")?;
    works("PACKET_QDISC_BYPASS", socket.bypass_queueing())?;
    let probe = Probe::of("napi_consume_skb")?;
    for number in 0..20 {
        match socket.send(&frame(BROADCAST, station(1), number)) {
            // What the kernel says when a hook has taken the frame of such a socket.
            Ok(()) | Err(Errno::ENOBUFS) => {}
            Err(errno) => return fail(format!("send: {errno}")),
        }
    }
    let calls = probe.calls()?;
    drop(probe);
    that(format!("20 are freed: {calls:?}"), calls.len() >= 20)?;
    let off = |call: &String| call.starts_with(['b', 'D']) || call.chars().nth(2) == Some('s');
    that(
        format!("all with bottom halves off: {calls:?}"),
        calls.iter().all(off),
    )?;
    bound.device.rxsync()?;
    let came = numbers(&bound.host_rx(0).take_frames());
    same("in the host ring", came, (0..20).collect::<Vec<_>>())
}
