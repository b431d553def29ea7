// SPDX-License-Identifier: GPL-2.0

//! netmap_ifs.

use crate::abi::{consts::IFNAMSIZ, wire::IfHeader};
use core::{marker::PhantomData, mem::offset_of, ptr::NonNull};

/// The netmap_if at an offset of a region.
///
/// # Invariants
///
/// `base` is aligned for u64; a header and `rings` entries of `ring_ofs` behind it are valid, for
/// as long as the region's memory is.
#[derive(Clone, Copy)]
pub(crate) struct IfView<'m> {
    base: NonNull<u8>,
    rings: usize,
    _mem: PhantomData<&'m ()>,
}

impl<'m> IfView<'m> {
    /// # Safety
    ///
    /// The invariants of the type must hold for `'m`.
    pub(in crate::memory) unsafe fn new(base: NonNull<u8>, rings: usize) -> Self {
        IfView {
            base,
            rings,
            _mem: PhantomData,
        }
    }

    /// Writes the header, and clears every entry of `ring_ofs`.
    pub(crate) fn init(&self, name: &[u8], header: IfHeader) {
        let mut header = header;
        let len = name.len().min(IFNAMSIZ - 1);
        header.ni_name = [0; IFNAMSIZ];
        header.ni_name[..len].copy_from_slice(&name[..len]);
        // SAFETY: by the invariant the header is valid, and aligned as a u64 is, which is more than
        // it wants.
        unsafe { self.base.as_ptr().cast::<IfHeader>().write_volatile(header) };
        for i in 0..self.rings {
            self.set_ring_ofs(i, 0);
        }
    }

    /// Entry `i` of `ring_ofs`; an entry that does not exist is skipped.
    pub(crate) fn set_ring_ofs(&self, i: usize, ofs: i64) {
        if i < self.rings {
            // SAFETY: by the invariant there are `rings` entries behind the header, which is
            // aligned as they are and as long as seven of them.
            unsafe {
                self.base
                    .as_ptr()
                    .add(IfHeader::RING_OFS + i * size_of::<i64>())
                    .cast::<i64>()
                    .write_volatile(ofs)
            }
        }
    }

    fn bufs_head_cell(&self) -> *mut u32 {
        // SAFETY: the field lies inside the header, which by the invariant is valid.
        unsafe {
            self.base
                .as_ptr()
                .add(offset_of!(IfHeader, ni_bufs_head))
                .cast()
        }
    }

    /// First of the extra buffers, as the program left it.
    pub(crate) fn bufs_head(&self) -> u32 {
        // SAFETY: an aligned u32 of the header, which by the invariant is valid.
        unsafe { self.bufs_head_cell().read_volatile() }
    }

    /// Sets the first of the extra buffers.
    pub(crate) fn set_bufs_head(&self, index: u32) {
        // SAFETY: an aligned u32 of the header, which by the invariant is valid.
        unsafe { self.bufs_head_cell().write_volatile(index) }
    }
}
