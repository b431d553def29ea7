// SPDX-License-Identifier: GPL-2.0

//! The way through slots that a program has released, frame by frame.

use super::{
    chain::{Chain, Step},
    mem::RingMem,
    offsets::Offsets,
};
use crate::{
    abi::{
        consts::{NETMAP_MAX_FRAGS, NS_MOREFRAG},
        cursor::add,
        wire::Slot,
    },
    memory::{RingView, SlotCell},
};

/// Slots that are still to be walked. Each is fetched once on the way.
pub(crate) struct Frames<'s, 'c> {
    view: RingView<'s>,
    at: u32,
    left: u32,
    /// Slots of the ring, and where its frames start in their buffers, if not where these do.
    slots: u32,
    offsets: Option<Offsets>,
    /// Which flags mean a frame to go, in any of its slots; with 0 all frames are meant.
    only: u16,
    /// Whether all frames are meant, and start where their buffers do.
    alike: bool,
    /// Flags that are taken off slots on the way.
    done: u16,
    chain: &'c mut Chain,
}

/// A frame, whole.
pub(crate) struct Frame<'s, 'f> {
    view: RingView<'s>,
    first: u32,
    slots: &'f [Slot],
}

/// A frame that goes nowhere: it has more slots than a frame can have, or not all of it was there.
pub(crate) struct BadChain;

impl<'s, 'c> Frames<'s, 'c> {
    pub(super) fn new(
        ring: &'s RingMem,
        (first, count): (u32, u32),
        (only, done): (u16, u16),
        chain: &'c mut Chain,
    ) -> Self {
        let offsets = ring.offsets();
        Frames {
            view: ring.view(),
            at: first,
            left: count,
            slots: ring.slots(),
            offsets,
            alike: only == 0 && offsets.is_none(),
            only,
            done,
            chain,
        }
    }

    /// Slots that are left.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// The next frame and the slot of the ring that it is in, where it has but one, and all frames
    /// are alike; most are so. Otherwise [`next`](Self::next) tells.
    #[inline(always)]
    pub(crate) fn alone(&mut self) -> Option<(u32, Slot)> {
        if self.left == 0 || !self.alike || !self.chain.begins() {
            return None;
        }
        let first = self.at;
        let slot = self.fetch(self.view.cell(first));
        if slot.flags & NS_MOREFRAG != 0 {
            return None;
        }
        self.pass_one();
        Some((first, slot))
    }

    /// A private copy of a slot, of whose flags some are taken off there. Its pointer is where in
    /// its buffer the frame starts.
    #[inline(always)]
    fn fetch(&self, cell: SlotCell<'_>) -> Slot {
        let mut slot = cell.take();
        slot.ptr = match &self.offsets {
            None => 0,
            Some(offsets) => offsets.at(cell.ptr()).into(),
        };
        if slot.flags & self.done != 0 {
            cell.set_len_flags(slot.len, slot.flags & !self.done);
        }
        slot
    }

    #[inline(always)]
    fn pass_one(&mut self) {
        self.at = add(self.at, 1, self.slots);
        self.left -= 1;
    }

    /// The next frame that is meant to go. `None` if there is no other that is whole: then what is
    /// [`left`](Self::left), if anything, is one whose end is not there.
    #[inline(never)]
    pub(crate) fn next(&mut self) -> Option<Result<Frame<'s, '_>, BadChain>> {
        // All but one of the slots can be released together.
        let most = (self.slots.saturating_sub(1) as usize).min(NETMAP_MAX_FRAGS);
        self.chain.restart();
        while self.left > 0 {
            let slot = self.fetch(self.view.cell(self.at));
            let meant = self.only == 0 || slot.flags & self.only != 0;
            self.pass_one();
            match self.chain.take(slot, meant, most) {
                Step::On => {}
                Step::Bad => return Some(Err(BadChain)),
                Step::Whole => {
                    let slots = self.chain.slots();
                    return Some(Ok(Frame {
                        view: self.view,
                        first: back(self.at, slots.len() as u32, self.slots),
                        slots,
                    }));
                }
            }
        }
        self.left = self.chain.slots().len() as u32;
        self.at = back(self.at, self.left, self.slots);
        None
    }

    /// What is left goes nowhere, and nor does what comes of that frame yet. Returns whether it is
    /// to be counted.
    pub(crate) fn give_up(self) -> bool {
        self.left > 0 && self.chain.give_up()
    }

    /// The walk ends here, and the next one begins with a frame that was passed.
    pub(crate) fn step_back(&mut self) {
        self.chain.forget();
    }
}

impl<'s> Frame<'s, '_> {
    /// Its slots, as they were fetched; at least one.
    #[inline]
    pub(crate) fn slots(&self) -> &[Slot] {
        self.slots
    }

    /// Which slot of the ring it begins with.
    #[inline]
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// Where they are.
    pub(crate) fn cells(&self) -> impl Iterator<Item = SlotCell<'s>> {
        self.view.around(self.first, self.slots.len() as u32)
    }
}

/// The slot `by` places before `at`.
fn back(at: u32, by: u32, slots: u32) -> u32 {
    add(at, slots - by.min(slots), slots)
}
