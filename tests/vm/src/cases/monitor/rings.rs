// SPDX-License-Identifier: MIT OR Apache-2.0

//! Monitors of an interface with several rings.

use super::*;
use crate::harness::frame::*;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::*;

pub const CASES: &[Case] = crate::cases![
    monitor_of_an_interface_with_several_rings,
    monitor_of_an_interface_with_several_rings_without_copies,
    monitor_of_one_ring_of_an_interface_misses_alone,
];

/// fm0 and fm1 with three rings to send by and two to receive by, of 64 slots each.
fn wired() -> Outcome<[Bound; 2]> {
    write_parameter("generic_ringsize", "64")?;
    wire_with(" numtxqueues 3 numrxqueues 2")?;
    Ok([vale("fm0").bind()?, vale("fm1").bind()?])
}

/// Waits until every slot of the rings to send by is free again.
fn all_left(port: &Bound) -> Outcome {
    wait_until("all slots are free", || {
        let _ = port.device.txsync();
        port.tx_rings().iter().all(|(_, ring)| ring.space() == 63)
    })
}

/// Sends frames of other numbers by each ring: as many as its number, and one.
fn send_by_each(port: &Bound, first: u32) -> Outcome {
    for ring in 0..3 {
        port.send_on(ring, &numbered(first + 10 * ring..first + 11 * ring + 1))?;
    }
    all_left(port)
}

/// Takes `count` frames that come to a port, by its rings: what a monitor is to see of each.
fn taken(port: &Bound, count: u32) -> Outcome<[Vec<(u32, bool)>; 2]> {
    let rings = [port.rx(0), port.rx(1)];
    wait_until("they come", || {
        let _ = port.device.rxsync();
        rings.iter().map(Ring::space).sum::<u32>() == count
    })?;
    let came = rings.map(|ring| numbers(&ring.take_frames()));
    port.device.rxsync()?;
    Ok(came.map(|numbers| numbers.into_iter().map(|n| (n, false)).collect()))
}

/// All rings of a monitor, and each alone in others.
struct Monitors {
    all: Bound,
    each: [Bound; 3],
}

impl Monitors {
    fn of(name: &str, flags: u64) -> Outcome<Self> {
        let one = |ring| vale(name).flags(flags).one(ring).bind();
        let monitors = Monitors {
            all: monitor(name, flags)?,
            each: [one(0)?, one(1)?, one(2)?],
        };
        let rings = monitors.all.ring_numbers();
        same("all", rings, (vec![0], vec![0, 1, 2]))?;
        for (ring, one) in (0..).zip(&monitors.each) {
            same("one", one.ring_numbers(), (vec![0], vec![ring]))?;
        }
        Ok(monitors)
    }

    /// That those who have a ring have seen this on it.
    fn see(&self, want: [Vec<(u32, bool)>; 3]) -> Outcome {
        for (ring, want) in (0..).zip(want) {
            same(
                format!("ring {ring} of all"),
                seen_on(&self.all, ring)?,
                want.clone(),
            )?;
            let one = &self.each[ring as usize];
            same(format!("ring {ring} alone"), seen_on(one, ring)?, want)?;
        }
        Ok(())
    }
}

fn both_ways(flags: u64) -> Outcome {
    let [one, other] = wired()?;
    let (of_one, of_other) = (Monitors::of("fm0", flags)?, Monitors::of("fm1", flags)?);
    for round in 0..20 {
        let first = 100 * round;
        let by_each = [0, 1, 2].map(|ring| sent(first + 10 * ring..first + 11 * ring + 1));
        send_by_each(&one, first)?;
        let [zero, second] = taken(&other, 6)?;
        that("each ring has some", !zero.is_empty() && !second.is_empty())?;
        of_one.see(by_each.clone())?;
        of_other.see([zero, second, vec![]])?;
        send_by_each(&other, first)?;
        let [zero, second] = taken(&one, 6)?;
        of_one.see([zero, second, vec![]])?;
        of_other.see(by_each)?;
    }
    Ok(())
}

fn monitor_of_an_interface_with_several_rings() -> Outcome {
    both_ways(BOTH)
}

fn monitor_of_an_interface_with_several_rings_without_copies() -> Outcome {
    both_ways(NR_ZCOPY_MON)
}

/// A ring that nobody reads is full for itself: the others of the same monitor go on.
fn monitor_of_one_ring_of_an_interface_misses_alone() -> Outcome {
    let [one, other] = wired()?;
    for flags in [NR_MONITOR_TX, NR_ZCOPY_MON] {
        let monitor = vale("fm0").flags(flags).slots(8, 8).bind()?;
        one.send_on(2, &numbered(0..20))?;
        taken(&other, 20)?;
        all_left(&one)?;
        for ring in 0..2 {
            let numbers = 100 * ring + 30..100 * ring + 35;
            one.send_on(ring, &numbered(numbers.clone()))?;
            taken(&other, 5)?;
            all_left(&one)?;
            same(
                format!("ring {ring}"),
                seen_on(&monitor, ring)?,
                sent(numbers),
            )?;
        }
        let seen = seen_on(&monitor, 2)?;
        same("full", seen.len(), 7)?;
        if flags == NR_MONITOR_TX {
            same("the last that fit", seen, sent(13..20))?;
        }
        for (ring, frames, missed) in [(0, 5, 0), (1, 5, 0), (2, 7, 13)] {
            let count = |name: &str| counter(&monitor, &format!("rx{ring}-{name}"));
            same(format!("seen on {ring}"), count("frames")?, frames)?;
            same(format!("missed on {ring}"), count("drop_full")?, missed)?;
        }
    }
    Ok(())
}
