// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a copy monitor of a switch port sees.

use super::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use nix::poll::PollFlags;
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    item_164_a_copy_monitor_sees_what_was_sent_and_received,
    item_165_a_monitor_that_does_not_read_costs_nothing,
    item_170_several_monitors_see_all_traffic,
    monitor_misses_the_oldest_of_a_batch,
    monitor_sees_long_batches_whole,
    monitor_sees_one_ring_of_several,
    monitor_sees_chains_whole,
    monitor_misses_chains_whole,
    monitor_sees_a_chain_that_ends_with_the_batch,
    monitor_cuts_frames_at_its_buffers,
    monitor_sees_memory_of_the_process,
    monitor_sees_what_nobody_gets,
    monitor_sees_frames_of_a_loop,
    monitor_is_woken,
];

fn item_164_a_copy_monitor_sees_what_was_sent_and_received() -> Outcome {
    let (a, b) = pair("vale164")?;
    let sees = [
        (NR_MONITOR_TX, true, false),
        (NR_MONITOR_RX, false, true),
        (BOTH, true, true),
    ];
    let all: Vec<_> = sees
        .iter()
        .map(|(flags, ..)| monitor("vale164:a", *flags))
        .collect::<Result<_, _>>()?;
    a.send(&numbered(0..5))?;
    // Nobody has to read what is seen.
    b.send(&numbered(5..8))?;
    for (monitor, (_, tx, rx)) in all.iter().zip(sees) {
        let mut want = Vec::new();
        if tx {
            want.extend(sent(0..5));
        }
        if rx {
            want.extend(received(5..8));
        }
        same("seen", seen(monitor)?, want)?;
        same("nothing more", seen(monitor)?, [])?;
    }
    // Frames are what they were, and so are flags.
    let frames = [
        frame_of(60, BROADCAST, station(1), 1),
        frame_of(1514, BROADCAST, station(1), 2),
        frame_of(14, BROADCAST, station(1), 3),
    ];
    a.send(&frames)?;
    b.send(&frames)?;
    for (at, frame) in frames.iter().chain(&frames).enumerate() {
        if at % 3 == 0 {
            all[2].device.rxsync()?;
        }
        let rx = all[2].rx(0);
        let slot = rx.slot(rx.head());
        let flags = if at < 3 { NS_TXMON } else { 0x0100 };
        same("flags", slot.flags, flags)?;
        same("bytes", rx.payload(rx.head()), frame.clone())?;
        rx.set_head_cur(rx.after(rx.head(), 1));
    }
    same(
        "got by a",
        got(&a)?,
        [5, 6, 7, 1, 2, 3].map(|n| if n == 3 { u32::MAX } else { n }),
    )?;
    same("got by b", got(&b)?.len(), 8)
}

fn item_165_a_monitor_that_does_not_read_costs_nothing() -> Outcome {
    let (a, b) = pair("vale165")?;
    let sleepers = [
        monitor("vale165:a", BOTH)?,
        monitor("vale165:a", NR_ZCOPY_MON)?,
        monitor("vale165:b", BOTH)?,
        monitor("vale165:b", NR_ZCOPY_MON)?,
    ];
    let mut next = 0;
    for batch in [1, 63, 7, 40].into_iter().cycle().take(100) {
        let numbers = next..next + batch;
        a.send(&numbered(numbers.clone()))?;
        same("all sent", a.tx(0).space(), 63)?;
        same("all received", got(&b)?, numbers.collect::<Vec<_>>())?;
        next += batch;
    }
    for (sleeper, was_sent) in sleepers.iter().zip([true, true, false, false]) {
        let missed = counter(sleeper, "rx0-drop_full")?;
        same("missed", missed, u64::from(next) - 63)?;
        same("seen", counter(sleeper, "rx0-frames")?, 63)?;
        let slots = seen(sleeper)?;
        same("a ring full", slots.len(), 63)?;
        that("from there", slots.iter().all(|(_, tx)| *tx == was_sent))?;
    }
    same("dropped", counter(&b, "rx0-drop_full")?, 0)
}

