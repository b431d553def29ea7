// SPDX-License-Identifier: GPL-2.0

//! One straight line of kernel memory, on huge pages where they are to be had.
//!
//! It may be gigabytes, so that making it and giving it back take seconds. It is made where nobody
//! else waits for it, and what is dropped with locks held is noted only, and given back by
//! [`give_back`].

use super::{backing::Backing, bindings, task};
use core::ptr::{null_mut, NonNull};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
    time::{delay::fsleep, Delta, Instant, Monotonic},
};

/// Zeroed, virtually contiguous memory in whole pages, which processes may map. It is charged to
/// who makes it.
///
/// # Invariants
///
/// `base` is an allocation of `bytes` by vmalloc, and ours.
pub(crate) struct HugeMem {
    base: NonNull<u8>,
    bytes: usize,
    /// For when it is dropped: that must not need memory. Always there before.
    note: Option<KBox<Note>>,
}

/// What there is none of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Memory, on the machine or in the cgroup of who asks.
    Memory,
    /// Room beside what others are asking for at this moment. They may get it, or find out that
    /// they cannot pay for it.
    Others,
}

/// Waits a moment for others who are asking for memory, but no longer than some seconds from
/// `begun` on. False if it is not worth while any more.
pub(crate) fn wait_for_others(begun: Instant<Monotonic>) -> bool {
    let goes_on = begun.elapsed().as_millis() < PATIENCE && task::go_on();
    if goes_on {
        fsleep(Delta::from_millis(1));
    }
    goes_on
}

/// Milliseconds: to make a gigabyte takes a tenth of a second, several at once take longer.
const PATIENCE: i64 = 5000;

/// Memory that nobody uses any more.
struct Note {
    base: NonNull<u8>,
    bytes: usize,
    next: *mut Note,
}

/// Bytes that are being made at this moment. Some are there already and are counted twice by that:
/// those who ask at the same time leave each other more than enough.
static MAKING: Atomic<usize> = Atomic::new(0);

/// Bytes that were dropped and are not given back yet.
static RETURNING: Atomic<usize> = Atomic::new(0);

/// What was dropped and nobody gives back yet: the first of a list of boxes.
static DROPPED: Atomic<*mut Note> = Atomic::new(null_mut());

// SAFETY: any thread may give back what another has allocated.
unsafe impl Send for HugeMem {}
// SAFETY: a reference shows where the memory is and counts references to its pages, which the
// kernel does atomically; whoever reads or writes there vouches for that himself.
unsafe impl Sync for HugeMem {}

impl HugeMem {
    /// Allocates `bytes`, a multiple of the page size. Tries hard, but ends nobody for it: asking
    /// for a region larger than the machine is an error for the caller, not for its neighbours.
    pub(crate) fn new(bytes: usize) -> Result<Result<Self, Lack>> {
        if bytes == 0 || bytes % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        // What the caller has closed just now may be among that, with somebody else giving it back.
        let returning = RETURNING.load(Relaxed) != 0;
        match Self::try_new(bytes)? {
            Err(_) if returning => {
                wait_for_the_rest();
                Self::try_new(bytes)
            }
            tried => Ok(tried),
        }
    }

    fn try_new(bytes: usize) -> Result<Result<Self, Lack>> {
        let note = Note {
            base: NonNull::dangling(),
            bytes,
            next: null_mut(),
        };
        let mut note = KBox::new(note, GFP_KERNEL_ACCOUNT)?;
        if let Err(lack) = begin_making(bytes) {
            return Ok(Err(lack));
        }
        let base = allocate(bytes);
        MAKING.fetch_sub(bytes, Relaxed);
        let Some(base) = base else {
            wait_for_the_part();
            return Ok(Err(Lack::Memory));
        };
        note.base = base;
        // INVARIANT: allocated just now.
        Ok(Ok(HugeMem {
            base,
            bytes,
            note: Some(note),
        }))
    }
}

// SAFETY: by the invariant of the type it is an allocation of so many bytes, which are whole pages.
unsafe impl Backing for HugeMem {
    #[inline]
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn page(&self, offset: usize) -> Option<*mut bindings::page> {
        if offset >= self.bytes {
            return None;
        }
        // SAFETY: the address is inside the allocation, which is ours. Its pages are counted one by
        // one (vmalloc splits its huge pages), so a process may keep one for as long as it likes.
        unsafe {
            let page = bindings::vmalloc_to_page(self.base.as_ptr().add(offset).cast());
            bindings::get_page(page);
            Some(page)
        }
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

/// Zeroed pages, charged to the caller, whom nobody is ended for.
fn allocate(bytes: usize) -> Option<NonNull<u8>> {
    let gfp = bindings::GFP_KERNEL_ACCOUNT
        | bindings::__GFP_ZERO
        | bindings::__GFP_NOWARN
        | 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;
    // SAFETY: may be called by any task that may sleep, and gives memory that is nobody else's, or
    // null.
    let ptr = unsafe { bindings::vmalloc_huge_node_noprof(bytes, gfp, bindings::NUMA_NO_NODE) };
    NonNull::new(ptr.cast())
}

/// Waits until the kernel has given back the part that it had got of an allocation that failed,
/// which it leaves to a worker (mm/vmalloc.c, `defer_vm_area_cleanup`). Until then the caller's
/// cgroup is full, and the next small thing that it needs would have it ended. For a second at
/// most: the cgroup may be full of other things.
fn wait_for_the_part() {
    const ROOM: usize = 1 << 20;
    within_a_second(|| {
        let room = allocate(ROOM);
        if let Some(room) = room {
            // SAFETY: allocated by vmalloc just now, and nobody else knows it.
            unsafe { bindings::vfree(room.as_ptr().cast()) };
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

impl Drop for HugeMem {
    fn drop(&mut self) {
        let Some(note) = self.note.take() else { return };
        RETURNING.fetch_add(self.bytes, Relaxed);
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
        // SAFETY: an allocation by vmalloc, by the invariant of what was dropped, and nobody's any
        // more. Pages that a process still maps or has pinned live on by their own count.
        unsafe { bindings::vfree(note.base.as_ptr().cast()) };
        RETURNING.fetch_sub(note.bytes, Relaxed);
    }
}

/// Has everything given back, and waits for others who do it: for a second at most, where a
/// gigabyte takes a tenth.
fn wait_for_the_rest() {
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
