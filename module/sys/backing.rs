// SPDX-License-Identifier: GPL-2.0

//! Memory that programs can map, wherever it comes from.

use super::bindings;
use core::ptr::NonNull;

/// Memory that a region can lie in. That of [`vmalloc`](super::vmalloc) is the kernel's own; it may
/// as well be a process's.
///
/// # Safety
///
/// From `base` on, `bytes` bytes must be valid for reading and writing for as long as this lives,
/// and both must always be the same. `base` must be aligned to a page. What `page` returns must be
/// the page that lies at that offset from `base`, with a reference that is the caller's.
pub(crate) unsafe trait Backing: Send + Sync {
    /// Where the memory starts.
    fn base(&self) -> NonNull<u8>;

    /// How much there is: whole pages.
    fn bytes(&self) -> usize;

    /// A reference to the page at `offset`, for the page table of a process.
    fn page(&self, offset: usize) -> Option<*mut bindings::page>;
}