fn item_170_several_monitors_see_all_traffic() -> Outcome {
    let (a, b) = pair("vale170")?;
    let all: Vec<_> = [
        BOTH,
        NR_ZCOPY_MON,
        NR_MONITOR_TX,
        NR_ZCOPY_MON,
        BOTH,
        NR_ZCOPY_MON,
    ]
    .into_iter()
    .map(|flags| monitor("vale170:a", flags))
    .collect::<Result<_, _>>()?;
    let mut next = 0;
    for _ in 0..50 {
        let (out, back) = (next..next + 10, next + 10..next + 15);
        a.send(&numbered(out.clone()))?;
        b.send(&numbered(back.clone()))?;
        same("received", got(&a)?, back.clone().collect::<Vec<_>>())?;
        same("received", got(&b)?, out.clone().collect::<Vec<_>>())?;
        next += 15;
        // Zero-copy monitors see what the one before has done with.
        for (number, monitor) in all.iter().enumerate() {
            let mut want = sent(out.clone());
            if number != 2 {
                want.extend(received(back.clone()));
            }
            same(format!("monitor {number}"), seen(monitor)?, want)?;
        }
    }
    Ok(())
}

fn monitor_misses_the_oldest_of_a_batch() -> Outcome {
    let (a, b) = pair("vale171")?;
    let small = |flags| vale("vale171:a").flags(flags).slots(16, 16).bind();
    let (copies, zero) = (small(BOTH)?, small(NR_ZCOPY_MON)?);
    for monitor in [&copies, &zero] {
        let before = counter(monitor, "rx0-drop_full")?;
        a.send(&numbered(0..40))?;
        same("the last that fit", seen(monitor)?, sent(25..40))?;
        let missed = counter(monitor, "rx0-drop_full")? - before;
        same("missed", missed, 25)?;
        a.send(&numbered(40..50))?;
        a.send(&numbered(50..60))?;
        let mut want = sent(40..50);
        want.extend(sent(55..60));
        same("what there was room for", seen(monitor)?, want)?;
        seen(&copies)?;
        seen(&zero)?;
    }
    b.recv()?;
    Ok(())
}

fn monitor_sees_long_batches_whole() -> Outcome {
    let a = vale("vale171:a").slots(2048, 64).bind()?;
    let all = [
        vale("vale171:a").flags(BOTH).slots(64, 2048).bind()?,
        vale("vale171:a")
            .flags(NR_ZCOPY_MON)
            .slots(64, 2048)
            .bind()?,
    ];
    // Around the rings' ends several times.
    for round in 0..5 {
        let numbers = round * 2000..round * 2000 + 1999;
        a.send(&numbered(numbers.clone()))?;
        for monitor in &all {
            same("seen", seen(monitor)?, sent(numbers.clone()))?;
        }
    }
    Ok(())
}

fn monitor_sees_one_ring_of_several() -> Outcome {
    let a = vale("vale171:a").rings(3, 2).slots(64, 64).bind()?;
    let b = vale("vale171:b").rings(3, 3).slots(64, 64).bind()?;
    let all = [
        monitor("vale171:a", BOTH)?,
        monitor("vale171:a", NR_ZCOPY_MON)?,
    ];
    let one = |ring| vale("vale171:a").flags(BOTH).one(ring).bind();
    let second = [
        one(1)?,
        vale("vale171:a").flags(NR_ZCOPY_MON).one(1).bind()?,
    ];
    // Its station is known, so that frames for it go to the ring of the same number.
    a.send(&[frame(BROADCAST, station(1), 100)])?;
    for ring in 0..3 {
        a.send_on(ring, &[frame(BROADCAST, station(1), ring)])?;
        b.send_on(ring, &[frame(station(1), station(2), 10 + ring)])?;
    }
    a.device.rxsync()?;
    for (ring, taken) in [(0, 2), (1, 1)] {
        same("taken", a.rx(ring).take().len(), taken)?;
    }
    a.device.rxsync()?;
    for monitor in &all {
        let on = |ring| seen_on(monitor, ring);
        let first = [(100, true), (0, true), (10, false), (12, false)];
        let mut seen = on(0)?;
        seen.sort_by_key(|frame| (!frame.1, frame.0 != 100, frame.0));
        same("ring 0", seen, first)?;
        // Those who share a ring feed each other.
        same("ring 1", on(1)?, [(1, true), (11, false)])?;
        same("ring 2", on(2)?, [(2, true)])?;
    }
    for monitor in &second {
        let rings = monitor.ring_numbers();
        same("bound", rings, (vec![0], vec![1]))?;
        same("ring 1", seen_on(monitor, 1)?, [(1, true), (11, false)])?;
    }
    drop(b);
    Ok(())
}

