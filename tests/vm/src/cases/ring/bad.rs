// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wrong cursors and slots: items 78 to 83.
//!
//! On a VALE port every slot is free after a sync, so that no `head` can be beyond `tail`; 78 uses
//! the null port, which never gives a slot back. In 83, emulated interfaces drop as well, and do
//! not truncate as netmap does.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_078_head_beyond_tail_sends_nothing,
    item_078_head_beyond_tail_on_receive,
    item_079_head_outside_the_ring_resets_a_tx_ring,
    item_079_head_outside_the_ring_resets_an_rx_ring,
    item_080_cur_before_head_is_invalid,
    item_081_reset_repairs_slots,
    item_082_bad_buffer_index_is_consumed,
    item_083_too_long_frame_is_dropped,
];

/// The program writes `set` into head and cur; the sync must return 0 and poll must say POLLERR.
fn both_ways(bound: &Bound, ring: &Ring, set: (u32, u32), events: PollFlags) -> Outcome {
    let spoil = || {
        ring.set_head(set.0);
        ring.set_cur(set.1);
    };
    spoil();
    if events == PollFlags::POLLOUT {
        works(format!("NIOCTXSYNC with {set:?}"), bound.device.txsync())?;
    } else {
        works(format!("NIOCRXSYNC with {set:?}"), bound.device.rxsync())?;
    }
    spoil();
    let came = bound.poll(events, 0)?;
    that(
        format!("POLLERR for {set:?}, got {came:?}"),
        came.contains(PollFlags::POLLERR),
    )
}

fn item_078_head_beyond_tail_sends_nothing() -> Outcome {
    let bound = null(GLOBAL_MEM_ID).bind()?;
    let ring = bound.tx(0);
    // A head behind the last one is reached only by going past tail.
    let spoil = || {
        let at = ring.after(ring.head(), 5);
        ring.set_head_cur(at);
        bound.device.txsync()?;
        same("cursors after five slots", ring.cursors(), (at, at, 63))?;
        ring.set_head_cur(at - 2);
        Ok::<(), Failure>(())
    };
    spoil()?;
    works("NIOCTXSYNC", bound.device.txsync())?;
    spoil()?;
    let came = bound.poll(PollFlags::POLLOUT, 0)?;
    that(
        format!("POLLERR, got {came:?}"),
        came.contains(PollFlags::POLLERR),
    )?;
    // The ring goes on working from wherever the kernel put it.
    bound.device.txsync()?;
    let came = bound.poll(PollFlags::POLLOUT, 0)?;
    same("poll afterwards", came, PollFlags::POLLOUT)
}

fn item_078_head_beyond_tail_on_receive() -> Outcome {
    let (a, b) = pair("vale78")?;
    a.send(&numbered(0..5))?;
    b.device.rxsync()?;
    let ring = b.rx(0);
    for past in [6, 20, 63] {
        both_ways(&b, &ring, (past, past), PollFlags::POLLIN)?;
        both_ways(&b, &ring, (0, past), PollFlags::POLLIN)?;
    }
    b.device.rxsync()?;
    same("cursors", ring.cursors(), (0, 0, 5))?;
    same("frames, still there", b.recv()?, numbered(0..5))
}

const OUTSIDE: [u32; 4] = [64, 65, 0x8000_0000, u32::MAX];

fn item_079_head_outside_the_ring_resets_a_tx_ring() -> Outcome {
    let (a, b) = pair("vale79")?;
    a.send(&numbered(0..5))?;
    b.recv()?;
    let ring = a.tx(0);
    for outside in OUTSIDE {
        for set in [(outside, outside), (5, outside), (outside, 5)] {
            both_ways(&a, &ring, set, PollFlags::POLLOUT)?;
            same(format!("cursors after {set:?}"), ring.cursors(), (5, 5, 4))?;
        }
    }
    same("frames", b.recv()?.len(), 0)?;
    a.send(&numbered(5..9))?;
    same("frames afterwards", b.recv()?, numbered(5..9))
}

fn item_079_head_outside_the_ring_resets_an_rx_ring() -> Outcome {
    let (a, b) = pair("vale79")?;
    a.send(&numbered(0..5))?;
    b.recv()?;
    a.send(&numbered(5..9))?;
    b.device.rxsync()?;
    let ring = b.rx(0);
    for outside in OUTSIDE {
        for set in [(outside, outside), (5, outside), (outside, 5)] {
            both_ways(&b, &ring, set, PollFlags::POLLIN)?;
            same(format!("cursors after {set:?}"), ring.cursors(), (5, 5, 9))?;
        }
    }
    same("frames, still there", b.recv()?, numbered(5..9))
}

