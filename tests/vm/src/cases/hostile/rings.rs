// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that write nonsense into rings and slots. It hurts nobody else: the neighbours on the
//! same switch lose nothing, and whoever repairs its slots goes on.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::Slot;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    hostile_cursors_under_traffic,
    hostile_slots_on_transmit,
    hostile_slots_on_receive,
    hostile_ring_headers_are_not_believed,
    hostile_thread_rewrites_everything_during_syncs,
    hostile_two_threads_sync_what_a_third_rewrites,
];

/// Two stations that exchange frames on rings of their own, and count on every one. Floods, which
/// arrive on ring 0, do not come into their way.
struct Neighbours {
    c: Bound,
    d: Bound,
    next: u32,
}

impl Neighbours {
    fn new(switch: &str) -> Outcome<Self> {
        let port = |name: &str| {
            vale(&format!("{switch}:{name}"))
                .rings(2, 2)
                .slots(64, 64)
                .bind()
        };
        let neighbours = Neighbours {
            c: port("c")?,
            d: port("d")?,
            next: 0,
        };
        neighbours
            .c
            .send_on(1, &[frame(BROADCAST, station(3), 0)])?;
        neighbours
            .d
            .send_on(1, &[frame(BROADCAST, station(4), 0)])?;
        Ok(neighbours)
    }

    /// A batch each way, which must arrive whole.
    fn exchange(&mut self) -> Outcome {
        let there = [(&self.c, &self.d, 3, 4), (&self.d, &self.c, 4, 3)];
        for (from, to, me, you) in there {
            let batch: Vec<_> = (self.next..self.next + 40)
                .map(|n| frame(station(you), station(me), n))
                .collect();
            from.send_on(1, &batch)?;
            let came = to.recv_on(1)?;
            that(
                format!("the neighbours' frames from {} on, whole", self.next),
                came == batch,
            )?;
            self.next += 40;
        }
        Ok(())
    }

    fn finish(self) -> Outcome {
        that("the neighbours did something", self.next > 0)?;
        for bound in [&self.c, &self.d] {
            same(
                "resets of a neighbour",
                counter(bound, "tx0-resets")? + counter(bound, "rx1-resets")?,
                0,
            )?;
            same(
                "dropped by a neighbour",
                counter(bound, "rx1-drop_full")?,
                0,
            )?;
        }
        Ok(())
    }
}

/// A fresh pair works.
fn all_is_well(switch: &str) -> Outcome {
    let [x, y] = ports(switch, ["x", "y"])?;
    for round in 0..10 {
        x.send(&numbered(round * 63..round * 63 + 63))?;
        same(
            "frames of a fresh pair",
            y.recv()?,
            numbered(round * 63..round * 63 + 63),
        )?;
    }
    Ok(())
}

/// Any value for a cursor: mostly near what it may be.
fn wild_cursor(random: &mut Random) -> u32 {
    match random.below(8) {
        0 => random.next() as u32,
        1 => random.of(&[64, 65, 128, 0x7fff_ffff, 0x8000_0000, u32::MAX]),
        _ => random.below(64) as u32,
    }
}

fn wild_slot(random: &mut Random, own: &[u64]) -> Slot {
    let any = random.next();
    Slot {
        buf_idx: match random.below(6) {
            0 => any as u32,
            1 => random.of(&[0, 1, 2, 4097, 4098, 5000, 0x7fff_ffff, u32::MAX]),
            _ => random.below(4098) as u32,
        },
        len: match random.below(6) {
            0 => (any >> 32) as u16,
            1 => random.of(&[0, 1, 13, 14, 2047, 2048, 2049, u16::MAX]),
            _ => random.below(300) as u16,
        },
        flags: match random.below(4) {
            0 => (any >> 48) as u16,
            1 => NS_MOREFRAG,
            2 => NS_INDIRECT | random.of(&[0, NS_MOREFRAG]),
            _ => 0,
        },
        ptr: match random.below(4) {
            0 => any,
            1 => random.of(&[0, 1, 4095, 0xffff_8880_0000_0000, u64::MAX]),
            _ => random.of(own),
        },
    }
}

