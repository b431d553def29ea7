// SPDX-License-Identifier: GPL-2.0

//! The slots of a ring.

use super::bufs::Bufs;
use crate::{
    abi::{
        consts::{NS_BUF_CHANGED, NS_INDIRECT, NS_MOREFRAG},
        wire::Slot,
    },
    sys::arch,
};
use core::{marker::PhantomData, mem::offset_of};

/// A slot is two words: index, length and flags; then the pointer.
pub(super) const SLOT_WORDS: usize = size_of::<Slot>() / size_of::<u64>();

/// By how many bits index, length and flags are shifted in a slot's first word.
const BUF: u32 = shift(offset_of!(Slot, buf_idx), size_of::<u32>());
const LEN: u32 = shift(offset_of!(Slot, len), size_of::<u16>());
const FLAGS: u32 = shift(offset_of!(Slot, flags), size_of::<u16>());

/// The same for length and flags in the second half of that word.
const HALF_LEN: u32 = LEN % u32::BITS;
const HALF_FLAGS: u32 = FLAGS % u32::BITS;

/// How many bits of a word mean less than those of `bytes` bytes at `offset`.
const fn shift(offset: usize, bytes: usize) -> u32 {
    let behind = size_of::<u64>() - offset - bytes;
    let less = if cfg!(target_endian = "big") {
        behind
    } else {
        offset
    };
    less as u32 * u8::BITS
}

/// The slot that has these two words.
#[inline(always)]
pub(super) fn decode(low: u64, ptr: u64) -> Slot {
    Slot {
        buf_idx: (low >> BUF) as u32,
        len: (low >> LEN) as u16,
        flags: (low >> FLAGS) as u16,
        ptr,
    }
}

/// Slots of a ring that lie side by side.
///
/// # Invariants
///
/// From `at` to `end` there are whole, aligned slots, valid for `'m`.
#[derive(Clone, Copy)]
pub(crate) struct SlotRun<'m> {
    pub(super) at: *mut u64,
    pub(super) end: *mut u64,
    pub(super) _mem: PhantomData<&'m ()>,
}

impl SlotRun<'_> {
    /// Slots that are left.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        ((self.end as usize).wrapping_sub(self.at as usize) / size_of::<Slot>()) as u32
    }

    /// The same without what comes after the first `count`.
    #[inline]
    pub(crate) fn first(mut self, count: u32) -> Self {
        if count < self.left() {
            // SAFETY: there are more than `count` slots from `at` on.
            self.end = unsafe { self.at.add(count as usize * SLOT_WORDS) };
        }
        self
    }

    /// Asks for slots a little further on to be in this CPU's cache for writing: who had them last
    /// is mostly another CPU.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        // Three cache lines on; past the ring's end it asks for nothing useful, and does no harm.
        arch::prefetch_for_writing(self.at.wrapping_add(12 * SLOT_WORDS).cast());
    }

    /// Copies all of each slot, each word fetched once, to those of another ring in this region, as
    /// far as there are slots in both.
    #[inline]
    pub(crate) fn copy_to(self, to: SlotRun<'_>) {
        let words = self.left().min(to.left()) as usize * SLOT_WORDS;
        for word in 0..words {
            // SAFETY: both have as many slots, which are two words each.
            unsafe {
                to.at
                    .add(word)
                    .write_volatile(self.at.add(word).read_volatile())
            }
        }
    }

    /// The same for slots that a program has released for sending, up to the first that goes on in
    /// the next. `NS_BUF_CHANGED` has been seen by that. Returns how many they are, and how many
    /// bytes they name.
    #[inline]
    pub(crate) fn pass_to(self, to: SlotRun<'_>) -> (u32, u64) {
        const CHANGED: u64 = (NS_BUF_CHANGED as u64) << FLAGS;
        const MORE: u64 = (NS_MOREFRAG as u64) << FLAGS;
        let slots = self.left().min(to.left());
        let mut bytes = 0;
        for slot in 0..slots {
            // SAFETY: both have as many slots.
            let (from, to) = unsafe {
                let word = slot as usize * SLOT_WORDS;
                (self.at.add(word), to.at.add(word))
            };
            // SAFETY: a slot, which is two words.
            let (low, ptr) = unsafe { (from.read_volatile(), from.add(1).read_volatile()) };
            if low & (CHANGED | MORE) != 0 {
                if low & MORE != 0 {
                    return (slot, bytes);
                }
                // SAFETY: the first word of that slot.
                unsafe { from.write_volatile(low & !CHANGED) };
            }
            // SAFETY: a slot as well.
            unsafe {
                to.write_volatile(low);
                to.add(1).write_volatile(ptr);
            }
            bytes += u64::from((low >> LEN) as u16);
        }
        (slots, bytes)
    }

    /// Exchanges buffers with slots of another ring in this region, one by one: those get the
    /// frames, with their flags but those of `off`, and those of `on`. Both are told that it is
    /// another buffer; what else is in these stays as it was. Ends before a slot whose flags say
    /// where its frame lies, or where one of both names no buffer of `bufs` that can be anybody's.
    /// Returns how many they are, and how many bytes.
    ///
    /// Not inlined: here all that stays the same from slot to slot is in registers.
    #[inline(never)]
    pub(crate) fn exchange_with(
        self,
        to: SlotRun<'_>,
        bufs: &Bufs<'_>,
        (off, on): (u16, u16),
    ) -> (u32, u64) {
        const CHANGED: u64 = (NS_BUF_CHANGED as u64) << FLAGS;
        let (keep, mark) = (!(u64::from(off) << FLAGS), u64::from(on) << FLAGS | CHANGED);
        let words = self.left().min(to.left()) as usize * SLOT_WORDS;
        // More than that is no length, whatever a buffer has.
        let most = bufs.size().min(u16::MAX.into()).into();
        let (mut word, mut bytes) = (0, 0u64);
        while word < words {
            // SAFETY: both have as many slots, which are two words each.
            let (from, to) = unsafe { (self.at.add(word), to.at.add(word)) };
            // SAFETY: the first word of that slot, and the first half of the other's, which is the
            // index.
            let (low, theirs) = unsafe { (from.read_volatile(), to.cast::<u32>().read_volatile()) };
            let slot = decode(low, 0);
            // A flag that tells makes it longer than any buffer: one comparison finds both.
            let telling = u64::from(slot.flags & (NS_INDIRECT | NS_MOREFRAG));
            let len = u64::from(slot.len) | telling << u16::BITS;
            if len > most || !bufs.is_own(slot.buf_idx) || !bufs.is_own(theirs) {
                break;
            }
            // What makes one index of the other.
            let other = u64::from(slot.buf_idx ^ theirs) << BUF;
            // SAFETY: the first words of both slots.
            unsafe {
                from.write_volatile(low ^ other | CHANGED);
                to.write_volatile(low & keep | mark);
            }
            bytes = bytes.wrapping_add(len);
            word += SLOT_WORDS;
        }
        ((word / SLOT_WORDS) as u32, bytes)
    }

    /// Skips `count` slots, or all if there are not as many.
    #[inline]
    pub(crate) fn advance(&mut self, count: u32) {
        self.at = self.first(count).end;
    }
}

