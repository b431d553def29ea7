// SPDX-License-Identifier: MIT OR Apache-2.0

//! Slots of ours, to be changed.

use super::{slot::SlotPtr, Ring, View};
use ferromap_abi::{consts::NS_BUF_CHANGED, wire::Slot};

impl Ring {
    /// Calls `each` for the first `count` slots of ours, to be changed.
    #[inline]
    pub(crate) fn each(&mut self, count: u32, mut each: impl FnMut(Own<'_>)) {
        let count = count.min(self.owned);
        let (mut at, mut done) = (self.head, 0);
        // One run up to the ring's end, and one from its start: so that nobody asks at each slot
        // where the next one is.
        while done < count {
            let run = (count - done).min(self.n - at);
            // SAFETY: head is below `n`, and so is 0.
            let first = unsafe { self.slot_at(at) };
            for i in 0..run {
                // SAFETY: `i < n - at`.
                let slot = unsafe { first.add(i) };
                let (k, at) = (done + i, at + i);
                each(Own {
                    ring: self,
                    k,
                    at,
                    slot,
                });
            }
            (at, done) = (0, done + run);
        }
    }

    /// Slot `k` of ours, to be changed.
    #[inline]
    pub(crate) fn own(&mut self, k: u32) -> Option<Own<'_>> {
        let at = self.position(k)?;
        // SAFETY: a position is below `n`.
        let slot = unsafe { self.slot_at(at) };
        Some(Own {
            ring: self,
            k,
            at,
            slot,
        })
    }
}

/// One of our slots, to be changed.
///
/// # Invariant
///
/// `slot` points to slot `k` of ours, which is at `at`. It stays ours, since the ring cannot
/// advance while it is borrowed here.
pub(crate) struct Own<'a> {
    ring: &'a mut Ring,
    k: u32,
    at: u32,
    slot: SlotPtr,
}

impl Own<'_> {
    pub(crate) fn ring(&self) -> &Ring {
        self.ring
    }

    /// Where the slot is in the ring.
    #[inline]
    pub(crate) fn position(&self) -> u32 {
        self.at
    }

    #[inline]
    pub(crate) fn get(&self) -> Slot {
        self.slot.get()
    }

    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        View::of(self.ring, self.k, self.get())
    }

    /// Sets length and flags. A mark that the buffer was changed stays, for the kernel has not
    /// seen it yet.
    #[inline]
    pub(crate) fn set_len_flags(&mut self, len: u16, flags: u16) {
        let flags = flags | (self.get().flags & NS_BUF_CHANGED);
        self.slot.set_len_flags(len, flags);
    }

    /// Where in its buffer the frame starts.
    #[inline]
    pub(crate) fn offset(&self) -> u32 {
        self.ring.offsets.of(self.slot)
    }

    /// Bytes that the slot can say, up to the end of the buffer.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        let left = self.ring.offsets.behind(self.slot);
        left.min(u16::MAX.into()) as usize
    }

    /// `len`, or what there is room for.
    #[inline]
    pub(crate) fn cut(&self, len: usize) -> u16 {
        if len <= self.ring.offsets.fits() as usize {
            len as u16
        } else {
            len.min(self.room()) as u16
        }
    }

    /// Says where the frame starts, as far as the ring can: what it is then.
    pub(crate) fn set_offset(&mut self, offset: u32) -> u32 {
        self.ring.offsets.put(self.slot, offset);
        self.offset()
    }

    /// The frame of `len` bytes in the buffer, which has just come into the slot, starts at `from`:
    /// the slot says so, or, where it cannot, the frame is moved to where the slot says.
    pub(crate) fn start_at(&mut self, from: u32, len: usize) {
        if from == self.offset() || self.set_offset(from) == from {
            return;
        }
        let to = self.offset() as usize;
        let size = self.ring.buffers.size() as usize;
        let from = (from as usize).min(size);
        let len = len.min(size - from).min(size - to);
        let whole = self.whole_mut(0);
        // Others may have written an index into the slot meanwhile that names none.
        if whole.len() == size {
            whole.copy_within(from..from + len, to);
        }
    }

    pub(crate) fn set_ptr(&mut self, ptr: u64) {
        self.slot.set_ptr(ptr);
    }

    /// Puts `index`, a buffer that the caller owns, into the slot, and returns the one that was
    /// there. `None`, and no change, if one of them names no buffer.
    pub(crate) fn exchange_buffer(&mut self, index: u32) -> Option<u32> {
        let slot = self.get();
        self.ring.buffers.at(index)?;
        self.ring.buffers.at(slot.buf_idx)?;
        self.slot.set_index(index);
        self.set_len_flags(slot.len, slot.flags | NS_BUF_CHANGED);
        Some(slot.buf_idx)
    }

    /// Takes the frame of `len` bytes that `other` has, by exchanging the buffers of the two slots,
    /// marking both; `other` keeps its offset. The caller has compared the regions. An index that
    /// names no buffer stays where it is: `false`.
    pub(crate) fn take_frame(&mut self, other: &mut Own<'_>, len: usize) -> bool {
        let (theirs, from) = (other.get().buf_idx, other.offset());
        let mine = self.exchange_buffer(theirs);
        if mine.is_some() {
            self.start_at(from, len);
        }
        match mine {
            Some(mine) => other.exchange_buffer(mine).is_some(),
            None => false,
        }
    }

    /// The buffer of the slot, from its offset on. Empty if it names none.
    #[inline]
    pub(crate) fn buffer_mut(&mut self) -> &mut [u8] {
        self.whole_mut(self.offset())
    }

    /// The buffer of the slot, from `offset` on.
    #[inline]
    fn whole_mut(&mut self, offset: u32) -> &mut [u8] {
        let size = self.ring.buffers.size();
        let (offset, len) = (offset as usize, size.saturating_sub(offset) as usize);
        match self.ring.buffers.at(self.get().buf_idx) {
            // SAFETY: inside the region, for it ends with the buffer. The slot is ours, and
            // `&mut self` keeps all other slices of this ring away; rings and extra buffers never
            // name the same buffer while both are ours.
            Some(at) if len > 0 => unsafe {
                std::slice::from_raw_parts_mut(at.as_ptr().add(offset), len)
            },
            _ => &mut [],
        }
    }
}
