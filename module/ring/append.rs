// SPDX-License-Identifier: GPL-2.0

//! Adding frames to a transmit ring behind the program's own: the kernel carries frames of one ring
//! to another by exchanging buffers.

use super::{
    arrived::Arrived,
    frames::Frame,
    offsets::Offsets,
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
    offsets: Option<Offsets>,
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
            offsets: self.mem.offsets(),
            head: at.head,
            tail,
            _state: state,
        })
    }
}

impl Append<'_> {
    /// Puts a frame that was taken from another ring into as many free slots as it has, by
    /// exchanging buffers. False if there are not as many.
    pub(crate) fn exchange(&mut self, frame: &Frame<'_, '_>) -> bool {
        let slots = frame.slots();
        // A frame stays where it is in its buffer, if the ring knows of that.
        let most = self.offsets.map_or(0, |offsets| offsets.max);
        if slots.iter().any(|slot| slot.ptr > most.into()) {
            return false;
        }
        self.put(slots.len() as u32, frame.cells().zip(slots.iter().copied()))
    }

    /// The same with one that has arrived.
    pub(crate) fn carry(&mut self, frame: &Arrived<'_>) -> bool {
        self.put(frame.slots(), frame.cells().map(|from| (from, from.take())))
    }

    /// Puts a frame of so many slots, each with what was fetched of it.
    fn put<'f>(&mut self, slots: u32, frame: impl Iterator<Item = (SlotCell<'f>, Slot)>) -> bool {
        if slots > dist(self.head, self.tail, self.slots) {
            return false;
        }
        // The frame's end is where it was found, whatever others write into its slots meanwhile.
        for (left, (from, part)) in (0..slots).rev().zip(frame) {
            self.swap(from, part, if left > 0 { NS_MOREFRAG } else { 0 });
        }
        true
    }

    /// Exchanges buffers with the next slot, which must be free. Neither is looked up: the ring's
    /// sync does so with what it sends, and drops and counts what is no buffer, and a receive ring
    /// that gets none here does with the next frame for that slot.
    fn swap(&mut self, from: SlotCell<'_>, part: Slot, more: u16) {
        let to = self.view.cell(self.head);
        if let Some(offsets) = self.offsets {
            to.set_ptr(to.ptr() & !offsets.mask | part.ptr & offsets.mask);
        }
        from.exchange((part.buf_idx, part.len), (to, to.buf()), more);
        self.head = add(self.head, 1, self.slots);
    }
}

impl Drop for Append<'_> {
    fn drop(&mut self) {
        self.view.advance(self.head);
    }
}
