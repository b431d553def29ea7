// SPDX-License-Identifier: GPL-2.0

//! Adding frames to a transmit ring behind the program's own: the kernel carries frames of one ring
//! to another by exchanging buffers.

use super::{
    arrived::Arrived,
    tx::{State, TxRing},
};
use crate::{
    abi::{
        consts::NS_MOREFRAG,
        cursor::{add, dist},
        wire::Slot,
    },
    memory::{RingView, SlotCell},
};
use kernel::sync::lock::{mutex::MutexBackend, Guard};

/// Adds frames to a transmit ring as the program would.
pub(crate) struct Append<'r> {
    view: RingView<'r>,
    slots: u32,
    head: u32,
    tail: u32,
    _state: Guard<'r, State, MutexBackend>,
}

impl TxRing {
    /// Begins to add frames; waits for another thread that syncs the ring. `None` if the program's
    /// indexes make no sense. To be followed by a [`sync`](Self::sync), for frames to leave and for
    /// those who came meanwhile.
    pub(crate) fn append(&self) -> Option<Append<'_>> {
        let state = self.lock();
        let (view, tail) = (self.mem.view(), state.sent.indexes.hwtail);
        let at = view.position(state.sent.head, tail)?;
        Some(Append {
            view,
            slots: self.mem.slots(),
            head: at.head,
            tail,
            _state: state,
        })
    }
}

impl Append<'_> {
    /// Puts a frame of one slot, taken from `from`, into the next free slot, by exchanging buffers.
    /// False if there is none.
    pub(crate) fn exchange(&mut self, from: SlotCell<'_>, frame: Slot) -> bool {
        self.has_room(1) && {
            self.swap(from, frame, 0);
            true
        }
    }

    /// Puts a frame into as many free slots as it has, by exchanging buffers. False if there are
    /// not as many.
    pub(crate) fn carry(&mut self, frame: &Arrived<'_>) -> bool {
        if !self.has_room(frame.slots()) {
            return false;
        }
        // The frame's end is where it was found, whatever others write into its slots meanwhile.
        for (left, from) in (0..frame.slots()).rev().zip(frame.cells()) {
            self.swap(from, from.take(), if left > 0 { NS_MOREFRAG } else { 0 });
        }
        true
    }

    fn has_room(&self, slots: u32) -> bool {
        slots <= dist(self.head, self.tail, self.slots)
    }

    /// Exchanges buffers with the next slot, which must be free. Neither is looked up: the ring's
    /// sync does so with what it sends, and drops and counts what is no buffer, and a receive ring
    /// that gets none here does with the next frame for that slot.
    fn swap(&mut self, from: SlotCell<'_>, part: Slot, more: u16) {
        let to = self.view.cell(self.head);
        from.exchange((part.buf_idx, part.len), (to, to.buf()), more);
        self.head = add(self.head, 1, self.slots);
    }
}

impl Drop for Append<'_> {
    fn drop(&mut self) {
        self.view.advance(self.head);
    }
}
