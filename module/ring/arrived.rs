// SPDX-License-Identifier: GPL-2.0

//! A frame that has arrived in a receive ring, to be passed on by the kernel itself.

use crate::{
    abi::consts::NS_MOREFRAG,
    memory::{RingView, SlotCell},
};

/// A frame that has arrived, with all its slots.
pub(crate) struct Arrived<'r> {
    view: RingView<'r>,
    first: u32,
    slots: u32,
}

impl<'r> Arrived<'r> {
    /// The frame that starts at slot `first`, of `there` slots. They come whole: one that says to
    /// go on behind these was scribbled on, and ends here.
    pub(super) fn new(view: RingView<'r>, first: u32, there: u32) -> Self {
        let last = view
            .around(first, there)
            .position(|cell| cell.flags() & NS_MOREFRAG == 0);
        let slots = last.map_or(there, |last| last as u32 + 1);
        Arrived { view, first, slots }
    }

    /// How many slots it has.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = SlotCell<'r>> {
        self.view.around(self.first, self.slots)
    }
}
