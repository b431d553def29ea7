// SPDX-License-Identifier: GPL-2.0

//! How several senders fill one receive ring at the same time without a lock.
//!
//! A sender first *reserves* consecutive slots, then fills them, then *commits* them. Senders copy
//! side by side; only the reservation is a compare-and-swap. The receiver *collects* what is
//! committed, in order: each commit marks its first slot with the length of its run, so that a run
//! is a single step.
//!
//! Pure: the parent module says what an atomic is, so that loom can try all interleavings.

use super::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use core::ops::Deref;

/// A value on a cache line of its own: senders and the receiver do not disturb each other.
#[repr(align(64))]
struct Line<T>(T);

/// The kernel's side of filling a ring of `done.len()` slots.
///
/// Both counters count slots since the ring began and never wrap (2^64 slots). The slot of a count
/// is the count modulo the size.
pub(crate) struct Inbox<D> {
    /// Slots ever reserved by senders.
    reserved: Line<AtomicU64>,
    /// Slots ever given back by the receiver.
    released: Line<AtomicU64>,
    /// For the first slot of a committed run: its length. 0 elsewhere.
    done: D,
}

/// Consecutive slots, from `first` on and wrapping, that one sender must fill. Dropping it commits
/// them: it hands all of them to the receiver.
#[must_use = "slots are handed to the receiver when this is dropped"]
pub(crate) struct Lease<'i, D: Deref<Target = [AtomicU32]>> {
    inbox: &'i Inbox<D>,
    first: u32,
    count: u32,
}

impl<D: Deref<Target = [AtomicU32]>> Lease<'_, D> {
    /// The first slot to fill.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }
}

impl<D: Deref<Target = [AtomicU32]>> Drop for Lease<'_, D> {
    /// Release pairs with the Acquire in `collect`.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(mark) = self.inbox.done.get(self.first as usize) {
            mark.store(self.count, Release);
        }
    }
}

impl<D: Deref<Target = [AtomicU32]>> Inbox<D> {
    /// All marks in `done` must be 0.
    pub(crate) fn new(done: D) -> Self {
        Inbox {
            reserved: Line(AtomicU64::new(0)),
            released: Line(AtomicU64::new(0)),
            done,
        }
    }

    fn size(&self) -> u64 {
        self.done.len() as u64
    }

    /// How many slots could be reserved at this moment.
    pub(crate) fn free(&self) -> u32 {
        let most = self.size().saturating_sub(1);
        let used = self.reserved.0.load(Relaxed);
        (self.released.0.load(Relaxed) + most)
            .saturating_sub(used)
            .min(most) as u32
    }

    /// Reserves slots. `take` is told how many are free and returns how many it wants of them; it
    /// may be asked again when another sender was faster. `None` if it wants none.
    #[inline(always)]
    pub(crate) fn reserve(&self, take: impl Fn(u32) -> u32) -> Option<Lease<'_, D>> {
        // One slot always stays unused.
        let most = self.size().saturating_sub(1);
        let mut reserved = self.reserved.0.load(Relaxed);
        loop {
            // Acquire pairs with the Release in `release`: the receiver is done with these slots.
            // An old value only means fewer slots. An old `reserved` would mean more slots than
            // there are, and is found out below.
            let released = self.released.0.load(Acquire);
            let free = (released + most).saturating_sub(reserved).min(most) as u32;
            let count = take(free).min(free);
            if count == 0 {
                return None;
            }
            match self.reserved.0.compare_exchange_weak(
                reserved,
                reserved + u64::from(count),
                Relaxed,
                Relaxed,
            ) {
                Ok(_) => {
                    return Some(Lease {
                        inbox: self,
                        // The size is not 0: nothing would be free.
                        first: reserved.checked_rem(self.size()).unwrap_or(0) as u32,
                        count,
                    });
                }
                Err(now) => reserved = now,
            }
        }
    }

    /// How many slots from `from` on are committed; each is counted once. Only the receiver calls
    /// this, one thread at a time, with the slot where the last count ended.
    pub(crate) fn collect(&self, from: u32) -> u32 {
        let (mut at, mut total) = (from as usize, 0);
        while let Some(mark) = self.done.get(at) {
            let count = mark.load(Acquire);
            if count == 0 {
                break;
            }
            // Nobody writes this mark before the slot is released and reserved again.
            mark.store(0, Relaxed);
            total += count;
            at += count as usize;
            if at >= self.done.len() {
                at -= self.done.len();
            }
        }
        total
    }

    /// The receiver gives back `count` more slots. Only the receiver calls this, one thread at a
    /// time.
    pub(crate) fn release(&self, count: u32) {
        // AcqRel: the program's reads of the slots come before, and senders see them so.
        self.released.0.fetch_add(u64::from(count), AcqRel);
    }
}
