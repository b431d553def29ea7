// SPDX-License-Identifier: GPL-2.0

//! Rings.

use super::slot::{decode, SlotCell, SlotRun, SLOT_WORDS};
use crate::{
    abi::{
        cursor::Claimed,
        wire::{RingHeader, Slot},
    },
    sys::nospec::confine32,
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull,
    sync::atomic::{
        AtomicU32,
        Ordering::{self, *},
    },
};

/// Where a program is in its ring: checked, and no index past the ring's end.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    pub(crate) head: u32,
    pub(crate) cur: u32,
}

/// What both sides write in a ring's header, each an aligned u32: where it is.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Field {
    Head = offset_of!(RingHeader, head),
    Cur = offset_of!(RingHeader, cur),
    Tail = offset_of!(RingHeader, tail),
    Flags = offset_of!(RingHeader, flags),
}

/// The ring at an offset of a region.
///
/// # Invariants
///
/// `base` is aligned to [`OBJECT_ALIGN`](crate::abi::layout::OBJECT_ALIGN), and a header and
/// `slots` slots behind it, but at least one, are valid for as long as the region's memory is.
#[derive(Clone, Copy)]
pub(crate) struct RingView<'m> {
    base: NonNull<u8>,
    slots: u32,
    _mem: PhantomData<&'m ()>,
}

impl<'m> RingView<'m> {
    /// # Safety
    ///
    /// The invariants of the type must hold for `'m`.
    pub(in crate::memory) unsafe fn new(base: NonNull<u8>, slots: u32) -> Self {
        RingView {
            base,
            slots,
            _mem: PhantomData,
        }
    }

    /// The address of what is at `offset`.
    #[inline]
    fn at<T>(&self, offset: usize) -> *mut T {
        self.base.as_ptr().wrapping_add(offset).cast()
    }

    #[inline(always)]
    fn load(&self, field: Field, order: Ordering) -> u32 {
        // SAFETY: an aligned u32 inside the ring, which is valid for `'m`. Others may write to it:
        // it is an atomic, for no longer than this access.
        unsafe { AtomicU32::from_ptr(self.at(field as usize)) }.load(order)
    }

    #[inline(always)]
    fn store(&self, field: Field, value: u32, order: Ordering) {
        // SAFETY: an aligned u32 inside the ring, which is valid for `'m`. Others may write to it:
        // it is an atomic, for no longer than this access.
        unsafe { AtomicU32::from_ptr(self.at(field as usize)) }.store(value, order)
    }

    /// Writes everything that a fresh ring has in its header. By words: a header by itself is
    /// aligned to more bytes than a ring is.
    pub(crate) fn init(&self, header: RingHeader) {
        type Words = [u64; size_of::<RingHeader>() / size_of::<u64>()];
        // SAFETY: a `Plain` structure has no padding, so that all its bytes are those of some
        // numbers.
        let words = unsafe { core::mem::transmute::<RingHeader, Words>(header) };
        // SAFETY: the header lies inside the ring, which is aligned for words.
        unsafe { self.at::<Words>(0).write_volatile(words) }
    }

    /// What the program says about `head` and `cur`, each fetched once. `head` is loaded with
    /// Acquire: it pairs with the Release store by which the program handed its slots over.
    ///
    /// `head` comes first. A program writes `cur` before `head`, and another of its threads may
    /// sync just then: with a new `head`, an old `cur` would lie behind it and have the ring reset.
    #[inline]
    pub(crate) fn claimed(&self) -> Claimed {
        let head = self.load(Field::Head, Acquire);
        let cur = self.load(Field::Cur, Relaxed);
        Claimed { head, cur }
    }

    /// The same, if they make sense for a program that may go from `from` to `tail`
    /// ([`Claimed::check`]).
    #[inline]
    pub(crate) fn position(&self, from: u32, tail: u32) -> Option<Position> {
        self.checked(self.claimed(), from, tail)
    }

    /// What the program said about `head` and `cur`, here or elsewhere, if it makes sense.
    #[inline]
    pub(crate) fn checked(&self, claimed: Claimed, from: u32, tail: u32) -> Option<Position> {
        let checked = claimed.check(self.slots, from, tail)?;
        Some(Position {
            head: confine32(checked.head(), self.slots),
            cur: checked.cur(),
        })
    }

    /// What the ring says about `tail`. The program may have written anything there.
    pub(crate) fn tail(&self) -> u32 {
        self.load(Field::Tail, Relaxed)
    }

