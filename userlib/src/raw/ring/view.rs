// SPDX-License-Identifier: MIT OR Apache-2.0

//! Slots of ours, to be looked at.

use super::{slot::SlotPtr, Ring};
use ferromap_abi::{cursor, wire::Slot};

impl Ring {
    /// Slot `k` of ours, fetched once, to be looked at.
    #[inline]
    pub(crate) fn view(&self, k: u32) -> View<'_> {
        View {
            ring: self,
            k,
            // Past our slots there is nothing: index 0 names no buffer.
            slot: self.slot(k).map_or_else(Slot::default, SlotPtr::get),
        }
    }

    /// `len`, or what there is behind the offset of slot `k` of ours. Not asked of a [`View`],
    /// which would have to be in memory for it.
    #[cold]
    #[inline(never)]
    fn cut(&self, k: u32, len: u16) -> usize {
        let offset = self.slot(k).map_or(0, |slot| self.offsets.of(slot));
        (self.buf_size() - offset).min(len.into()) as usize
    }

    /// `count` slots of ours from slot `first` on, each fetched once, to be looked at.
    #[inline]
    pub(crate) fn views(&self, first: u32, count: u32) -> Views<'_> {
        let first = first.min(self.owned);
        Views {
            ring: self,
            at: cursor::add(self.head, first, self.n),
            k: first,
            end: first + count.min(self.owned - first),
        }
    }
}

/// Slots of ours, one after the other, without working out anew where each is.
///
/// # Invariant
///
/// `k <= end`, which is no more than `owned`, and `at` is where slot `k` of ours is, or would be.
/// They stay ours, since the ring cannot advance while it is borrowed here.
pub(crate) struct Views<'a> {
    ring: &'a Ring,
    at: u32,
    k: u32,
    end: u32,
}

impl<'a> Iterator for Views<'a> {
    type Item = View<'a>;

    #[inline]
    fn next(&mut self) -> Option<View<'a>> {
        if self.k == self.end {
            return None;
        }
        let (ring, k) = (self.ring, self.k);
        // SAFETY: by the invariant the slot is ours, and its position below `n`.
        let slot = unsafe { ring.slot_at(self.at) }.get();
        (self.k, self.at) = (k + 1, cursor::next(self.at, ring.n));
        Some(View { ring, slot, k })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.k) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Views<'_> {}

/// One of our slots as it was when it was fetched. It borrows the ring, so that the
/// slot stays ours.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    ring: &'a Ring,
    slot: Slot,
    /// Which of our slots it is, for its offset, which few want to know.
    k: u32,
}

impl<'a> View<'a> {
    /// Slot `k` of ours, as it was fetched; or one that names no buffer.
    #[inline]
    pub(super) fn of(ring: &'a Ring, k: u32, slot: Slot) -> Self {
        View { ring, slot, k }
    }

    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Where in its buffer the frame starts; no more than the buffer has.
    #[inline]
    pub(crate) fn offset(&self) -> u32 {
        let slot = self.ring.slot(self.k);
        slot.map_or(0, |slot| self.ring.offsets.of(slot))
    }

    /// Bytes in the slot, no more than its buffer holds behind the offset.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let len = self.slot.len;
        if u32::from(len) <= self.ring.offsets.fits() {
            len.into()
        } else {
            self.ring.cut(self.k, len)
        }
    }

    /// The bytes of the slot. Empty if the slot was not ours or names no buffer.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        let offset = self.offset();
        match self.ring.buffers.at(self.slot.buf_idx) {
            // SAFETY: inside the region: the offset is no more than the buffer has, and the length
            // no more than is behind it. The slot was ours when it was fetched (else its index is
            // 0, which names no buffer) and is until `advance`, which takes `&mut Ring`; so the
            // kernel keeps out of its buffer while the slice lives, and so do mutable slices, which
            // take `&mut Ring` too.
            Some(at) => unsafe {
                let at = at.as_ptr().add(offset as usize);
                let left = self.ring.buffers.size() - offset;
                std::slice::from_raw_parts(at, left.min(self.slot.len.into()) as usize)
            },
            None => &[],
        }
    }
}