impl<'m> Iterator for SlotRun<'m> {
    type Item = SlotCell<'m>;

    #[inline]
    fn next(&mut self) -> Option<SlotCell<'m>> {
        if self.at == self.end {
            return None;
        }
        // INVARIANT: not at the end, so a slot starts here.
        let cell = SlotCell {
            at: self.at,
            _mem: PhantomData,
        };
        // SAFETY: a whole slot starts at `at`, so that it ends at `end` at the most.
        self.at = unsafe { self.at.add(SLOT_WORDS) };
        Some(cell)
    }
}

/// A slot of a ring.
///
/// # Invariants
///
/// `at` is a whole, aligned slot, valid for `'m`.
#[derive(Clone, Copy)]
pub(crate) struct SlotCell<'m> {
    pub(super) at: *mut u64,
    pub(super) _mem: PhantomData<&'m ()>,
}

impl SlotCell<'_> {
    /// A private copy of a slot that the program has released for sending, every field fetched
    /// once: of the pointer only what `NS_INDIRECT` makes an address. `NS_BUF_CHANGED` has been
    /// seen by that.
    #[inline]
    pub(crate) fn take(&self) -> Slot {
        // SAFETY: by the invariant a whole, aligned slot is there, which is two words.
        let low = unsafe { self.at.read_volatile() };
        let mut slot = decode(low, 0);
        if slot.flags & NS_INDIRECT != 0 {
            // SAFETY: the second word of the slot.
            slot.ptr = unsafe { self.at.add(1).read_volatile() };
        }
        if slot.flags & NS_BUF_CHANGED != 0 {
            slot.flags &= !NS_BUF_CHANGED;
            self.set_len_flags(slot.len, slot.flags);
        }
        slot
    }

    /// A private copy of the slot, each of its two words fetched once. Nobody is told.
    #[inline]
    pub(crate) fn peek(&self) -> Slot {
        // SAFETY: by the invariant a whole, aligned slot is there, which is two words.
        let (low, ptr) = unsafe { (self.at.read_volatile(), self.at.add(1).read_volatile()) };
        decode(low, ptr)
    }

    /// As [`take`](Self::take), with all of the pointer.
    pub(crate) fn take_all(&self) -> Slot {
        Slot {
            ptr: self.ptr(),
            ..self.take()
        }
    }

    /// Its pointer, fetched once.
    pub(crate) fn ptr(&self) -> u64 {
        // SAFETY: by the invariant a whole, aligned slot is there, which is two words.
        unsafe { self.at.add(1).read_volatile() }
    }

    /// Writes its pointer, and leaves all else alone.
    pub(crate) fn set_ptr(&self, ptr: u64) {
        // SAFETY: by the invariant a whole, aligned slot is there, which is two words.
        unsafe { self.at.add(1).write_volatile(ptr) }
    }

    /// Buffer and length, both fetched at once, of a slot that the program has released for
    /// sending and whose flags say nothing about where its frame lies. That is what most are.
    /// `NS_BUF_CHANGED` has been seen by that.
    #[inline(always)]
    pub(crate) fn ordinary(&self) -> Option<(u32, u16)> {
        const CHANGED: u64 = (NS_BUF_CHANGED as u64) << FLAGS;
        const TELLING: u64 = ((NS_INDIRECT | NS_MOREFRAG) as u64) << FLAGS;
        // SAFETY: by the invariant a whole, aligned slot is there, which begins with a word.
        let low = unsafe { self.at.read_volatile() };
        if low & (CHANGED | TELLING) != 0 {
            if low & TELLING != 0 {
                return None;
            }
            // SAFETY: the same word.
            unsafe { self.at.write_volatile(low & !CHANGED) };
        }
        Some(((low >> BUF) as u32, (low >> LEN) as u16))
    }

    /// Its flags, fetched once.
    pub(crate) fn flags(&self) -> u16 {
        // SAFETY: by the invariant a whole, aligned slot is there, whose fourth u16 are the flags.
        unsafe { self.at.cast::<u16>().add(3).read_volatile() }
    }

    /// Its length and flags, fetched once.
    #[inline]
    pub(crate) fn len_flags(&self) -> (u16, u16) {
        // SAFETY: by the invariant a whole, aligned slot is there, whose second u32 are length and
        // flags.
        let both = unsafe { self.at.cast::<u32>().add(1).read_volatile() };
        ((both >> HALF_LEN) as u16, (both >> HALF_FLAGS) as u16)
    }

    /// The index of its buffer, fetched once.
    #[inline]
    pub(crate) fn buf(&self) -> u32 {
        // SAFETY: by the invariant a whole, aligned slot is there, whose first u32 is the index.
        unsafe { self.at.cast::<u32>().read_volatile() }
    }

    /// Writes buffer, length and flags and leaves the pointer alone.
    #[inline]
    pub(crate) fn set(&self, buf_idx: u32, len: u16, flags: u16) {
        let low = u64::from(buf_idx) << BUF | u64::from(len) << LEN | u64::from(flags) << FLAGS;
        // SAFETY: by the invariant a whole, aligned slot is there, which begins with a word.
        unsafe { self.at.write_volatile(low) }
    }

    /// Exchanges buffers with `to`, a slot of another ring in this region: that gets a frame, its
    /// buffer and its bytes, as they were read from here, and `flags`; this one gets `theirs`, the
    /// buffer that was read from there. Both are told that it is another, and nothing else is left
    /// in this one's flags.
    ///
    /// Neither index is checked. No check would last, as programs may write any number into either
    /// slot before and after; whoever uses a buffer looks its index up in [`Bufs`](super::Bufs).
    /// Two slots that name buffers of their own still do. Who wants a slot not to get, in
    /// return, a buffer that is nobody's asks [`Bufs::own`](super::Bufs::own) before.
    #[inline(always)]
    pub(crate) fn exchange(
        &self,
        (buf, len): (u32, u16),
        (to, theirs): (SlotCell<'_>, u32),
        flags: u16,
    ) {
        self.set(theirs, len, NS_BUF_CHANGED);
        to.set(buf, len, NS_BUF_CHANGED | flags);
    }

    /// Copies all of the slot, each word fetched once, to one of another ring in this region.
    #[inline]
    pub(crate) fn copy_to(&self, to: SlotCell<'_>) {
        self.put(to);
    }

    /// The same for a slot that a program has released for sending, whose `NS_BUF_CHANGED` has been
    /// seen by that. Returns its length.
    #[inline]
    pub(crate) fn pass_to(&self, to: SlotCell<'_>) -> u16 {
        let slot = decode(self.put(to), 0);
        if slot.flags & NS_BUF_CHANGED != 0 {
            self.set_len_flags(slot.len, slot.flags & !NS_BUF_CHANGED);
        }
        slot.len
    }

    /// Copies both words, and returns the first.
    #[inline(always)]
    fn put(&self, to: SlotCell<'_>) -> u64 {
        // SAFETY: by the invariant whole, aligned slots are at both places, which are two words.
        unsafe {
            let low = self.at.read_volatile();
            to.at.write_volatile(low);
            to.at.add(1).write_volatile(self.at.add(1).read_volatile());
            low
        }
    }

    /// Writes length and flags and leaves buffer and pointer alone.
    #[inline]
    pub(crate) fn set_len_flags(&self, len: u16, flags: u16) {
        // SAFETY: by the invariant a whole, aligned slot is there, whose second u32 are length and
        // flags.
        unsafe {
            self.at
                .cast::<u32>()
                .add(1)
                .write_volatile(u32::from(len) << HALF_LEN | u32::from(flags) << HALF_FLAGS)
        }
    }
}
