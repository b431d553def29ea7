// SPDX-License-Identifier: GPL-2.0

//! Views of memory that programs may rewrite at any instant.
//!
//! Such memory is never behind a Rust reference. A view fetches each field once, into a private copy, with
//! a volatile or atomic load; who calls checks the copy and uses nothing else. Views are made by
//! [`Mem`](super::Mem) only, for objects that lie wholly inside it, and borrow it.

use crate::{
    abi::{
        consts::{IFNAMSIZ, NETMAP_RESERVED_BUFS, NS_BUF_CHANGED, NS_INDIRECT},
        cursor::Claimed,
        wire::{IfHeader, RingHeader, Slot},
    },
    sys::user,
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering::*},
};
use kernel::prelude::Result;

/// The ring at an offset of a region.
///
/// # Invariants
///
/// `base` is aligned for [`RingHeader`], and a header and `slots` slots behind it are valid, for as long
/// as the region's memory is.
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
    pub(super) unsafe fn new(base: NonNull<u8>, slots: u32) -> Self {
        RingView {
            base,
            slots,
            _mem: PhantomData,
        }
    }

    /// Field at `offset` of the header.
    #[inline]
    fn field<T>(&self, offset: usize) -> *mut T {
        // SAFETY: offsets are those of header fields, which lie inside the ring.
        unsafe { self.base.as_ptr().add(offset).cast() }
    }

    #[inline]
    fn index(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the field is an aligned u32 inside the ring; atomics allow others to write to it.
        unsafe { AtomicU32::from_ptr(self.field(offset)) }
    }

    /// Writes everything that a fresh ring has in its header.
    pub(crate) fn init(&self, header: RingHeader) {
        // SAFETY: the header lies inside the ring and is aligned.
        unsafe { self.field::<RingHeader>(0).write_volatile(header) }
    }

    /// What the program says about `head` and `cur`, each fetched once. `head` is loaded with Acquire: it
    /// pairs with the Release store by which the program handed its slots over.
    #[inline]
    pub(crate) fn claimed(&self) -> Claimed {
        Claimed {
            cur: self.index(offset_of!(RingHeader, cur)).load(Relaxed),
            head: self.index(offset_of!(RingHeader, head)).load(Acquire),
        }
    }

    /// What the ring says about `tail`. The program may have written anything there.
    pub(crate) fn tail(&self) -> u32 {
        self.index(offset_of!(RingHeader, tail)).load(Relaxed)
    }

    /// Tells the program how far it may go. Release: the slots before `tail` are written. Pairs with the
    /// Acquire load of `tail` in the program.
    #[inline]
    pub(crate) fn set_tail(&self, tail: u32) {
        self.index(offset_of!(RingHeader, tail))
            .store(tail, Release);
    }

    /// Puts all three indexes to the kernel's own values.
    pub(crate) fn reset_indexes(&self, head: u32, tail: u32) {
        self.index(offset_of!(RingHeader, head))
            .store(head, Relaxed);
        self.index(offset_of!(RingHeader, cur)).store(head, Relaxed);
        self.set_tail(tail);
    }

    /// `NR_*` flags of the ring.
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.index(offset_of!(RingHeader, flags)).load(Relaxed)
    }

    /// When the last receive sync was.
    pub(crate) fn set_timestamp(&self, (sec, usec): (i64, i64)) {
        // SAFETY: both fields lie inside the header and are aligned.
        unsafe {
            self.field::<i64>(offset_of!(RingHeader, ts_sec))
                .write_volatile(sec);
            self.field::<i64>(offset_of!(RingHeader, ts_usec))
                .write_volatile(usec);
        }
    }

    /// Slot `index`, which wraps at the ring's size so that any number is safe.
    #[inline]
    fn slot_ptr(&self, index: u32) -> *mut u64 {
        let index = if index < self.slots { index } else { 0 };
        self.field(RingHeader::SLOTS + index as usize * size_of::<Slot>())
    }

    /// A private copy of a slot, every field fetched once.
    #[inline]
    pub(crate) fn slot(&self, index: u32) -> Slot {
        let ptr = self.slot_ptr(index);
        // SAFETY: a slot is two aligned u64 inside the ring: index, length and flags; then the pointer.
        let (low, ptr) = unsafe { (ptr.read_volatile(), ptr.add(1).read_volatile()) };
        Slot {
            buf_idx: low as u32,
            len: (low >> 32) as u16,
            flags: (low >> 48) as u16,
            ptr,
        }
    }

    /// The buffer index of a slot, fetched once.
    #[inline]
    pub(crate) fn slot_buf(&self, index: u32) -> u32 {
        // SAFETY: the index is the first u32 of the slot.
        unsafe { self.slot_ptr(index).cast::<u32>().read_volatile() }
    }

    /// Writes a whole slot.
    pub(crate) fn set_slot(&self, index: u32, slot: Slot) {
        // SAFETY: the slot lies inside the ring and is aligned.
        unsafe { self.slot_ptr(index).cast::<Slot>().write_volatile(slot) }
    }

    /// Up to `count` slots from `first` on, as far as they lie side by side: until the ring's end.
    #[inline]
    pub(crate) fn run(&self, first: u32, count: u32) -> SlotRun<'m> {
        let first = first.min(self.slots);
        let count = count.min(self.slots - first);
        let base: *mut u64 = self.field(RingHeader::SLOTS);
        // SAFETY: both ends are at most the ring's end.
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

