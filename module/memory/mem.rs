// SPDX-License-Identifier: GPL-2.0

//! The memory of a region, and looking up what lies in it.

use super::shared::{Bufs, IfView, RingView};
use crate::{
    abi::{
        layout::{Layout, Pool, OBJECT_ALIGN},
        wire::{IfHeader, RingHeader},
    },
    live::{self, Counted},
    sys::{
        backing::Backing,
        user::Writers,
        vmalloc::{HugeMem, Lack},
    },
};
use core::ptr::NonNull;
use kernel::{page::PAGE_SIZE, prelude::*};

/// Regions are large and alike, so the buffers of several ports at work would have the same address
/// modulo any power of two, and fall on the same entries of a cache or TLB that is indexed by
/// address (QEMU's is, and has one way: two ports that collide run at two thirds of their speed).
/// So each region starts to hand out its buffers at one of this many colours, the one that the
/// fewest others use.
pub(super) const COLOURS: u8 = 8;

/// The memory of a region, and where its pools lie.
///
/// # Invariants
///
/// `base` is that of `backing`, which has exactly `layout.bytes()`. Each pool of the layout is
/// [`sound`] in so many bytes, and there is at least one buffer.
pub(crate) struct Mem {
    backing: KBox<dyn Backing>,
    base: NonNull<u8>,
    layout: Layout,
    writers: Writers,
    _live: Counted,
}

/// Whether a pool lies in that many bytes whose start is aligned to a page, with all its objects
/// aligned to [`OBJECT_ALIGN`]. A layout is made so, but its fields are anybody's to set.
fn sound(pool: &Pool, bytes: u64) -> bool {
    let aligned = pool.offset % PAGE_SIZE as u64 == 0 && pool.size % OBJECT_ALIGN == 0;
    let end = pool.offset.checked_add(pool.bytes());
    aligned && pool.size != 0 && end.is_some_and(|end| end <= bytes)
}

// SAFETY: the backing is `Send`, and `base` is where that is.
unsafe impl Send for Mem {}
// SAFETY: the backing is `Sync`. What is in the memory is only reached by views, which copy, as
// others may be writing to it anyway.
unsafe impl Sync for Mem {}

impl Mem {
    /// In memory of the kernel's own.
    pub(super) fn new(layout: Layout) -> Result<Result<Self, Lack>> {
        if layout.bufs.count == 0 {
            return Ok(Err(Lack::Memory));
        }
        let end = layout.bufs.offset.checked_add(layout.bufs.bytes());
        let pools = [&layout.ifs, &layout.rings, &layout.bufs];
        if !end.is_some_and(|end| pools.iter().all(|pool| sound(pool, end))) {
            return Err(EINVAL);
        }
        let bytes = usize::try_from(layout.bytes()).map_err(|_| ENOMEM)?;
        let backing: KBox<dyn Backing> = match HugeMem::new(bytes)? {
            Ok(memory) => KBox::new(memory, GFP_KERNEL_ACCOUNT)?,
            Err(lack) => return Ok(Err(lack)),
        };
        // INVARIANT: allocated with that size; pools and their buffers were looked at above.
        Ok(Ok(Mem {
            base: backing.base(),
            backing,
            layout,
            writers: Writers::none(),
            _live: Counted::new(live::Kind::Memory),
        }))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The memory itself, for mapping it.
    pub(crate) fn backing(&self) -> &dyn Backing {
        &*self.backing
    }

    /// Which processes may write to it.
    pub(crate) fn writers(&self) -> &Writers {
        &self.writers
    }

    /// The buffer at which a region of that colour starts. Colours are addresses modulo that many
    /// default rings of default buffers, one of these apart.
    pub(super) fn first_buf_of_colour(&self, colour: u8) -> u32 {
        const RING: u64 = 1024 * 2048;
        const ALL: u64 = RING * COLOURS as u64;
        let pool = self.base.as_ptr() as u64 + self.layout.bufs.offset;
        let distance = (u64::from(colour) * RING).wrapping_sub(pool) % ALL;
        let buffers = distance.checked_div(self.layout.bufs.size.into());
        buffers.unwrap_or(0) as u32
    }

    /// The address of `bytes` bytes at `offset`, if they lie inside.
    fn at(&self, offset: u64, bytes: usize) -> Option<NonNull<u8>> {
        let start = usize::try_from(offset).ok()?;
        if offset.checked_add(bytes as u64)? > self.layout.bytes() {
            return None;
        }
        // SAFETY: the memory has `layout.bytes()` by the invariant, beyond which this is not, as
        // was just found.
        Some(unsafe { self.base.add(start) })
    }

    /// The ring of `slots` slots in object `index` of the ring pool.
    pub(crate) fn ring(&self, index: u32, slots: u32) -> Option<RingView<'_>> {
        let pool = &self.layout.rings;
        // One without slots has room for one, which is what all numbers name.
        let bytes = RingHeader::bytes(slots.max(1));
        if bytes > pool.size as usize {
            return None;
        }
        let base = self.at(pool.object(index)?, bytes)?;
        // SAFETY: `bytes` covers header and slots, and was found to lie inside the memory, which
        // lives as long as `self`. Its start is aligned to a page, as that of a `Backing` is, and
        // by the invariant the objects in it to `OBJECT_ALIGN`.
        Some(unsafe { RingView::new(base, slots) })
    }

    /// The netmap_if with `rings` entries in object `index` of its pool.
    pub(crate) fn interface(&self, index: u32, rings: usize) -> Option<IfView<'_>> {
        let pool = &self.layout.ifs;
        let bytes = IfHeader::bytes(rings);
        if bytes > pool.size as usize {
            return None;
        }
        let base = self.at(pool.object(index)?, bytes)?;
        // SAFETY: `bytes` covers header and entries, and was found to lie inside the memory, which
        // lives as long as `self`. Its start is aligned to a page, as that of a `Backing` is, and
        // by the invariant the objects in it to `OBJECT_ALIGN`: more than a u64 needs.
        Some(unsafe { IfView::new(base, rings) })
    }

    /// The buffer pool, for looking up many buffers.
    #[inline]
    pub(crate) fn bufs(&self) -> Bufs<'_> {
        let pool = &self.layout.bufs;
        // SAFETY: by the invariant the pool is sound, lies inside the memory, which lives as long
        // as `self`, and has at least one buffer. The memory's start is aligned to a page, as that
        // of a `Backing` is, so that the pool's is.
        unsafe { Bufs::new(self.base.add(pool.offset as usize), pool.size, pool.count) }
    }
}
