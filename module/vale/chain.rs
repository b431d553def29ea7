// SPDX-License-Identifier: GPL-2.0

//! The frames of a batch, sorted by where they go. Pure.
//!
//! Frames are numbered in the order in which they were sent. Those for one destination form a list that is
//! threaded through the frames themselves, so sorting costs a few stores a frame and no memory.

use core::ops::RangeInclusive;

/// Number of a frame within its batch.
pub(crate) type FrameId = u16;

/// The end of a list.
pub(crate) const NONE: FrameId = FrameId::MAX;

/// Frames for one destination, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    first: FrameId,
    last: FrameId,
    /// Frames in it.
    pub(crate) frames: u32,
    /// Slots that all its frames have together.
    pub(crate) slots: u32,
}

impl Chain {
    pub(crate) const EMPTY: Chain = Chain {
        first: NONE,
        last: NONE,
        frames: 0,
        slots: 0,
    };

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Adds a frame behind all others. `next` is the thread through the frames.
    #[inline]
    pub(crate) fn push(&mut self, next: &mut [FrameId], frame: FrameId, slots: u32) {
        if self.is_empty() {
            self.first = frame;
        } else if let Some(thread) = next.get_mut(usize::from(self.last)) {
            *thread = frame;
        }
        self.last = frame;
        self.frames += 1;
        self.slots += slots;
    }

    /// The frames of this list and `other`, if one of them is empty and nothing lies between the frames of
    /// the other: they can be taken without following the thread.
    #[inline]
    pub(crate) fn run_with(&self, other: &Chain) -> Option<RangeInclusive<usize>> {
        let chain = match (self.is_empty(), other.is_empty()) {
            (false, true) => self,
            (true, false) => other,
            _ => return None,
        };
        let (first, last) = (usize::from(chain.first), usize::from(chain.last));
        (chain.frames as usize == last - first + 1).then_some(first..=last)
    }

    /// The frames of two lists in the order in which they were sent. A frame is in at most one of them.
    #[inline]
    pub(crate) fn merge(self, other: Chain, next: &[FrameId]) -> Merge<'_> {
        Merge {
            a: self,
            b: other,
            next,
        }
    }
}

/// See [`Chain::merge`]. Of each list, `first` is the next frame to answer.
#[derive(Clone)]
pub(crate) struct Merge<'n> {
    a: Chain,
    b: Chain,
    next: &'n [FrameId],
}

impl Iterator for Merge<'_> {
    type Item = FrameId;

    #[inline]
    fn next(&mut self) -> Option<FrameId> {
        // The end of a list is larger than any frame.
        let from = if self.a.first <= self.b.first {
            &mut self.a
        } else {
            &mut self.b
        };
        let frame = from.first;
        if frame == NONE {
            return None;
        }
        from.first = if frame == from.last {
            NONE
        } else {
            self.next.get(usize::from(frame)).copied().unwrap_or(NONE)
        };
        Some(frame)
    }
}