/// The flags of what a monitor sees, and how many bytes each slot has.
fn slots(monitor: &Bound) -> Outcome<Vec<(u16, usize)>> {
    let slots = monitor.recv_slots()?;
    // Whether it got the buffer as well is not what is asked for.
    let what = slots.into_iter();
    Ok(what
        .map(|(flags, bytes)| (flags & !NS_BUF_CHANGED, bytes.len()))
        .collect())
}

/// A frame of 60 and two times 20 bytes.
fn chain(bound: &Bound, number: u32) {
    let first = frame(BROADCAST, station(1), number);
    bound.tx(0).put_fragments(&[&first, &[7; 20], &[8; 20]]);
}

const CHAIN: [(u16, usize); 3] = [
    (NS_TXMON | NS_MOREFRAG, 60),
    (NS_TXMON | NS_MOREFRAG, 20),
    (NS_TXMON, 20),
];

fn monitor_sees_chains_whole() -> Outcome {
    let (a, b) = pair("vale171")?;
    for flags in [BOTH, NR_ZCOPY_MON] {
        let (of_a, of_b) = (monitor("vale171:a", flags)?, monitor("vale171:b", flags)?);
        chain(&a, 1);
        a.send(&numbered(2..4))?;
        chain(&a, 4);
        a.device.txsync()?;
        let mut want = CHAIN.to_vec();
        want.extend([(NS_TXMON, 60), (NS_TXMON, 60)]);
        want.extend(CHAIN);
        same("sent", slots(&of_a)?, want)?;
        same("received", b.recv()?.len(), 8)?;
        let more = 0x300 | NS_MOREFRAG;
        let chain = [(more, 60), (more, 20), (0x300, 20)];
        let mut want = chain.to_vec();
        want.extend([(0x100, 60), (0x100, 60)]);
        want.extend(chain);
        same("received", slots(&of_b)?, want)?;
        same("frames", counter(&of_a, "rx0-frames")?, 4)?;
    }
    Ok(())
}

fn monitor_misses_chains_whole() -> Outcome {
    let (a, b) = pair("vale171")?;
    for flags in [BOTH, NR_ZCOPY_MON] {
        let monitor = vale("vale171:a").flags(flags).slots(8, 8).bind()?;
        // Nine slots, seven of which fit: two frames.
        for number in 0..3 {
            chain(&a, number);
        }
        a.device.txsync()?;
        same("two of three", slots(&monitor)?, [CHAIN, CHAIN].concat())?;
        same("missed", counter(&monitor, "rx0-drop_full")?, 1)?;
        b.recv()?;
    }
    Ok(())
}

fn monitor_sees_a_chain_that_ends_with_the_batch() -> Outcome {
    // As the switch does.
    let (a, b) = pair("vale171")?;
    let monitor = monitor("vale171:a", NR_MONITOR_TX)?;
    a.tx(0)
        .put_flagged(&frame(BROADCAST, station(1), 1), NS_MOREFRAG);
    a.device.txsync()?;
    a.send(&numbered(2..3))?;
    same("sent", slots(&monitor)?, [(NS_TXMON, 60), (NS_TXMON, 60)])?;
    same("received", got(&b)?, [1, 2])
}

