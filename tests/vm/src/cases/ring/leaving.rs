// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rings that go with their last file, while another file asks for them. Closing takes no part in
//! the turn of requests, so the two meet.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    ; slow: leaving_rings_make_room_for_the_next,
    leaving_rings_are_not_found_by_the_next,
];

/// How long files come and go.
const LONG: Duration = Duration::from_secs(3);

/// Several threads do `step` again and again; the number of times that it was done.
fn at_once(threads: usize, step: impl Fn() -> Outcome<bool> + Sync) -> Outcome<u32> {
    let done = AtomicU32::new(0);
    let end = Instant::now() + LONG;
    std::thread::scope(|scope| {
        let work = || -> Outcome {
            while Instant::now() < end {
                done.fetch_add(step()?.into(), SeqCst);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    Ok(done.into_inner())
}

/// A seat was empty before the ring's memory was back, and a second set of rings found no room:
/// ENOMEM for who opened a port that another file was just closing.
fn leaving_rings_make_room_for_the_next() -> Outcome {
    let port = || vale("vale0:p").rings(16, 16).slots(256, 256);
    // Keeps the port and its region.
    let keeper = port().one(0).flags(NR_TX_RINGS_ONLY).bind()?;
    let bound = at_once(2, || {
        port().bind()?;
        Ok(true)
    })?;
    drop(keeper);
    same("somebody has bound it", bound > 0, true)
}

/// Between unbinding a ring and letting go of it another file could bind it for itself, and found
/// the cursors and frames of the one before.
fn leaving_rings_are_not_found_by_the_next() -> Outcome {
    let port = || vale("vale0:p").rings(2, 2).slots(64, 64);
    let keeper = port().one(1).bind()?;
    let bound = at_once(3, || {
        let alone = match port().one(0).flags(NR_EXCLUSIVE).bind() {
            Err(Errno::EBUSY) => return Ok(false),
            bound => bound?,
        };
        same("transmit cursors", alone.tx(0).cursors(), (0, 0, 63))?;
        same("receive cursors", alone.rx(0).cursors(), (0, 0, 0))?;
        alone.send(&numbered(0..5))?;
        Ok(true)
    })?;
    drop(keeper);
    same("somebody has bound it", bound > 0, true)
}
