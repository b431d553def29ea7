// SPDX-License-Identifier: GPL-2.0

//! The part of a region that a ring owns: one object of the ring pool, and the buffers in its
//! slots.

use super::{
    indexes::Indexes,
    offsets::{OfRing, Offsets},
};
use crate::{
    abi::cursor::Claimed,
    abi::wire::{RingHeader, Slot},
    abi::{
        consts::{NETMAP_RESERVED_BUFS, RING_DIR_RX, RING_DIR_TX},
        wire::Plain,
    },
    live::{self, Counted},
    memory::{Mem, RingView, Use},
    refusal::Fallible,
};
use kernel::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Tx,
    Rx,
}

/// The buffers in a ring's slots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bufs {
    Own,
    /// They are those of another ring.
    Shared,
    /// There are none: nobody can send by it.
    None,
}

/// A ring in a region. Dropping it gives back the object and whatever buffers are in its slots
/// then, if they are its own.
pub(crate) struct RingMem {
    usage: Use,
    object: u32,
    slots: u32,
    bufs: Bufs,
    offsets: OfRing,
    _live: Counted,
}

impl RingMem {
    /// Takes a ring object and a buffer for each of `slots` slots, and writes the ring as a program
    /// expects to find it fresh.
    pub(super) fn new(usage: Use, number: u16, slots: u32, direction: Direction) -> Fallible<Self> {
        let ring = RingMem::bare(usage, number, slots, direction)?;
        let view = ring.view();
        let mut next = 0;
        ring.usage.take_bufs(slots, |buf_idx| {
            let fresh = view.slot(next);
            view.set_slot(next, Slot { buf_idx, ..fresh });
            next += 1;
        })?;
        Ok(ring)
    }

    /// A transmit ring whose slots name the buffers of `owner`, a receive ring that was just made.
    pub(super) fn sharing(owner: &RingMem, number: u16) -> Fallible<Self> {
        let mut ring = RingMem::bare(owner.usage.clone(), number, owner.slots, Direction::Tx)?;
        ring.bufs = Bufs::Shared;
        for i in 0..owner.slots {
            ring.view().set_slot(i, owner.view().slot(i));
        }
        Ok(ring)
    }

    /// A transmit ring without buffers, and without room for a frame.
    pub(super) fn unusable(usage: Use, number: u16, slots: u32) -> Fallible<Self> {
        let mut ring = RingMem::bare(usage, number, slots, Direction::Tx)?;
        ring.bufs = Bufs::None;
        ring.view().set_tail(0);
        Ok(ring)
    }

    /// The `tail` that a transmit ring has while nothing has been sent.
    pub(super) fn first_tail(&self) -> u32 {
        match self.bufs {
            Bufs::Own | Bufs::Shared => self.slots.saturating_sub(1),
            Bufs::None => 0,
        }
    }

    /// A fresh ring with buffer 0, which is nobody's, in all slots. Dropping it gives back what
    /// will be in them.
    fn bare(usage: Use, number: u16, slots: u32, direction: Direction) -> Fallible<Self> {
        let object = usage.take_ring(slots)?;
        let ring = RingMem {
            usage,
            object,
            slots,
            bufs: Bufs::Own,
            offsets: OfRing::default(),
            _live: Counted::new(live::Kind::Ring),
        };
        let (mem, view) = (ring.usage.mem(), ring.view());
        let layout = mem.layout();
        let fresh = Slot {
            len: u16::try_from(layout.bufs.size).unwrap_or(u16::MAX),
            ..Slot::default()
        };
        for i in 0..slots {
            view.set_slot(i, fresh);
        }
        let offset = layout.rings.object(object).unwrap_or(0);
        view.init(RingHeader {
            buf_ofs: layout.buf_ofs(offset),
            num_slots: slots,
            nr_buf_size: layout.bufs.size,
            ringid: number,
            dir: match direction {
                Direction::Tx => RING_DIR_TX,
                Direction::Rx => RING_DIR_RX,
            },
            tail: match direction {
                Direction::Tx => slots.saturating_sub(1),
                Direction::Rx => 0,
            },
            ..RingHeader::zeroed()
        });
        Ok(ring)
    }

    pub(crate) fn mem(&self) -> &Arc<Mem> {
        self.usage.mem()
    }

    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// Where its frames start, if not where their buffers do.
    #[inline(always)]
    pub(crate) fn offsets(&self) -> Option<Offsets> {
        self.offsets.get()
    }

    /// Has its frames start there from now on, and tells the program so. A ring keeps those that it
    /// has.
    pub(super) fn set_offsets(&self, offsets: &Offsets) {
        if self.offsets().is_some() {
            return;
        }
        self.offsets.set(offsets);
        self.view().set_offset_mask(offsets.mask);
    }

    /// Bytes that a slot can be given.
    #[inline]
    pub(crate) fn room(&self) -> u32 {
        let size = self.mem().bufs().size();
        let room = self.offsets().map_or(size, |offsets| offsets.room(size));
        // A slot tells at most as many.
        room.clamp(1, u16::MAX.into())
    }

    /// Where the ring is, in bytes from the start of the region.
    pub(crate) fn offset(&self) -> u64 {
        self.mem().layout().rings.object(self.object).unwrap_or(0)
    }

    /// The shared ring.
    #[inline]
    pub(crate) fn view(&self) -> RingView<'_> {
        match self.usage.mem().ring(self.object, self.slots) {
            Some(view) => view,
            // `take_ring` found that the object is there and holds this many slots: both stay so.
            None => unreachable!(),
        }
    }

    /// Whether the program would find something past its `cur` without a sync. A hint, for when
    /// another thread is syncing the ring: the program can write both, and fool nobody but itself.
    pub(crate) fn looks_ready(&self) -> bool {
        let view = self.view();
        view.claimed().cur != view.tail()
    }

    /// `head` and `cur` as the ring says, if that is to be `believed` and makes sense after `from`;
    /// or else both there.
    pub(super) fn position(&self, believed: bool, from: u32, tail: u32) -> Claimed {
        let claimed = self.view().claimed();
        if believed && claimed.check(self.slots, from, tail).is_some() {
            return claimed;
        }
        Claimed {
            head: from,
            cur: from,
        }
    }

    /// Mends what a program may have broken: slots without a buffer or longer than it (section 4.3
    /// of the interface).
    pub(super) fn mend(&self) {
        let (view, bufs) = (self.view(), self.mem().bufs());
        for i in 0..self.slots {
            let slot = view.slot(i);
            if slot.buf_idx < NETMAP_RESERVED_BUFS || slot.buf_idx >= bufs.count() {
                view.set_slot(
                    i,
                    Slot {
                        buf_idx: 0,
                        len: 0,
                        ..slot
                    },
                );
            } else if u32::from(slot.len) > bufs.size() {
                view.set_slot(i, Slot { len: 0, ..slot });
            }
        }
    }

    /// Has the ring say where the kernel is.
    pub(super) fn reset_indexes(&self, at: Indexes) {
        self.view().reset_indexes(at.hwcur, at.hwtail);
    }
}

impl Drop for RingMem {
    fn drop(&mut self) {
        let view = self.view();
        if self.bufs == Bufs::Own {
            for i in 0..self.slots {
                self.usage.give_buf(view.slot_buf(i));
            }
        }
        self.usage.give_ring(self.object);
    }
}
