// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rings and syncs, as a well-behaved program sees them: items 70 to 77 and 84 to 87. What becomes
//! of wrong cursors and slots (78 to 83) is in `bad.rs`.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::counter;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::cursor::prev;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const CASES: &[Case] = crate::cases![
    item_070_fresh_rings_start_at_zero,
    item_071_sent_slots_become_free_again,
    item_072_a_ring_holds_one_frame_less_than_slots,
    item_073_frames_arrive_complete_and_in_order,
    item_074_held_slots_keep_their_contents,
    item_075_releasing_slots_one_by_one_frees_just_these,
    item_076_cur_at_tail_waits_for_more_and_holds_the_rest,
    item_077_tail_is_the_kernels,
    item_084_receive_sync_tells_the_time,
    item_085_no_timestamp_stops_the_clock_unless_the_ring_asks,
    item_086_concurrent_syncs_of_one_ring_are_safe,
    item_087_sem_belongs_to_the_program,
];

fn item_070_fresh_rings_start_at_zero() -> Outcome {
    let bound = vale("vale70:x").rings(2, 2).slots(64, 100).bind()?;
    for (i, ring) in bound.tx_rings() {
        same(format!("tx ring {i}"), ring.cursors(), (0, 0, 63))?;
    }
    for (i, ring) in bound.rx_rings() {
        same(format!("rx ring {i}"), ring.cursors(), (0, 0, 0))?;
    }
    Ok(())
}

fn item_071_sent_slots_become_free_again() -> Outcome {
    let (a, _b) = pair("vale71")?;
    let ring = a.tx(0);
    let mut at = 0;
    // More in all than the other ring takes, and around the ring several times.
    for k in [1, 5, 63, 0, 30, 63] {
        a.send(&numbered(0..k))?;
        at = ring.after(at, k);
        let want = (at, at, prev(at, 64));
        same(
            format!("head, cur, tail after {k} frames"),
            ring.cursors(),
            want,
        )?;
    }
    Ok(())
}

fn item_072_a_ring_holds_one_frame_less_than_slots() -> Outcome {
    let a = vale("vale72:a").slots(256, 64).bind()?;
    let b = vale("vale72:b").slots(64, 64).bind()?;
    same("free transmit slots", a.tx(0).space(), 255)?;
    a.send(&numbered(0..100))?;
    b.device.rxsync()?;
    same("frames waiting", b.rx(0).space(), 63)?;
    // What did not fit was dropped, and more does not come by asking.
    b.device.rxsync()?;
    same("frames waiting", b.rx(0).space(), 63)?;
    same("frames", b.recv()?, numbered(0..63))?;
    same("frames afterwards", b.recv()?.len(), 0)
}

fn item_073_frames_arrive_complete_and_in_order() -> Outcome {
    let (a, b) = pair("vale73")?;
    let mut next = 0;
    let mut sent = Vec::new();
    for batch in [1, 2, 60, 7, 33, 63, 13, 40, 50, 63, 3, 17] {
        let frames: Vec<_> = (next..next + batch)
            .map(|n| frame_of(14 + n as usize * 37 % 2035, BROADCAST, station(1), n))
            .collect();
        next += batch;
        a.send(&frames)?;
        let got = b.recv()?;
        same(
            format!("frames of a batch of {batch}"),
            got.len(),
            frames.len(),
        )?;
        for (i, (got, want)) in got.into_iter().zip(&frames).enumerate() {
            same(format!("frame {i} of a batch of {batch}"), &got, want)?;
        }
        sent.extend(frames);
    }
    let lengths: std::collections::BTreeSet<_> = sent.iter().map(Vec::len).collect();
    that(
        "lengths from 14 to nearly 2048",
        lengths.first() == Some(&14) && lengths.last() > Some(&2000),
    )
}

fn item_074_held_slots_keep_their_contents() -> Outcome {
    let (a, b) = pair("vale74")?;
    a.send(&numbered(0..10))?;
    b.device.rxsync()?;
    let ring = b.rx(0);
    let held: Vec<_> = (0..10).map(|i| (ring.slot(i), ring.payload(i))).collect();
    ring.set_cur(10);
    // More arrives than fits beside what is held.
    for _ in 0..5 {
        a.send(&numbered(100..130))?;
        b.device.rxsync()?;
        a.device.rxsync()?;
    }
    same("head and cur", (ring.head(), ring.cur()), (0, 10))?;
    same("slots that are the program's", ring.space(), 63)?;
    for (i, want) in held.iter().enumerate() {
        let i = i as u32;
        same(
            format!("held slot {i}"),
            &(ring.slot(i), ring.payload(i)),
            want,
        )?;
    }
    Ok(())
}

