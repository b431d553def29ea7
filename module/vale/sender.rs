// SPDX-License-Identifier: GPL-2.0

//! Who sends through a switch.

use super::switch::{Member, Switch};
use crate::{
    abi::{consts::NS_INDIRECT, wire::Slot},
    memory::{Bufs, SlotCell},
    ring::{Offsets, TxRing},
    sys::user::Caller,
};

/// What stays the same during a sync.
#[derive(Clone, Copy)]
pub(super) struct Sender<'s> {
    pub(super) switch: &'s Switch,
    pub(super) member: &'s Member,
    /// Length of the virtio-net header on its frames, which may change meanwhile.
    pub(super) header: u32,
    /// The transmit ring, and its number.
    pub(super) ring: &'s TxRing,
    pub(super) number: u16,
    /// The ring's buffers, and where in them frames start, if not where they do.
    pub(super) bufs: Bufs<'s>,
    pub(super) offsets: Option<Offsets>,
    /// The process whose memory addresses in slots mean.
    pub(super) caller: Option<Caller<'s>>,
    /// Bytes of a burst.
    pub(super) stretch: u32,
    /// Whether a receiver in the same region may get its buffers in exchange.
    pub(super) swaps: bool,
}

impl Sender<'_> {
    /// Whether a slot's flags and its buffer's index tell a simple frame.
    #[inline(always)]
    pub(super) fn has_simple(&self) -> bool {
        self.header == 0 && self.offsets.is_none()
    }

    /// A private copy of a slot that was sent. Its pointer is an address with `NS_INDIRECT`, and
    /// without where in its buffer the frame starts.
    #[inline]
    pub(super) fn take(&self, cell: SlotCell<'_>) -> Slot {
        match &self.offsets {
            None => cell.take(),
            Some(offsets) => take_at(offsets, cell),
        }
    }

    /// The port, and the ring's number.
    pub(super) fn from(&self) -> (u8, u16) {
        (self.member.index, self.number)
    }
}

#[cold]
fn take_at(offsets: &Offsets, cell: SlotCell<'_>) -> Slot {
    let mut slot = cell.take_all();
    if slot.flags & NS_INDIRECT == 0 {
        slot.ptr = offsets.at(slot.ptr).into();
    }
    slot
}
