// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that are handed over instead of copied, between ports of one region (`FERROMAP_NR_SWAP`).

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::pools_info;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_NR_SWAP;
use nix::errno::Errno;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    swap_exchanges_the_buffers_of_both_slots,
    swap_is_only_done_when_asked_for,
    swap_needs_one_region,
    swap_copies_what_is_flooded,
    swap_copies_chains_and_what_shares_a_sync_with_them,
    swap_goes_around_both_rings,
    swap_to_several_receivers_in_turn,
    swap_leaves_what_does_not_fit,
    swap_with_buffers_that_are_nobodys,
    swap_with_one_buffer_in_many_slots_hurts_nobody_later,
    swap_loses_no_buffer,
];

const SLOTS: u32 = 64;

/// A port of the shared region that has made itself known as station `n`. Its sender asks for
/// swaps.
fn port(switch: &str, n: u8) -> Result<Bound, Errno> {
    let name = format!("{switch}:{n}");
    let bound = shared(&name).slots(SLOTS, SLOTS).bind()?;
    bound.send(&[frame(BROADCAST, station(n), 0)])?;
    bound.tx(0).set_flags(FERROMAP_NR_SWAP);
    Ok(bound)
}

/// Stations 1 and 2 on a switch, with nothing on their way.
fn two(switch: &str) -> Outcome<(Bound, Bound)> {
    let ports = (port(switch, 1)?, port(switch, 2)?);
    ports.0.recv()?;
    ports.1.recv()?;
    Ok(ports)
}

fn to_two(number: u32) -> Vec<u8> {
    frame(station(2), station(1), number)
}

/// Buffers of the next slot that a sender fills, and of the next that a receiver gets.
fn next_buffers(a: &Bound, b: &Bound) -> (u32, u32) {
    let (tx, rx) = (a.tx(0), b.rx(0));
    (tx.slot(tx.head()).buf_idx, rx.slot(rx.tail()).buf_idx)
}

/// Sends one frame from `a` to `b` and returns whether the buffers were exchanged; anything in
/// between is a failure.
fn swaps(a: &Bound, b: &Bound, frame: &[u8]) -> Outcome<bool> {
    let (sent_at, got_at) = (a.tx(0).head(), b.rx(0).tail());
    let (ours, theirs) = next_buffers(a, b);
    a.send(&[frame.to_vec()])?;
    b.device.rxsync()?;
    let (sent, got) = (a.tx(0).slot(sent_at), b.rx(0).slot(got_at));
    same("length sent", usize::from(sent.len), frame.len())?;
    same("frame", b.rx(0).take_frames(), [frame])?;
    b.device.rxsync()?;
    let swapped = sent.buf_idx == theirs;
    let (want_sent, want_got) = if swapped {
        ((theirs, NS_BUF_CHANGED), (ours, 0x100 | NS_BUF_CHANGED))
    } else {
        ((ours, 0), (theirs, 0x100))
    };
    same("sent slot", (sent.buf_idx, sent.flags), want_sent)?;
    same("received slot", (got.buf_idx, got.flags), want_got)?;
    Ok(swapped)
}

fn swap_exchanges_the_buffers_of_both_slots() -> Outcome {
    let (a, b) = two("valesw1")?;
    for len in [14, 60, 1500, 2048] {
        let frame = frame_of(len, station(2), station(1), 7);
        same(format!("{len} bytes"), swaps(&a, &b, &frame)?, true)?;
    }
    Ok(())
}

fn swap_is_only_done_when_asked_for() -> Outcome {
    let (a, b) = two("valesw2")?;
    for flags in [0, NR_TIMESTAMP | NR_FORWARD, !FERROMAP_NR_SWAP] {
        a.tx(0).set_flags(flags);
        same(format!("{flags:#x}"), swaps(&a, &b, &to_two(1))?, false)?;
    }
    a.tx(0).set_flags(FERROMAP_NR_SWAP);
    // It is the sender's word, not the receiver's.
    b.rx(0).set_flags(0);
    same("asked for", swaps(&a, &b, &to_two(2))?, true)
}