fn item_075_releasing_slots_one_by_one_frees_just_these() -> Outcome {
    let (a, b) = pair("vale75")?;
    let ring = b.rx(0);
    a.send(&numbered(0..63))?;
    b.device.rxsync()?;
    for round in 0..70 {
        same(
            "the oldest frame",
            number(&ring.payload(ring.head())),
            round,
        )?;
        ring.set_head_cur(ring.after(ring.head(), 1));
        b.device.rxsync()?;
        same("waiting after one was released", ring.space(), 62)?;
        // Of five only the first finds room, so that what arrives is numbered without gaps.
        let new = round + 63;
        a.send(&numbered(new..new + 5))?;
        b.device.rxsync()?;
        same("waiting after five were sent", ring.space(), 63)?;
        let last = number(&ring.payload(prev(ring.tail(), 64)));
        same("the newest", last, new)?;
    }
    Ok(())
}

fn item_076_cur_at_tail_waits_for_more_and_holds_the_rest() -> Outcome {
    let (a, b) = pair("vale76")?;
    a.send(&numbered(0..5))?;
    same(
        "poll",
        b.poll(PollFlags::POLLIN, 10_000)?,
        PollFlags::POLLIN,
    )?;
    let ring = b.rx(0);
    ring.set_cur(ring.tail());
    same(
        "poll with cur at tail",
        b.poll(PollFlags::POLLIN, 300)?,
        PollFlags::empty(),
    )?;
    same("cursors", ring.cursors(), (0, 5, 5))?;

    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        a.send(&numbered(5..7)).map(|()| a)
    });
    same(
        "poll while more comes",
        b.poll(PollFlags::POLLIN, 20_000)?,
        PollFlags::POLLIN,
    )?;
    let _a = sender.join().expect("the sender does not panic")?;
    b.device.rxsync()?;
    same("cursors", ring.cursors(), (0, 5, 7))?;
    same("all frames", ring.take_frames(), numbered(0..7))
}

fn item_077_tail_is_the_kernels() -> Outcome {
    let (a, b) = pair("vale77")?;
    for wrong in [0, 3, 10, 40, 63] {
        a.send(&numbered(0..10))?;
        let (tx, rx) = (a.tx(0), b.rx(0));
        let right = tx.tail();
        tx.set_tail(wrong);
        a.device.txsync()?;
        same(format!("tx tail after {wrong}"), tx.tail(), right)?;

        b.device.rxsync()?;
        let right = rx.tail();
        rx.set_tail(wrong);
        b.device.rxsync()?;
        same(format!("rx tail after {wrong}"), rx.tail(), right)?;
        same("frames", b.recv()?, numbered(0..10))?;
    }
    Ok(())
}

/// The wall clock in microseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as i64
}

fn item_084_receive_sync_tells_the_time() -> Outcome {
    let bound = vale("vale84:x").rings(2, 2).slots(64, 64).bind()?;
    let all = || bound.rx_rings().into_iter().chain(bound.tx_rings());
    for (_, ring) in all() {
        same("ts of a fresh ring", ring.timestamp(), 0)?;
    }
    for _ in 0..3 {
        let before = now();
        bound.device.rxsync()?;
        let after = now();
        for (i, ring) in bound.rx_rings() {
            // The kernel's coarse clock may be some ticks behind.
            let ts = ring.timestamp();
            let right = (before - 100_000..=after).contains(&ts);
            that(
                format!("ts of ring {i}: {before} <= {ts} <= {after}"),
                right,
            )?;
        }
        let stamped: Vec<_> = all().map(|(_, ring)| ring.timestamp()).collect();
        std::thread::sleep(Duration::from_millis(50));
        bound.device.txsync()?;
        let again: Vec<_> = all().map(|(_, ring)| ring.timestamp()).collect();
        same("ts after a transmit sync", again, stamped)?;
    }
    for (_, ring) in bound.tx_rings() {
        same("ts of a transmit ring", ring.timestamp(), 0)?;
    }
    Ok(())
}

