// SPDX-License-Identifier: GPL-2.0

//! Straight lines of kernel memory: allocated, in one block or on huge pages where they are to be
//! had, or mapped of pages that are there already.
//!
//! They may be gigabytes, so that making them and giving them back take seconds. They are made
//! where nobody else waits for it, and what is dropped with locks held is noted only, and given
//! back by [`give_back`].

use super::{bindings, task};
use crate::live;
use core::{
    ffi::c_void,
    ptr::{null, null_mut, NonNull},
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
    time::{delay::fsleep, Delta, Instant, Monotonic},
};

/// Zeroed, virtually contiguous memory in whole pages, which processes may map: each page has a
/// count of its own. It is charged to who makes it.
///
/// # Invariants
///
/// `base` is an allocation of `bytes` by [`allocate`], which `_lease` keeps.
pub(crate) struct HugeMem {
    base: NonNull<u8>,
    bytes: usize,
    _lease: Lease,
}

/// Pages that are elsewhere, in one line.
///
/// # Invariants
///
/// `base` is a mapping of theirs by vmap, which `_lease` keeps.
pub(super) struct Joint {
    base: NonNull<u8>,
    _lease: Lease,
}

// SAFETY: any thread may give back what another has allocated.
unsafe impl Send for HugeMem {}
// SAFETY: a reference shows where the memory is; whoever reads or writes there vouches for that
// himself.
unsafe impl Sync for HugeMem {}
// SAFETY: any thread may unmap what another has mapped.
unsafe impl Send for Joint {}
// SAFETY: a reference shows where the pages are; whoever reads or writes there vouches for that
// himself.
unsafe impl Sync for Joint {}

/// What there is none of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// Memory, on the machine or in the cgroup of who asks.
    Memory,
    /// Room beside what others are asking for at this moment. They may get it, or find out that
    /// they cannot pay for it.
    Others,
}

/// Waits a moment for others who are asking for memory, but no longer than some seconds from
/// `begun` on. False if it is not worth while any more.
fn wait_for_others(begun: Instant<Monotonic>) -> bool {
    let goes_on = begun.elapsed().as_millis() < PATIENCE && task::go_on();
    if goes_on {
        fsleep(Delta::from_millis(1));
    }
    goes_on
}

/// Milliseconds: to make a gigabyte takes a tenth of a second, several at once take longer.
const PATIENCE: i64 = 5000;

/// Bytes that are being made at this moment. Some are there already and are counted twice by that:
/// those who ask at the same time leave each other more than enough.
static MAKING: Atomic<usize> = Atomic::new(0);

