// SPDX-License-Identifier: GPL-2.0

//! What the kernel believes of a ring.

/// The kernel's private indexes of a ring. What the shared ring says is what the program may
/// believe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indexes {
    /// First slot that the program released and the kernel has not processed.
    pub(crate) hwcur: u32,
    /// The `tail` published last.
    pub(crate) hwtail: u32,
}
