// SPDX-License-Identifier: MIT OR Apache-2.0

//! One frame there and back.

use super::{flow::announce, Outcome, Schedule, Wait};
use crate::{child, clock::ticks, frame::frame};
use anyhow::{bail, Result};
use ferromap::{Port, RxRing};
use hdrhistogram::Histogram;
use std::time::Duration;

/// A frame that has not come back by then is lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends a frame, waits for its answer, and notes how long that took.
pub fn ping(
    port: &mut Port,
    from: [u8; 6],
    to: [u8; 6],
    bytes: usize,
    wait: Wait,
) -> Result<Outcome> {
    announce(port, from)?;
    let frame = frame(to, from, bytes);
    let schedule: Schedule = child::ready()?;
    // Three digits, up to a minute.
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let patience = schedule.rate.ticks(PATIENCE);
    let Some((rx, tx)) = port.pair() else {
        bail!("the port has no rings");
    };
    // The announcement of the other side, which opened its port later, must not pass for an answer.
    rx.sync()?;
    drop(rx.recv(usize::MAX));
    loop {
        let before = ticks();
        if before >= schedule.end() {
            break;
        }
        tx.send(&frame)?;
        tx.sync()?;
        while receive(rx, wait)? == 0 {
            if ticks() - before > patience {
                bail!("a frame did not come back within {PATIENCE:?}");
            }
        }
        let after = ticks();
        if before >= schedule.start {
            times.saturating_record(schedule.rate.ns((after - before) as f64) as u64);
        }
    }
    let us = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Outcome {
        slots: rx.slots(),
        round_trips: Some((us(0.5), us(0.99), times.len())),
        ..Outcome::default()
    })
}

/// Answers every frame with one to `to`, until a little after the schedule's end.
pub fn pong(port: &mut Port, address: [u8; 6], to: [u8; 6], wait: Wait) -> Result<Outcome> {
    announce(port, address)?;
    let frame = frame(to, address, 60);
    let schedule: Schedule = child::ready()?;
    let end = schedule.end() + schedule.rate.ticks(Duration::from_millis(50));
    let Some((rx, tx)) = port.pair() else {
        bail!("the port has no rings");
    };
    while ticks() < end {
        let came = receive(rx, wait)?;
        if came > 0 {
            for _ in 0..came {
                tx.send(&frame)?;
            }
            tx.sync()?;
        }
    }
    Ok(Outcome::default())
}

/// Takes what has come and says how many frames that were.
fn receive(rx: &mut RxRing, wait: Wait) -> Result<usize> {
    match wait {
        Wait::Busy => rx.sync()?,
        Wait::Poll => rx.poll(Some(Duration::from_millis(20)))?,
    };
    Ok(rx.recv(usize::MAX).len())
}
