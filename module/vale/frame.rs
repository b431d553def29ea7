// SPDX-License-Identifier: GPL-2.0

//! A frame on its way through a switch, read and checked, and where it goes.

use crate::abi::{
    consts::{NS_RFRAGS_SHIFT, VALE_MAX_PORTS},
    wire::Slot,
};

/// A destination: a port's index, or one of these.
pub(super) type Dest = u8;
pub(super) const FLOOD: Dest = VALE_MAX_PORTS as u8;
pub(super) const DROP: Dest = u8::MAX;

/// Flags of a received frame that has one slot.
pub(super) const ONE_SLOT: u16 = 1 << NS_RFRAGS_SHIFT;

/// A frame of a burst.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Its buffer; of a chain, the first of its fragments.
    pub(super) first: u32,
    /// Bytes, if it is simple.
    pub(super) len: u16,
    /// Slots that it has.
    pub(super) slots: u8,
    pub(super) kind: Kind,
}

/// How a frame is to be brought to its receiver.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// All in one buffer, which is none of the reserved ones, without a virtio-net header.
    Simple,
    /// A chain of fragments. Its virtio-net header, if it has one, asks for nothing to be done.
    Plain,
    /// A chain whose virtio-net header asks for something.
    Asking,
}

impl Frame {
    #[inline]
    pub(super) fn simple(buf: u32, len: u16) -> Self {
        Frame {
            first: buf,
            len,
            slots: 1,
            kind: Kind::Simple,
        }
    }

    /// The slot of a simple frame.
    pub(super) fn slot(&self) -> Slot {
        Slot {
            buf_idx: self.first,
            len: self.len,
            ..Slot::default()
        }
    }
}