fn swap_needs_one_region() -> Outcome {
    let a = port("valesw3", 1)?;
    let b = vale("valesw3:2").slots(SLOTS, SLOTS).bind()?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    // Both may have a buffer of the same number, which must not be taken for the same buffer.
    for number in 0..3 * SLOTS {
        same("swapped", swaps(&a, &b, &to_two(number))?, false)?;
    }
    Ok(())
}

fn swap_copies_what_is_flooded() -> Outcome {
    let (a, b) = two("valesw4")?;
    let c = port("valesw4", 3)?;
    for bound in [&a, &b, &c] {
        bound.recv()?;
    }
    let flood = frame(BROADCAST, station(1), 5);
    same("swapped", swaps(&a, &b, &flood)?, false)?;
    same("the third", c.recv()?, [flood.clone()])?;
    // One to the second alone, among floods: order is kept, and every copy is right.
    let batch = [flood.clone(), to_two(6), flood];
    a.send(&batch)?;
    same("the second", b.recv()?, batch.clone())?;
    same("the third", c.recv()?, [&batch[0][..], &batch[2]])
}

fn swap_copies_chains_and_what_shares_a_sync_with_them() -> Outcome {
    let (a, b) = two("valesw5")?;
    let before = a.buffers();
    let ring = a.tx(0);
    let whole = frame_of(300, station(2), station(1), 1);
    let parts: Vec<&[u8]> = vec![&whole[..100], &whole[100..200], &whole[200..]];
    ring.put(&to_two(0));
    ring.put_fragments(&parts);
    // Too short, and dropped.
    ring.put(&[0; 13]);
    ring.put(&to_two(2));
    a.device.txsync()?;
    let want = [&to_two(0)[..], parts[0], parts[1], parts[2], &to_two(2)];
    same("frames", b.recv()?, want)?;
    same("buffers of the sender", a.buffers(), before)?;
    same("alone again", swaps(&a, &b, &to_two(3))?, true)
}

fn swap_goes_around_both_rings() -> Outcome {
    let a = port("valesw6", 1)?;
    // Rings of unlike sizes wrap at unlike times.
    let b = shared("valesw6:2").slots(SLOTS, 96).bind()?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    let all = |a: &Bound, b: &Bound| -> BTreeSet<u32> {
        a.buffers().into_iter().chain(b.buffers()).collect()
    };
    let before = all(&a, &b);
    let mut number = 0;
    for batch in (1..SLOTS).chain([1; 40]) {
        let frames: Vec<_> = (number..number + batch).map(to_two).collect();
        number += batch;
        a.send(&frames)?;
        same(format!("batch of {batch}"), b.recv()?, frames)?;
    }
    same("buffers in all slots", all(&a, &b), before)
}

fn swap_to_several_receivers_in_turn() -> Outcome {
    let (a, b) = two("valesw7")?;
    let c = port("valesw7", 3)?;
    for bound in [&a, &b, &c] {
        bound.recv()?;
    }
    for round in 0..10 {
        let frames: Vec<_> = (0..60)
            .map(|n| frame(station(2 + (n / 3 % 2) as u8), station(1), 100 * round + n))
            .collect();
        a.send(&frames)?;
        let of = |n| {
            let frames = frames.iter().filter(|frame| frame[..6] == station(n));
            frames.cloned().collect::<Vec<_>>()
        };
        same("the second", b.recv()?, of(2))?;
        same("the third", c.recv()?, of(3))?;
    }
    Ok(())
}

fn swap_leaves_what_does_not_fit() -> Outcome {
    let (a, b) = two("valesw8")?;
    let frames: Vec<_> = (0..40).map(to_two).collect();
    a.send(&frames)?;
    let from = a.tx(0).head();
    let before = a.buffers();
    a.send(&frames)?;
    // 63 fit: the last 17 of the second batch keep their buffers.
    let after = a.buffers();
    for i in 0..40 {
        let at = a.tx(0).after(from, i) as usize;
        same(format!("kept {i}"), after[at] == before[at], i >= 23)?;
    }
    same("frames", b.recv()?, [&frames[..], &frames[..23]].concat())
}

