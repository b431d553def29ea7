// SPDX-License-Identifier: GPL-2.0

//! The way through consecutive slots of a ring, around its end.

use crate::memory::{RingView, SlotCell, SlotRun};

/// Consecutive slots that are still to be walked.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'r> {
    view: RingView<'r>,
    /// Slots up to the ring's end.
    run: SlotRun<'r>,
    /// Slots behind those, from the ring's start.
    rest: u32,
}

impl<'r> Walk<'r> {
    pub(crate) fn new(view: RingView<'r>, first: u32, count: u32) -> Self {
        let run = view.run(first, count);
        let rest = count.saturating_sub(run.left());
        Walk { view, run, rest }
    }

    /// Slots that are left.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        self.run.left().wrapping_add(self.rest)
    }

    /// The next slots that lie side by side, at most `count`. They are left behind with
    /// [`advance`](Self::advance).
    #[inline]
    pub(crate) fn ahead(&mut self, count: u32) -> SlotRun<'r> {
        if self.run.left() == 0 {
            self.run = self.view.run(0, self.rest);
            self.rest = 0;
        }
        self.run.first(count)
    }

    /// The same way from the slot `count` further on.
    pub(crate) fn behind(mut self, count: u32) -> Self {
        let in_run = count.min(self.run.left());
        self.advance(in_run);
        if in_run < count {
            self.ahead(0);
            self.advance(count - in_run);
        }
        self
    }

    /// Leaves behind `count` of the slots [`ahead`](Self::ahead).
    #[inline]
    pub(crate) fn advance(&mut self, count: u32) {
        self.run.advance(count);
    }
}

impl<'r> Iterator for Walk<'r> {
    type Item = SlotCell<'r>;

    #[inline]
    fn next(&mut self) -> Option<SlotCell<'r>> {
        if let Some(cell) = self.run.next() {
            return Some(cell);
        }
        self.ahead(self.rest);
        self.run.next()
    }
}
