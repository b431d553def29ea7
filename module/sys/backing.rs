// SPDX-License-Identifier: GPL-2.0

//! Memory that programs can map, wherever it comes from.

use super::bindings;
use kernel::prelude::*;

/// Memory that programs map whole, page by page.
///
/// # Safety
///
/// What `page` returns must be the page at that offset, always the same, with a reference that is
/// the caller's. Programs may read it and write to it for as long as they like.
pub(crate) unsafe trait Backing {
    /// How much there is: whole pages.
    fn bytes(&self) -> u64;

    /// A reference to the page at `offset`, for the page table of a process. It may be made for
    /// that, and be charged to who asks.
    fn page(&self, offset: u64) -> Result<*mut bindings::page>;
}