fn swap_with_buffers_that_are_nobodys() -> Outcome {
    let (a, b) = two("valesw9")?;
    let total = pools_info("valesw9:1", 0)?.nr_buf_pool_objtotal;
    // The receiver gives back slots without a buffer: the frames arrive empty, and the sender keeps
    // its own.
    let before = a.buffers();
    let rx = b.rx(0);
    let kept: Vec<_> = (0..rx.n()).map(|i| rx.slot(i).buf_idx).collect();
    for (i, bad) in (0..rx.n()).zip([0, 1, total, u32::MAX].into_iter().cycle()) {
        rx.edit_slot(i, |slot| slot.buf_idx = bad);
    }
    a.send(&(0..8).map(to_two).collect::<Vec<_>>())?;
    b.device.rxsync()?;
    for (slot, _) in rx.take() {
        same("an empty slot", (slot.len, slot.flags), (0, 0x100))?;
    }
    same("buffers of the sender", a.buffers(), before)?;
    for (i, index) in (0..rx.n()).zip(kept) {
        rx.edit_slot(i, |slot| slot.buf_idx = index);
    }
    b.device.rxsync()?;
    // The sender sends from buffers that are nobody's: they stay where they are, and drops are
    // drops.
    let tx = a.tx(0);
    for bad in [0, 1, total, u32::MAX] {
        let (at, was) = (tx.head(), tx.slot(tx.head()).buf_idx);
        tx.edit_slot(at, |slot| (slot.buf_idx, slot.len) = (bad, 60));
        tx.set_head_cur(tx.after(at, 1));
        a.device.txsync()?;
        same("index that was sent", tx.slot(at).buf_idx, bad)?;
        tx.edit_slot(at, |slot| slot.buf_idx = was);
    }
    b.recv()?;
    same("mended", swaps(&a, &b, &to_two(9))?, true)
}

fn swap_with_one_buffer_in_many_slots_hurts_nobody_later() -> Outcome {
    let (a, b) = two("valeswa")?;
    let (tx, one) = (a.tx(0), a.tx(0).slot(0).buf_idx);
    for i in 0..tx.n() {
        tx.edit_slot(i, |slot| slot.buf_idx = one);
    }
    for number in 0..10 {
        a.send(&(0..30).map(|i| to_two(number + i)).collect::<Vec<_>>())?;
        same("slots that came", b.recv()?.len(), 30)?;
    }
    // A ring has the mapping, and so the file.
    drop((tx, a, b));
    // The last user is gone: every buffer is in one place again.
    let (a, b) = two("valeswa")?;
    let all = [a.buffers(), b.buffers()].concat();
    let distinct: BTreeSet<_> = all.iter().collect();
    same("distinct buffers", distinct.len(), all.len())?;
    same("swapped", swaps(&a, &b, &to_two(1))?, true)
}

fn swap_loses_no_buffer() -> Outcome {
    // Another user keeps the region as it is.
    let _keeper = null(GLOBAL_MEM_ID).bind()?;
    let free = || -> Outcome<u32> {
        let all = null(GLOBAL_MEM_ID).rings(0, 0).extra(u32::MAX).bind()?;
        Ok(all.reg.nr_extra_bufs)
    };
    let before = free()?;
    for round in 0..6 {
        let (a, b) = two("valeswb")?;
        for number in 0..100 {
            a.send(&(0..7).map(|i| to_two(number + i)).collect::<Vec<_>>())?;
            b.recv()?;
        }
        // The sender leaves first, and then the receiver does.
        let (first, last) = if round % 2 == 0 { (a, b) } else { (b, a) };
        drop(first);
        drop(last);
        same("free buffers", free()?, before)?;
    }
    Ok(())
}