/// A slot is two words: index, length and flags; then the pointer.
const SLOT_WORDS: usize = size_of::<Slot>() / size_of::<u64>();

/// Slots of a ring that lie side by side.
///
/// # Invariants
///
/// From `at` to `end` there are whole, aligned slots, valid for `'m`.
#[derive(Clone, Copy)]
pub(crate) struct SlotRun<'m> {
    at: *mut u64,
    end: *mut u64,
    _mem: PhantomData<&'m ()>,
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
            // SAFETY: before the end, by the line above.
            self.end = unsafe { self.at.add(count as usize * SLOT_WORDS) };
        }
        self
    }

    /// Asks for slots a little further on to be in this CPU's cache for writing: who had them last is
    /// mostly another CPU.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        // Three cache lines on; past the ring's end it asks for nothing useful, and does no harm.
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, which neither faults nor changes memory, whatever the address.
        unsafe {
            core::arch::asm!(
                "prefetchw [{}]",
                in(reg) self.at.wrapping_add(12 * SLOT_WORDS),
                options(nostack, preserves_flags, readonly)
            )
        }
    }

    /// Passes over `count` slots, or over all if there are not as many.
    #[inline]
    pub(crate) fn pass_over(&mut self, count: u32) {
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
        // SAFETY: the end is not passed.
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
    at: *mut u64,
    _mem: PhantomData<&'m ()>,
}

impl SlotCell<'_> {
    /// A private copy of a slot that the program has released for sending, every field fetched once: of
    /// the pointer only what `NS_INDIRECT` makes an address. `NS_BUF_CHANGED` has been seen by that.
    #[inline]
    pub(crate) fn take(&self) -> Slot {
        // SAFETY: by the invariant.
        let low = unsafe { self.at.read_volatile() };
        let mut slot = Slot {
            buf_idx: low as u32,
            len: (low >> 32) as u16,
            flags: (low >> 48) as u16,
            ptr: 0,
        };
        if slot.flags & NS_INDIRECT != 0 {
            // SAFETY: by the invariant.
            slot.ptr = unsafe { self.at.add(1).read_volatile() };
        }
        if slot.flags & NS_BUF_CHANGED != 0 {
            slot.flags &= !NS_BUF_CHANGED;
            self.set_len_flags(slot.len, slot.flags);
        }
        slot
    }

    /// The index of its buffer, fetched once.
    #[inline]
    pub(crate) fn buf(&self) -> u32 {
        // SAFETY: the index is the first u32 of the slot.
        unsafe { self.at.cast::<u32>().read_volatile() }
    }

    /// Writes buffer, length and flags and leaves the pointer alone.
    #[inline]
    pub(crate) fn set(&self, buf_idx: u32, len: u16, flags: u16) {
        let low = u64::from(buf_idx) | u64::from(len) << 32 | u64::from(flags) << 48;
        // SAFETY: by the invariant.
        unsafe { self.at.write_volatile(low) }
    }

    /// Writes length and flags and leaves buffer and pointer alone.
    #[inline]
    pub(crate) fn set_len_flags(&self, len: u16, flags: u16) {
        // SAFETY: length and flags are the second u32 of the slot.
        unsafe {
            self.at
                .cast::<u32>()
                .add(1)
                .write_volatile(u32::from(len) | u32::from(flags) << 16)
        }
    }
}

