// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of which the kernel needs a copy of its own: one for which there is no memory is dropped
//! whole and counted, and no other.

use crate::harness::attach::Attached;
use crate::harness::check::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::{ip, jumbo_wire, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_fails_in_frames_up_the_stack,
    hostile_memory_fails_in_frames_to_an_interface,
    hostile_memory_fails_in_frames_to_the_host,
    hostile_memory_fails_in_frames_to_an_attached_interface,
    hostile_memory_fails_in_frames_between_stacks,
];

/// A short frame, one of several slots, and one so long that it comes from elsewhere; twice.
const LENS: [usize; 6] = [60, 900, 5000, 60, 900, 5000];

/// The frames whose memory each of the allocations is: a short one's has two parts.
const OWNERS: [usize; 10] = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5];

fn batch() -> Vec<Vec<u8>> {
    let lens = LENS.iter().zip(0..);
    lens.map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect()
}

/// Puts them into a ring; each but the shortest has several slots.
fn put(ring: &Ring) {
    for frame in batch() {
        let parts: Vec<&[u8]> = frame.chunks(frame.len().div_ceil(3).max(60)).collect();
        ring.put_fragments(&parts);
    }
}

/// Sends the batch with each of its allocations failing in turn, or all from that one on; frames
/// that have lost none are to come `at` that stack, and the others to be `lost`. Then with memory.
fn each_is_lost_alone(
    fail_alloc: &FailAlloc,
    send: impl Fn() -> Outcome,
    at: &Stack,
    lost: impl Fn() -> Outcome<u64>,
) -> Outcome {
    let batch = batch();
    let carried = |missing: &[usize], before: u64| -> Outcome {
        send()?;
        let (mut came, mut left) = (vec![], 0);
        wait_until("each has come or is counted", || {
            came.extend(at.receive(Duration::ZERO).unwrap_or_default());
            left = lost().unwrap_or(0) - before;
            came.len() as u64 + left >= batch.len() as u64
        })?;
        let rest = (0..batch.len()).filter(|n| !missing.contains(n));
        let rest: Vec<_> = rest.map(|n| batch[n].clone()).collect();
        same("those that came", numbers(&came), numbers(&rest))?;
        that("every byte", came == rest)?;
        same("lost", left, missing.len() as u64)
    };
    fail_alloc.count()?;
    carried(&[], lost()?)?;
    let all = (OWNERS.len() as u32, Failed::Nothing);
    same("allocations", fail_alloc.disarm()?, all)?;
    for span in [Span::One, Span::Rest] {
        for nth in 0..OWNERS.len() {
            let here = |e: Failure| failure(format!("allocation {nth}, {span:?}: {e}"));
            let mut missing = match span {
                Span::One => vec![OWNERS[nth]],
                Span::Rest => OWNERS[nth..].to_vec(),
            };
            missing.dedup();
            let before = lost()?;
            fail_alloc.arm(nth as u32 + 1, span)?;
            carried(&missing, before).map_err(here)?;
            same("what failed", fail_alloc.disarm()?.1, Failed::Frame).map_err(here)?;
            carried(&[], lost()?).map_err(here)?;
        }
    }
    Ok(())
}

/// Those for rings of others come all the same.
fn hostile_memory_fails_in_frames_up_the_stack() -> Outcome {
    wire()?;
    made("p0")?;
    ip("link set p0 mtu 9000")?;
    let plugged = Attached::new("vale968:p0")?;
    let [a, b] = ports("vale968", ["a", "b"])?;
    let stack = Stack::on("p0")?;
    let send = || {
        put(&a.tx(0));
        a.device.txsync()?;
        b.device.rxsync()?;
        let came = b.rx(0).take_long();
        b.device.rxsync()?;
        that("at the other port", came == batch())
    };
    let lost = || counter(&a, "tx0-drop_no_memory");
    each_is_lost_alone(&FailAlloc::load()?, send, &stack, lost)?;
    same("dropped by it", told("p0", "stats64 rx dropped")?, "0")?;
    drop(plugged);
    works("deleted", delif("p0"))
}

fn hostile_memory_fails_in_frames_to_an_interface() -> Outcome {
    jumbo_wire()?;
    let bound = vale("fm0").bind()?;
    let send = || {
        put(&bound.tx(0));
        Ok(bound.device.txsync()?)
    };
    let lost = || counter(&bound, "tx0-drop_no_memory");
    each_is_lost_alone(&FailAlloc::load()?, send, &Stack::on("fm1")?, lost)?;
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        bound.tx(0).space() == 1023
    })
}

fn hostile_memory_fails_in_frames_to_the_host() -> Outcome {
    jumbo_wire()?;
    let bound = vale("fm0").mode(NR_REG_SW).bind()?;
    let send = || {
        put(&bound.host_tx(0));
        Ok(bound.device.txsync()?)
    };
    let lost = || counter(&bound, "host-tx0-drop_no_memory");
    each_is_lost_alone(&FailAlloc::load()?, send, &Stack::on("fm0")?, lost)?;
    same("free slots", bound.host_tx(0).space(), 1023)
}

/// The copies are made by a thread of the kernel's.
fn hostile_memory_fails_in_frames_to_an_attached_interface() -> Outcome {
    jumbo_wire()?;
    let _plugged = Attached::new("vale968:fm0")?;
    let [a] = ports("vale968", ["a"])?;
    let send = || {
        put(&a.tx(0));
        Ok(a.device.txsync()?)
    };
    let lost = || debug_counter("fm0", "tx0", "drop_no_memory");
    let fail_alloc = FailAlloc::load_for_everybody()?;
    each_is_lost_alone(&fail_alloc, send, &Stack::on("fm1")?, lost)
}

/// What one stack sends to all others they share, and each that gets none counts that.
fn hostile_memory_fails_in_frames_between_stacks() -> Outcome {
    wire()?;
    let names = ["p0", "p1", "p2"];
    let plugs = ["vale968:p0", "vale968:p1", "vale968:p2"];
    names.iter().try_for_each(|name| made(name))?;
    let plugged = plugs.map(Attached::new);
    let (from, stacks) = (Stack::on("p0")?, [Stack::on("p1")?, Stack::on("p2")?]);
    let fail_alloc = FailAlloc::load()?;
    for (span, nth, who) in [
        (Span::One, 0, [true, true]),
        (Span::One, 1, [false, true]),
        (Span::One, 2, [true, false]),
        (Span::Rest, 1, [false, false]),
    ] {
        let dropped = |name| -> Outcome<u64> {
            let told = told(name, "stats64 rx dropped")?;
            told.parse().map_err(|_| failure(told))
        };
        let before = [dropped("p1")?, dropped("p2")?];
        let sent = frame(BROADCAST, station(1), nth);
        fail_alloc.arm(nth, span)?;
        from.send(&sent)?;
        let (count, failed) = fail_alloc.disarm()?;
        same("allocations", count, 2)?;
        same("what failed", failed == Failed::Frame, nth > 0)?;
        for (at, gets) in who.into_iter().enumerate() {
            let want = if gets { vec![sent.clone()] } else { vec![] };
            let came = stacks[at].receive(crate::harness::raw::stack::QUIET)?;
            same(format!("at {}", names[at + 1]), came, want)?;
            let lost = dropped(names[at + 1])? - before[at];
            same(format!("lost by {}", names[at + 1]), lost, u64::from(!gets))?;
        }
    }
    same("by the sender", told("p0", "stats64 tx dropped")?, "1")?;
    drop(plugged);
    names
        .iter()
        .try_for_each(|name| works("deleted", delif(name)))
}