fn monitor_cuts_frames_at_its_buffers() -> Outcome {
    use crate::harness::traces::write_parameter;
    let (a, _b) = pair("vale171")?;
    write_parameter("priv_buf_size", "512")?;
    let monitor = monitor("vale171:a", NR_MONITOR_TX)?;
    same("bytes of a buffer", monitor.rx(0).buf_size(), 512)?;
    let long = frame_of(1514, BROADCAST, station(1), 1);
    a.send(&[long.clone(), frame(BROADCAST, station(1), 2)])?;
    let got = monitor.recv()?;
    same("cut", &got[0], &long[..512].to_vec())?;
    same("the next", number(&got[1]), 2)
}

fn monitor_sees_memory_of_the_process() -> Outcome {
    let (a, b) = pair("vale171")?;
    for flags in [BOTH, NR_ZCOPY_MON] {
        let monitor = monitor("vale171:a", flags)?;
        let there = frame_of(200, BROADCAST, station(1), 77);
        let put = |address: u64| {
            let (tx, at) = (a.tx(0), a.tx(0).head());
            tx.fill(at, &frame(BROADCAST, station(1), 66), NS_INDIRECT);
            tx.edit_slot(at, |slot| {
                slot.len = 200;
                slot.ptr = address;
            });
            tx.set_head_cur(tx.after(at, 1));
        };
        put(there.as_ptr() as u64);
        a.device.txsync()?;
        same("received", b.recv()?, [there.clone()])?;
        let slots = monitor.recv_slots()?;
        same("seen", slots, [(NS_TXMON, there)])?;
        // What cannot be read arrives empty.
        put(8);
        a.device.txsync()?;
        same("nothing", monitor.recv_slots()?, [(NS_TXMON, vec![])])?;
        same("counted", counter(&monitor, "rx0-drop_bad_buffer")?, 1)?;
        b.recv()?;
    }
    Ok(())
}

fn monitor_sees_what_nobody_gets() -> Outcome {
    let a = vale("vale171:a").slots(64, 64).bind()?;
    let monitor = monitor("vale171:a", BOTH)?;
    a.send(&numbered(0..3))?;
    same("seen", seen(&monitor)?, sent(0..3))?;
    // And nothing of what does not reach the ring.
    let b = vale("vale171:b").slots(128, 64).bind()?;
    b.send(&numbered(0..100))?;
    same("as many as fit", seen(&monitor)?, received(0..63))?;
    same("dropped", counter(&a, "rx0-drop_full")?, 37)
}

fn monitor_sees_frames_of_a_loop() -> Outcome {
    use crate::harness::raw::csb::*;
    let a = CsbPort::bind(vale("vale171:a").slots(64, 64))?;
    let b = vale("vale171:b").slots(64, 64).bind()?;
    let all = [
        monitor("vale171:a", BOTH)?,
        monitor("vale171:a", NR_ZCOPY_MON)?,
    ];
    let running = a.run(50)?;
    a.wait_for_loop()?;
    same("put", a.put(0, &numbered(0..3)), 3)?;
    b.send(&numbered(3..5))?;
    for monitor in &all {
        let mut seen_so_far = Vec::new();
        wait_until("all are seen", || {
            // What is received is released to be seen without copies.
            a.take(0);
            seen_so_far.extend(seen(monitor).unwrap_or_default());
            seen_so_far.len() >= 5
        })?;
        seen_so_far.sort();
        let mut want = sent(0..3);
        want.extend(received(3..5));
        same("seen", seen_so_far, want)?;
    }
    running.stop()
}

fn monitor_is_woken() -> Outcome {
    let (a, b) = pair("vale171")?;
    for (port, flags) in [
        ("vale171:a", NR_MONITOR_TX),
        ("vale171:a", NR_ZCOPY_MON),
        ("vale171:b", NR_MONITOR_RX),
        ("vale171:b", NR_ZCOPY_MON),
    ] {
        let monitor = monitor(port, flags)?;
        let events = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| monitor.poll(PollFlags::POLLIN, 20_000));
            std::thread::sleep(Duration::from_millis(50));
            a.send(&numbered(0..1))?;
            b.recv()?;
            sleeper.join().expect("it does not panic")
        })?;
        same("woken", events, PollFlags::POLLIN)?;
        same("for this", seen(&monitor)?.len(), 1)?;
    }
    Ok(())
}
