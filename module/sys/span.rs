// SPDX-License-Identifier: GPL-2.0

//! Bytes that others may write at any moment.

use core::{marker::PhantomData, ptr::NonNull};

/// Where such bytes are. They are copied to and from, and never behind a reference.
///
/// # Invariants
///
/// From `start` on, `len` bytes are valid for reading and writing for as long as `'m`. Programs may
/// be writing to them.
#[derive(Clone, Copy)]
pub(crate) struct Span<'m> {
    start: NonNull<u8>,
    len: u32,
    _memory: PhantomData<&'m ()>,
}

impl Span<'_> {
    /// # Safety
    ///
    /// The invariants of the type must hold for `'m`.
    pub(crate) unsafe fn new(start: NonNull<u8>, len: u32) -> Self {
        Span {
            start,
            len,
            _memory: PhantomData,
        }
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}
