// SPDX-License-Identifier: GPL-2.0

//! Which slots are frames of their own, where only such can leave: a frame of several slots (a
//! chain, by `NS_MOREFRAG`) is dropped whole. If its last slot left alone, who sent the frame would
//! choose what leaves as another.
//!
//! Pure.

use crate::abi::consts::NS_MOREFRAG;

/// What the slots so far say about the next one. It stays from sync to sync: a chain need
/// not end with the slots that are released together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Parts {
    /// The next slot belongs to the frame of the last one.
    more: bool,
    /// That frame has been counted.
    counted: bool,
}

/// What a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A whole frame.
    Whole,
    /// Part of a chain, to be counted with this slot.
    Chain,
    /// Part of a chain that has been counted or is not to be.
    Rest,
}

impl Parts {
    /// Behind a slot with these flags, whatever was before.
    pub(crate) fn behind(flags: u16) -> Self {
        Parts {
            more: flags & NS_MOREFRAG != 0,
            counted: false,
        }
    }

    /// Takes a slot with these flags. A chain is counted once, with the first of its slots that
    /// was `meant` to leave.
    #[inline]
    pub(crate) fn next(&mut self, flags: u16, meant: bool) -> Part {
        let before = core::mem::replace(self, Parts::behind(flags));
        if !before.more && !self.more {
            return Part::Whole;
        }
        let counted = before.more && before.counted;
        self.counted = counted || meant;
        if meant && !counted {
            Part::Chain
        } else {
            Part::Rest
        }
    }
}
