// SPDX-License-Identifier: GPL-2.0

//! The frames of a batch, sorted by where they go. Pure.
//!
//! Frames are numbered in the order in which they were sent. Those for one destination form a list that is
//! threaded through the frames themselves, so sorting costs a few stores a frame and no memory.

/// Number of a frame within its batch.
pub(crate) type FrameId = u16;

/// The end of a list.
pub(crate) const NONE: FrameId = FrameId::MAX;

/// Frames for one destination, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    first: FrameId,
    last: FrameId,
    /// Slots that all its frames have together.
    pub(crate) slots: u32,
    /// Frames in it.
    pub(crate) frames: u32,
}

impl Chain {
    pub(crate) const EMPTY: Chain = Chain {
        first: NONE,
        last: NONE,
        slots: 0,
        frames: 0,
    };

    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Adds a frame behind all others. `next` is the thread through the frames.
    #[inline]
    pub(crate) fn push(&mut self, next: &mut [FrameId], frame: FrameId, slots: u32) {
        next[usize::from(frame)] = NONE;
        if self.is_empty() {
            self.first = frame;
        } else {
            next[usize::from(self.last)] = frame;
        }
        self.last = frame;
        self.slots += slots;
        self.frames += 1;
    }

    /// The frames of two lists in the order in which they were sent. A frame is in at most one of them.
    pub(crate) fn merge<'n>(
        self,
        other: Chain,
        next: &'n [FrameId],
    ) -> impl Iterator<Item = FrameId> + Clone + 'n {
        Merge {
            a: self.first,
            b: other.first,
            next,
        }
    }
}

#[derive(Clone)]
struct Merge<'n> {
    a: FrameId,
    b: FrameId,
    next: &'n [FrameId],
}

impl Iterator for Merge<'_> {
    type Item = FrameId;

    #[inline]
    fn next(&mut self) -> Option<FrameId> {
        // The end of a list is larger than any frame.
        let from = if self.a <= self.b { &mut self.a } else { &mut self.b };
        let frame = *from;
        if frame == NONE {
            return None;
        }
        *from = self.next[usize::from(frame)];
        Some(frame)
    }
}
