// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of several slots (`NS_MOREFRAG`) between rings, an interface and the stack: each is one
//! frame, whole or not at all, and counted once. If parts of them left, who sends a long frame
//! would choose what leaves as another.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    jumbo_frames_leave_and_arrive_whole,
    jumbo_frames_pass_host_rings_both_ways,
    chains_leave_as_one_frame,
    chains_that_cannot_be_sent_are_dropped_whole,
    chains_wait_for_their_end_over_syncs_and_the_rings_end,
    chains_of_more_than_64_slots_leave_in_no_parts,
    chains_that_fill_the_ring_without_an_end_are_dropped,
    chains_are_lost_whole_while_the_link_is_down,
    chains_that_came_are_forwarded_whole,
    chains_that_are_released_in_parts_are_not_forwarded,
    chains_of_the_host_are_not_spread_over_rings,
    hostile_flags_that_change_make_no_part_a_frame,
];

/// A frame that nobody has sent.
fn inner() -> Vec<u8> {
    frame(BROADCAST, station(66), 66)
}

fn good() -> Vec<u8> {
    frame(BROADCAST, station(1), 1)
}

/// Lengths around all ends of buffers, and some between.
fn lengths() -> Vec<usize> {
    let mut lens: Vec<usize> = (0..5)
        .flat_map(|buf| [buf * 2048 + 2047, buf * 2048 + 2048, buf * 2048 + 2049])
        .filter(|&len| len <= 9014)
        .collect();
    lens.extend([60, 61, 1514, 1515, 9000, 9013, 9014]);
    lens.extend((60..9014).step_by(613));
    lens
}

fn jumbo_frames(from: u8) -> Vec<Vec<u8>> {
    let lens = lengths().into_iter().enumerate();
    lens.map(|(n, len)| frame_of(len, BROADCAST, station(from), n as u32))
        .collect()
}

/// All frames that come to a ring until none has for a moment.
fn come_to(bound: &Bound, ring: &Ring) -> Outcome<Vec<Vec<u8>>> {
    let mut frames = vec![];
    while bound.poll(PollFlags::POLLIN, 200)? != PollFlags::empty() {
        frames.extend(ring.take_long());
    }
    Ok(frames)
}

fn jumbo_frames_leave_and_arrive_whole() -> Outcome {
    jumbo_wire()?;
    let bound = vale("fm0").bind()?;
    let far = Stack::on("fm1")?;
    for _ in 0..5 {
        let frames = jumbo_frames(1);
        for frame in &frames {
            bound.tx(0).put_long(frame);
        }
        bound.device.txsync()?;
        let came = far.receive(QUIET)?;
        same("frames of the wire", came.len(), frames.len())?;
        that("every byte", came == frames)?;
        let frames = jumbo_frames(2);
        for frame in &frames {
            far.send(frame)?;
        }
        let came = come_to(&bound, &bound.rx(0))?;
        same("frames of the ring", came.len(), frames.len())?;
        that("every byte", came == frames)?;
    }
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        bound.tx(0).space() == 1023
    })?;
    // From ring to ring.
    drop(far);
    let far = vale("fm1").bind()?;
    let frames = jumbo_frames(3);
    for frame in &frames {
        bound.tx(0).put_long(frame);
    }
    bound.device.txsync()?;
    that("every byte", come_to(&far, &far.rx(0))? == frames)
}

fn jumbo_frames_pass_host_rings_both_ways() -> Outcome {
    jumbo_wire()?;
    let host = Stack::on("fm0")?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let frames = jumbo_frames(1);
    for frame in &frames {
        bound.host_tx(0).put_long(frame);
    }
    bound.device.txsync()?;
    same("all slots are free", bound.host_tx(0).space(), 1023)?;
    let came = host.receive(QUIET)?;
    same("frames at the host", came.len(), frames.len())?;
    that("every byte", came == frames)?;
    let frames = jumbo_frames(2);
    for frame in &frames {
        host.send(frame)?;
    }
    let came = come_to(&bound, &bound.host_rx(0))?;
    same("frames of the host", came.len(), frames.len())?;
    that("every byte", came == frames)?;
    // The longest that the stack can have, whatever the interface's MTU.
    let long = frame_of(65_536, BROADCAST, station(1), 1);
    bound.host_tx(0).put_long(&long);
    bound.device.txsync()?;
    that("the longest", host.receive(QUIET)? == vec![long])
}

