// SPDX-License-Identifier: MIT OR Apache-2.0

//! A memory region as this process sees it.

use crate::memory::Memory;
use ferromap_abi::wire::Plain;
use memmap2::{MmapOptions, MmapRaw};
#[cfg(any(test, feature = "fake"))]
use std::sync::atomic::{AtomicU32, Ordering};
use std::{os::fd::BorrowedFd, ptr::NonNull};

/// Which region it is. Two bindings with equal ids see the same buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RegionId {
    /// The kernel's `nr_mem_id`, where it is given to one region only.
    Kernel(u16),
    /// Region 1, of which each network namespace has one, and each user who may not
    /// administrate it.
    Shared { namespace: u64, user: u32 },
    /// Region 1 of somebody who lent a descriptor; the number is never used twice in a process.
    Lent(u64),
    /// A region of the fake; the number is never used twice in a process.
    #[cfg(any(test, feature = "fake"))]
    Fake(u64),
}

/// A whole region, shared with the kernel and perhaps with other processes.
///
/// # Invariants
///
/// `base..base + len` is readable and writable memory that stays until the value is dropped, and
/// nothing in Rust holds a reference into it, except the slices that [`super::ring::Ring`] lends.
pub(crate) struct Region {
    base: NonNull<u8>,
    len: usize,
    id: RegionId,
    _backing: Backing,
}

/// What keeps the memory. Never read: it is there to be dropped.
enum Backing {
    Mapped(#[expect(dead_code, reason = "held for its drop")] MmapRaw),
    Own(#[expect(dead_code, reason = "held for its drop")] Memory),
    #[cfg(any(test, feature = "fake"))]
    Heap(std::alloc::Layout, NonNull<u8>),
}

impl Drop for Backing {
    fn drop(&mut self) {
        #[cfg(any(test, feature = "fake"))]
        if let Backing::Heap(layout, base) = self {
            // SAFETY: allocated with this layout in `Region::heap`, and freed only here.
            unsafe { std::alloc::dealloc(base.as_ptr(), *layout) }
        }
    }
}

// SAFETY: the methods only copy out of and into the memory, with volatile accesses that make no
// assumption on who else writes it.
unsafe impl Send for Region {}
// SAFETY: threads that copy at the same time are among those who else write it.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `len` bytes of the region of the port that `fd` is bound to, known by `id`.
    pub(crate) fn map(fd: BorrowedFd<'_>, len: usize, id: RegionId) -> std::io::Result<Self> {
        let map = MmapOptions::new().len(len).map_raw(&fd)?;
        let base = NonNull::new(map.as_mut_ptr()).ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(Region {
            base,
            len,
            id,
            _backing: Backing::Mapped(map),
        })
    }

    /// The first `len` bytes of memory of this process, known by `id`. `None` if it has fewer.
    pub(crate) fn within(memory: &Memory, len: usize, id: RegionId) -> Option<Self> {
        if len > memory.len() {
            return None;
        }
        Some(Region {
            base: NonNull::new(memory.base())?,
            len,
            id,
            _backing: Backing::Own(memory.clone()),
        })
    }

    /// A zeroed region on the heap, for the fake: there, memory checkers see every step beyond it.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn heap(len: usize, id: u64) -> Option<Self> {
        let layout = std::alloc::Layout::from_size_align(len, 4096).ok()?;
        if len == 0 {
            return None;
        }
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
        Some(Region {
            base,
            len,
            id: RegionId::Fake(id),
            _backing: Backing::Heap(layout, base),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether it is in that memory of this process.
    pub(crate) fn is_in(&self, memory: &Memory) -> bool {
        matches!(self._backing, Backing::Own(_)) && self.base.as_ptr() == memory.base()
    }

    pub(crate) fn id(&self) -> RegionId {
        self.id
    }

    /// The address of `len` bytes at `offset`, if they are inside and aligned to `align`.
    pub(super) fn at(&self, offset: usize, len: usize, align: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(len)?;
        if end > self.len || offset % align != 0 {
            return None;
        }
        // SAFETY: `offset` is at most `self.len`, so the result is inside the region or at its end.
        Some(unsafe { self.base.add(offset) })
    }

    /// A private copy of the structure at `offset`.
    pub(crate) fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        let at = self.at(offset, size_of::<T>(), align_of::<T>())?;
        // SAFETY: inside the region and aligned (the region starts on a page), and any bytes make a
        // valid `Plain` value.
        Some(unsafe { at.cast::<T>().as_ptr().read_volatile() })
    }

    /// The 32-bit word at `offset`.
    pub(crate) fn read_u32(&self, offset: usize) -> Option<u32> {
        let at = self.at(offset, 4, 4)?;
        // SAFETY: inside the region and aligned.
        Some(unsafe { at.cast::<u32>().as_ptr().read_volatile() })
    }

    /// Writes the 32-bit word at `offset`; nothing happens outside the region.
    pub(crate) fn write_u32(&self, offset: usize, value: u32) {
        if let Some(at) = self.at(offset, 4, 4) {
            // SAFETY: inside the region and aligned.
            unsafe { at.cast::<u32>().as_ptr().write_volatile(value) }
        }
    }

    /// The signed 64-bit word at `offset`.
    pub(crate) fn read_i64(&self, offset: usize) -> Option<i64> {
        let at = self.at(offset, 8, 8)?;
        // SAFETY: inside the region and aligned.
        Some(unsafe { at.cast::<i64>().as_ptr().read_volatile() })
    }

    /// The 32-bit word at `offset`, as the kernel reads a ring's head: what was written before it
    /// was released is seen.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn acquire_u32(&self, offset: usize) -> Option<u32> {
        let at = self.at(offset, 4, 4)?;
        // SAFETY: inside the region, aligned, and as an atomic it may change at any time. Pairs
        // with the release of the head in `Ring::publish`.
        let word = unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) };
        Some(word.load(Ordering::Acquire))
    }

    /// Writes the 32-bit word at `offset`, as the kernel writes a ring's tail: after all before it.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn release_u32(&self, offset: usize, value: u32) {
        if let Some(at) = self.at(offset, 4, 4) {
            // SAFETY: as in `acquire_u32`. Pairs with the acquire of the tail in `Ring::refresh`.
            let word = unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) };
            word.store(value, Ordering::Release);
        }
    }

    /// Writes the signed 64-bit word at `offset`; nothing happens outside the region.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn write_i64(&self, offset: usize, value: i64) {
        if let Some(at) = self.at(offset, 8, 8) {
            // SAFETY: inside the region and aligned.
            unsafe { at.cast::<i64>().as_ptr().write_volatile(value) }
        }
    }

    /// Puts a structure at `offset`; nothing happens outside the region.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn write<T: Plain>(&self, offset: usize, value: T) {
        if let Some(at) = self.at(offset, size_of::<T>(), align_of::<T>()) {
            // SAFETY: inside the region and aligned.
            unsafe { at.cast::<T>().as_ptr().write_volatile(value) }
        }
    }

    /// Copies `len` bytes from offset `from` of `source` to offset `to` of this region, which may
    /// be the same one; nothing happens if either range is not inside.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn copy_from(&self, to: usize, source: &Region, from: usize, len: usize) {
        if let (Some(to), Some(from)) = (self.at(to, len, 1), source.at(from, len, 1)) {
            // SAFETY: both ranges are inside their regions; `copy` allows that they overlap.
            unsafe { std::ptr::copy(from.as_ptr(), to.as_ptr(), len) }
        }
    }
}
