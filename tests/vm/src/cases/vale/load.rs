// SPDX-License-Identifier: MIT OR Apache-2.0

//! Many senders, many receivers, slow ones, and ports that come and go under traffic: item 121, and
//! what the other items of the switch say, at full load. Whatever is lost must have been counted.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

pub const CASES: &[Case] = crate::cases![
    item_121_slow_receiver_loses_frames_and_blocks_nobody,
    item_121_room_is_used_to_the_last_slot,
    item_121_what_passes_a_full_receiver_keeps_its_order,
    item_121_many_senders_to_one_lose_nothing_uncounted,
    item_121_one_sender_to_many,
    item_121_everybody_to_everybody,
    item_124_ports_come_and_go_under_traffic,
    item_119_rings_of_one_port_work_in_parallel,
];

fn item_121_slow_receiver_loses_frames_and_blocks_nobody() -> Outcome {
    let [a, slow, quick] = ports("vale121", ["a", "slow", "quick"])?;
    for round in 0..100 {
        let batch = numbered(round * 63..round * 63 + 63);
        a.send(&batch)?;
        same("free slots of the sender", a.tx(0).space(), 63)?;
        same(
            "poll of the sender",
            a.poll(PollFlags::POLLOUT, 0)?,
            PollFlags::POLLOUT,
        )?;
        same("at the quick one", quick.recv()?, batch)?;
    }
    same("counted", counter(&slow, "rx0-drop_full")?, 99 * 63)?;
    same(
        "counted in debugfs",
        debug_counter("vale121:slow", "rx0", "drop_full")?,
        99 * 63,
    )?;
    same(
        "counted at the quick one",
        counter(&quick, "rx0-drop_full")?,
        0,
    )?;
    same("sent", counter(&a, "tx0-frames")?, 6300)?;
    same("what the slow one has", slow.recv()?, numbered(0..63))?;
    a.send(&numbered(7000..7010))?;
    same("from now on", slow.recv()?, numbered(7000..7010))
}

fn item_121_room_is_used_to_the_last_slot() -> Outcome {
    let [a, b] = ports("vale121", ["a", "b"])?;
    let (ring, mut sent, mut received) = (b.rx(0), 0, 0);
    let mut random = Random::new(121);
    for _ in 0..500 {
        // The receiver gives back some slots; exactly so many frames fit then.
        b.device.rxsync()?;
        let held = ring.space();
        let give = random.below(u64::from(held) + 1) as u32;
        for by in 0..give {
            let at = ring.after(ring.head(), by);
            same("number", number(&ring.payload(at)), received)?;
            received += 1;
        }
        ring.set_head_cur(ring.after(ring.head(), give));
        b.device.rxsync()?;
        let room = 63 - (held - give);
        let send = random.below(64) as u32;
        let fit = send.min(room);
        a.send(&numbered(sent..sent + send))?;
        b.device.rxsync()?;
        same("frames held", ring.space(), held - give + fit)?;
        // The next batch goes on with the first number that did not fit.
        sent += fit;
    }
    that("that something was received", received > 1000)
}

/// A chain that does not fit costs what is behind it in its burst; what is behind that may come.
fn item_121_what_passes_a_full_receiver_keeps_its_order() -> Outcome {
    let a = vale("vale121:a").slots(1024, 64).bind()?;
    let b = vale("vale121:b").slots(64, 64).bind()?;
    let (ring, mut random, mut next) = (a.tx(0), Random::new(1210), 0);
    let (mut arrived, mut batches_past) = (0, 0);
    for _ in 0..300 {
        let first = next;
        while ring.space() > 64 {
            let slots = if random.below(3) == 0 {
                random.below(63) + 1
            } else {
                1
            };
            let to = random.of(&[BROADCAST, station(2)]);
            ring.put_long(&frame_of(
                60 + 2048 * (slots as usize - 1),
                to,
                station(1),
                next,
            ));
            next += 1;
        }
        a.device.txsync()?;
        b.device.rxsync()?;
        let came = b.rx(0).take_long();
        b.device.rxsync()?;
        let came: Vec<_> = came.iter().map(|frame| number(frame)).collect();
        let grow = came.is_sorted_by(|one, other| one < other);
        that(format!("{came:?} of {first}..{next}"), grow)?;
        same("the first", came.first(), Some(&first))?;
        arrived += came.len() as u64;
        batches_past += u32::from(
            came.last()
                .is_some_and(|last| last - first >= came.len() as u32),
        );
    }
    // Or nothing was tried.
    that(format!("{batches_past} went past"), batches_past > 10)?;
    let lost = counter(&b, "rx0-drop_full")?;
    same("or was counted", arrived + lost, next.into())
}

/// Sends `count` numbered frames to `to`, as many at a time as fit.
fn send_all(bound: &Bound, to: [u8; 6], from: u8, count: u32) -> Outcome {
    let ring = bound.tx(0);
    let mut next = 0;
    while next < count {
        while next < count && ring.space() > 0 {
            ring.put(&frame(to, station(from), next));
            next += 1;
        }
        bound.device.txsync()?;
    }
    same("free slots at the end", ring.space(), ring.n() - 1)
}

