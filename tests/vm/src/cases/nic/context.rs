// SPDX-License-Identifier: MIT OR Apache-2.0

//! In which context the kernel calls the module, and what the module makes of it (docs/locks.md).

use crate::harness::check::*;
use crate::harness::events::Events;
use crate::harness::frame::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] =
    crate::cases![context_frames_of_a_bypassing_socket_are_freed_with_bottom_halves_off];

/// The kernel's flags of each call that this thread made: `.`, `b` or `D` for what is off, and
/// three more letters.
fn flags_of_calls(calls: &Events) -> Outcome<Vec<String>> {
    let me = format!("-{}", nix::unistd::gettid());
    let lines = calls.lines()?;
    // "vm-tests-77      [001] b..1.    12.3456: probe: (function+0x0/0x10)"
    let mine = lines.iter().filter_map(|line| {
        let mut words = line.split_whitespace();
        let task = words.next()?;
        task.ends_with(&me).then(|| words.nth(1))?
    });
    Ok(mine.map(str::to_string).collect())
}

/// An AF_PACKET socket with PACKET_QDISC_BYPASS comes to the egress hook under RCU alone. Its
/// frames were freed into the CPU's store as if nobody could interrupt: with traffic on that CPU a
/// frame got two owners, and the kernel a panic.
fn context_frames_of_a_bypassing_socket_are_freed_with_bottom_halves_off() -> Outcome {
    wire()?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let socket = Stack::on("fm0")?;
    works("PACKET_QDISC_BYPASS", socket.bypass_queueing())?;
    let freed = Events::calls_of("napi_consume_skb")?;
    for number in 0..20 {
        match socket.send(&frame(BROADCAST, station(1), number)) {
            // What the kernel says when a hook has taken the frame of such a socket.
            Ok(()) | Err(Errno::ENOBUFS) => {}
            Err(errno) => return fail(format!("send: {errno}")),
        }
    }
    let calls = flags_of_calls(&freed)?;
    drop(freed);
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
