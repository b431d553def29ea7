// SPDX-License-Identifier: GPL-2.0

//! Which slots of a batch are whole frames. Only those are shown: frames of several rings meet in a
//! monitor's ring, so that the rest of one would end up behind another.
//!
//! Pure.

use core::ops::Range;

/// Slots by their places: the first of the batch is 0, and those before it have negative numbers.
pub(super) struct Batch<F> {
    /// How many slots right before the batch may belong to frames that end in it.
    pub(super) before: u32,
    pub(super) count: u32,
    /// Whether a frame that has not ended ends with the batch, as on a port of a switch.
    pub(super) ends: bool,
    /// Whether the frame goes on behind that slot.
    pub(super) goes_on: F,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Show(Range<i32>),
    /// These are of a frame that is too long.
    Skip(Range<i32>),
}

impl<F: Fn(i32) -> bool> Batch<F> {
    /// All slots that are to be shown.
    pub(super) fn whole(&self) -> Range<i32> {
        let (start, mut end) = (self.start(), self.count as i32);
        while !self.ends && end > start && (self.goes_on)(end - 1) {
            end -= 1;
        }
        start..end
    }

    /// Where the first frame begins that ends in the batch.
    fn start(&self) -> i32 {
        if self.ends {
            return 0;
        }
        let (mut at, least) = (0, -(self.before as i32));
        while at > least && (self.goes_on)(at - 1) {
            at -= 1;
        }
        if at == least && (self.goes_on)(at - 1) {
            // The beginning of this one has gone.
            return self.behind_frame(at, self.count as i32);
        }
        at
    }

    /// The place behind the frame that a slot belongs to, or `end`.
    fn behind_frame(&self, mut at: i32, end: i32) -> i32 {
        while at < end && (self.goes_on)(at) {
            at += 1;
        }
        (at + 1).min(end)
    }

    /// The next of these slots: whole frames, in at most so many slots. `None` if none are left.
    pub(super) fn next(&self, slots: Range<i32>, most: i32) -> Option<Step> {
        let Range { start, end } = slots;
        if start >= end {
            return None;
        }
        let limit = end.min(start.saturating_add(most));
        let mut at = limit;
        while at > start && (self.goes_on)(at - 1) {
            at -= 1;
        }
        Some(if at > start {
            Step::Show(start..at)
        } else if limit == end {
            Step::Show(start..end)
        } else {
            Step::Skip(start..self.behind_frame(limit, end))
        })
    }

    /// The last frames of these that have at most so many slots together: where they begin.
    pub(super) fn newest(&self, slots: &Range<i32>, room: u32) -> i32 {
        let room = i32::try_from(room).unwrap_or(i32::MAX);
        let mut at = slots.end.saturating_sub(room).max(slots.start);
        while at > slots.start && at < slots.end && (self.goes_on)(at - 1) {
            at += 1;
        }
        at
    }
}