fn item_085_no_timestamp_stops_the_clock_unless_the_ring_asks() -> Outcome {
    let bound = vale("vale85:x").rings(2, 2).slots(64, 64).bind()?;
    write_parameter("no_timestamp", "1")?;
    bound.rx(1).set_flags(NR_TIMESTAMP);
    bound.device.rxsync()?;
    same(
        "ts of the ring that does not ask",
        bound.rx(0).timestamp(),
        0,
    )?;
    that("ts of the ring that asks", bound.rx(1).timestamp() > 0)?;
    write_parameter("no_timestamp", "0")?;
    bound.device.rxsync()?;
    that("ts with no_timestamp off", bound.rx(0).timestamp() > 0)
}

fn item_086_concurrent_syncs_of_one_ring_are_safe() -> Outcome {
    let (a, b) = pair("vale86")?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hammer = |sync: fn(&Device) -> Result<(), nix::errno::Errno>, device: &Device| {
            while !done.load(Ordering::Relaxed) {
                sync(device)?;
                std::thread::yield_now();
            }
            Ok::<(), nix::errno::Errno>(())
        };
        let (to, from) = (&a.device, &b.device);
        let threads = [
            scope.spawn(move || hammer(Device::txsync, to)),
            scope.spawn(move || hammer(Device::txsync, to)),
            scope.spawn(move || hammer(Device::rxsync, from)),
            scope.spawn(move || hammer(Device::rxsync, from)),
        ];
        let result = exchange(&a, &b);
        done.store(true, Ordering::Relaxed);
        for thread in threads {
            works(
                "a sync",
                thread.join().expect("a syncing thread does not panic"),
            )?;
        }
        result
    })?;
    // A sync that falls between our writes of cur and of head finds nothing wrong with either.
    same("resets of the tx ring", counter(&a, "tx0-resets")?, 0)?;
    same("resets of the rx ring", counter(&b, "rx0-resets")?, 0)?;
    let at = a.tx(0).head();
    same(
        "tx cursors in the end",
        a.tx(0).cursors(),
        (at, at, prev(at, 64)),
    )?;
    let at = b.rx(0).head();
    same("rx cursors in the end", b.rx(0).cursors(), (at, at, at))
}

/// Sends batches that fit the receiver and takes each before the next: every frame once, in order.
fn exchange(a: &Bound, b: &Bound) -> Outcome {
    let mut next = 0;
    for round in 0..100 {
        // Our sync is skipped while another thread's runs, and that one may have read `head` before
        // we took the last batch: so the slots of one batch may still be on their way back, and two
        // must fit.
        let batch = 1 + round * 7 % 31;
        // A sync by another thread may skip ours: all slots must be free before the ring is filled.
        wait_for("free transmit slots", || a.tx(0).space() == 63)?;
        a.send(&numbered(next..next + batch))?;
        let mut got = Vec::new();
        wait_for("frames", || {
            got.extend(b.rx(0).take_frames());
            let _ = (a.device.txsync(), b.device.rxsync());
            got.len() >= batch as usize
        })?;
        let numbers: Vec<_> = got.iter().map(|f| number(f)).collect();
        same("numbers", numbers, (next..next + batch).collect::<Vec<_>>())?;
        next += batch;
    }
    Ok(())
}

/// Tries until it is so, for ten seconds.
fn wait_for(what: &str, mut so: impl FnMut() -> bool) -> Outcome {
    let start = std::time::Instant::now();
    while !so() {
        that(
            format!("{what} within ten seconds"),
            start.elapsed() < Duration::from_secs(10),
        )?;
    }
    Ok(())
}

fn item_087_sem_belongs_to_the_program() -> Outcome {
    let (a, b) = pair("vale87")?;
    let pattern: [u8; 128] = std::array::from_fn(|i| i as u8 ^ 0xa5);
    let rings = [a.tx(0), a.rx(0), b.tx(0), b.rx(0)];
    for ring in &rings {
        ring.set_sem(pattern);
    }
    for _ in 0..3 {
        a.send(&numbered(0..63))?;
        b.recv()?;
        b.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 0)?;
        // A reset of the ring, too.
        a.tx(0).set_head_cur(64);
        b.rx(0).set_head_cur(u32::MAX);
        a.device.txsync()?;
        b.device.rxsync()?;
    }
    let _second = vale("vale87:a").bind()?;
    for (i, ring) in rings.iter().enumerate() {
        same(format!("sem of ring {i}"), ring.sem(), pattern)?;
    }
    Ok(())
}
