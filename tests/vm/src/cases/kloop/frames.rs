// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames through loops in every mode, to the frame: between switch ports, over interfaces, and
//! where nothing moves; and what a program says that makes no sense.

use crate::harness::check::*;
use crate::harness::exchange::{both_ways as both_ways_at_once, Party, Wired};
use crate::harness::frame::numbered;
use crate::harness::random::Random;
use crate::harness::raw::*;
use crate::harness::running::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::cursor::dist;
use std::time::Instant;

pub const CASES: &[Case] = crate::cases![
    frames_of_busy_loops,
    frames_of_sleeping_loops,
    frames_of_kicked_loops,
    frames_of_loops_in_direct_mode,
    frames_of_loops_over_an_interface,
    frames_of_several_rings,
    frames_both_ways_at_once,
    frames_both_ways_at_once_over_an_interface,
    frames_both_ways_between_one_with_a_loop_and_one_without,
    a_loop_on_a_null_port_takes_back_what_is_received,
    a_sender_without_loop_reaches_one_with,
    a_full_receiver_has_all_but_one_of_its_slots,
    hostile_cursors_in_a_csb,
];

const FRAMES: u32 = 2000;

/// How many frames are on their way at most. As many may have been taken without the loop's having
/// given their slots back.
const UNDER_WAY: usize = 24;

/// Sends numbered frames from one to the other, never more than the receiver's ring has room for,
/// and sees each arrive once and in order.
fn all_arrive(from: &Running, to: &Running, ring: usize) -> Outcome {
    // They are for everybody, and a switch brings such frames to the first ring.
    let frames = numbered(0..FRAMES);
    let (mut sent, mut came) = (0, Vec::new());
    let start = Instant::now();
    while came.len() < frames.len() {
        let room = UNDER_WAY - (sent - came.len());
        let end = frames.len().min(sent + room);
        sent += from.send(ring, &frames[sent..end])?;
        came.extend(numbers(&to.recv(0)?));
        if start.elapsed() > PATIENCE {
            let missing: Vec<_> = (0..sent as u32).filter(|n| !came.contains(n)).collect();
            return fail(format!(
                "of {sent} frames {} came: not {missing:?}",
                came.len()
            ));
        }
        std::thread::yield_now();
    }
    same("frames", came, (0..FRAMES).collect::<Vec<_>>())
}

/// Both ways between two ports.
fn both_ways(a: Reg, b: Reg, mode: Mode) -> Outcome {
    let (a, b) = (Running::start(a, mode)?, Running::start(b, mode)?);
    all_arrive(&a, &b, 0)?;
    all_arrive(&b, &a, 0)?;
    a.stop()?;
    b.stop()
}

fn small(name: &str) -> Reg {
    vale(name).slots(64, 64)
}

fn frames_of_busy_loops() -> Outcome {
    both_ways(small("vale10:a"), small("vale10:b"), Mode::Sleep(0))
}

fn frames_of_sleeping_loops() -> Outcome {
    both_ways(small("vale10:a"), small("vale10:b"), Mode::Sleep(50))
}

fn frames_of_kicked_loops() -> Outcome {
    both_ways(small("vale10:a"), small("vale10:b"), Mode::Kicks(0))
}

fn frames_of_loops_in_direct_mode() -> Outcome {
    let (tx, rx) = (NM_OPT_SYNC_KLOOP_DIRECT_TX, NM_OPT_SYNC_KLOOP_DIRECT_RX);
    for mode in [tx, rx, tx | rx] {
        both_ways(small("vale10:a"), small("vale10:b"), Mode::Kicks(mode))?;
    }
    Ok(())
}

fn frames_of_loops_over_an_interface() -> Outcome {
    wire()?;
    let direct = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;
    for mode in [
        Mode::Sleep(0),
        Mode::Sleep(50),
        Mode::Kicks(0),
        Mode::Kicks(direct),
    ] {
        both_ways(vale("fm0"), vale("fm1"), mode)?;
    }
    Ok(())
}

fn frames_of_several_rings() -> Outcome {
    let several = |name| small(name).rings(2, 2);
    for mode in [Mode::Sleep(0), Mode::Kicks(0)] {
        let a = Running::start(several("vale10:a"), mode)?;
        let b = Running::start(several("vale10:b"), mode)?;
        for ring in [1, 0] {
            all_arrive(&a, &b, ring)?;
        }
        a.stop()?;
        b.stop()?;
    }
    Ok(())
}

/// Both rings of both loops run, faster than some of them can be emptied.
fn frames_both_ways_at_once() -> Outcome {
    for modes in [
        [Mode::Sleep(0), Mode::Sleep(0)],
        [Mode::Sleep(0), Mode::Sleep(50)],
        [Mode::Kicks(0), Mode::Sleep(50)],
        [Mode::Kicks(DIRECT), Mode::Kicks(0)],
    ] {
        let a = Running::start(small("vale10:a"), modes[0])?;
        let b = Running::start(small("vale10:b"), modes[1])?;
        both_ways_at_once(&a, &b, 1500)?;
        a.stop()?;
        b.stop()?;
    }
    Ok(())
}