fn chains_leave_as_one_frame() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let whole = frame_of(1514, BROADCAST, station(1), 2);
    let bytes: Vec<&[u8]> = whole.chunks(1).take(63).chain([&whole[63..]]).collect();
    let rings = [bound.tx(0), bound.host_tx(0)];
    for ring in &rings {
        ring.put_fragments(&[&whole[..700], &whole[700..]]);
        ring.put(&good());
        ring.put_fragments(&[&whole[..3], &[], &whole[3..20], &[], &whole[20..], &[]]);
        ring.put_fragments(&[&[], &whole]);
        // As many slots as a frame can have.
        ring.put_fragments(&bytes);
        ring.put(&good());
    }
    bound.device.txsync()?;
    let wanted = vec![
        whole.clone(),
        good(),
        whole.clone(),
        whole.clone(),
        whole,
        good(),
    ];
    that("far away", far.receive(QUIET)? == wanted)?;
    that("at the host", host.receive(QUIET)? == wanted)?;
    for ring in ["tx0", "host-tx0"] {
        let count = |name| counter(&bound, &format!("{ring}-{name}"));
        same("sent", count("frames")?, 6)?;
        same("bytes", count("bytes")?, 4 * 1514 + 2 * good().len() as u64)?;
    }
    for ring in rings {
        same("flags", ring.slot(0).flags, NS_MOREFRAG)?;
    }
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        bound.tx(0).space() == 1023
    })
}

fn chains_that_cannot_be_sent_are_dropped_whole() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let rings = [(bound.tx(0), "tx0"), (bound.host_tx(0), "host-tx0")];
    for (ring, name) in &rings {
        let spoil = |at: u32, edit: &dyn Fn(&mut ferromap_abi::wire::Slot)| {
            let first = ring.head();
            let index = ring.after(first, at);
            let saved = ring.slot(index).buf_idx;
            ring.put_fragments(&[&inner(), &inner(), &inner()]);
            ring.edit_slot(index, edit);
            ring.put(&good());
            let _ = bound.device.txsync();
            ring.edit_slot(index, |slot| slot.buf_idx = saved);
        };
        for at in 0..3 {
            spoil(at, &|slot| slot.buf_idx = u32::MAX);
            spoil(at, &|slot| slot.len = 2049);
        }
        // Shorter than a header, all together.
        ring.put_fragments(&[&[1; 6], &[2; 7]]);
        // For the wire longer than its MTU and headers, 1522; for the stack than a packet can be.
        if *name == "tx0" {
            ring.put_fragments(&[&[0xff; 1463], &inner()]);
        } else {
            ring.put_long(&[0xff; 65_558]);
        }
        ring.put(&good());
        bound.device.txsync()?;
        let count = |why: &str| counter(&bound, &format!("{name}-{why}"));
        same("buffers", count("drop_bad_buffer")?, 3)?;
        same("lengths", count("drop_bad_length")?, 3 + 2)?;
        same("chains", count("drop_bad_chain")?, 0)?;
    }
    same("far away", far.receive(QUIET)?, vec![good(); 7])?;
    same("at the host", host.receive(QUIET)?, vec![good(); 7])
}

fn chains_wait_for_their_end_over_syncs_and_the_rings_end() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let rings = [bound.tx(0), bound.host_tx(0)];
    for ring in &rings {
        // To the end of the ring, without a frame that could be sent.
        for _ in 0..1022 {
            ring.put(&[]);
        }
    }
    bound.device.txsync()?;
    let whole = frame_of(900, BROADCAST, station(1), 3);
    for ring in &rings {
        same("room", ring.space(), 1023)?;
        ring.put(&good());
    }
    for part in whole[..600].chunks(150) {
        for ring in &rings {
            ring.put_flagged(part, NS_MOREFRAG);
        }
        bound.device.txsync()?;
        // Nothing waits for the driver: the program has room.
        let ready = bound.poll(PollFlags::POLLOUT, 0)?;
        same("poll", ready, PollFlags::POLLOUT)?;
    }
    same("far away", far.receive(QUIET)?, vec![good()])?;
    same("at the host", host.receive(QUIET)?, vec![good()])?;
    for ring in &rings {
        same("its slots are not free", ring.space(), 1023 - 4)?;
        ring.put(&whole[600..]);
        ring.put(&good());
    }
    bound.device.txsync()?;
    let wanted = vec![whole, good()];
    that("far away", far.receive(QUIET)? == wanted)?;
    that("at the host", host.receive(QUIET)? == wanted)?;
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        rings.iter().all(|ring| ring.space() == 1023)
    })
}

