// SPDX-License-Identifier: MIT OR Apache-2.0

//! Receiving.

use crate::{
    dump::dump,
    look::marks,
    worker::{Job, Outcome},
};
use ferromap::{Result, RxBatch, RxRing};
use std::time::{Duration, Instant};

/// How long to sleep at most before looking whether to stop.
const NAP: Duration = Duration::from_millis(100);

/// Receives until all threads together have `count` frames, or the job is stopped.
pub fn receive(job: &Job, rings: &mut [RxRing], count: u64) -> Result<Outcome> {
    let args = job.args;
    let mut sequence = job.checks_sequence().then(Sequence::default);
    let mut began = None;
    let mut ended = Instant::now();
    rings[0].sync()?;
    if args.no_wait && rings.iter_mut().all(|r| r.available() == 0) {
        return Ok(Outcome::default());
    }
    while !job.stopped() {
        let mut quiet = true;
        for ring in rings.iter_mut() {
            let most = match count {
                0 => args.burst as u64,
                n => n.saturating_sub(job.all_frames()).min(args.burst as u64),
            };
            let batch = ring.recv(most as usize);
            if batch.is_empty() {
                continue;
            }
            quiet = false;
            began.get_or_insert_with(Instant::now);
            let (frames, bytes) = measure(&batch);
            if args.dump {
                batch.iter().for_each(|slot| dump(slot.bytes()));
            }
            if let Some(capture) = job.capture {
                capture.keep(job, &batch);
            }
            if let Some(sequence) = &mut sequence {
                job.counters.add_errors(sequence.check(&batch, job.vnet));
            }
            drop(batch);
            job.counters.add(frames, bytes);
        }
        if quiet {
            if let Some(capture) = job.capture {
                capture.pause(job);
            }
            // The last look at the clock was cheap: it is only taken when there is nothing to do.
            let nothing = rings[0].poll(Some(NAP))? == 0;
            if !nothing {
                ended = Instant::now();
            }
        }
        if count > 0 && job.all_frames() >= count {
            ended = Instant::now();
            job.stop();
        }
    }
    Ok(began.map_or_else(Outcome::default, |began| {
        Outcome::over(began, ended.max(began))
    }))
}

/// Frames and bytes of a batch; the payload is not touched.
#[inline]
fn measure(batch: &RxBatch<'_>) -> (u64, u64) {
    batch.iter().fold((0, 0), |(frames, bytes), slot| {
        (
            frames + u64::from(!slot.more_fragments()),
            bytes + slot.len() as u64,
        )
    })
}

/// Finds holes in the sequence numbers.
#[derive(Default)]
struct Sequence {
    next: Option<u64>,
}

impl Sequence {
    /// How many frames are missing before, or out of place in, this batch.
    fn check(&mut self, batch: &RxBatch<'_>, vnet: usize) -> u64 {
        let mut wrong = 0;
        for packet in batch.packets() {
            let first = packet.slots().next().map_or(&[][..], |slot| slot.bytes());
            let Some((number, _)) = first.get(vnet..).and_then(marks) else {
                continue;
            };
            wrong += match self.next {
                Some(next) if number > next => number - next,
                Some(next) if number < next => 1,
                _ => 0,
            };
            self.next = Some(number.wrapping_add(1).max(self.next.unwrap_or(0)));
        }
        wrong
    }
}
