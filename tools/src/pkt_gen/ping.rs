// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ping and pong: one frame there and back.

use crate::{
    dump::dump,
    frame::Fields,
    look::{marks, turn_round},
    pace::Pace,
    worker::{Job, Outcome},
};
use ferromap::{Port, Result, RxRing, TxRing};
use std::time::{Duration, Instant};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to sleep at most before looking whether to stop.
const NAP: Duration = Duration::from_millis(100);

/// Sends a frame, waits until it comes back, and so on, `count` times or until stopped.
pub fn ping(job: &Job, port: &mut Port, count: u64) -> Result<Outcome> {
    let Some((rx, tx)) = port.pair() else {
        return Ok(Outcome::default());
    };
    let epoch = Instant::now();
    let now = || epoch.elapsed().as_nanos() as u64;
    let mut pace = Pace::of(job);
    let mut frame = job.template.bytes().to_vec();
    let mut times = Vec::new();
    let mut sequence = 0;
    while !job.stopped() && (count == 0 || sequence < count) {
        if pace.allowed(1) == 0 {
            pace.sleep();
            continue;
        }
        let fields = Fields {
            src: job.src.first,
            dst: job.dst.first,
            len: job.args.frame.longest(),
            sequence,
            stamp: now(),
        };
        job.template.patch(&mut frame, &fields);
        if !tx.send(&frame)? {
            tx.poll(Some(NAP))?;
            continue;
        }
        if job.args.dump {
            dump(&frame);
        }
        tx.sync()?;
        pace.sent(1);
        let deadline = Instant::now() + PATIENCE;
        match answer(job, rx, sequence, deadline)? {
            Some(stamp) => {
                times.push(now().saturating_sub(stamp));
                job.counters.add(1, frame.len() as u64);
            }
            None if job.stopped() => break,
            None => job.counters.add_errors(1),
        }
        sequence += 1;
    }
    Ok(Outcome {
        times,
        ..Outcome::over(epoch, Instant::now())
    })
}

/// Waits for the frame with this number and returns its time stamp.
fn answer(job: &Job, rx: &mut RxRing, sequence: u64, deadline: Instant) -> Result<Option<u64>> {
    loop {
        let batch = rx.recv(job.args.burst);
        let found = batch
            .iter()
            .filter_map(|slot| slot.bytes().get(job.vnet..).and_then(marks))
            .find(|&(number, _)| number == sequence);
        drop(batch);
        if let Some((_, stamp)) = found {
            return Ok(Some(stamp));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || job.stopped() {
            return Ok(None);
        }
        rx.poll(Some(left.min(NAP)))?;
    }
}

/// Sends every frame back to where it came from, without copying it.
pub fn pong(job: &Job, port: &mut Port, count: u64) -> Result<Outcome> {
    let Some((rx, tx)) = port.pair() else {
        return Ok(Outcome::default());
    };
    let began = Instant::now();
    while !job.stopped() && (count == 0 || job.counters.frames() < count) {
        if rx.available() == 0 {
            rx.poll(Some(NAP))?;
        }
        let (frames, bytes) = send_back(job, rx, tx)?;
        if frames > 0 {
            tx.sync()?;
            job.counters.add(frames, bytes);
        } else if tx.free() == 0 {
            tx.poll(Some(NAP))?;
        }
    }
    Ok(Outcome::over(began, Instant::now()))
}

fn send_back(job: &Job, rx: &mut RxRing, tx: &mut TxRing) -> Result<(u64, u64)> {
    let mut from = rx.recv(job.args.burst);
    let mut to = tx.reserve(from.len());
    let count = from.len().min(to.len());
    let (mut frames, mut bytes) = (0, 0);
    for i in 0..count {
        let (Some(mut received), Some(mut slot)) = (from.slot_mut(i), to.slot(i)) else {
            break;
        };
        let got = received.get();
        frames += u64::from(!got.more_fragments());
        bytes += got.len() as u64;
        if job.args.dump {
            dump(got.bytes());
        }
        let len = got.len();
        if let Some(frame) = received.buffer_mut().get_mut(job.vnet..len) {
            turn_round(frame);
        }
        slot.swap(&mut received)?;
    }
    to.commit(count);
    from.release_only(count);
    Ok((frames, bytes))
}
