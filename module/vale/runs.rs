// SPDX-License-Identifier: GPL-2.0

//! The frames of a burst, sorted by where they go. Pure.
//!
//! Frames are numbered in the order in which they were sent. Those that follow one another to one
//! destination are a run; the runs of a destination form a list. Traffic comes in runs, so sorting
//! costs next to nothing a frame.

use core::ops::Range;

/// Number of a frame within its burst.
pub(crate) type FrameId = u16;

/// Number of a run within its burst.
pub(crate) type RunId = u16;

/// The end of a list.
pub(crate) const NONE: RunId = RunId::MAX;

/// Frames that were sent one after the other to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    first: FrameId,
    frames: u16,
    /// Slots that its frames have together.
    slots: u16,
    /// The next run to the same destination.
    next: RunId,
}

impl Run {
    pub(crate) fn new(first: FrameId, frames: u16, slots: u16) -> Self {
        Run {
            first,
            frames,
            slots,
            next: NONE,
        }
    }

    /// Its frames, as indexes.
    #[inline]
    pub(crate) fn frames(&self) -> Range<usize> {
        let first = usize::from(self.first);
        first..first + usize::from(self.frames)
    }
}

/// The runs of one destination, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunList {
    first: RunId,
    last: RunId,
    /// Frames in it.
    pub(crate) frames: u32,
    /// Slots that all its frames have together.
    pub(crate) slots: u32,
}

impl RunList {
    pub(crate) const EMPTY: RunList = RunList {
        first: NONE,
        last: NONE,
        frames: 0,
        slots: 0,
    };

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Puts run `id` of `runs` behind all others.
    #[inline]
    pub(crate) fn push(&mut self, runs: &mut [Run], id: RunId) {
        let Some(run) = runs.get(usize::from(id)) else {
            return;
        };
        self.frames += u32::from(run.frames);
        self.slots += u32::from(run.slots);
        if self.is_empty() {
            self.first = id;
        } else if let Some(last) = runs.get_mut(usize::from(self.last)) {
            last.next = id;
        }
        self.last = id;
    }

    /// The runs of two lists in the order in which they were sent. A run is in at most one of them.
    #[inline]
    pub(crate) fn merge(self, other: RunList, runs: &[Run]) -> Merge<'_> {
        Merge {
            a: self.first,
            b: other.first,
            runs,
        }
    }
}

/// See [`RunList::merge`]. Of each list, the next run to return.
#[derive(Clone)]
pub(crate) struct Merge<'r> {
    a: RunId,
    b: RunId,
    runs: &'r [Run],
}

impl Iterator for Merge<'_> {
    type Item = Run;

    #[inline]
    fn next(&mut self) -> Option<Run> {
        // Runs are numbered as they were sent, and the end of a list is larger than any of them.
        let from = if self.a <= self.b {
            &mut self.a
        } else {
            &mut self.b
        };
        let run = *self.runs.get(usize::from(*from))?;
        *from = run.next;
        Some(run)
    }
}
