// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words of one slot in the shared memory.

use ferromap_abi::wire::Slot;
use std::ptr::NonNull;

/// Where a slot is.
///
/// # Invariant
///
/// Two words of 8 bytes, aligned, inside the region of the ring that it is of. Whoever has one
/// borrows that ring, which keeps the region.
#[derive(Clone, Copy)]
pub(super) struct SlotPtr(NonNull<u64>);

impl SlotPtr {
    /// # Safety
    ///
    /// The invariant must hold.
    #[inline]
    pub(super) unsafe fn new(at: NonNull<u64>) -> Self {
        SlotPtr(at)
    }

    /// The slot that is `count` slots further on.
    ///
    /// # Safety
    ///
    /// There must be one in the ring.
    #[inline]
    pub(super) unsafe fn add(self, count: u32) -> Self {
        // SAFETY: a slot is two words, and the caller vouches for that one.
        SlotPtr(unsafe { self.0.add(2 * count as usize) })
    }

    /// Index, length and flags, all at once.
    #[inline]
    pub(super) fn get(self) -> Slot {
        // SAFETY: by the invariant.
        let word = unsafe { self.0.as_ptr().read_volatile() };
        let [a, b, c, d, l0, l1, f0, f1] = word.to_ne_bytes();
        Slot {
            buf_idx: u32::from_ne_bytes([a, b, c, d]),
            len: u16::from_ne_bytes([l0, l1]),
            flags: u16::from_ne_bytes([f0, f1]),
            ptr: 0,
        }
    }

    /// `ptr`, the second word.
    #[inline]
    pub(super) fn ptr(self) -> u64 {
        // SAFETY: by the invariant.
        unsafe { self.0.add(1).as_ptr().read_volatile() }
    }

    /// The slot must be ours.
    #[inline]
    pub(super) fn set_index(self, index: u32) {
        // SAFETY: by the invariant; the index is the first half of the first word.
        unsafe { self.0.cast::<u32>().as_ptr().write_volatile(index) }
    }

    /// The slot must be ours.
    #[inline]
    pub(super) fn set_len_flags(self, len: u16, flags: u16) {
        let ([l0, l1], [f0, f1]) = (len.to_ne_bytes(), flags.to_ne_bytes());
        let word = u32::from_ne_bytes([l0, l1, f0, f1]);
        // SAFETY: by the invariant; both are the aligned second half of the first word.
        unsafe { self.0.cast::<u32>().add(1).as_ptr().write_volatile(word) }
    }

    /// The slot must be ours.
    #[inline]
    pub(super) fn set_ptr(self, ptr: u64) {
        // SAFETY: by the invariant.
        unsafe { self.0.add(1).as_ptr().write_volatile(ptr) }
    }
}