fn item_080_cur_before_head_is_invalid() -> Outcome {
    let (a, b) = pair("vale80")?;
    let ring = a.tx(0);
    for number in 0..3 {
        ring.fill(number, &frame(BROADCAST, station(1), number), 0);
    }
    both_ways(&a, &ring, (3, 1), PollFlags::POLLOUT)?;
    same("frames", b.recv()?.len(), 0)?;
    same("tx cursors", ring.cursors(), (0, 0, 63))?;

    a.send(&numbered(0..5))?;
    b.device.rxsync()?;
    let ring = b.rx(0);
    both_ways(&b, &ring, (4, 2), PollFlags::POLLIN)?;
    same("rx cursors", ring.cursors(), (0, 0, 5))?;
    same("frames, still there", b.recv()?, numbered(0..5))
}

fn item_081_reset_repairs_slots() -> Outcome {
    let (a, b) = pair("vale81")?;
    for (bound, ring) in [(&a, a.tx(0)), (&b, b.rx(0))] {
        let good = ring.slots();
        for (i, index) in [(1, 0), (2, 1), (3, u32::MAX), (63, 0x4000_0000)] {
            ring.edit_slot(i, |slot| (slot.buf_idx, slot.len) = (index, 100));
        }
        for (i, len) in [(5, 2049), (6, u16::MAX), (7, 2048)] {
            ring.edit_slot(i, |slot| slot.len = len);
        }
        ring.set_head_cur(64);
        bound.device.txsync()?;
        bound.device.rxsync()?;
        let zero = |i: u32| {
            let slot = ring.slot(i);
            same(
                format!("index and length of slot {i}"),
                (slot.buf_idx, slot.len),
                (0, 0),
            )
        };
        zero(2)?;
        zero(3)?;
        zero(63)?;
        zero(1)?;
        for (i, len) in [(0, good[0].len), (5, 0), (6, 0), (7, 2048)] {
            let slot = ring.slot(i);
            let want = (good[i as usize].buf_idx, len);
            same(
                format!("index and length of slot {i}"),
                (slot.buf_idx, slot.len),
                want,
            )?;
        }
        // The program repairs its slots, and the ring works again.
        for (i, slot) in good.into_iter().enumerate() {
            ring.set_slot(i as u32, slot);
        }
    }
    a.send(&numbered(0..63))?;
    same("frames afterwards", b.recv()?, numbered(0..63))
}

fn item_082_bad_buffer_index_is_consumed() -> Outcome {
    let (a, b) = pair("vale82")?;
    let ring = a.tx(0);
    let total = request::pools_info("vale82:a", 0)?.nr_buf_pool_objtotal;
    for bad in [0, 1, total, total + 1, 0x8000_0000, u32::MAX] {
        let at = ring.head();
        let good = ring.slot(at).buf_idx;
        ring.edit_slot(at, |slot| (slot.buf_idx, slot.len) = (bad, 60));
        ring.set_head_cur(ring.after(at, 1));
        ring.put(&frame(BROADCAST, station(1), 7));
        works(format!("NIOCTXSYNC with index {bad}"), a.device.txsync())?;
        same("free slots", ring.space(), 63)?;
        ring.edit_slot(at, |slot| slot.buf_idx = good);
        // The bad frame may be dropped or arrive as something; the one behind it must arrive.
        let last = b.recv()?.pop();
        same("the frame behind it", last.map(|f| number(&f)), Some(7))?;
    }
    // On receive: a bad slot swallows its frame, the others get theirs.
    let ring = b.rx(0);
    let at = ring.head();
    let good = ring.slot(ring.after(at, 1)).buf_idx;
    ring.edit_slot(ring.after(at, 1), |slot| slot.buf_idx = u32::MAX);
    a.send(&numbered(0..3))?;
    b.device.rxsync()?;
    let numbers: Vec<_> = [0, 2]
        .map(|by| number(&ring.payload(ring.after(at, by))))
        .into();
    same("numbers of the frames around it", numbers, vec![0, 2])?;
    ring.edit_slot(ring.after(at, 1), |slot| slot.buf_idx = good);
    ring.set_head_cur(ring.tail());
    b.device.rxsync()?;
    a.send(&numbered(0..63))?;
    same("frames after the repair", b.recv()?, numbered(0..63))
}

fn item_083_too_long_frame_is_dropped() -> Outcome {
    let (a, b) = pair("vale83")?;
    let ring = a.tx(0);
    for len in [2049, 4096, u16::MAX] {
        let at = ring.head();
        ring.fill(at, &frame(BROADCAST, station(1), 1), 0);
        ring.edit_slot(at, |slot| slot.len = len);
        ring.set_head_cur(ring.after(at, 1));
        ring.put(&frame(BROADCAST, station(1), 2));
        works(format!("NIOCTXSYNC with length {len}"), a.device.txsync())?;
        same("free slots", ring.space(), 63)?;
        let numbers: Vec<_> = b.recv()?.iter().map(|f| number(f)).collect();
        same(format!("numbers received, length {len}"), numbers, vec![2])?;
    }
    let whole = frame_of(2048, BROADCAST, station(1), 3);
    a.send(std::slice::from_ref(&whole))?;
    same("a frame that just fits", b.recv()?, vec![whole])
}