fn hostile_cursors_under_traffic() -> Outcome {
    let mut neighbours = Neighbours::new("vale900")?;
    let [a, b] = ports("vale900", ["a", "b"])?;
    let mut random = Random::new(1);
    for round in 0..3000u32 {
        let ring = if random.once_in(2) { a.tx(0) } else { b.rx(0) };
        match random.below(4) {
            0 => ring.set_head(wild_cursor(&mut random)),
            1 => ring.set_cur(wild_cursor(&mut random)),
            2 => ring.set_tail(wild_cursor(&mut random)),
            _ => ring.set_head_cur(wild_cursor(&mut random)),
        }
        works("NIOCTXSYNC", a.device.txsync())?;
        works("NIOCRXSYNC", b.device.rxsync())?;
        a.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 0)?;
        b.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 0)?;
        for ring in [a.tx(0), b.rx(0)] {
            that("tail within the ring", ring.tail() < 64)?;
        }
        if round % 20 == 0 {
            neighbours.exchange()?;
        }
    }
    // Cursors as the kernel has them: everything works again.
    for ring in [a.tx(0), b.rx(0)] {
        ring.set_head_cur(u32::MAX);
    }
    a.device.txsync()?;
    b.device.rxsync()?;
    for slot in 0..64 {
        a.tx(0).edit_slot(slot, |slot| slot.len = 60);
    }
    b.recv()?;
    a.send(&numbered(0..50))?;
    same("frames afterwards", b.recv()?, numbered(0..50))?;
    neighbours.finish()?;
    all_is_well("vale900")
}

fn hostile_slots_on_transmit() -> Outcome {
    let mut neighbours = Neighbours::new("vale901")?;
    let (a, b) = pair("vale901")?;
    let (ring, good) = (a.tx(0), a.tx(0).slots());
    let mut random = Random::new(2);
    let own = [good.as_ptr() as u64];
    for round in 0..1500u32 {
        let count = 1 + random.below(63) as u32;
        for by in 0..count {
            ring.set_slot(ring.after(ring.head(), by), wild_slot(&mut random, &own));
        }
        ring.set_head_cur(ring.after(ring.head(), count));
        works("NIOCTXSYNC", a.device.txsync())?;
        same("free slots", ring.space(), 63)?;
        b.device.rxsync()?;
        for (slot, _) in b.rx(0).take() {
            that(
                format!("a length within the buffer, got {}", slot.len),
                slot.len <= 2048,
            )?;
        }
        if round % 20 == 0 {
            neighbours.exchange()?;
        }
    }
    for (i, slot) in (0..).zip(good) {
        ring.set_slot(i, slot);
    }
    b.recv()?;
    a.send(&numbered(0..60))?;
    same("frames after the repair", b.recv()?, numbered(0..60))?;
    neighbours.finish()?;
    all_is_well("vale901")
}

fn hostile_slots_on_receive() -> Outcome {
    let mut neighbours = Neighbours::new("vale902")?;
    let [a, b, e] = ports("vale902", ["a", "b", "e"])?;
    let (ring, good) = (b.rx(0), b.rx(0).slots());
    let mut random = Random::new(3);
    for round in 0..800u32 {
        for i in 0..64 {
            ring.set_slot(i, wild_slot(&mut random, &[0]));
        }
        let batch = numbered(round * 30..round * 30 + 30);
        a.send(&batch)?;
        // Another receiver of the same frames notices nothing.
        same("at e", e.recv()?, batch)?;
        works("NIOCRXSYNC", b.device.rxsync())?;
        same("slots that came", ring.space(), 30)?;
        for i in ring.owned() {
            let len = ring.slot(i).len;
            that(
                format!("an empty slot or a frame, got {len} bytes"),
                len == 0 || len == 60,
            )?;
        }
        ring.set_head_cur(ring.tail());
        b.device.rxsync()?;
        if round % 20 == 0 {
            neighbours.exchange()?;
        }
    }
    for (i, slot) in (0..).zip(good) {
        ring.set_slot(i, slot);
    }
    a.send(&numbered(0..60))?;
    same("frames after the repair", b.recv()?, numbered(0..60))?;
    that(
        "refused slots are counted",
        counter(&b, "rx0-drop_bad_buffer")? > 0,
    )?;
    neighbours.finish()?;
    all_is_well("vale902")
}

