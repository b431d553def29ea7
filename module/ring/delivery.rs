// SPDX-License-Identifier: GPL-2.0

//! Bringing frames into a receive ring: reserve slots, fill them, count, hand them over, wake. All
//! who bring frames do it this way: the switch, the driver below an interface, the stack above it.

use super::{
    count::{RxCounters, RxDrop},
    inbox::Lease,
    offsets::Offsets,
    rx::{Marks, RxRing},
};
use crate::{
    abi::{consts::NS_MOREFRAG, cursor::add},
    memory::{Buf, Bufs, RingView, SlotCell, SlotRun},
    sys::bottom_half::Disabled,
};
use core::{cell::Cell, marker::PhantomData, ops::Range};

/// When the program is woken for what arrived. It costs more than a frame, so not for each.
pub(crate) trait Wake {
    /// Frames have arrived in `ring`, and can be seen.
    fn arrived(&self, ring: &RxRing);
}

/// Once for all that a softirq brings.
pub(crate) struct Soon;

impl Wake for Soon {
    #[inline(always)]
    fn arrived(&self, ring: &RxRing) {
        ring.wake_soon();
    }
}

/// By who delivers, at the end of a batch. The flag is set if there is something to wake for.
pub(crate) struct AfterBatch<'w>(pub(crate) &'w Cell<bool>);

impl Wake for AfterBatch<'_> {
    #[inline(always)]
    fn arrived(&self, _: &RxRing) {
        self.0.set(true);
    }
}

/// Consecutive slots of a ring, to be filled one after the other. Dropping it hands all of them to
/// the program, which is woken; slots that were not filled arrive empty. Frames that were offered
/// and not filled in are counted as those that found the ring full.
pub(crate) struct Delivery<'r, W: Wake = AfterBatch<'r>> {
    ring: &'r RxRing,
    bufs: Bufs<'r>,
    view: RingView<'r>,
    /// The next slot to fill, and how many there still are.
    at: u32,
    left: u32,
    /// Frames that were offered, and those that were filled in.
    offered: u32,
    frames: u32,
    bytes: u64,
    /// Slots that could not take what belongs there.
    refused: u32,
    wake: W,
    /// `None` once the slots are handed over.
    lease: Option<Lease<'r, Marks>>,
    /// Other senders' frames wait behind these slots, so nobody may interrupt who fills them.
    _pinned: PhantomData<&'r Disabled>,
}

impl RxRing {
    /// Reserves slots for so many frames: `take` is told how many slots are free and returns how
    /// many it wants of them. It may be asked again when another sender was faster. `None` if it
    /// wants none: then the ring was too full for any of the frames, which is counted.
    #[inline(always)]
    pub(crate) fn deliver<'r, W: Wake>(
        &'r self,
        frames: u32,
        take: impl Fn(u32) -> u32,
        wake: W,
        _: &'r Disabled,
    ) -> Option<Delivery<'r, W>> {
        let Some(lease) = self.reserve(take) else {
            self.counters.drop(RxDrop::Full, frames.into());
            return None;
        };
        Some(Delivery {
            ring: self,
            bufs: self.mem.mem().bufs(),
            view: self.mem.view(),
            at: lease.first(),
            left: lease.count(),
            offered: frames,
            frames: 0,
            bytes: 0,
            refused: 0,
            wake,
            lease: Some(lease),
            _pinned: PhantomData,
        })
    }

    /// Reserves slots for one frame, which takes so many: all of them or none.
    #[inline(always)]
    pub(crate) fn deliver_one<'r, W: Wake>(
        &'r self,
        slots: u32,
        wake: W,
        pinned: &'r Disabled,
    ) -> Option<Delivery<'r, W>> {
        let take = |free| if slots <= free { slots } else { 0 };
        self.deliver(1, take, wake, pinned)
    }
}