    /// Tells the program how far it may go. Release: the slots before `tail` are written. Pairs
    /// with the Acquire load of `tail` in the program.
    #[inline]
    pub(crate) fn set_tail(&self, tail: u32) {
        self.store(Field::Tail, tail, Release);
    }

    /// Puts all three indexes to the kernel's own values.
    pub(crate) fn reset_indexes(&self, head: u32, tail: u32) {
        self.store(Field::Head, head, Relaxed);
        self.store(Field::Cur, head, Relaxed);
        self.set_tail(tail);
    }

    /// Sets `NR_*` flags, in the program's stead.
    pub(crate) fn set_flags(&self, flags: u32) {
        self.store(Field::Flags, flags, Relaxed);
    }

    /// `NR_*` flags of the ring.
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.load(Field::Flags, Relaxed)
    }

    /// Tells the program which bits of `ptr` in slots are an offset.
    pub(crate) fn set_offset_mask(&self, mask: u64) {
        // SAFETY: the field lies inside the header and is aligned.
        unsafe {
            self.at::<u64>(offset_of!(RingHeader, offset_mask))
                .write_volatile(mask);
        }
    }

    /// When the last receive sync was.
    pub(crate) fn set_timestamp(&self, (sec, usec): (i64, i64)) {
        // SAFETY: both fields lie inside the header and are aligned.
        unsafe {
            self.at::<i64>(offset_of!(RingHeader, ts_sec))
                .write_volatile(sec);
            self.at::<i64>(offset_of!(RingHeader, ts_usec))
                .write_volatile(usec);
        }
    }

    /// Slot `index`: a whole, aligned slot inside the ring, whatever the number. Those past the end
    /// name the first one.
    #[inline]
    fn slot_ptr(&self, index: u32) -> *mut u64 {
        let index = confine32(index, self.slots);
        self.at(RingHeader::SLOTS + index as usize * size_of::<Slot>())
    }

    /// A private copy of a slot, every field fetched once.
    #[inline]
    pub(crate) fn slot(&self, index: u32) -> Slot {
        let ptr = self.slot_ptr(index);
        // SAFETY: `slot_ptr` gives a whole, aligned slot of the ring, which is two words.
        let (low, ptr) = unsafe { (ptr.read_volatile(), ptr.add(1).read_volatile()) };
        decode(low, ptr)
    }

    /// The buffer index of a slot, fetched once.
    #[inline]
    pub(crate) fn slot_buf(&self, index: u32) -> u32 {
        self.cell(index).buf()
    }

    /// Writes a whole slot.
    pub(crate) fn set_slot(&self, index: u32, slot: Slot) {
        // SAFETY: `slot_ptr` gives a whole, aligned slot of the ring.
        unsafe { self.slot_ptr(index).cast::<Slot>().write_volatile(slot) }
    }

    /// Slot `index`; numbers past the end name the first one.
    #[inline]
    pub(crate) fn cell(&self, index: u32) -> SlotCell<'m> {
        // INVARIANT: `slot_ptr` gives a whole, aligned slot of the ring, which is valid for `'m`.
        SlotCell {
            at: self.slot_ptr(index),
            _mem: PhantomData,
        }
    }

    /// `count` slots from `first` on, around the ring's end.
    pub(crate) fn around(&self, first: u32, count: u32) -> impl Iterator<Item = SlotCell<'m>> {
        let run = self.run(first, count);
        let rest = self.run(0, count.saturating_sub(run.left()));
        run.chain(rest)
    }

    /// The program's `head` and `cur`, in its stead.
    pub(crate) fn advance(&self, head: u32) {
        self.store(Field::Head, head, Release);
        self.store(Field::Cur, head, Release);
    }

    /// Up to `count` slots from `first` on, as far as they lie side by side: until the ring's end.
    #[inline]
    pub(crate) fn run(&self, first: u32, count: u32) -> SlotRun<'m> {
        let first = confine32(first, self.slots);
        let room = self.slots - first;
        let count = confine32(count.min(room), room + 1);
        let base: *mut u64 = self.at(RingHeader::SLOTS);
        // SAFETY: `first` is at most the number of slots, and `count` what there is behind it.
        let (at, end) = unsafe {
            let at = base.add(first as usize * SLOT_WORDS);
            (at, at.add(count as usize * SLOT_WORDS))
        };
        // INVARIANT: the slots between lie inside the ring, which is valid for `'m`.
        SlotRun {
            at,
            end,
            _mem: PhantomData,
        }
    }
}