fn hostile_ring_headers_are_not_believed() -> Outcome {
    let (a, b) = pair("vale903")?;
    let mut random = Random::new(4);
    // Sizes, offsets, number and direction, and the netmap_if: all are the kernel's to tell, not to
    // read.
    let spoil = |bound: &Bound, ring: &Ring, random: &mut Random| {
        for at in [0, 4, 8, 12, 16, 56, 60, 64, 68] {
            bound.map.write(ring.offset() + at, random.next() as u32);
        }
    };
    let (tx, rx) = (a.tx(0), b.rx(0));
    let headers = |bound: &Bound, ring: &Ring| -> Vec<u32> {
        (0..18)
            .map(|word| bound.map.read(ring.offset() + 4 * word))
            .collect()
    };
    let (tx_words, rx_words) = (headers(&a, &tx), headers(&b, &rx));
    let restore = |bound: &Bound, ring: &Ring, words: &[u32]| {
        // All but head, cur, tail and the time.
        for word in [0, 1, 2, 3, 4, 14, 15, 16, 17] {
            bound
                .map
                .write(ring.offset() + 4 * word as u64, words[word]);
        }
    };
    let nifp: Vec<u32> = (0..14)
        .map(|word| a.map.read(a.reg.nr_offset + 4 * word))
        .collect();
    for round in 0..500 {
        let batch = numbered(round * 20..round * 20 + 20);
        for frame in &batch {
            tx.put(frame);
        }
        spoil(&a, &tx, &mut random);
        spoil(&b, &rx, &mut random);
        for word in 0..16 {
            a.map
                .write(a.reg.nr_offset + 4 * word, random.next() as u32);
        }
        works("NIOCTXSYNC", a.device.txsync())?;
        works("NIOCRXSYNC", b.device.rxsync())?;
        restore(&a, &tx, &tx_words);
        restore(&b, &rx, &rx_words);
        for (word, value) in (0..).zip(&nifp) {
            a.map.write(a.reg.nr_offset + 4 * word, *value);
        }
        same("frames", b.recv()?, batch)?;
    }
    // Closed with all of it wrong.
    spoil(&a, &tx, &mut random);
    for word in 0..16 {
        a.map
            .write(a.reg.nr_offset + 4 * word, random.next() as u32);
    }
    drop(tx);
    drop((a, b, rx));
    all_is_well("vale903")
}

/// Writes nonsense everywhere in the rings of these ports until told to stop.
fn vandal(ports: [&Bound; 2], seed: u64, stop: &AtomicBool) {
    let rings: Vec<_> = ports.iter().flat_map(|p| [p.tx(0), p.rx(0)]).collect();
    let mut random = Random::new(seed);
    let page = vec![0u8; 4096];
    let own = [page.as_ptr() as u64];
    while !stop.load(SeqCst) {
        let ring = &rings[random.below(rings.len() as u64) as usize];
        match random.below(12) {
            0 => ring.set_head(wild_cursor(&mut random)),
            1 => ring.set_cur(wild_cursor(&mut random)),
            2 => ring.set_tail(wild_cursor(&mut random)),
            // Mostly what keeps traffic flowing.
            3..=5 => ring.set_head_cur(ring.tail().min(63)),
            6 => ring.set_flags(random.next() as u32),
            _ => ring.set_slot(random.below(64) as u32, wild_slot(&mut random, &own)),
        }
    }
}

/// Syncs in every way until told to stop; each call must succeed.
fn syncs(bound: &Bound, stop: &AtomicBool) -> Outcome<u64> {
    let mut rounds = 0;
    while !stop.load(SeqCst) {
        works("NIOCTXSYNC", bound.device.txsync())?;
        works("NIOCRXSYNC", bound.device.rxsync())?;
        works(
            "poll",
            bound.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 0),
        )?;
        rounds += 1;
    }
    Ok(rounds)
}

fn hostile_thread_rewrites_everything_during_syncs() -> Outcome {
    let mut neighbours = Neighbours::new("vale904")?;
    let [a, b] = ports("vale904", ["a", "b"])?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| vandal([&a, &b], 5, &stop));
        let threads = [
            scope.spawn(|| syncs(&a, &stop)),
            scope.spawn(|| syncs(&b, &stop)),
        ];
        let start = Instant::now();
        let mut undisturbed = Ok(());
        while undisturbed.is_ok() && start.elapsed() < Duration::from_secs(2) {
            undisturbed = neighbours.exchange();
        }
        stop.store(true, SeqCst);
        for thread in threads {
            let rounds = thread
                .join()
                .unwrap_or_else(|_| fail("a thread panicked"))?;
            that("that there were syncs", rounds > 20)?;
        }
        undisturbed
    })?;
    let counted = counter(&a, "tx0-frames")? + counter(&b, "tx0-frames")?;
    that("that something was sent", counted > 100)?;
    drop((a, b));
    neighbours.exchange()?;
    neighbours.finish()?;
    all_is_well("vale904")
}

fn hostile_two_threads_sync_what_a_third_rewrites() -> Outcome {
    let [a, b] = ports("vale905", ["a", "b"])?;
    // A second file on the same rings: both are bound to a, both sync.
    let again = vale("vale905:a").bind()?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| vandal([&a, &b], 6, &stop));
        scope.spawn(|| vandal([&again, &b], 7, &stop));
        let threads = [&a, &again, &b, &b].map(|bound| scope.spawn(|| syncs(bound, &stop)));
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, SeqCst);
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| fail("a thread panicked"))
                .map(drop)
        })
    })?;
    drop((a, b, again));
    all_is_well("vale905")
}