/// The netmap_if at an offset of a region.
///
/// # Invariants
///
/// `base` is aligned for u64; a header and `rings` entries of `ring_ofs` behind it are valid, for as long
/// as the region's memory is.
#[derive(Clone, Copy)]
pub(crate) struct IfView<'m> {
    base: NonNull<u8>,
    rings: usize,
    _mem: PhantomData<&'m ()>,
}

impl<'m> IfView<'m> {
    /// # Safety
    ///
    /// The invariants of the type must hold for `'m`.
    pub(super) unsafe fn new(base: NonNull<u8>, rings: usize) -> Self {
        IfView {
            base,
            rings,
            _mem: PhantomData,
        }
    }

    /// Writes the header, and clears every entry of `ring_ofs`.
    pub(crate) fn init(&self, name: &[u8], header: IfHeader) {
        let mut header = header;
        let len = name.len().min(IFNAMSIZ - 1);
        header.ni_name = [0; IFNAMSIZ];
        header.ni_name[..len].copy_from_slice(&name[..len]);
        // SAFETY: the header lies inside the object and is aligned.
        unsafe { self.base.as_ptr().cast::<IfHeader>().write_volatile(header) };
        for i in 0..self.rings {
            self.set_ring_ofs(i, 0);
        }
    }

    /// Entry `i` of `ring_ofs`; an entry that does not exist is passed over.
    pub(crate) fn set_ring_ofs(&self, i: usize, ofs: i64) {
        if i < self.rings {
            // SAFETY: the entry lies inside the object and is aligned.
            unsafe {
                self.base
                    .as_ptr()
                    .add(IfHeader::RING_OFS + i * size_of::<i64>())
                    .cast::<i64>()
                    .write_volatile(ofs)
            }
        }
    }

    fn bufs_head_cell(&self) -> *mut u32 {
        // SAFETY: the field lies inside the header.
        unsafe {
            self.base
                .as_ptr()
                .add(offset_of!(IfHeader, ni_bufs_head))
                .cast()
        }
    }

    /// First of the extra buffers, as the program left it.
    pub(crate) fn bufs_head(&self) -> u32 {
        // SAFETY: as in `bufs_head_cell`; aligned.
        unsafe { self.bufs_head_cell().read_volatile() }
    }

    /// Sets the first of the extra buffers.
    pub(crate) fn set_bufs_head(&self, index: u32) {
        // SAFETY: as in `bufs_head_cell`; aligned.
        unsafe { self.bufs_head_cell().write_volatile(index) }
    }
}

/// The buffer pool of a region.
///
/// # Invariants
///
/// From `base` on, which is aligned to a page, `count` objects of `size` bytes are valid, for as long as the
/// region's memory is; `size` is a multiple of [`OBJECT_ALIGN`](crate::abi::layout::OBJECT_ALIGN).
#[derive(Clone, Copy)]
pub(crate) struct Bufs<'m> {
    base: NonNull<u8>,
    size: u32,
    count: u32,
    _mem: PhantomData<&'m ()>,
}

impl<'m> Bufs<'m> {
    /// # Safety
    ///
    /// The invariants of the type must hold for `'m`.
    pub(super) unsafe fn new(base: NonNull<u8>, size: u32, count: u32) -> Self {
        Bufs {
            base,
            size,
            count,
            _mem: PhantomData,
        }
    }

