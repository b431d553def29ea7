// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loops whose CSB lies where it should not: in the rings that the loop syncs, in the port's own
//! interface and buffers, in another's region, in memory of the program's own that is a region. It
//! may confuse the program's own port. The loop can be stopped, and nobody else notices.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::random::Random;
use crate::harness::raw::csb::*;
use crate::harness::raw::*;
use crate::harness::traffic::{wait_until, Neighbours};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::options::*;
use std::mem::offset_of;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    hostile_csb_over_rings,
    hostile_csb_in_another_region,
    hostile_csb_in_own_memory,
];

/// How long each loop runs.
const WHILE: Duration = Duration::from_millis(400);

fn port(name: &str) -> Reg {
    vale(name).slots(64, 64)
}

/// A loop of this port with its CSB there, under traffic and scribbling of 4 KiB around it. It goes
/// on until it is told to end, whatever the CSB says.
fn runs(bound: &Bound, (atok, ktoa): (u64, u64), map: (&device::Mapping, u64)) -> Outcome {
    let neighbours = Neighbours::new("vale991")?;
    let far = port("vale990:far").bind()?;
    let enabled = csb_enable(&bound.device, &mut csb_option(atok, ktoa));
    works("CSB_ENABLE", enabled)?;
    // The first that a loop does is to say of every ring that it needs no kick.
    let kick = ktoa - map.0.at(0) as u64 + offset_of!(NmCsbKtoa, kern_need_kick) as u64;
    map.0.write(kick, 7u32);
    let running = Loop::start(&bound.device, 0, None)?;
    wait_until("the loop runs", || map.0.read::<u32>(kick) != 7)?;
    let (start, mut random, mut round) = (Instant::now(), Random::new(atok), 0);
    while start.elapsed() < WHILE {
        neighbours.exchange(round)?;
        far.send(&numbered(round..round + 40))?;
        far.recv()?;
        for _ in 0..40 {
            let value = random.next() as u32 >> random.below(32);
            map.0.write(map.1 + random.below(1024) * 4, value);
        }
        round += 40;
    }
    that("the loop runs", !running.has_ended())?;
    works("SYNC_KLOOP_STOP", kloop_stop(&bound.device))?;
    wait_until("the loop ends", || running.has_ended())?;
    works("SYNC_KLOOP_START", running.end())
}

/// With the first array somewhere, the second is behind it or in front of it.
fn places(at: u64) -> [(u64, u64); 3] {
    let at = at & !63;
    [(at, at + 128), (at + 128, at), (at + 64, at + 1024)]
}

fn hostile_csb_over_rings() -> Outcome {
    for place in 0..3 {
        // The transmit ring, the receive ring, the interface, and a buffer of each.
        for part in 0..5 {
            let bound = port("vale990:a").flags(NR_EXCLUSIVE).bind()?;
            let (tx, rx) = (bound.tx(0), bound.rx(0));
            let at = match part {
                0 => tx.offset(),
                1 => rx.offset(),
                2 => bound.reg.nr_offset,
                3 => tx.buf_at(tx.slot(0).buf_idx),
                _ => rx.buf_at(rx.slot(0).buf_idx),
            };
            // What is scribbled over is the page that it is in.
            let page = at & !4095;
            let csb = places(bound.map.at(at) as u64)[place];
            runs(&bound, csb, (&bound.map, page))
                .map_err(|e| failure(format!("part {part}, place {place}: {e}")))?;
        }
    }
    Ok(())
}

/// Of a port that is closed while the loop runs, in its first page and in one that nobody has
/// touched before.
fn hostile_csb_in_another_region() -> Outcome {
    for from_end in [false, true] {
        let other = port("vale992:a").bind()?;
        let page = if from_end {
            other.reg.nr_memsize - 4096
        } else {
            0
        };
        let bound = port("vale990:a").flags(NR_EXCLUSIVE).bind()?;
        let csb = places(other.map.at(page) as u64)[0];
        runs(&bound, csb, (&other.map, page))?;
        // The mapping alone keeps it.
        let Bound { map, device, .. } = other;
        drop(device);
        let running = Loop::start(&bound.device, 20, None)?;
        std::thread::sleep(Duration::from_millis(20));
        drop(map);
        wait_until("the loop ends", || running.has_ended())?;
        fails("SYNC_KLOOP_START", running.end(), nix::errno::Errno::EFAULT)?;
    }
    Ok(())
}

/// In the pages that are the port's, over its rings, by the program's addresses.
fn hostile_csb_in_own_memory() -> Outcome {
    let map = extmem::anonymous(2 << 20)?;
    for place in 0..3 {
        let ask = port("vale990:a").flags(NR_EXCLUSIVE);
        let (bound, _) = works("REGISTER", ask.bind_within(&map, extmem::few(2 << 20)))?;
        let at = bound.tx(0).offset();
        let csb = places(map.at(at) as u64)[place];
        runs(&bound, csb, (&map, at & !4095))?;
    }
    Ok(())
}