impl<'r, W: Wake> Delivery<'r, W> {
    /// The buffers of the ring's region.
    pub(crate) fn bufs(&self) -> &Bufs<'r> {
        &self.bufs
    }

    /// Slots that are still to be filled.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// The next slot to fill.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<SlotCell<'r>> {
        self.left = self.left.checked_sub(1)?;
        let cell = self.view.cell(self.at);
        self.at = add(self.at, 1, self.ring.mem.slots());
        Some(cell)
    }

    /// The next slots that lie side by side. How many of them were filled is told by
    /// [`filled`](Self::filled).
    #[inline]
    pub(crate) fn ahead(&self) -> SlotRun<'r> {
        self.view.run(self.at, self.left)
    }

    #[inline]
    pub(crate) fn filled(&mut self, slots: u32) {
        self.at = add(self.at, slots, self.ring.mem.slots());
        self.left = self.left.saturating_sub(slots);
    }

    /// The buffer that a slot names, to be written to, from where its frame is to start. Programs
    /// name any.
    #[inline]
    pub(crate) fn buf(&self, cell: SlotCell<'_>) -> Option<Buf<'r>> {
        let buf = self.bufs.own(cell.buf())?;
        // Asked of the ring each time: kept here, they cost a frame over veth 40 instructions more.
        match self.ring.mem.offsets() {
            None => Some(buf),
            Some(offsets) => Some(behind(buf, &offsets, cell)),
        }
    }

    /// Whether frames do not start where their buffers do.
    pub(crate) fn has_offsets(&self) -> bool {
        self.ring.mem.offsets().is_some()
    }

    /// The slot could not take what belongs there, or that could not be read: it arrives empty.
    #[cold]
    pub(crate) fn refuse(&mut self, cell: SlotCell<'_>, flags: u16) {
        self.refused = self.refused.wrapping_add(1);
        cell.set_len_flags(0, flags);
    }

    /// So many frames with so many bytes have been filled in.
    #[inline]
    pub(crate) fn count(&mut self, frames: u32, bytes: u64) {
        self.frames += frames;
        self.bytes += bytes;
    }

    /// As dropping it, for who brings frames one by one: it needs not be in memory then.
    #[inline(always)]
    pub(crate) fn done(mut self) {
        self.hand_over();
        core::mem::forget(self);
    }

    /// Counts, hands the slots to the program, and has it woken.
    #[inline(always)]
    fn hand_over(&mut self) {
        if self.left != 0 {
            empty(self.view, self.at, self.left);
        }
        let counters = &self.ring.counters;
        counters.frames.add(self.frames.into());
        counters.bytes.add(self.bytes);
        if self.refused != 0 || self.offered > self.frames {
            // A frame may have become several.
            let full = self.offered.saturating_sub(self.frames);
            count_lost(counters, full, self.refused);
        }
        if let Some(lease) = self.lease.take() {
            self.ring.arriving_at_once(lease.first(), lease.count());
            drop(lease);
        }
        // Last: who is woken finds them.
        self.wake.arrived(self.ring);
    }

    /// Spreads a frame of `len` bytes over the next slots, `size` in each but the last, which have
    /// `flags`. `copy` brings a part of it into the buffer, if there is one, and says whether that
    /// could be done.
    #[inline]
    pub(crate) fn spread(
        &mut self,
        len: u32,
        size: u32,
        flags: u16,
        mut copy: impl FnMut(Option<Buf<'r>>, Range<u32>) -> bool,
    ) {
        // Most frames have one.
        if len <= size {
            self.fill_next(0..len, flags, &mut copy);
        } else {
            let mut at = 0;
            while at < len {
                let part = at..len.min(at.saturating_add(size));
                let more = if part.end < len { NS_MOREFRAG } else { 0 };
                at = part.end;
                self.fill_next(part, flags | more, &mut copy);
            }
        }
        self.count(1, len.into());
    }

    /// Has `copy` bring a part of a frame into the next slot.
    #[inline(always)]
    fn fill_next(
        &mut self,
        part: Range<u32>,
        flags: u16,
        copy: &mut impl FnMut(Option<Buf<'r>>, Range<u32>) -> bool,
    ) {
        let Some(cell) = self.next() else { return };
        let len = part.len() as u16;
        if copy(self.buf(cell), part) {
            cell.set_len_flags(len, flags);
        } else {
            self.refuse(cell, flags);
        }
    }
}

/// What can be written to of a buffer, by the offset that the slot says.
#[cold]
#[inline(never)]
fn behind<'b>(buf: Buf<'b>, offsets: &Offsets, cell: SlotCell<'_>) -> Buf<'b> {
    let at = offsets.at(cell.ptr());
    buf.part_of(at, offsets.room_at(at, buf.size()))
}

/// Has slots arrive empty. Each was reserved for something; nobody is to find what was in it
/// before.
#[cold]
#[inline(never)]
fn empty(view: RingView<'_>, first: u32, count: u32) {
    for cell in view.around(first, count) {
        cell.set_len_flags(0, 0);
    }
}

/// Counts frames that there was no room for, and slots that could not take what belongs there.
#[cold]
#[inline(never)]
fn count_lost(counters: &RxCounters, full: u32, refused: u32) {
    counters.drop(RxDrop::Full, full.into());
    counters.drop(RxDrop::BadBuffer, refused.into());
}

impl<W: Wake> Drop for Delivery<'_, W> {
    #[inline(always)]
    fn drop(&mut self) {
        self.hand_over();
    }
}