    /// Bytes of each buffer.
    #[inline]
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// The buffer of that index, whoever has it; `None` if there is no such buffer.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<Buf<'m>> {
        if index >= self.count {
            return None;
        }
        Some(Buf {
            // SAFETY: the object lies inside the pool, by the check above.
            base: unsafe { self.base.add(index as usize * self.size as usize) },
            size: self.size,
            _mem: PhantomData,
        })
    }

    /// Whether both are the buffers of one region.
    pub(crate) fn is(&self, other: &Bufs<'_>) -> bool {
        self.base == other.base
    }

    /// As [`get`](Self::get), for a buffer to write to: the reserved ones are nobody's.
    #[inline]
    pub(crate) fn own(&self, index: u32) -> Option<Buf<'m>> {
        if index < NETMAP_RESERVED_BUFS {
            return None;
        }
        self.get(index)
    }
}

/// A packet buffer of a region.
///
/// # Invariants
///
/// `base` is aligned to [`OBJECT_ALIGN`](crate::abi::layout::OBJECT_ALIGN) and `size` bytes from there are
/// valid, for as long as the region's memory is.
#[derive(Clone, Copy)]
pub(crate) struct Buf<'m> {
    base: NonNull<u8>,
    size: u32,
    _mem: PhantomData<&'m ()>,
}

/// The first 16 bytes of something, as two words in host order.
pub(crate) type Head = [u64; 2];

/// Those words.
pub(crate) fn head_of(bytes: [u8; 16]) -> Head {
    let word = |at| u64::from_ne_bytes(core::array::from_fn(|i: usize| bytes[at + i]));
    [word(0), word(8)]
}

impl Buf<'_> {
    /// The first word of the buffer, where a chain of extra buffers keeps its links.
    pub(crate) fn link(&self) -> u32 {
        // SAFETY: buffers have at least 64 bytes and are aligned.
        unsafe { self.base.as_ptr().cast::<u32>().read_volatile() }
    }

    /// Sets the first word of the buffer.
    pub(crate) fn set_link(&self, next: u32) {
        // SAFETY: as above.
        unsafe { self.base.as_ptr().cast::<u32>().write_volatile(next) }
    }

    /// A private copy of the 16 bytes at `at`, each fetched once; what lies past the end of the buffer
    /// reads as zero.
    #[inline]
    pub(crate) fn head(&self, at: u32) -> Head {
        if at == 0 {
            let words = self.base.as_ptr().cast::<u64>();
            // SAFETY: buffers have at least 64 bytes and are aligned.
            return unsafe { [words.read_volatile(), words.add(1).read_volatile()] };
        }
        let mut bytes = [0u8; 16];
        for (i, byte) in (at..self.size).zip(&mut bytes) {
            // SAFETY: `i` is below the size.
            *byte = unsafe { self.base.as_ptr().add(i as usize).read_volatile() };
        }
        let (low, high) = bytes.split_at(8);
        [low, high].map(|half| {
            half.iter()
                .rev()
                .fold(0, |word, &b| word << 8 | u64::from(b))
        })
    }

    /// Copies `len` bytes at `from` of this buffer to `to` of another. What does not fit is left out:
    /// neither buffer is ever passed.
    #[inline]
    pub(crate) fn copy_to(&self, from: u32, other: &Buf<'_>, to: u32, len: u32) {
        let len = len
            .min(self.size.saturating_sub(from))
            .min(other.size.saturating_sub(to));
        // SAFETY: both ranges lie inside their buffers by the line above (with `len` 0 nothing is
        // touched). A program may be writing to either; what is read goes nowhere but to the other buffer,
        // so a torn word is that program's own loss.
        unsafe {
            copy(
                self.base.as_ptr().add(from.min(self.size) as usize),
                other.base.as_ptr().add(to.min(other.size) as usize),
                len as usize,
            )
        }
    }

    /// Copies the first `len` bytes to another buffer. `false`, and nothing done, if one of them is smaller.
    #[inline]
    pub(crate) fn copy_start_to(&self, other: &Buf<'_>, len: u32) -> bool {
        let fits = len <= self.size && len <= other.size;
        if fits {
            // SAFETY: as in `copy_to`; `len` is within both buffers.
            unsafe { copy(self.base.as_ptr(), other.base.as_ptr(), len as usize) }
        }
        fits
    }

    /// Writes zeros.
    pub(crate) fn zero(&self, at: u32, len: u32) {
        for i in at..at.saturating_add(len).min(self.size) {
            // SAFETY: `i` is below the size.
            unsafe { self.base.as_ptr().add(i as usize).write_volatile(0) };
        }
    }

    /// Fills the buffer from `at` on with `len` bytes of the calling process, without sleeping. Fails
    /// where the process cannot read them, and where they do not fit.
    pub(crate) fn fill_from_user(&self, at: u32, addr: u64, len: u32) -> Result {
        if at > self.size || len > self.size - at {
            return Err(kernel::error::code::EINVAL);
        }
        // SAFETY: the range lies inside the buffer by the check above.
        unsafe { user::read_atomic(self.base.as_ptr().add(at as usize), addr, len as usize) }
    }
}