fn frames_both_ways_at_once_over_an_interface() -> Outcome {
    wire()?;
    for mode in [Mode::Sleep(0), Mode::Sleep(50), Mode::Kicks(DIRECT)] {
        let start = |name| Ok::<_, Failure>(Wired(Running::start(vale(name), mode)?, name));
        let (a, b) = (start("fm0")?, start("fm1")?);
        both_ways_at_once(&a, &b, 2000)?;
        a.0.stop()?;
        b.0.stop()?;
    }
    Ok(())
}

fn frames_both_ways_between_one_with_a_loop_and_one_without() -> Outcome {
    for mode in [Mode::Sleep(0), Mode::Sleep(50), Mode::Kicks(DIRECT)] {
        let a = Running::start(small("vale10:a"), mode)?;
        let b = small("vale10:b").bind()?;
        both_ways_at_once(&a, &b, 1500)?;
        a.stop()?;
    }
    // The ends of a pipe, which lose nothing.
    let a = Running::start(small("vale10:p{x"), Mode::Sleep(0))?;
    let b = small("vale10:p}x").bind()?;
    both_ways_at_once(&a, &b, 3000)?;
    same("lost", (a.lost()?, b.lost()?), (0, 0))?;
    a.stop()
}

fn a_loop_on_a_null_port_takes_back_what_is_received() -> Outcome {
    for mode in [Mode::Sleep(0), Mode::Sleep(50), Mode::Kicks(0)] {
        let running = Running::start(null(GLOBAL_MEM_ID), mode)?;
        let (port, entry) = (&running.port, running.port.rx_entry(0));
        // A null port sends nothing: its ring fills up.
        same("frames put", running.send(0, &numbered(0..70))?, 63)?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        same("hwcur", port.csb.hwcur(0), 0)?;
        same("hwtail", port.csb.hwtail(0), 63)?;
        same("received", port.csb.hwtail(entry), 0)?;
        running.stop()?;
    }
    Ok(())
}

/// As without a loop: of a ring of 64 slots the program gets 63 before it gives one back, and as
/// many more as it gives back.
fn a_full_receiver_has_all_but_one_of_its_slots() -> Outcome {
    let from = small("vale15:a").bind()?;
    let to = Running::start(small("vale15:b"), Mode::Sleep(0))?;
    let (port, entry) = (&to.port, to.port.rx_entry(0));
    let mut random = Random::new(4);
    let (mut sent, mut want, mut got) = (0, vec![], vec![]);
    let mut held = 0;
    for round in 0..300 {
        let count = random.of(&[1, 2, 40, 63]);
        from.send(&numbered(sent..sent + count))?;
        want.extend((sent..sent + count).take(63 - held as usize));
        sent += count;
        held = (held + count).min(63);
        let there = || dist(port.csb.head(entry), port.csb.hwtail(entry), 64);
        wait_until("the frames are there", || there() == held)
            .map_err(|e| failure(format!("round {round}, {} of {held}: {e}", there())))?;
        let back = random.of(&[0, 1, 2, held, held]).min(held);
        got.extend(numbers(&port.take_some(0, back)));
        let head = port.csb.head(entry);
        held -= back;
        wait_until("they are back", || port.csb.hwcur(entry) == head)?;
    }
    got.extend(numbers(&port.take_some(0, held)));
    same("frames", got, want)?;
    drop(from);
    to.stop()
}

fn a_sender_without_loop_reaches_one_with() -> Outcome {
    let (a, b) = (
        small("vale10:a").bind()?,
        Running::start(small("vale10:b"), Mode::Kicks(0))?,
    );
    for round in 0..20 {
        a.send(&numbered(round * 10..round * 10 + 10))?;
        let mut came = Vec::new();
        wait_until("they arrive", || {
            came.extend(numbers(&b.port.take(0)));
            let _ = b.kick(b.port.rx_entry(0));
            came.len() == 10
        })?;
        same(
            "frames",
            came,
            (round * 10..round * 10 + 10).collect::<Vec<_>>(),
        )?;
    }
    b.stop()
}

/// The ring begins anew at the kernel's values, and works.
fn hostile_cursors_in_a_csb() -> Outcome {
    let a = Running::start(small("vale10:a"), Mode::Sleep(0))?;
    let b = Running::start(small("vale10:b"), Mode::Sleep(0))?;
    let (csb, entry) = (&a.port.csb, a.port.rx_entry(0));
    for bad in [64, 65, 1 << 31, u32::MAX] {
        let at = csb.hwcur(0);
        csb.set_head(0, bad);
        wait_until("head is put back", || csb.head(0) == at)?;
        same("hwcur", csb.hwcur(0), at)?;
        let at = csb.hwcur(entry);
        csb.set_head(entry, bad);
        wait_until("head is put back", || csb.head(entry) == at)?;
    }
    // Behind what there is.
    csb.set_head(entry, 5);
    wait_until("head is put back", || csb.head(entry) == 0)?;
    all_arrive(&a, &b, 0)?;
    that(
        "resets are counted",
        counter(&a.port.bound, "tx0-resets")? >= 4,
    )?;
    a.stop()?;
    b.stop()
}
