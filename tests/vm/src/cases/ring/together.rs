// SPDX-License-Identifier: MIT OR Apache-2.0

//! Two threads at one ring: a poll that finds the other's sync at work has seen the ring as it was
//! before, and must be woken when that ends.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    together_a_frame_wakes_who_found_the_ring_busy,
    together_room_wakes_who_found_the_ring_busy,
    together_what_a_skipped_sync_left_is_sent,
];

/// Tries, in which a sync takes some milliseconds.
const ROUNDS: usize = 12;

/// Runs `then` a moment after another thread has begun `sync`.
fn meanwhile<T>(
    sync: impl FnOnce() -> Result<(), Errno> + Send,
    then: impl FnOnce() -> Outcome<T>,
) -> Outcome<T> {
    let begun = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            begun.store(true, SeqCst);
            sync()
        });
        while !begun.load(SeqCst) {
            std::hint::spin_loop();
        }
        std::thread::sleep(Duration::from_micros(200));
        let done = then();
        works("the other's sync", other.join().expect("it does not panic"))?;
        done
    })
}

fn together_a_frame_wakes_who_found_the_ring_busy() -> Outcome {
    wire()?;
    let far = Stack::on("fm1")?;
    let bound = vale("fm0").bind()?;
    let ring = bound.rx(0);
    ring.set_flags(NR_FORWARD);
    for _ in 0..ROUNDS {
        // To be forwarded, before the sync looks for more.
        for frame in numbered(0..600) {
            far.send(&frame)?;
        }
        wait_until("the frames are there", || {
            let _ = bound.device.rxsync();
            ring.space() == 600
        })?;
        for slot in ring.owned() {
            ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD);
        }
        ring.take();
        far.send(&numbered(9..10)[0])?;
        meanwhile(
            || bound.device.rxsync(),
            || {
                same(
                    "poll",
                    bound.poll(PollFlags::POLLIN, 3000)?,
                    PollFlags::POLLIN,
                )
            },
        )?;
        same("the frame", numbers(&ring.take_frames()), vec![9])?;
        bound.device.rxsync()?;
    }
    Ok(())
}

/// A port whose syncs take long: many take its frames.
fn busy_switch(switch: &str) -> Outcome<(Bound, Vec<Bound>)> {
    let port = |name: &str| vale(&format!("{switch}:{name}")).slots(1024, 1024).bind();
    let takers = ["b", "c", "d", "e", "f"].map(port);
    let takers = takers.into_iter().collect::<Result<_, _>>()?;
    Ok((port("a")?, takers))
}

fn fill(ring: &Ring, up_to: u32) {
    let long = frame_of(1500, BROADCAST, station(1), 1);
    for _ in 0..up_to {
        ring.put(&long);
    }
}

fn together_room_wakes_who_found_the_ring_busy() -> Outcome {
    let (a, takers) = busy_switch("vale80")?;
    let ring = a.tx(0);
    for _ in 0..ROUNDS {
        fill(&ring, 1023);
        meanwhile(
            || a.device.txsync(),
            || {
                same(
                    "poll",
                    a.poll(PollFlags::POLLOUT, 3000)?,
                    PollFlags::POLLOUT,
                )
            },
        )?;
        for taker in &takers {
            taker.rx(0).set_head_cur(taker.rx(0).tail());
            taker.device.rxsync()?;
            taker.rx(0).set_head_cur(taker.rx(0).tail());
            taker.device.rxsync()?;
        }
    }
    Ok(())
}

/// A frame that is released during another thread's sync: poll sends it, whichever of the two gets
/// the ring.
fn together_what_a_skipped_sync_left_is_sent() -> Outcome {
    let (a, takers) = busy_switch("vale81")?;
    let ring = a.tx(0);
    for round in 0..ROUNDS as u32 {
        fill(&ring, 800);
        meanwhile(
            || a.device.txsync(),
            || {
                ring.put(&frame(BROADCAST, station(1), 100 + round));
                Ok(a.poll(PollFlags::POLLIN, 0)?)
            },
        )?;
        takers[0].device.rxsync()?;
        let came = numbers(&takers[0].rx(0).take_frames());
        same("the last frame", came.last(), Some(&(100 + round)))?;
        for taker in &takers {
            taker.device.rxsync()?;
            taker.rx(0).set_head_cur(taker.rx(0).tail());
            taker.device.rxsync()?;
        }
    }
    Ok(())
}