fn chains_of_more_than_64_slots_leave_in_no_parts() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let rings = [bound.tx(0), bound.host_tx(0)];
    let piece = inner();
    for slots in [65, 66, 128, 200] {
        for ring in &rings {
            ring.put(&good());
            ring.put_fragments(&vec![&piece[..]; slots]);
            ring.put(&good());
        }
        bound.device.txsync()?;
        same("far away", far.receive(QUIET)?, vec![good(); 2])?;
        same("at the host", host.receive(QUIET)?, vec![good(); 2])?;
    }
    // In parts, the last of which would be a frame.
    for part in 0..10 {
        for ring in &rings {
            for _ in 0..20 {
                ring.put_flagged(&piece, NS_MOREFRAG);
            }
            if part == 9 {
                ring.put(&piece);
                ring.put(&good());
            }
        }
        bound.device.txsync()?;
    }
    same("far away", far.receive(QUIET)?, vec![good()])?;
    same("at the host", host.receive(QUIET)?, vec![good()])?;
    both_count(&bound, "drop_bad_chain", 5)?;
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        rings.iter().all(|ring| ring.space() == 1023)
    })
}

/// Nobody could ever release the end of one: it would wait for ever.
fn chains_that_fill_the_ring_without_an_end_are_dropped() -> Outcome {
    write_parameter("generic_ringsize", "8")?;
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    for ring in [bound.tx(0), bound.host_tx(0)] {
        for _ in 0..7 {
            ring.put_flagged(&inner(), NS_MOREFRAG);
        }
        bound.device.txsync()?;
        same("free again", ring.space(), 7)?;
        ring.put(&inner());
        ring.put(&good());
        // As long as one can be.
        let whole = good();
        let parts: Vec<&[u8]> = whole.chunks(whole.len().div_ceil(5)).collect();
        ring.put_fragments(&parts);
        bound.device.txsync()?;
    }
    same("far away", far.receive(QUIET)?, vec![good(); 2])?;
    same("at the host", host.receive(QUIET)?, vec![good(); 2])?;
    both_count(&bound, "drop_bad_chain", 1)?;
    Ok(())
}

/// What the ring to the driver and that to the host have counted, each.
fn both_count(bound: &Bound, name: &str, want: u64) -> Outcome {
    for ring in ["tx0", "host-tx0"] {
        let name = format!("{ring}-{name}");
        same(&name, counter(bound, &name)?, want)?;
    }
    Ok(())
}

fn chains_are_lost_whole_while_the_link_is_down() -> Outcome {
    wire()?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let rings = [bound.tx(0), bound.host_tx(0)];
    ip("link set fm0 down")?;
    for ring in &rings {
        ring.put_fragments(&[&inner(), &inner(), &inner()]);
        ring.put(&inner());
        ring.put_flagged(&good()[..20], NS_MOREFRAG);
    }
    bound.device.txsync()?;
    ip("link set fm0 up")?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    for ring in &rings {
        ring.put(&good()[20..]);
    }
    bound.device.txsync()?;
    same("far away", far.receive(QUIET)?, vec![good()])?;
    same("at the host", host.receive(QUIET)?, vec![good()])?;
    both_count(&bound, "drop_down", 2)?;
    Ok(())
}

fn chains_that_came_are_forwarded_whole() -> Outcome {
    jumbo_wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let long = [frame_of(2048, BROADCAST, station(2), 2), inner()].concat();
    // Which of the two slots are marked.
    for (fwd, marked) in [
        ("1", [false, false]),
        ("0", [true, true]),
        ("0", [true, false]),
        ("0", [false, true]),
    ] {
        let what = format!("fwd {fwd}, {marked:?}");
        write_parameter("fwd", fwd)?;
        for (ring, from, to) in [(bound.rx(0), &far, &host), (bound.host_rx(0), &host, &far)] {
            ring.set_flags(NR_FORWARD);
            from.send(&long)?;
            from.send(&good())?;
            wait_until("the frames are there", || {
                let _ = bound.device.rxsync();
                ring.space() == 3
            })?;
            for (slot, marked) in ring.owned().into_iter().zip([marked[0], marked[1], true]) {
                if marked {
                    ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD);
                }
            }
            ring.take();
            bound.device.rxsync()?;
            let came = to.receive(QUIET)?;
            that(&what, came == vec![long.clone(), good()])?;
        }
    }
    write_parameter("fwd", "0")?;
    // What is not marked stays here.
    far.send(&long)?;
    far.send(&good())?;
    wait_until("the frames are there", || {
        let _ = bound.device.rxsync();
        bound.rx(0).space() == 3
    })?;
    bound.rx(0).take();
    bound.device.rxsync()?;
    same("not marked", host.receive(QUIET)?.len(), 0)?;
    for ring in ["rx0", "host-rx0"] {
        for why in ["drop_bad_chain", "drop_not_forwarded"] {
            same(why, counter(&bound, &format!("{ring}-{why}"))?, 0)?;
        }
    }
    Ok(())
}

