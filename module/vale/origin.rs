// SPDX-License-Identifier: GPL-2.0

//! Where the frames of a burst lie while they are delivered. It is a parameter of delivering, so
//! that each way has code of its own and none asks for every frame which way it is.

use super::frame::{Frame, ONE_SLOT};
use crate::{
    abi::{consts::NS_INDIRECT, wire::Slot},
    memory::{Bufs, SlotCell, Source},
    ring::Walk,
    sys::{copy::Copier, user::Caller},
};

/// Where frames lie, asked for one by one: for those that take more work than asking.
pub(super) trait Pieces {
    /// Simple frame number `at` of the burst.
    fn simple(&self, frame: &Frame, at: u32) -> Option<Source<'_>>;

    /// A fragment of any other.
    fn fragment(&self, slot: &Slot) -> Option<Source<'_>>;
}

/// Where frames lie.
pub(super) trait Origin: Pieces + Copy {
    /// How far simple frames have been brought that follow one another.
    type At;
    /// Where they lie for several receivers.
    type Shared: Origin;

    /// Begins with frame number `at` of the burst and those behind it, for buffers of `to`.
    fn begin(&self, at: u32, to: &Bufs<'_>) -> Self::At;

    /// The same frames, which stay where they are.
    fn shared(&self) -> Self::Shared;

    /// Brings the next frame, which is simple, into a slot whose buffer is one of `bufs`.
    /// False, and the slot left alone, if one of the two buffers is not there.
    fn put(
        &self,
        at: &mut Self::At,
        frame: &Frame,
        cell: SlotCell<'_>,
        bufs: &Bufs<'_>,
        by: &mut Copier<'_>,
    ) -> bool;
}

/// Where the bytes of a slot that was checked lie: in one of these buffers, from where its pointer
/// says, or with `NS_INDIRECT` in memory of `caller`.
pub(super) fn source_of<'m>(
    slot: &Slot,
    bufs: &Bufs<'m>,
    caller: Option<Caller<'m>>,
) -> Option<Source<'m>> {
    if slot.flags & NS_INDIRECT != 0 {
        Some(Source::Process(caller?, slot.ptr))
    } else {
        let at = slot.ptr as u32;
        bufs.get(slot.buf_idx).map(|buf| Source::Buf(buf, at))
    }
}

/// Each in one piece: in the sender's buffers and memory, or in buffers of the kernel's own, where
/// an XDP program has seen it.
#[derive(Clone, Copy)]
pub(super) struct Whole<'s> {
    pub(super) bufs: Bufs<'s>,
    pub(super) caller: Option<Caller<'s>>,
}

impl Pieces for Whole<'_> {
    fn simple(&self, frame: &Frame, _: u32) -> Option<Source<'_>> {
        self.bufs.known(frame.first).map(|buf| Source::Buf(buf, 0))
    }

    fn fragment(&self, slot: &Slot) -> Option<Source<'_>> {
        source_of(slot, &self.bufs, self.caller)
    }
}

impl Origin for Whole<'_> {
    type At = ();
    type Shared = Self;

    #[inline(always)]
    fn begin(&self, _: u32, _: &Bufs<'_>) {}

    fn shared(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn put(
        &self,
        (): &mut (),
        frame: &Frame,
        cell: SlotCell<'_>,
        bufs: &Bufs<'_>,
        by: &mut Copier<'_>,
    ) -> bool {
        copy(&self.bufs, frame, cell, bufs, by)
    }
}

/// In the sender's slots, which are those of `sent`, one a frame. A receiver in the same region
/// gets them by exchanging buffers.
#[derive(Clone, Copy)]
pub(super) struct Exchanged<'s> {
    pub(super) ring: Whole<'s>,
    pub(super) sent: Walk<'s>,
}

impl Pieces for Exchanged<'_> {
    fn simple(&self, frame: &Frame, at: u32) -> Option<Source<'_>> {
        self.ring.simple(frame, at)
    }

    fn fragment(&self, slot: &Slot) -> Option<Source<'_>> {
        self.ring.fragment(slot)
    }
}

impl<'s> Origin for Exchanged<'s> {
    /// Nothing for a receiver in another region.
    type At = Option<Walk<'s>>;
    type Shared = Whole<'s>;

    fn begin(&self, at: u32, to: &Bufs<'_>) -> Option<Walk<'s>> {
        to.is(&self.ring.bufs).then(|| self.sent.behind(at))
    }

    fn shared(&self) -> Whole<'s> {
        self.ring
    }

    #[inline(always)]
    fn put(
        &self,
        at: &mut Option<Walk<'s>>,
        frame: &Frame,
        cell: SlotCell<'_>,
        bufs: &Bufs<'_>,
        by: &mut Copier<'_>,
    ) -> bool {
        let theirs = cell.buf();
        let both = bufs.own(frame.first).and(bufs.own(theirs));
        match at.as_mut().and_then(Walk::next) {
            Some(from) if both.is_some() => {
                from.exchange((frame.first, frame.len), (cell, theirs), ONE_SLOT);
                true
            }
            // It is elsewhere, or one of them is nobody's.
            _ => self.ring.put(&mut (), frame, cell, bufs, by),
        }
    }
}

/// In buffers of the kernel's own, where an XDP program has seen them; but of simple frames only
/// the first `len` bytes: those of frame number N in buffer N. The rest is in the sender's buffers.
#[derive(Clone, Copy)]
pub(super) struct HalfStaged<'s> {
    pub(super) starts: Bufs<'s>,
    pub(super) len: u32,
    pub(super) rest: Bufs<'s>,
}

impl Pieces for HalfStaged<'_> {
    fn simple(&self, frame: &Frame, at: u32) -> Option<Source<'_>> {
        Some(Source::Split {
            start: self.starts.known(at)?,
            len: self.len,
            rest: self.rest.known(frame.first)?,
        })
    }

    fn fragment(&self, slot: &Slot) -> Option<Source<'_>> {
        let buf = self.starts.known(slot.buf_idx);
        buf.map(|buf| Source::Buf(buf, 0))
    }
}

impl Origin for HalfStaged<'_> {
    type At = u32;
    type Shared = Self;

    #[inline(always)]
    fn begin(&self, at: u32, _: &Bufs<'_>) -> u32 {
        at
    }

    fn shared(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn put(
        &self,
        at: &mut u32,
        frame: &Frame,
        cell: SlotCell<'_>,
        bufs: &Bufs<'_>,
        by: &mut Copier<'_>,
    ) -> bool {
        let from = self.rest.known(frame.first).zip(self.starts.known(*at));
        let to = bufs.own(cell.buf());
        *at += 1;
        let len = u32::from(frame.len);
        let seen = self.len.min(len);
        let copied = from.zip(to).is_some_and(|((rest, start), to)| {
            start.copy_start_to(&to, seen, by) && rest.copy_part_to(&to, seen..len, by)
        });
        if copied {
            cell.set_len_flags(frame.len, ONE_SLOT);
        }
        copied
    }
}

/// Copies a simple frame, which is in one of the buffers `from`, into the buffer of a slot.
#[inline(always)]
fn copy(
    from: &Bufs<'_>,
    frame: &Frame,
    cell: SlotCell<'_>,
    bufs: &Bufs<'_>,
    by: &mut Copier<'_>,
) -> bool {
    let Some(from) = from.known(frame.first) else {
        return false;
    };
    let Some(to) = bufs.own(cell.buf()) else {
        return false;
    };
    let copied = from.copy_start_to(&to, frame.len.into(), by);
    if copied {
        cell.set_len_flags(frame.len, ONE_SLOT);
    }
    copied
}
