// SPDX-License-Identifier: GPL-2.0

//! One straight line of kernel memory, on huge pages where they are to be had.

use super::bindings;
use core::ptr::NonNull;
use kernel::{page::PAGE_SIZE, prelude::*};

/// Zeroed, virtually contiguous memory in whole pages, which processes may map.
pub(crate) struct HugeMem {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: memory has no thread; how it is shared is up to whoever holds it.
unsafe impl Send for HugeMem {}
// SAFETY: as above.
unsafe impl Sync for HugeMem {}

impl HugeMem {
    /// Allocates `bytes`, a multiple of the page size. Tries hard, but ends nobody for it: asking for a
    /// region larger than the machine is an error for the caller, not for its neighbours.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        if bytes == 0 || bytes % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        if bytes > can_be_had() {
            return Err(ENOMEM);
        }
        let gfp = bindings::GFP_KERNEL
            | bindings::__GFP_ZERO
            | bindings::__GFP_NOWARN
            | 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;
        // SAFETY: may sleep; callers are in process context.
        let ptr = unsafe { bindings::vmalloc_huge_node_noprof(bytes, gfp, bindings::NUMA_NO_NODE) };
        let base = NonNull::new(ptr.cast()).ok_or(ENOMEM)?;
        Ok(HugeMem { base, bytes })
    }

    /// Where the memory starts.
    #[inline]
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// How much there is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A reference to the page at `offset`, for the page table of a process.
    pub(super) fn page(&self, offset: usize) -> Option<*mut bindings::page> {
        if offset >= self.bytes {
            return None;
        }
        // SAFETY: the address is inside the allocation, whose pages are counted one by one (vmalloc
        // splits its huge pages), so a process may keep one for as long as it likes.
        unsafe {
            let page = bindings::vmalloc_to_page(self.base.as_ptr().add(offset).cast());
            bindings::get_page(page);
            Some(page)
        }
    }
}

/// Bytes that may be taken without hurting anybody. Were all there is taken, the next process to touch a
/// page would be ended for it; a sixteenth is left to the others.
fn can_be_had() -> usize {
    // SAFETY: only adds up counters.
    let pages = unsafe { bindings::si_mem_available() };
    let pages = usize::try_from(pages).unwrap_or(0);
    (pages - pages / 16).saturating_mul(PAGE_SIZE)
}

impl Drop for HugeMem {
    fn drop(&mut self) {
        // SAFETY: ours since `new`. Pages that a process still maps live on by their own count.
        unsafe { bindings::vfree(self.base.as_ptr().cast()) };
    }
}