/// Receives until `stop` is set and nothing is left. Checks that the numbers of each sender grow
/// and that every byte is right. How many frames came.
fn receive_all(bound: &Bound, stop: &AtomicBool) -> Outcome<u64> {
    let mut last = [None; 256];
    let mut total = 0;
    loop {
        // Before the look: what was sent before it was set is seen.
        let stopping = stop.load(SeqCst);
        let came = bound.poll(PollFlags::POLLIN, 20)?;
        let frames = bound.rx(0).take_frames();
        for bytes in &frames {
            let (n, from) = (number(bytes), bytes.get(11).copied().unwrap_or(0));
            let to = bytes.get(..6).and_then(|to| to.try_into().ok());
            let want = frame(to.unwrap_or_default(), station(from), n);
            that(format!("frame {n} of station {from} whole"), *bytes == want)?;
            let before = last[usize::from(from)].replace(n);
            that(
                format!("{n} of station {from} behind {before:?}"),
                before < Some(n),
            )?;
        }
        total += frames.len() as u64;
        if frames.is_empty() && came.is_empty() && stopping {
            return Ok(total);
        }
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, Outcome<T>>) -> Outcome<T> {
    thread.join().unwrap_or_else(|_| fail("a thread panicked"))
}

fn item_121_many_senders_to_one_lose_nothing_uncounted() -> Outcome {
    const SENDERS: u8 = 6;
    const EACH: u32 = 8000;
    let sink = vale("vale121:sink").slots(64, 512).bind()?;
    sink.send(&[frame(BROADCAST, station(100), 0)])?;
    let senders: Vec<_> = (0..SENDERS)
        .map(|i| vale(&format!("vale121:s{i}")).slots(128, 64).bind())
        .collect::<Result<_, _>>()?;
    let stop = AtomicBool::new(false);
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive_all(&sink, &stop));
        let threads: Vec<_> = (0..)
            .zip(&senders)
            .map(|(i, bound)| scope.spawn(move || send_all(bound, station(100), i, EACH)))
            .collect();
        let sent: Vec<_> = threads.into_iter().map(join).collect();
        stop.store(true, SeqCst);
        let received = join(receiver);
        sent.into_iter().collect::<Outcome<Vec<()>>>()?;
        received
    })?;
    let dropped = counter(&sink, "rx0-drop_full")?;
    let mut sent = 0;
    for bound in &senders {
        same("sent by one", counter(bound, "tx0-frames")?, EACH.into())?;
        same(
            "unicast, so not heard by others",
            counter(bound, "rx0-frames")?,
            0,
        )?;
        sent += u64::from(EACH);
    }
    same(
        "received, by the counter",
        counter(&sink, "rx0-frames")?,
        received,
    )?;
    same(
        format!("received {received} + dropped {dropped}"),
        received + dropped,
        sent,
    )
}

fn item_121_one_sender_to_many() -> Outcome {
    const COUNT: u32 = 5000;
    let sender = vale("vale121:tx").slots(256, 64).bind()?;
    let receivers: Vec<_> = (0..8)
        .map(|i| vale(&format!("vale121:r{i}")).slots(64, 512).bind())
        .collect::<Result<_, _>>()?;
    let stop = AtomicBool::new(false);
    let received = std::thread::scope(|scope| {
        let threads: Vec<_> = receivers
            .iter()
            .map(|bound| scope.spawn(|| receive_all(bound, &stop)))
            .collect();
        let sent = send_all(&sender, BROADCAST, 1, COUNT);
        stop.store(true, SeqCst);
        let received: Vec<_> = threads.into_iter().map(join).collect();
        sent?;
        received.into_iter().collect::<Outcome<Vec<u64>>>()
    })?;
    for (bound, received) in receivers.iter().zip(received) {
        let dropped = counter(bound, "rx0-drop_full")?;
        same(
            format!("received {received} + dropped {dropped}"),
            received + dropped,
            COUNT.into(),
        )?;
    }
    Ok(())
}

