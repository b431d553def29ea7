// SPDX-License-Identifier: GPL-2.0

//! A frame of one slot or several (a chain, by `NS_MOREFRAG`), whose slots are gathered before
//! anything is made of it: it goes anywhere whole, or nowhere. If its last slot left alone, who
//! sent the frame would choose what leaves as another.
//!
//! Pure.

use crate::abi::{
    consts::{NETMAP_MAX_FRAGS, NS_MOREFRAG},
    wire::Slot,
};

/// The slots of a frame so far, each as it was fetched, and what was found out about the next one:
/// that stays from sync to sync, as a frame that goes nowhere may have been released in parts.
pub(crate) struct Chain {
    slots: [Slot; NETMAP_MAX_FRAGS],
    count: usize,
    /// Whether it is to go somewhere, by one of those slots.
    meant: bool,
    /// The next slot belongs to a frame that goes nowhere; and whether that has been counted.
    rest: Option<bool>,
}

/// What a slot does to the frame that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is whole.
    Whole,
    /// It goes on, or is not meant to go anywhere.
    On,
    /// It goes nowhere, though it was meant to, and is to be counted with this slot.
    Bad,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Chain {
            slots: [Slot::default(); NETMAP_MAX_FRAGS],
            count: 0,
            meant: false,
            rest: None,
        }
    }

    /// The slots of the frame so far.
    #[inline]
    pub(crate) fn slots(&self) -> &[Slot] {
        self.slots.get(..self.count).unwrap_or(&[])
    }

    /// Whether the next slot begins a frame.
    #[inline]
    pub(crate) fn begins(&self) -> bool {
        self.rest.is_none()
    }

    /// Begins the next frame, or the same one anew.
    #[inline]
    pub(crate) fn restart(&mut self) {
        self.count = 0;
        self.meant = false;
    }

    /// Takes the next slot of a frame, by which that is `meant` to go somewhere or not. It can have
    /// at most `most` slots.
    #[inline]
    pub(crate) fn take(&mut self, slot: Slot, meant: bool, most: usize) -> Step {
        let more = slot.flags & NS_MOREFRAG != 0;
        if let Some(counted) = self.rest {
            self.rest = more.then_some(counted || meant);
            return if meant && !counted {
                Step::Bad
            } else {
                Step::On
            };
        }
        if let Some(place) = self.slots.get_mut(self.count) {
            *place = slot;
            self.count += 1;
        }
        self.meant |= meant;
        match (more, self.meant) {
            (false, true) => Step::Whole,
            (false, false) => {
                self.restart();
                Step::On
            }
            // There is no slot for its end.
            (true, _) if self.count >= most.min(NETMAP_MAX_FRAGS) => match self.give_up() {
                true => Step::Bad,
                false => Step::On,
            },
            (true, _) => Step::On,
        }
    }

    /// The frame goes nowhere, and nor does what comes of it yet. Returns whether that is to be
    /// counted.
    pub(crate) fn give_up(&mut self) -> bool {
        let meant = self.meant;
        if self.count > 0 {
            self.rest = Some(meant);
        }
        self.restart();
        meant
    }

    /// Begins with a frame whose slots will be taken again.
    pub(crate) fn forget(&mut self) {
        self.restart();
        self.rest = None;
    }

    /// Begins behind a slot with these flags, whatever was before: nobody has looked.
    pub(crate) fn behind(&mut self, flags: u16) {
        self.restart();
        self.rest = (flags & NS_MOREFRAG != 0).then_some(false);
    }
}