impl HugeMem {
    /// Allocates `bytes`, a multiple of the page size. Tries hard, but ends nobody for it: asking
    /// for a region larger than the machine is an error for the caller, not for its neighbours.
    /// `EINTR` if the process is being killed, so that nobody waits for it any more.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        if bytes == 0 || bytes % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        let (begun, mut has_waited) = (Instant::now(), false);
        loop {
            // What the caller has closed just now may be among that, with somebody else giving it
            // back.
            let returning = RETURNING.load(Relaxed) != 0;
            let lack = match Self::try_new(bytes)? {
                Ok(made) => return Ok(made),
                Err(lack) => lack,
            };
            if !task::go_on() {
                return Err(EINTR);
            }
            if returning && !has_waited {
                has_waited = true;
                wait_for_the_rest();
            } else if lack == Lack::Memory || !wait_for_others(begun) {
                return Err(ENOMEM);
            }
        }
    }

    fn try_new(bytes: usize) -> Result<Result<Self, Lack>> {
        let note = Note::blank()?;
        if let Err(lack) = begin_making(bytes) {
            return Ok(Err(lack));
        }
        let made = allocate(bytes);
        MAKING.fetch_sub(bytes, Relaxed);
        let Some((base, give)) = made else {
            wait_for_the_part(bytes);
            return Ok(Err(Lack::Memory));
        };
        // INVARIANT: allocated just now.
        Ok(Ok(HugeMem {
            base,
            bytes,
            _lease: Lease::new(note, base, bytes, give),
        }))
    }

    /// Where it starts, at a page.
    #[inline]
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Joint {
    /// Maps these pages, one after the other.
    ///
    /// # Safety
    ///
    /// Whoever touches the mapping must know that they are still there.
    pub(super) unsafe fn new(pages: &[*mut bindings::page]) -> Result<Self> {
        let note = Note::blank()?;
        let count = u32::try_from(pages.len()).map_err(|_| ENOMEM)?;
        // SAFETY: may be called by any task that may sleep. There are so many pages, which are only
        // looked at.
        let base = unsafe { bindings::ferromap_vmap(pages.as_ptr().cast_mut(), count) };
        let base = NonNull::new(base.cast()).ok_or(ENOMEM)?;
        // INVARIANT: mapped just now.
        Ok(Joint {
            base,
            _lease: Lease::new(note, base, 0, unmap),
        })
    }

    /// Where it starts, at a page.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

/// Counts `bytes` among those that are being made, if they can be had.
fn begin_making(bytes: usize) -> Result<(), Lack> {
    let room = can_be_had();
    let mut making = MAKING.load(Relaxed);
    loop {
        match making.checked_add(bytes) {
            Some(all) if all <= room => match MAKING.cmpxchg(making, all, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => making = now,
            },
            _ if making == 0 => return Err(Lack::Memory),
            _ => return Err(Lack::Others),
        }
    }
}

/// What a huge page has.
const HUGE: usize = 2 << 20;

/// The largest block. With larger pages the kernel has larger ones, which it would zero in one go.
const BLOCK: usize = 4 << 20;
const _: () = assert!(BLOCK <= bindings::ferromap_sizes_FERROMAP_LARGEST_BLOCK as usize);

/// How something is given back, which nobody may use any more: where it is, and how many bytes it
/// has, which must be true of a block; what else there is knows by itself.
pub(super) type Give = unsafe fn(*const c_void, usize);

/// Zeroed pages, charged to the caller, whom nobody is ended for.
fn allocate(bytes: usize) -> Option<(NonNull<u8>, Give)> {
    // One block needs no mapping of its own: that saves a page table, and where a page table is
    // dear (User Mode Linux) most of the time.
    if let Some(block) = allocate_block(bytes) {
        return Some((block, free_block));
    }
    let gfp = bindings::GFP_KERNEL_ACCOUNT
        | bindings::__GFP_ZERO
        | bindings::__GFP_NOWARN
        | 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;
    // Of huge pages the kernel takes whole ones (mm/vmalloc.c, `__get_vm_area_node`), of which most
    // of the last may be for nothing.
    let wasted = bytes.next_multiple_of(HUGE) - bytes;
    // SAFETY: may be called by any task that may sleep, and gives memory that is nobody else's, or
    // null.
    let ptr = unsafe {
        if wasted <= bytes / 8 {
            bindings::vmalloc_huge_node_noprof(bytes, gfp, bindings::NUMA_NO_NODE)
        } else {
            bindings::__vmalloc_noprof(bytes, gfp)
        }
    };
    Some((NonNull::new(ptr.cast())?, free))
}

/// The same in one block, if there is such a block at this moment: nothing is moved or thrown out
/// for it.
fn allocate_block(bytes: usize) -> Option<NonNull<u8>> {
    // Nor is it taken of what is kept for who cannot wait: that is what the last flag is for
    // (mm/page_alloc.c, `alloc_flags_nonblocking`).
    let gfp = 1 << bindings::___GFP_ACCOUNT_BIT
        | bindings::__GFP_ZERO
        | bindings::__GFP_NOWARN
        | 1 << bindings::___GFP_NOMEMALLOC_BIT;
    if bytes > BLOCK {
        return None;
    }
    // SAFETY: may be called anywhere, and gives memory that is nobody else's, or null. Its pages
    // are counted one by one (mm/page_alloc.c, `make_alloc_exact`).
    let ptr = unsafe { bindings::alloc_pages_exact_noprof(bytes, gfp) };
    let block = NonNull::new(ptr.cast())?;
    // Nothing of the kernel's tells whose a block is, as /proc/vmallocinfo does.
    live::add(live::Kind::BlockPage, pages_of(bytes));
    Some(block)
}

fn pages_of(bytes: usize) -> isize {
    (bytes / PAGE_SIZE) as isize
}

/// # Safety
///
/// A block of [`allocate_block`], of so many bytes, that nobody uses any more. Pages of it that
/// processes map live on by their own count.
unsafe fn free_block(base: *const c_void, bytes: usize) {
    // SAFETY: by the caller's promise.
    unsafe { bindings::free_pages_exact(base.cast_mut(), bytes) };
    live::add(live::Kind::BlockPage, -pages_of(bytes));
}

/// # Safety
///
/// An allocation by vmalloc that nobody uses any more.
unsafe fn free(base: *const c_void, _: usize) {
    // SAFETY: by the caller's promise.
    unsafe { bindings::vfree(base) };
}

/// # Safety
///
/// A mapping by vmap that nobody uses any more.
unsafe fn unmap(base: *const c_void, _: usize) {
    // SAFETY: by the caller's promise.
    unsafe { bindings::vunmap(base) };
}

/// Waits until the kernel has given back the part that it had got of an allocation that failed,
/// which it leaves to a worker (mm/vmalloc.c, `defer_vm_area_cleanup`). Until then the caller's
/// cgroup is full, and the next small thing that it needs would have it ended. For a second at
/// most: the cgroup may be full of other things.
fn wait_for_the_part(bytes: usize) {
    const ROOM: usize = 1 << 20;
    within_a_second(|| {
        let bytes = ROOM.min(bytes);
        let room = allocate(bytes);
        if let Some((room, give)) = room {
            // SAFETY: allocated just now, and nobody else knows it.
            unsafe { give(room.as_ptr().cast(), bytes) };
        }
        room.is_some()
    });
}

/// Bytes that may be taken without hurting anybody. Were all there is taken, the next process to
/// touch a page would be ended for it; a sixteenth is left to the others.
fn can_be_had() -> usize {
    // SAFETY: only adds up counters of the kernel's.
    let pages = unsafe { bindings::si_mem_available() };
    let pages = usize::try_from(pages).unwrap_or(0);
    (pages - pages / 16).saturating_mul(PAGE_SIZE)
}

/// Bytes that were dropped and are not given back yet.
static RETURNING: Atomic<usize> = Atomic::new(0);

/// What was dropped and nobody gives back yet: the first of a list of boxes.
static DROPPED: Atomic<*mut Note> = Atomic::new(null_mut());

/// Memory, a mapping or pages that nobody uses any more.
pub(super) struct Note {
    base: *const c_void,
    /// How much memory that is, or how much is kept by it: what `give` is told.
    bytes: usize,
    give: Give,
    next: *mut Note,
}

impl Note {
    /// What is to be given back is filled in when it is there.
    pub(super) fn blank() -> Result<KBox<Self>> {
        let note = Note {
            base: null(),
            bytes: 0,
            give: free,
            next: null_mut(),
        };
        Ok(KBox::new(note, GFP_KERNEL_ACCOUNT)?)
    }
}

/// Has memory, a mapping or pages given back when it is dropped. The note for that is made before:
/// to drop something must not need memory.
pub(super) struct Lease(Option<KBox<Note>>);

impl Lease {
    /// For what is at `base` and has so many bytes, which `give` is right for, at any time.
    pub(super) fn new(mut note: KBox<Note>, base: NonNull<u8>, bytes: usize, give: Give) -> Self {
        (note.base, note.bytes, note.give) = (base.as_ptr().cast(), bytes, give);
        Lease(Some(note))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(note) = self.0.take() else { return };
        RETURNING.fetch_add(note.bytes, Relaxed);
        let note = KBox::into_raw(note);
        let mut first = DROPPED.load(Relaxed);
        loop {
            // SAFETY: the note came out of a box, and is ours alone until it is on the list.
            unsafe { (*note).next = first };
            // Release: whoever takes the list sees what is in the note.
            match DROPPED.cmpxchg(first, note, Release) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }
}

/// Gives back what was dropped. For process context, with no lock held that others wait for.
pub(crate) fn give_back() {
    // Acquire pairs with the Release above. All of it is ours from here on.
    let mut next = DROPPED.xchg(null_mut(), Acquire);
    while !next.is_null() {
        // SAFETY: a box that `drop` put on the list, which was taken whole: nobody else has it.
        let note = unsafe { KBox::from_raw(next) };
        next = note.next;
        // SAFETY: an allocation, a mapping by vmap or pages that are pinned, with what is right for
        // it, by the invariants of what was dropped, and nobody's any more: nobody touches a
        // mapping whose pages have gone before it. Pages that a process still maps or has pinned
        // live on by their own count.
        unsafe { (note.give)(note.base, note.bytes) };
        RETURNING.fetch_sub(note.bytes, Relaxed);
    }
}

/// Has everything given back, and waits for others who do it: for a second at most, where a
/// gigabyte takes a tenth.
pub(super) fn wait_for_the_rest() {
    within_a_second(|| {
        give_back();
        RETURNING.load(Relaxed) == 0
    });
}

/// Tries it every millisecond until it is `done`, or nobody waits for it any more.
fn within_a_second(mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() || !task::go_on() {
            return;
        }
        fsleep(Delta::from_millis(1));
    }
}