fn item_121_everybody_to_everybody() -> Outcome {
    const COUNT: u32 = 4000;
    let ports: Vec<_> = (0..4)
        .map(|i| vale(&format!("vale121:p{i}")).slots(128, 512).bind())
        .collect::<Result<_, _>>()?;
    let stop = AtomicBool::new(false);
    let received = std::thread::scope(|scope| {
        // One thread sends and another receives on each port, with syncs of the same file.
        let receivers: Vec<_> = ports
            .iter()
            .map(|bound| scope.spawn(|| receive_all(bound, &stop)))
            .collect();
        let senders: Vec<_> = (0..)
            .zip(&ports)
            .map(|(i, bound)| scope.spawn(move || send_all_beside_poll(bound, i, COUNT)))
            .collect();
        let sent: Vec<_> = senders.into_iter().map(join).collect();
        stop.store(true, SeqCst);
        let received: Vec<_> = receivers.into_iter().map(join).collect();
        sent.into_iter().collect::<Outcome<Vec<()>>>()?;
        received.into_iter().collect::<Outcome<Vec<u64>>>()
    })?;
    for (bound, received) in ports.iter().zip(received) {
        same("sent", counter(bound, "tx0-frames")?, COUNT.into())?;
        let dropped = counter(bound, "rx0-drop_full")?;
        let want = 3 * u64::from(COUNT);
        same(
            format!("received {received} + dropped {dropped}"),
            received + dropped,
            want,
        )?;
    }
    Ok(())
}

/// As `send_all`, where another thread's poll of the same file may sync the ring at any moment: a
/// sync of ours then skips it, and another must follow.
fn send_all_beside_poll(bound: &Bound, from: u8, count: u32) -> Outcome {
    let ring = bound.tx(0);
    let start = Instant::now();
    let mut next = 0;
    while next < count || ring.space() < ring.n() - 1 {
        while next < count && ring.space() > 0 {
            ring.put(&frame(BROADCAST, station(from), next));
            next += 1;
        }
        bound.device.txsync()?;
        that("progress", start.elapsed() < PATIENCE)?;
    }
    Ok(())
}

fn item_124_ports_come_and_go_under_traffic() -> Outcome {
    let [a, b] = ports("vale124", ["a", "b"])?;
    let stop = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let churn: Vec<_> = (0..2)
            .map(|i| {
                let (stop, rounds) = (&stop, &rounds);
                scope.spawn(move || -> Outcome {
                    while !stop.load(SeqCst) {
                        let port = vale(&format!("vale124:c{i}")).slots(64, 64).bind()?;
                        port.send(&[frame(station(200), station(100 + i), 0)])?;
                        port.device.rxsync()?;
                        rounds.fetch_add(1, SeqCst);
                    }
                    Ok(())
                })
            })
            .collect();
        let run = || -> Outcome {
            let (start, mut next) = (Instant::now(), 0);
            while rounds.load(SeqCst) < 60 || next < 20_000 {
                that("ports come and go", start.elapsed() < PATIENCE)?;
                // Flooded, to whoever is there at this moment.
                let batch = numbered(next..next + 30);
                a.send(&batch)?;
                // They wait behind a frame that another sender is still copying: its CPU may be
                // away.
                let mut came = Vec::new();
                while came.len() < batch.len() && start.elapsed() < PATIENCE {
                    came.extend(b.recv()?);
                    // The others' own frames are for all, too.
                    came.retain(|frame| frame[11] < 100);
                }
                that(
                    format!("frames from {next} on, whole and in order"),
                    came == batch,
                )?;
                next += 30;
            }
            Ok(())
        };
        let result = run();
        stop.store(true, SeqCst);
        let churn: Vec<_> = churn.into_iter().map(join).collect();
        result?;
        churn.into_iter().collect::<Outcome<Vec<()>>>().map(drop)
    })
}

fn item_119_rings_of_one_port_work_in_parallel() -> Outcome {
    const COUNT: u32 = 6000;
    let a = vale("vale131:a").rings(4, 1).slots(128, 64).bind()?;
    let b = vale("vale131:b").rings(1, 4).slots(64, 128).bind()?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    drop(a);
    // Each ring has a file of its own, and its own way to b.
    let a: Vec<_> = (0..4)
        .map(|k| vale("vale131:a").rings(4, 1).slots(128, 64).one(k).bind())
        .collect::<Result<_, _>>()?;
    let b: Vec<_> = (0..4)
        .map(|k| vale("vale131:b").one(k).bind())
        .collect::<Result<_, _>>()?;
    let sent = [const { AtomicU32::new(0) }; 4];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|k| {
                let (a, b, sent) = (&a[k], &b[k], &sent[k]);
                scope.spawn(move || -> Outcome {
                    let (tx, rx, mut next) = (a.tx(k as u32), b.rx(k as u32), 0);
                    while next < COUNT {
                        for number in next..next + 100 {
                            tx.put(&frame(station(2), station(10 + k as u8), number));
                        }
                        a.device.txsync()?;
                        b.device.rxsync()?;
                        let came = numbers(&rx.take_frames());
                        let want: Vec<_> = (next..next + 100).collect();
                        that(format!("ring {k}, frames from {next} on"), came == want)?;
                        b.device.rxsync()?;
                        next += 100;
                        sent.store(next, SeqCst);
                    }
                    Ok(())
                })
            })
            .collect();
        let done: Vec<_> = threads.into_iter().map(join).collect();
        done.into_iter().collect::<Outcome<Vec<()>>>()
    })?;
    that(
        "all were sent",
        sent.iter().all(|sent| sent.load(SeqCst) == COUNT),
    )
}
