// SPDX-License-Identifier: GPL-2.0

//! The memory of a region, and looking up what lies in it.

use super::shared::{Bufs, IfView, RingView};
use crate::{
    abi::{
        consts::NETMAP_RESERVED_BUFS,
        layout::{Layout, Pool, OBJECT_ALIGN},
        wire::{IfHeader, RingHeader},
    },
    live::{self, Counted},
    refusal::Fallible,
    sys::{
        backing::Backing,
        bindings,
        pinned::Pinned,
        stretch::{Stretch, There},
        user::Writers,
    },
};
use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

/// The kinds of objects, each of which has a pool.
#[derive(Clone, Copy)]
pub(super) enum PoolOf {
    Ifs,
    Rings,
    Bufs,
}

impl PoolOf {
    /// All of them, in the order in which they lie in a region.
    pub(super) const ALL: [Self; 3] = [PoolOf::Ifs, PoolOf::Rings, PoolOf::Bufs];

    /// How many of the first are nobody's.
    pub(super) fn withheld(self) -> u32 {
        match self {
            PoolOf::Bufs => NETMAP_RESERVED_BUFS,
            PoolOf::Ifs | PoolOf::Rings => 0,
        }
    }

    /// How parameters and fields are called that are about them.
    pub(super) fn word(self) -> &'static str {
        match self {
            PoolOf::Ifs => "if",
            PoolOf::Rings => "ring",
            PoolOf::Bufs => "buf",
        }
    }
}

/// The memory of a region. Of each pool the first objects are there; the others come when they are
/// wanted, or when a program touches where they will be. In memory of a process all are there.
///
/// # Invariants
///
/// Each pool of the layout is [`sound`], and the stretch of its name is for its objects.
#[pin_data]
pub(crate) struct Mem {
    #[pin]
    ifs: Stretch,
    #[pin]
    rings: Stretch,
    #[pin]
    bufs: Stretch,
    layout: Layout,
    /// Whether it is memory of a process, which maps it by itself.
    is_users: bool,
    writers: Writers,
    _live: Counted,
}

/// Whether a pool is of whole pages, with all its objects aligned to [`OBJECT_ALIGN`]. A layout is
/// made so, but its fields are anybody's to set.
fn sound(pool: &Pool) -> bool {
    let page = PAGE_SIZE as u64;
    let whole = pool.offset % page == 0 && pool.bytes() % page == 0;
    whole && pool.size != 0 && pool.size % OBJECT_ALIGN == 0
}

impl Mem {
    /// Memory of the kernel's own, of which there is nothing yet; or these pages of a process, all
    /// of which are there.
    pub(super) fn new(layout: Layout, pinned: Option<&Arc<Pinned>>) -> Fallible<Arc<Self>> {
        if ![&layout.ifs, &layout.rings, &layout.bufs]
            .map(sound)
            .iter()
            .all(|&sound| sound)
        {
            return Err(EINVAL.into());
        }
        // INVARIANT: the pools were looked at above.
        match pinned {
            None => {
                let stretch =
                    |pool: &Pool, of: PoolOf| Stretch::new(pool.size, pool.count, of.withheld());
                let stretches = (
                    stretch(&layout.ifs, PoolOf::Ifs),
                    stretch(&layout.rings, PoolOf::Rings),
                    stretch(&layout.bufs, PoolOf::Bufs),
                );
                Self::with(layout, stretches, Writers::none(), false)
            }
            Some(pinned) => {
                let stretch = |pool: &Pool| {
                    let page = |offset: u64| (offset / PAGE_SIZE as u64) as usize;
                    let range = page(pool.offset)..page(pool.offset + pool.bytes());
                    Stretch::over(pinned, range, pool.size, pool.count)
                };
                let stretches = (
                    stretch(&layout.ifs)?,
                    stretch(&layout.rings)?,
                    stretch(&layout.bufs)?,
                );
                Self::with(layout, stretches, Writers::anybody(), true)
            }
        }
    }

    fn with<S: PinInit<Stretch>>(
        layout: Layout,
        (ifs, rings, bufs): (S, S, S),
        writers: Writers,
        is_users: bool,
    ) -> Fallible<Arc<Self>> {
        Ok(Arc::pin_init(
            pin_init!(Mem {
                ifs <- ifs,
                rings <- rings,
                bufs <- bufs,
                layout,
                is_users,
                writers,
                _live: Counted::new(live::Kind::Memory),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Which processes may write to it.
    pub(crate) fn writers(&self) -> &Writers {
        &self.writers
    }

    /// Where the objects of a pool are.
    pub(super) fn stretch(&self, of: PoolOf) -> &Stretch {
        match of {
            PoolOf::Ifs => &self.ifs,
            PoolOf::Rings => &self.rings,
            PoolOf::Bufs => &self.bufs,
        }
    }

    /// The ring of `slots` slots in object `index` of the ring pool.
    pub(crate) fn ring(&self, index: u32, slots: u32) -> Option<RingView<'_>> {
        let pool = &self.layout.rings;
        // One without slots has room for one, which is what all numbers name.
        let bytes = RingHeader::bytes(slots.max(1));
        if bytes > pool.size as usize {
            return None;
        }
        let base = self.rings.object(index)?;
        // SAFETY: `bytes` covers header and slots, and is no more than the object has, which is
        // there for as long as `self`. A stretch begins at a page, and by the invariant its objects
        // are aligned to `OBJECT_ALIGN`.
        Some(unsafe { RingView::new(base, slots) })
    }

    /// The netmap_if with `rings` entries in object `index` of its pool.
    pub(crate) fn interface(&self, index: u32, rings: usize) -> Option<IfView<'_>> {
        let pool = &self.layout.ifs;
        let bytes = IfHeader::bytes(rings);
        if bytes > pool.size as usize {
            return None;
        }
        let base = self.ifs.object(index)?;
        // SAFETY: `bytes` covers header and entries, and is no more than the object has, which is
        // there for as long as `self`. A stretch begins at a page, and by the invariant its objects
        // are aligned to `OBJECT_ALIGN`: more than a u64 needs.
        Some(unsafe { IfView::new(base, rings) })
    }

    /// The buffers that are there, for looking up many.
    #[inline]
    pub(crate) fn bufs(&self) -> Bufs<'_> {
        let There {
            base, first, count, ..
        } = self.bufs.there();
        // SAFETY: so many are there for as long as `self`, of the pool's size by the invariant, and
        // at most the reserved ones lie apart. A stretch begins at a page, and objects are aligned
        // to `OBJECT_ALIGN`.
        unsafe { Bufs::new(base, first, self.layout.bufs.size, count) }
    }
}

// SAFETY: each pool has its own pages, which a stretch gives with a reference, and always the same.
// Whoever reads or writes there in the kernel copes with others who do (`shared`).
unsafe impl Backing for Mem {
    fn bytes(&self) -> u64 {
        // A process maps its own memory by itself, and the kernel has no way to map pages a second
        // time that are those of one process (mm/memory.c, `validate_page_before_insert`).
        if self.is_users {
            0
        } else {
            self.layout.bytes()
        }
    }

    fn page(&self, offset: u64) -> Result<*mut bindings::page> {
        if self.is_users {
            return Err(EINVAL);
        }
        let Layout {
            ifs, rings, bufs, ..
        } = &self.layout;
        for (pool, stretch) in [(bufs, &self.bufs), (rings, &self.rings), (ifs, &self.ifs)] {
            if let Some(within) = offset.checked_sub(pool.offset) {
                return stretch.page(usize::try_from(within).map_err(|_| EINVAL)?);
            }
        }
        Err(EINVAL)
    }
}
