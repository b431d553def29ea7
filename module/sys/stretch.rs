// SPDX-License-Identifier: GPL-2.0

//! Objects of one size, side by side in kernel memory, of which the first are there and the others
//! come later; or in pages of a process, where all of them are there from the start.
//!
//! What is added lies elsewhere, so that all of it is mapped once more, in one line. The line that
//! was there before stays: whoever has an address in it may go on. Both show the same pages. Each
//! line is an eighth longer than the one before, so that there are few of them.
//!
//! The first few may lie apart from the line. What is wanted of the others is often a power of two,
//! for which there is one block or whole huge pages; not so with a page more.

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
/// From `base` on, `bytes` bytes are valid for reading and writing for as long as this lives, but
/// for the first `head`, instead of which so many are from `first` on; and `count` objects lie in
/// them. So is what any of these was before. None gets less. `base`, `first` and `head` are aligned
/// to a page, neither of the first two is null, and both were stored before what counts from them.
/// All bases show the same pages, which are allocated with a count of their own each, or pinned,
/// and then all of them are there. Where `head` is 0, `first` is a `base`.
#[pin_data]
pub(crate) struct Stretch {
    /// Bytes of an object, and how many there can be.
    size: u32,
    most: u32,
    head: usize,
    first: AtomicPtr<u8>,
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

/// Where objects are, and how many: they are for as long as the stretch is.
pub(crate) struct There {
    /// Where the first would be if none lay apart.
    pub(crate) base: NonNull<u8>,
    /// Where the first are.
    pub(crate) first: NonNull<u8>,
    pub(crate) count: u32,
    head: usize,
}

impl There {
    /// Where what is `offset` bytes behind the beginning lies.
    ///
    /// # Safety
    ///
    /// Something must be there.
    unsafe fn at(&self, offset: usize) -> NonNull<u8> {
        let from = if offset < self.head {
            self.first
        } else {
            self.base
        };
        // Nothing need be at `base`, from which it is counted.
        let at = from.as_ptr().wrapping_add(offset);
        // SAFETY: something is there, as the caller promises.
        unsafe { NonNull::new_unchecked(at) }
    }
}

/// The least that is added to what is there.
const STEP: usize = 16 * PAGE_SIZE;

impl Stretch {
    /// One that has nothing yet. `most` objects of `size` bytes fill whole pages. The first `apart`
    /// may lie elsewhere than the others, and do where they fill whole pages, too.
    pub(crate) fn new(size: u32, most: u32, apart: u32) -> impl PinInit<Self> {
        let made = Made {
            lines: KVec::new(),
            parts: KVec::new(),
            _pinned: None,
        };
        let bytes = size as usize * apart as usize;
        let head = if bytes % PAGE_SIZE == 0 && apart < most {
            bytes
        } else {
            0
        };
        // INVARIANT: nothing is there, from any page on.
        let nowhere = without_provenance_mut(PAGE_SIZE);
        Self::begin(size, (nowhere, 0), (most, 0, head), made)
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
        Ok(Self::begin(size, (base, bytes), (count, count, 0), made))
    }

    fn begin(
        size: u32,
        (base, bytes): (*mut u8, usize),
        (most, count, head): (u32, u32, usize),
        made: Made,
    ) -> impl PinInit<Self> {
        pin_init!(Stretch {
            size,
            most,
            head,
            first: AtomicPtr::new(base),
            base: AtomicPtr::new(base),
            bytes: AtomicUsize::new(bytes),
            count: AtomicU32::new(count),
            made <- new_mutex!(made),
        })
    }

    fn most_bytes(&self) -> usize {
        self.size as usize * self.most as usize
    }

    /// Where the objects are.
    #[inline]
    pub(crate) fn there(&self) -> There {
        // Acquire: both places are at least those that this counts from.
        let count = self.count.load(Acquire);
        let places = [&self.base, &self.first];
        // SAFETY: never null, by the invariant.
        let [base, first] = places.map(|at| unsafe { NonNull::new_unchecked(at.load(Relaxed)) });
        There {
            base,
            first,
            count,
            head: self.head,
        }
    }

    /// Where the object of that number is, if it is there.
    #[inline]
    pub(crate) fn object(&self, index: u32) -> Option<NonNull<u8>> {
        let there = self.there();
        // SAFETY: by the invariant so many objects are there.
        (index < there.count).then(|| unsafe { there.at(index as usize * self.size as usize) })
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
        // one (mm/vmalloc.c, `vm_area_alloc_pages`, and mm/page_alloc.c, `make_alloc_exact`, split
        // large ones), so that a process may keep one for as long as it likes.
        unsafe {
            let at = self.there().at(offset);
            let page = bindings::ferromap_page_of(at.as_ptr().cast());
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
        let bytes = match there {
            0 => bytes.max(self.head + PAGE_SIZE),
            _ => bytes.max(there + STEP.max(there / 8)),
        };
        let bytes = bytes.next_multiple_of(PAGE_SIZE).min(self.most_bytes());
        made.lines.reserve(1, GFP_KERNEL_ACCOUNT)?;
        made.parts.reserve(2, GFP_KERNEL_ACCOUNT)?;
        let (line, apart) = if there == 0 {
            let part = HugeMem::new(bytes - self.head)?;
            let line = part.base();
            let apart = match self.head {
                0 => None,
                head => Some(HugeMem::new(head)?),
            };
            let place = apart.as_ref().map(HugeMem::base);
            // There is room, here and below.
            let _ = made.parts.push_within_capacity(part);
            if let Some(apart) = apart {
                let _ = made.parts.push_within_capacity(apart);
            }
            (line, place)
        } else {
            let part = HugeMem::new(bytes - there)?;
            let line = self.line(there, &part)?;
            let base = line.base();
            let _ = made.lines.push_within_capacity(line);
            let _ = made.parts.push_within_capacity(part);
            (base, None)
        };
        let base = line.as_ptr().wrapping_sub(self.head);
        // INVARIANT: so much was mapped or allocated just now, with what was there before first;
        // and it is kept. The line is behind the first pages of all memory, so that `base` is not
        // null.
        self.base.store(base, Relaxed);
        // What lies apart stays where it is.
        let first = if self.head == 0 {
            Some(base)
        } else {
            apart.map(NonNull::as_ptr)
        };
        if let Some(first) = first {
            self.first.store(first, Relaxed);
        }
        self.bytes.store(bytes, Release);
        // No more than `most`, which fill as many bytes as there are at most.
        let count = bytes.checked_div(self.size as usize).unwrap_or(0);
        self.count.store(count as u32, Release);
        Ok(())
    }

    /// Of the `there` bytes that are there all but the head, and `part`, in one line.
    fn line(&self, there: usize, part: &HugeMem) -> Result<Joint> {
        let old = there - self.head;
        let mut pages = KVVec::with_capacity((old + part.bytes()) / PAGE_SIZE, GFP_KERNEL_ACCOUNT)?;
        // SAFETY: behind the head something is there.
        let from = unsafe { self.there().at(self.head) };
        for (from, bytes) in [(from, old), (part.base(), part.bytes())] {
            for offset in (0..bytes).step_by(PAGE_SIZE) {
                // SAFETY: inside what is there, which is allocated or mapped.
                let page = unsafe { bindings::ferromap_page_of(from.add(offset).as_ptr().cast()) };
                pages.push(page, GFP_KERNEL_ACCOUNT)?;
            }
        }
        // SAFETY: the pages are there for as long as `self`, which keeps all parts.
        unsafe { Joint::new(&pages) }
    }
}
