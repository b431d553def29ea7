// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the frames of a sender come from: one over and over, made anew each time, or of a file.

use crate::{
    flow::{Random, Range, Walk},
    frame::{Fields, Template},
    sizes::Sizes,
    worker::Job,
};
use common::pcap::Recording;
use ferromap::{SlotFlags, TxSlot};

/// A frame to be sent, or a part of one.
pub enum Bytes<'b> {
    /// To be copied into a buffer.
    Copied(&'b [u8]),
    /// Where the kernel finds it (`-I`).
    Pointed(&'static [u8]),
}

impl<'b> Bytes<'b> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Bytes::Copied(bytes) => bytes,
            Bytes::Pointed(bytes) => bytes,
        }
    }

    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// The first `at` bytes, or all of them, and the rest.
    pub fn split(self, at: usize) -> (Bytes<'b>, Bytes<'b>) {
        let at = at.min(self.len());
        match self {
            Bytes::Copied(bytes) => {
                let (first, rest) = bytes.split_at(at);
                (Bytes::Copied(first), Bytes::Copied(rest))
            }
            Bytes::Pointed(bytes) => {
                let (first, rest) = bytes.split_at(at);
                (Bytes::Pointed(first), Bytes::Pointed(rest))
            }
        }
    }

    /// Puts them into a slot; says how many it took.
    #[inline]
    pub fn put(&self, mut slot: TxSlot<'_>, flags: SlotFlags) -> usize {
        match self {
            Bytes::Copied(bytes) => {
                let len = slot.fill(bytes);
                if flags != SlotFlags::NONE {
                    slot.set(len, flags);
                }
                len
            }
            Bytes::Pointed(bytes) => {
                slot.set_indirect(bytes, flags);
                bytes.len()
            }
        }
    }
}

/// The frames of one thread.
pub enum Source<'a> {
    Alike(&'a [u8]),
    /// For `-I`: what the kernel is pointed to stays where it is for as long as the program runs.
    AlikeForEver(&'static [u8]),
    Made(Box<Made<'a>>),
    Played(Played),
}

impl<'a> Source<'a> {
    pub fn new(job: &Job<'a>) -> Self {
        let args = job.args;
        if let Some(recording) = job.recording {
            return Source::Played(Played {
                recording,
                next: job.index.into(),
                step: job.threads.into(),
                pointed: args.frame.indirect,
            });
        }
        let template = job.template;
        if args.varies() {
            return Source::Made(Box::new(Made::new(job)));
        }
        let bytes = &template.bytes()[..template.total(args.frame.longest())];
        if args.frame.indirect {
            return Source::AlikeForEver(bytes.to_vec().leak());
        }
        Source::Alike(bytes)
    }

    pub fn next(&mut self) -> Bytes<'_> {
        match self {
            Source::Alike(bytes) => Bytes::Copied(bytes),
            Source::AlikeForEver(bytes) => Bytes::Pointed(bytes),
            Source::Made(made) => Bytes::Copied(made.next()),
            Source::Played(played) => played.next(),
        }
    }
}

/// Frames that differ in addresses, length, or sequence number.
pub struct Made<'a> {
    template: &'a Template,
    src: Walk,
    dst: Walk,
    sizes: Sizes,
    sequence: u64,
    step: u64,
    scratch: Vec<u8>,
}

impl<'a> Made<'a> {
    fn new(job: &Job<'a>) -> Self {
        let frame = &job.args.frame;
        let seed = u64::from(job.index) + 1;
        let walk = |range: Range, random: bool, salt: u64| {
            if random {
                let random = Random::new((seed << 8) | salt);
                Walk::new(range.for_random(), Some(random))
            } else {
                Walk::new(range, None)
            }
        };
        Made {
            template: job.template,
            src: walk(job.src, frame.random_src, 1),
            dst: walk(job.dst, frame.random_dst, 2),
            sizes: match &frame.imix {
                Some(mix) => Sizes::of_mix(mix),
                None if frame.shortest() < frame.longest() => {
                    Sizes::Random(Random::new(seed), frame.shortest(), frame.longest())
                }
                None => Sizes::One(frame.longest()),
            },
            sequence: job.index.into(),
            step: job.threads.into(),
            scratch: job.template.bytes().to_vec(),
        }
    }

    /// Makes the next frame in `scratch`.
    fn next(&mut self) -> &[u8] {
        let len = self.sizes.next();
        let fields = Fields {
            src: self.src.step(),
            dst: self.dst.step(),
            len,
            sequence: self.sequence,
            stamp: 0,
        };
        self.sequence += self.step;
        self.template.patch(&mut self.scratch, &fields);
        &self.scratch[..self.template.total(len)]
    }
}

/// Every so many frames of a file.
pub struct Played {
    recording: &'static Recording,
    next: usize,
    step: usize,
    pointed: bool,
}

impl Played {
    fn next(&mut self) -> Bytes<'static> {
        let frame = self.recording.frame(self.next);
        self.next = self.next.wrapping_add(self.step);
        if self.pointed {
            Bytes::Pointed(frame)
        } else {
            Bytes::Copied(frame)
        }
    }
}