fn chains_that_are_released_in_parts_are_not_forwarded() -> Outcome {
    jumbo_wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let long = [frame_of(2048, BROADCAST, station(2), 2), inner()].concat();
    let ring = bound.rx(0);
    // Which of the two slots are marked, and whether forwarding is on for the first.
    for (fwd, marked, at_first) in [
        ("1", [false, false], true),
        ("0", [true, true], true),
        ("0", [true, false], true),
        ("0", [false, true], true),
        ("0", [false, true], false),
    ] {
        let what = format!("fwd {fwd}, {marked:?}, {at_first}");
        write_parameter("fwd", fwd)?;
        ring.set_flags(if at_first { NR_FORWARD } else { 0 });
        let before = counter(&bound, "rx0-drop_bad_chain")?;
        far.send(&long)?;
        far.send(&good())?;
        wait_until("the frames are there", || {
            let _ = bound.device.rxsync();
            ring.space() == 3
        })?;
        for (slot, marked) in ring.owned().into_iter().zip([marked[0], marked[1], true]) {
            if marked {
                ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD);
            }
        }
        ring.set_head_cur(ring.after(ring.head(), 1));
        bound.device.rxsync()?;
        ring.set_flags(NR_FORWARD);
        ring.take();
        bound.device.rxsync()?;
        same(&what, host.receive(QUIET)?, vec![good()])?;
        let count = counter(&bound, "rx0-drop_bad_chain")?;
        same(&what, count - before, 1)?;
    }
    write_parameter("fwd", "0")?;
    same("others", counter(&bound, "rx0-drop_not_forwarded")?, 0)
}

/// The first ring has room for one part only: the frame takes the other.
fn chains_of_the_host_are_not_spread_over_rings() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu 9000"))?;
    }
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let (ring, first) = (bound.host_rx(0), bound.tx(0));
    ring.set_flags(NR_FORWARD);
    for _ in 0..first.n() - 2 {
        first.put(&[]);
    }
    let long = frame_of(5000, BROADCAST, station(3), 3);
    for frame in [&long, &good()] {
        host.send(frame)?;
    }
    wait_until("the frames are there", || {
        let _ = bound.device.rxsync();
        ring.space() == 4
    })?;
    for slot in ring.owned() {
        ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD);
    }
    ring.take();
    bound.device.rxsync()?;
    that("far away", far.receive(QUIET)? == vec![long, good()])?;
    same("chains", counter(&bound, "host-rx0-drop_bad_chain")?, 0)?;
    same("lost", counter(&bound, "host-rx0-drop_not_forwarded")?, 0)?;
    same("by the other", counter(&bound, "tx1-frames")?, 2)
}

/// Each slot has 100 bytes of one value, its number, and neighbours have others: whatever the flags
/// say when they are looked at, frames are made of whole slots, in order, and of each at most once.
fn hostile_flags_that_change_make_no_part_a_frame() -> Outcome {
    const ROUNDS: usize = 300;
    wire()?;
    let far = Stack::tap("fm1")?;
    let bound = vale("fm0").bind()?;
    let ring = bound.tx(0);
    let n = ring.n();
    for slot in 0..n {
        ring.fill(slot, &[slot as u8 % 251; 100], 0);
    }
    let stop = AtomicBool::new(false);
    let came = std::thread::scope(|scope| -> Outcome<Vec<Vec<u8>>> {
        for seed in 0..2 {
            let (ring, stop) = (ring.clone(), &stop);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                while !stop.load(SeqCst) {
                    let slot = random.below(n.into()) as u32;
                    ring.edit_slot(slot, |slot| slot.flags ^= NS_MOREFRAG);
                }
            });
        }
        let mut came = vec![];
        for _ in 0..ROUNDS {
            let free = ring.space().min(50);
            ring.set_head_cur(ring.after(ring.head(), free));
            bound.device.txsync()?;
            came.extend(far.receive(std::time::Duration::from_millis(1))?);
        }
        stop.store(true, SeqCst);
        Ok(came)
    })?;
    that("frames came", came.len() > ROUNDS)?;
    let mut last = None;
    for frame in &came {
        let pieces = frame.chunks(100);
        for piece in pieces {
            let value = piece[0];
            that("a whole slot", piece == [value; 100])?;
            that("another one", last != Some(value))?;
            last = Some(value);
        }
    }
    for slot in 0..n {
        ring.edit_slot(slot, |slot| slot.flags = 0);
    }
    bound.device.txsync()?;
    wait_until("all slots are free", || {
        let _ = bound.device.txsync();
        ring.space() == 1023
    })?;
    far.receive(QUIET)?;
    ring.put(&good());
    bound.device.txsync()?;
    same("then", far.receive(QUIET)?, vec![good()])
}
