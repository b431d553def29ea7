// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sending.

use crate::{
    args::Args,
    dump::dump,
    flow::{Random, Range, Walk},
    frame::{Fields, Template},
    pace::Pace,
    worker::{Job, Outcome},
};
use ferromap::{Result, SlotFlags, TxBatch, TxRing, TxSlot};
use std::time::{Duration, Instant};

/// How long a full ring may stay full, once all is handed over, before the rest is given up.
const DRAIN: Duration = Duration::from_secs(2);

/// Sends until `count` frames are out or the job is stopped.
pub fn send(job: &Job, rings: &mut [TxRing], count: u64) -> Result<Outcome> {
    let args = job.args;
    let mut filler = Filler::new(job, rings);
    let mut pace = Pace::new(job.rate);
    let mut left = if count == 0 { u64::MAX } else { count };
    let per_frame = usize::from(args.fragments);
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
            let mut used = 0;
            if per_frame == 1 && filler.alike() {
                bytes += filler.fill_alike(at, &mut batch, fit);
                used = fit;
            } else {
                for _ in 0..fit {
                    bytes += if per_frame == 1 {
                        batch
                            .slot(used)
                            .map_or(0, |mut slot| filler.fill(&mut slot))
                    } else {
                        filler.spread(&mut batch, used, per_frame)
                    };
                    used += per_frame;
                }
            }
            batch.commit(used);
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
    let unsent = drain(job, rings)?;
    Ok(Outcome {
        unsent,
        ..Outcome::over(began, Instant::now())
    })
}

/// Syncs until every slot is free again. A pipe without a reader never gets there: after a while
/// without progress the number of slots that were left is returned.
fn drain(job: &Job, rings: &mut [TxRing]) -> Result<u64> {
    let mut waiting = u64::MAX;
    let mut since = Instant::now();
    loop {
        rings[0].sync()?;
        let now = rings
            .iter_mut()
            .map(|r| (r.slots() - 1 - r.free()) as u64)
            .sum();
        if now == 0 {
            return Ok(0);
        }
        if now != waiting {
            (waiting, since) = (now, Instant::now());
        } else if since.elapsed() > DRAIN || job.stopped() && since.elapsed() > DRAIN / 10 {
            return Ok(now / u64::from(job.args.fragments));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Puts frames into slots.
struct Filler<'a> {
    args: &'a Args,
    template: &'a Template,
    /// For frames that are all alike: which buffer was filled at each position of each ring.
    filled: Vec<Vec<u32>>,
    /// For frames that differ.
    walks: Option<(Walk, Walk)>,
    sizes: Option<Random>,
    sequence: u64,
    step: u64,
    scratch: Vec<u8>,
    indirect: Option<&'static [u8]>,
    len: usize,
}

impl<'a> Filler<'a> {
    fn new(job: &Job<'a>, rings: &[TxRing]) -> Self {
        let args = job.args;
        let seed = u64::from(job.index) + 1;
        let walk = |range: Range, random: bool, salt: u64| {
            Walk::new(range, random.then(|| Random::new((seed << 8) | salt)))
        };
        Filler {
            args,
            template: job.template,
            filled: rings.iter().map(|r| vec![0; r.slots()]).collect(),
            walks: args.varies().then(|| {
                (
                    walk(job.src, args.random_src, 1),
                    walk(job.dst, args.random_dst, 2),
                )
            }),
            sizes: (args.lengths.len() > 1).then(|| Random::new(seed)),
            sequence: u64::from(job.index),
            step: u64::from(job.threads),
            scratch: job.template.bytes().to_vec(),
            indirect: args
                .indirect
                .then(|| &*job.template.bytes().to_vec().leak()),
            len: job.template.total(args.longest()),
        }
    }

    /// Whether all frames are the same, so that a buffer that was filled once needs no more work.
    fn alike(&self) -> bool {
        self.walks.is_none()
            && self.sizes.is_none()
            && self.indirect.is_none()
            && !self.args.dump
            && !self.args.rubbish
    }

    /// The first `count` slots of a batch, with frames that are all the same; returns their bytes.
    /// This is where the generator spends its time.
    fn fill_alike(&mut self, ring: usize, batch: &mut TxBatch<'_>, count: usize) -> usize {
        let (len, template) = (self.len, self.template.bytes());
        let filled = &mut self.filled[ring][..];
        for i in 0..count {
            let Some(mut slot) = batch.slot(i) else {
                return i * len;
            };
            // A slot keeps its buffer from round to round, so that most need no filling. Index 0
            // names no buffer: nothing that is 0 here was filled.
            let index = slot.buffer_index();
            if let Some(filled) = filled.get_mut(slot.position()) {
                if *filled != index {
                    *filled = index;
                    slot.fill(template);
                }
            }
            slot.set(len, SlotFlags::NONE);
        }
        count * len
    }

    /// One frame in one slot; returns its bytes.
    fn fill(&mut self, slot: &mut TxSlot<'_>) -> usize {
        if let Some(bytes) = self.indirect {
            slot.set_indirect(bytes, SlotFlags::NONE);
            return bytes.len();
        }
        let len = self.next_frame();
        let part = &self.scratch[..len];
        if self.args.dump {
            dump(part);
        }
        if self.args.rubbish {
            slot.set(len, SlotFlags::NONE);
            len
        } else {
            slot.fill(part)
        }
    }

    /// One frame over `count` slots of the batch from `first` on; returns its bytes.
    fn spread(&mut self, batch: &mut TxBatch<'_>, first: usize, count: usize) -> usize {
        let len = self.next_frame();
        if self.args.dump {
            dump(&self.scratch[..len]);
        }
        let even = len.div_ceil(count);
        let size = self.args.fragment_size.unwrap_or(even).min(even);
        let mut rest = &self.scratch[..len];
        let mut bytes = 0;
        for i in 0..count {
            let last = i + 1 == count;
            let (part, after) = rest.split_at(if last {
                rest.len()
            } else {
                size.min(rest.len())
            });
            rest = after;
            if let Some(mut slot) = batch.slot(first + i) {
                bytes += slot.fill(part);
                if !last {
                    slot.set(part.len(), SlotFlags::MORE_FRAGMENTS);
                }
            }
        }
        bytes
    }

    /// Makes the next frame in `scratch` and returns its length with all headers.
    fn next_frame(&mut self) -> usize {
        let len = match &mut self.sizes {
            Some(random) => random.between(self.args.shortest(), self.args.longest()),
            None => self.args.longest(),
        };
        if let Some((src, dst)) = &mut self.walks {
            let fields = Fields {
                src: src.step(),
                dst: dst.step(),
                len,
                sequence: self.sequence,
                stamp: 0,
            };
            self.sequence += self.step;
            self.template.patch(&mut self.scratch, &fields);
        }
        self.template.total(len)
    }
}