/// Copies bytes that others may be writing. A length between two powers of two is two blocks of words that
/// overlap.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing `len` bytes, for all but this copy's own purposes
/// of data races: the bytes may change during it.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: as promised by the caller, and of at least 32 bytes where that is asked for.
    unsafe {
        match len {
            // The shortest frames, which are the most at a given rate, have no call.
            32..=64 => ends::<4>(from, to, len),
            _ => copy_other(from, to, len),
        }
    }
}

/// # Safety
///
/// As of [`copy`].
#[inline(never)]
unsafe fn copy_other(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: each access is within `len`, by the bounds around it.
    unsafe {
        match len {
            0..8 => {
                for at in 0..len {
                    to.add(at).write_volatile(from.add(at).read_volatile());
                }
            }
            8..16 => ends::<1>(from, to, len),
            16..32 => ends::<2>(from, to, len),
            32..64 => ends::<4>(from, to, len),
            64..LONG => {
                let mut at = 0;
                while at < len - 64 {
                    words::<8>(from.add(at), to.add(at));
                    at += 64;
                }
                words::<8>(from.add(len - 64), to.add(len - 64));
            }
            _ => {
                // Read first: a read behind the string instruction may have to wait for its writes.
                let last = from.add(len - 8).cast::<u64>().read_unaligned();
                string(from, to, len / size_of::<u64>());
                to.add(len - 8).cast::<u64>().write_unaligned(last);
            }
        }
    }
}

/// From this length on, in bytes, a string instruction is faster than a loop over words: with wide data
/// paths of its own it makes up for its slow start (measured on Zen 5: 12 against 9 ns for 256 bytes, 12 against
/// 14 for 384, 33 against 52 for 1500).
const LONG: usize = 384;

/// Copies `words` words.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing that many words, as of [`copy`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn string(from: *const u8, to: *mut u8, words: usize) {
    // SAFETY: the direction flag is clear in the kernel, as its ABI says; nothing but `words` words is
    // touched, as the caller promises.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") words => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        )
    };
}

/// Copies `words` words.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing that many words, as of [`copy`].
#[cfg(not(target_arch = "x86_64"))]
unsafe fn string(from: *const u8, to: *mut u8, words: usize) {
    for at in (0..words).map(|word| word * size_of::<u64>()) {
        // SAFETY: as promised by the caller.
        unsafe { self::words::<1>(from.add(at), to.add(at)) };
    }
}

/// Copies the first and the last `N` words of `len` bytes.
///
/// # Safety
///
/// As of [`copy`], and `len` must be at least `N` words.
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: both lie within `len`.
    unsafe {
        words::<N>(from, to);
        let last = len - N * size_of::<u64>();
        words::<N>(from.add(last), to.add(last));
    }
}

/// # Safety
///
/// `from` must be valid for reading and `to` for writing `N` words.
#[inline(always)]
unsafe fn words<const N: usize>(from: *const u8, to: *mut u8) {
    // SAFETY: as promised by the caller.
    unsafe {
        to.cast::<[u64; N]>()
            .write_unaligned(from.cast::<[u64; N]>().read_unaligned())
    }
}
