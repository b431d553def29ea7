// SPDX-License-Identifier: GPL-2.0

//! Objects of one size, side by side in kernel memory, of which the first are there and the others
//! come later; or in pages of a process, where all of them are there from the start.
//!
//! What is added lies elsewhere, so that all of it is mapped once more, in one line. The line that
//! was there before stays: whoever has an address in it may go on. Both show the same pages. Each
//! line is an eighth longer than the one before, so that there are few of them.

use super::{
    bindings,
    pinned::Pinned,
    vmalloc::{HugeMem, Joint},
};
use core::{
    ops::Range,
    ptr::{without_provenance_mut, NonNull},
    sync::atomic::{
        AtomicPtr, AtomicU32, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{Arc, Mutex},
};

/// A stretch of objects.
///
/// # Invariants
///
/// From `base` on, `bytes` bytes are valid for reading and writing for as long as this lives, and
/// `count` objects lie in them; so is what any of the three was before. None gets less. `base` is
/// aligned to a page, and each was stored before what counts from it. All bases show the same
/// pages, which are allocated with a count of their own each, or pinned, and then all of them are
/// there.
#[pin_data]
pub(crate) struct Stretch {
    /// Bytes of an object, and how many there can be.
    size: u32,
    most: u32,
    base: AtomicPtr<u8>,
    bytes: AtomicUsize,
    count: AtomicU32,
    /// Held by who adds to it, which may take long.
    #[pin]
    made: Mutex<Made>,
}

/// What it is made of.
struct Made {
    lines: KVec<Joint>,
    parts: KVec<HugeMem>,
    _pinned: Option<Arc<Pinned>>,
}

/// The least that is added to what is there.
const STEP: usize = 16 * PAGE_SIZE;

impl Stretch {
    /// One that has nothing yet. `most` objects of `size` bytes fill whole pages.
    pub(crate) fn new(size: u32, most: u32) -> impl PinInit<Self> {
        let made = Made {
            lines: KVec::new(),
            parts: KVec::new(),
            _pinned: None,
        };
        // INVARIANT: nothing is there, from any page on.
        Self::begin(size, (without_provenance_mut(PAGE_SIZE), 0), most, 0, made)
    }

    /// One of which all is there: `count` objects of `size` bytes fill these of the pages.
    pub(crate) fn over(
        pinned: &Arc<Pinned>,
        range: Range<usize>,
        size: u32,
        count: u32,
    ) -> Result<impl PinInit<Self>> {
        let pages = pinned.pages().get(range).ok_or(EINVAL)?;
        let bytes = pages.len() * PAGE_SIZE;
        if bytes != size as usize * count as usize {
            return Err(EINVAL);
        }
        let mut lines = KVec::with_capacity(1, GFP_KERNEL_ACCOUNT)?;
        // SAFETY: the pages are there for as long as `self`, which keeps them.
        let line = unsafe { Joint::new(pages)? };
        let base = line.base().as_ptr();
        lines.push(line, GFP_KERNEL_ACCOUNT)?;
        let made = Made {
            lines,
            parts: KVec::new(),
            _pinned: Some(pinned.clone()),
        };
        // INVARIANT: so many bytes are mapped, which is what so many objects have, and are kept.
        Ok(Self::begin(size, (base, bytes), count, count, made))
    }

    fn begin(
        size: u32,
        (base, bytes): (*mut u8, usize),
        most: u32,
        count: u32,
        made: Made,
    ) -> impl PinInit<Self> {
        pin_init!(Stretch {
            size,
            most,
            base: AtomicPtr::new(base),
            bytes: AtomicUsize::new(bytes),
            count: AtomicU32::new(count),
            made <- new_mutex!(made),
        })
    }

    fn most_bytes(&self) -> usize {
        self.size as usize * self.most as usize
    }

    /// Where the first object is, at a page, and how many are there. They are for as long as
    /// `self` is.
    #[inline]
    pub(crate) fn there(&self) -> (NonNull<u8>, u32) {
        // Acquire: the base is at least the one that this counts from.
        let count = self.count.load(Acquire);
        // SAFETY: never null, by the invariant.
        let base = unsafe { NonNull::new_unchecked(self.base.load(Relaxed)) };
        (base, count)
    }

    /// Where the object of that number is, if it is there.
    #[inline]
    pub(crate) fn object(&self, index: u32) -> Option<NonNull<u8>> {
        let (base, count) = self.there();
        // SAFETY: by the invariant so many objects are valid from the base on.
        (index < count).then(|| unsafe { base.add(index as usize * self.size as usize) })
    }

    /// How many objects are there.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Acquire)
    }

    /// Has at least `count` objects there, or all that there can be. They are charged to the
    /// caller, and zeroed. For process context, where nobody waits for the caller but those who
    /// want the same.
    pub(crate) fn grow(&self, count: u32) -> Result {
        self.grow_to(count.min(self.most) as usize * self.size as usize)
    }

    /// A reference to the page at `offset`, which is made if it is not there, with all that is
    /// before it.
    pub(crate) fn page(&self, offset: usize) -> Result<*mut bindings::page> {
        if offset >= self.most_bytes() {
            return Err(EINVAL);
        }
        // Acquire: the base is at least the one that this counts from.
        if offset >= self.bytes.load(Acquire) {
            self.grow_to(offset + 1)?;
        }
        // SAFETY: inside what is there, as was just found; pages are allocated, and counted one by
        // one (mm/vmalloc.c, `vm_area_alloc_pages`, splits large ones), so that a process may keep
        // one for as long as it likes.
        unsafe {
            let page = page_at(self.base.load(Relaxed), offset);
            bindings::get_page(page);
            Ok(page)
        }
    }

    fn grow_to(&self, bytes: usize) -> Result {
        let mut made = self.made.lock();
        let there = self.bytes.load(Relaxed);
        if bytes <= there {
            return Ok(());
        }
        let bytes = if there == 0 {
            bytes
        } else {
            bytes.max(there + STEP.max(there / 8))
        };
        let bytes = bytes.next_multiple_of(PAGE_SIZE).min(self.most_bytes());
        made.lines.reserve(1, GFP_KERNEL_ACCOUNT)?;
        made.parts.reserve(1, GFP_KERNEL_ACCOUNT)?;
        let part = HugeMem::new(bytes - there)?;
        let base = if there == 0 {
            part.base()
        } else {
            let line = self.line(there, &part)?;
            let base = line.base();
            // There is room.
            let _ = made.lines.push_within_capacity(line);
            base
        };
        let _ = made.parts.push_within_capacity(part);
        // INVARIANT: so much was mapped or allocated just now, with what was there before first;
        // and it is kept.
        self.base.store(base.as_ptr(), Relaxed);
        self.bytes.store(bytes, Release);
        // No more than `most`, which fill as many bytes as there are at most.
        let count = bytes.checked_div(self.size as usize).unwrap_or(0);
        self.count.store(count as u32, Release);
        Ok(())
    }

    /// The `there` bytes that are there and `part`, in one line.
    fn line(&self, there: usize, part: &HugeMem) -> Result<Joint> {
        let mut pages =
            KVVec::with_capacity((there + part.bytes()) / PAGE_SIZE, GFP_KERNEL_ACCOUNT)?;
        let parts = [
            (self.base.load(Relaxed), there),
            (part.base().as_ptr(), part.bytes()),
        ];
        for (base, bytes) in parts {
            for offset in (0..bytes).step_by(PAGE_SIZE) {
                // SAFETY: inside what is there, which is mapped.
                let page = unsafe { page_at(base, offset) };
                pages.push(page, GFP_KERNEL_ACCOUNT)?;
            }
        }
        // SAFETY: the pages are there for as long as `self`, which keeps all parts.
        unsafe { Joint::new(&pages) }
    }
}

/// The page at `offset` from `base`.
///
/// # Safety
///
/// It must be one of vmalloc's or vmap's that is there.
unsafe fn page_at(base: *mut u8, offset: usize) -> *mut bindings::page {
    // SAFETY: an address of theirs, as the caller promises.
    unsafe { bindings::vmalloc_to_page(base.add(offset).cast()) }
}
