// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sending.

use crate::{
    dump::dump,
    pace::Pace,
    source::{Bytes, Source},
    worker::{Job, Outcome},
};
use common::drain::drain;
use ferromap::{Result, SlotFlags, TxBatch, TxRing, TxSlot};
use std::time::{Duration, Instant};

/// Sends until `count` frames are out or the job is stopped.
pub fn send(job: &Job, rings: &mut [TxRing], count: u64) -> Result<Outcome> {
    let args = job.args;
    let mut filler = Filler::new(job, rings);
    let mut pace = Pace::of(job);
    let mut left = if count == 0 { u64::MAX } else { count };
    let per_frame = usize::from(args.frame.fragments);
    let began = Instant::now();
    while left > 0 && !job.stopped() {
        let mut may = pace.allowed(args.burst as u64).min(left);
        if may == 0 {
            pace.sleep();
            continue;
        }
        let (mut frames, mut bytes) = (0, 0);
        for (at, ring) in rings.iter_mut().enumerate() {
            let mut batch = ring.reserve(may as usize * per_frame);
            let fit = batch.len() / per_frame;
            bytes += if per_frame > 1 {
                filler.spread_each(&mut batch, fit, per_frame)
            } else if let Some(frame) = filler.alike {
                filler.fill_alike(at, &mut batch, frame)
            } else {
                filler.fill_each(&mut batch)
            };
            batch.commit(fit * per_frame);
            frames += fit as u64;
            may -= fit as u64;
            if may == 0 {
                break;
            }
        }
        if frames > 0 {
            // One call for all rings of the port.
            rings[0].sync()?;
            pace.sent(frames);
            left -= frames;
            job.counters.add(frames, bytes as u64);
        } else {
            rings[0].poll(Some(Duration::from_millis(100)))?;
        }
    }
    let unsent = drain(rings, || job.stopped())?;
    Ok(Outcome {
        unsent: unsent / per_frame as u64,
        ..Outcome::over(began, Instant::now())
    })
}

/// Puts frames into slots.
struct Filler<'a> {
    source: Source<'a>,
    /// Where all frames are the same, and a buffer that was filled once needs no more work.
    alike: Option<&'a [u8]>,
    /// For these: which buffer was filled at each position of each ring.
    filled: Vec<Vec<u32>>,
    dump: bool,
    rubbish: bool,
    /// Bytes of each fragment but the last, if that was said.
    part: Option<usize>,
}

impl<'a> Filler<'a> {
    fn new(job: &Job<'a>, rings: &[TxRing]) -> Self {
        let args = job.args;
        let (dump, rubbish) = (args.dump, args.frame.rubbish);
        let source = Source::new(job);
        let alike = match source {
            Source::Alike(bytes) if !dump && !rubbish => Some(bytes),
            _ => None,
        };
        Filler {
            source,
            alike,
            filled: rings.iter().map(|r| vec![0; r.slots()]).collect(),
            dump,
            rubbish,
            part: args.frame.fragment_size,
        }
    }

    /// All slots of a batch, with frames that are all the same; returns their bytes.
    /// This is where the generator spends its time: by itself, so that what is around it does not
    /// decide how it is compiled.
    #[inline(never)]
    fn fill_alike(&mut self, ring: usize, batch: &mut TxBatch<'_>, frame: &[u8]) -> usize {
        let filled = &mut self.filled[ring][..];
        batch.for_each(|mut slot| {
            // A slot keeps its buffer from round to round, so that most need no filling. Index 0
            // names no buffer: nothing that is 0 here was filled.
            let index = slot.buffer_index();
            match filled.get_mut(slot.position()) {
                Some(filled) if *filled != index => {
                    *filled = index;
                    refill(slot, frame);
                }
                _ => slot.set(frame.len(), SlotFlags::NONE),
            }
        });
        batch.len() * frame.len()
    }

    /// A frame in each slot of a batch; returns their bytes.
    fn fill_each(&mut self, batch: &mut TxBatch<'_>) -> usize {
        let mut bytes = 0;
        batch.for_each(|slot| bytes += self.fill(slot));
        bytes
    }

    /// One frame in one slot; returns its bytes.
    #[inline]
    fn fill(&mut self, mut slot: TxSlot<'_>) -> usize {
        let frame = self.source.next();
        if self.dump {
            dump(frame.bytes());
        }
        if self.rubbish {
            slot.set(frame.len(), SlotFlags::NONE);
            return frame.len();
        }
        frame.put(slot, SlotFlags::NONE)
    }

    /// `frames` frames over `count` slots each; returns their bytes.
    fn spread_each(&mut self, batch: &mut TxBatch<'_>, frames: usize, count: usize) -> usize {
        (0..frames)
            .map(|i| self.spread(batch, i * count, count))
            .sum()
    }

    /// One frame over `count` slots of the batch from `first` on; returns its bytes.
    fn spread(&mut self, batch: &mut TxBatch<'_>, first: usize, count: usize) -> usize {
        let frame = self.source.next();
        if self.dump {
            dump(frame.bytes());
        }
        let even = frame.len().div_ceil(count);
        let size = self.part.unwrap_or(even).min(even);
        let mut rest = frame;
        let mut bytes = 0;
        for i in 0..count {
            let last = i + 1 == count;
            let (part, after): (Bytes<'_>, _) = rest.split(if last { usize::MAX } else { size });
            rest = after;
            let flags = if last {
                SlotFlags::NONE
            } else {
                SlotFlags::MORE_FRAGMENTS
            };
            if let Some(slot) = batch.slot(first + i) {
                bytes += part.put(slot, flags);
            }
        }
        bytes
    }
}

/// Out of the way of those that need no filling: nothing of a slot has to be in memory for them.
#[cold]
#[inline(never)]
fn refill(mut slot: TxSlot<'_>, frame: &[u8]) {
    slot.fill(frame);
}
