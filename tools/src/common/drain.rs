// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting until all that was handed over has left.

use ferromap::{Result, TxRing};
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a full ring may stay full, once all is handed over, before the rest is given up.
const DRAIN: Duration = Duration::from_secs(2);

/// Syncs these rings of one port until every slot is free again. A pipe without a reader never gets
/// there: after a while without progress, which is shorter once `stopped` says that somebody wants
/// to end, the number of slots that are left is returned.
pub fn drain(rings: &mut [TxRing], stopped: impl Fn() -> bool) -> Result<u64> {
    let mut waiting = u64::MAX;
    let mut since = Instant::now();
    loop {
        match rings.first_mut() {
            Some(first) => first.sync()?,
            None => return Ok(0),
        };
        let left = rings.iter_mut().map(|r| (r.slots() - 1 - r.free()) as u64);
        let now = left.sum();
        if now == 0 {
            return Ok(0);
        }
        if now != waiting {
            (waiting, since) = (now, Instant::now());
        } else if since.elapsed() > DRAIN || stopped() && since.elapsed() > DRAIN / 10 {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
