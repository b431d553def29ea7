// SPDX-License-Identifier: GPL-2.0

//! Memory that programs map: regions, the pools in them, and lookup.
//!
//! A [`Region`] has an id and lives as long as somebody holds it; its memory ([`Mem`]) is made when
//! somebody begins to use it, and goes with the last user. Who may use it by its id is told by
//! [`access`]. Programs map a `Mem` whole. Three kinds of objects lie in it: netmap_ifs, rings and
//! buffers. Looking one up gives a view that copes with a program rewriting it at the same time
//! ([`shared`]); this is one of the three borders where values are checked. [`staging`] is memory
//! that no program maps.

#![allow(unsafe_code)]

mod access;
mod pool;
mod region;
mod regions;
mod shared;
mod source;
mod staging;

pub(crate) use access::Claimant;
pub(crate) use region::{Kind, Region, Use};
pub(crate) use regions::{RegionRef, Regions};
pub(crate) use shared::{Buf, Bufs, Head, IfView, Position, RingView, SlotCell, SlotRun};
pub(crate) use source::Source;
pub(crate) use staging::{Area, Staging};

use crate::{
    abi::{
        layout::Layout,
        wire::{IfHeader, RingHeader},
    },
    live::{self, Counted},
    sys::{
        user::Writers,
        vmalloc::{HugeMem, Lack},
    },
};
use core::ptr::NonNull;
use kernel::prelude::*;

/// The memory of a region, and where its pools lie.
///
/// # Invariants
///
/// `memory` has exactly `layout.bytes()`, and there is at least one buffer.
pub(crate) struct Mem {
    memory: HugeMem,
    layout: Layout,
    writers: Writers,
    _live: Counted,
}

impl Mem {
    fn new(layout: Layout) -> Result<Result<Self, Lack>> {
        if layout.bufs.count == 0 {
            return Ok(Err(Lack::Memory));
        }
        let bytes = usize::try_from(layout.bytes()).map_err(|_| ENOMEM)?;
        // INVARIANT: allocated with that size, and there are buffers.
        Ok(HugeMem::new(bytes)?.map(|memory| Mem {
            memory,
            layout,
            writers: Writers::none(),
            _live: Counted::new(live::Kind::Memory),
        }))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The memory itself, for mapping it.
    pub(crate) fn memory(&self) -> &HugeMem {
        &self.memory
    }

    /// Which processes may write to it.
    pub(crate) fn writers(&self) -> &Writers {
        &self.writers
    }

    /// The buffer at which a region of that colour starts: its address is the colour's place, one
    /// default ring of default buffers from the next, modulo all places.
    fn first_buf_of_colour(&self, colour: u8) -> u32 {
        const PLACE: u64 = 1024 * 2048;
        const ALL: u64 = PLACE * region::COLOURS as u64;
        let pool = self.memory.base().as_ptr() as u64 + self.layout.bufs.offset;
        let distance = (u64::from(colour) * PLACE).wrapping_sub(pool) % ALL;
        let buffers = distance.checked_div(self.layout.bufs.size.into());
        buffers.unwrap_or(0) as u32
    }

    /// The address of `bytes` bytes at `offset`, if they lie inside.
    fn at(&self, offset: u64, bytes: usize) -> Option<NonNull<u8>> {
        let start = usize::try_from(offset).ok()?;
        if start.checked_add(bytes)? > self.memory.bytes() {
            return None;
        }
        // SAFETY: at most the memory's end, as was just found.
        Some(unsafe { self.memory.base().add(start) })
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
        // lives as long as `self`; objects are aligned to 64 bytes, as pools start at pages.
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
        // lives as long as `self`; objects are aligned to 64 bytes, as pools start at pages.
        Some(unsafe { IfView::new(base, rings) })
    }

    /// The buffer pool, for looking up many buffers.
    #[inline]
    pub(crate) fn bufs(&self) -> Bufs<'_> {
        let pool = &self.layout.bufs;
        // SAFETY: by the invariant the pool lies inside the memory, which lives as long as `self`,
        // and has at least one buffer; it starts at a page, and objects have whole cache lines.
        unsafe {
            Bufs::new(
                self.memory.base().add(pool.offset as usize),
                pool.size,
                pool.count,
            )
        }
    }
}
