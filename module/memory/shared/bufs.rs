// SPDX-License-Identifier: GPL-2.0

//! Packet buffers.

use crate::{
    abi::consts::NETMAP_RESERVED_BUFS,
    sys::{
        bindings,
        copy::{copy, Copier},
        nospec::confine32,
        span::Span,
        user::Caller,
    },
};
use core::{
    hint::assert_unchecked,
    marker::PhantomData,
    ops::Range,
    ptr::NonNull,
    sync::atomic::{compiler_fence, Ordering},
};
use kernel::prelude::*;

/// The buffer pool of a region.
///
/// # Invariants
///
/// For as long as the memory that they are in, `count` objects of `size` bytes are valid: the first
/// `reserved` from `first` on, and `own` others, as many as there are behind those, from `line` on,
/// which may be elsewhere. All three are multiples of
/// [`OBJECT_ALIGN`](crate::abi::layout::OBJECT_ALIGN), and `size` is not 0.
#[derive(Clone, Copy)]
pub(crate) struct Bufs<'m> {
    first: NonNull<u8>,
    line: *mut u8,
    size: u32,
    count: u32,
    reserved: u32,
    own: u32,
    _mem: PhantomData<&'m ()>,
}

impl<'m> Bufs<'m> {
    /// Those of a region, the reserved ones of which lie at `first`, and the others behind where
    /// so many would lie from `base` on.
    ///
    /// # Safety
    ///
    /// For `'m` they must be valid and aligned as the type's invariant says.
    pub(in crate::memory) unsafe fn new(
        base: NonNull<u8>,
        first: NonNull<u8>,
        size: u32,
        count: u32,
    ) -> Self {
        let apart = NETMAP_RESERVED_BUFS as usize * size as usize;
        // INVARIANT: as the caller promises.
        Bufs {
            first,
            // Nothing need be at `base`, nor here while the region has no buffer.
            line: base.as_ptr().wrapping_add(apart),
            size,
            count,
            reserved: NETMAP_RESERVED_BUFS,
            own: count.saturating_sub(NETMAP_RESERVED_BUFS),
            _mem: PhantomData,
        }
    }

    /// Buffers of the kernel's own, none of which is reserved.
    ///
    /// # Safety
    ///
    /// For `'m` they must be valid and aligned as the type's invariant says.
    pub(in crate::memory) unsafe fn kernels(base: NonNull<u8>, size: u32, count: u32) -> Self {
        // INVARIANT: as the caller promises.
        Bufs {
            first: base,
            line: base.as_ptr(),
            size,
            count,
            reserved: 0,
            own: count,
            _mem: PhantomData,
        }
    }

    /// Bytes of each buffer.
    #[inline]
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// The buffer of that index, whoever has it; `None` if there is no such buffer. Programs may
    /// choose the index.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<Buf<'m>> {
        match self.own(index) {
            None => self.low(index),
            buf => buf,
        }
    }

    /// One of the reserved ones, which hardly any slot names.
    #[cold]
    #[inline(never)]
    fn low(&self, index: u32) -> Option<Buf<'m>> {
        let count = self.reserved.min(self.count);
        if index >= count {
            return None;
        }
        let offset = confine32(index, count) as usize * self.size as usize;
        // INVARIANT: one of those that lie from `first` on.
        Some(Buf {
            // SAFETY: so many objects lie there, by the invariant.
            base: unsafe { self.first.add(offset) },
            size: self.size,
            _mem: PhantomData,
        })
    }

    /// How many there are: those from the first on that anybody was ever handed.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Whether both are the buffers of one region. By both places, since a region that has grown
    /// has others in a longer line.
    pub(crate) fn is(&self, other: &Bufs<'_>) -> bool {
        self.line == other.line && self.first == other.first
    }

    /// As [`get`](Self::get), for a buffer to write to: the reserved ones are nobody's.
    #[inline]
    pub(crate) fn own(&self, index: u32) -> Option<Buf<'m>> {
        let nth = index.wrapping_sub(self.reserved);
        // What is outside becomes the first, also for a processor that guesses.
        let inside = confine32(nth, self.own);
        // SAFETY: `confine32` gives what is below the number.
        (nth < self.own).then(|| unsafe { self.object(inside) })
    }

    /// The first 16 bytes of the buffer that [`own`](Self::own) has, as [`Buf::head`] has them.
    #[inline(always)]
    pub(crate) fn own_head(&self, index: u32) -> Option<Head> {
        let buf = self.own(index)?;
        // SAFETY: they are there, and aligned: both are a whole buffer's, by the invariant.
        Some(unsafe { buf.first_words() })
    }

    /// Whether [`own`](Self::own) has one, for who does not touch it: without a mask.
    #[inline(always)]
    pub(crate) fn is_own(&self, index: u32) -> bool {
        // An index below the reserved ones becomes larger than any.
        index.wrapping_sub(self.reserved) < self.own
    }

    /// As [`own`](Self::own), for an index that is the kernel's, or that only the kernel has had
    /// since it was looked up: without a mask.
    #[inline]
    pub(crate) fn known(&self, index: u32) -> Option<Buf<'m>> {
        let nth = index.wrapping_sub(self.reserved);
        // SAFETY: as was just found.
        (nth < self.own).then(|| unsafe { self.object(nth) })
    }

    /// The `nth` of those that are not reserved.
    ///
    /// # Safety
    ///
    /// There must be so many.
    #[inline(always)]
    unsafe fn object(&self, nth: u32) -> Buf<'m> {
        let offset = nth as usize * self.size as usize;
        let at = self.line.wrapping_add(offset);
        // SAFETY: the line has so many objects, as the caller promises. Said by itself, or the
        // compiler asks whether what it returns is `None`.
        unsafe { assert_unchecked(!at.is_null()) };
        // INVARIANT: an object of the line, all of which are valid and aligned.
        Buf {
            // SAFETY: as above.
            base: unsafe { NonNull::new_unchecked(at) },
            size: self.size,
            _mem: PhantomData,
        }
    }
}

/// A packet buffer.
///
/// # Invariants
///
/// `size` bytes from `base` on are valid for as long as the memory that they are in. Of a whole
/// buffer, both are multiples of [`OBJECT_ALIGN`](crate::abi::layout::OBJECT_ALIGN).
#[derive(Clone, Copy)]
pub(crate) struct Buf<'m> {
    base: NonNull<u8>,
    size: u32,
    _mem: PhantomData<&'m ()>,
}

/// The first 16 bytes of something, as two numbers, in each of which the first byte is the lowest,
/// whatever the machine's order.
pub(crate) type Head = [u64; 2];

/// Those numbers.
pub(crate) fn head_of(bytes: [u8; 16]) -> Head {
    let word = |at| u64::from_le_bytes(core::array::from_fn(|i: usize| bytes[at + i]));
    [word(0), word(8)]
}

impl<'m> Buf<'m> {
    /// The first word of the buffer, where a list of extra buffers has its links.
    pub(crate) fn link(&self) -> u32 {
        let mut word = [0; size_of::<u32>()];
        match self.read(0, &mut word) {
            Ok(()) => u32::from_ne_bytes(word),
            Err(_) => 0,
        }
    }

    /// Sets the first word of the buffer.
    pub(crate) fn set_link(&self, next: u32) {
        // A buffer has room for it.
        let _ = self.write(0, &next.to_ne_bytes());
    }

    /// The part of it that begins at `at` and has `len` bytes, as far as it has any there.
    pub(crate) fn part_of(&self, at: u32, len: u32) -> Self {
        let at = at.min(self.size);
        Buf {
            // INVARIANT: the part lies within the buffer.
            // SAFETY: `at` is no more than its size.
            base: unsafe { self.base.add(at as usize) },
            size: len.min(self.size - at),
            _mem: PhantomData,
        }
    }

    /// # Safety
    ///
    /// The buffer must have 16 bytes, and be aligned to 8.
    #[inline(always)]
    unsafe fn first_words(&self) -> Head {
        let words = self.base.cast::<u64>().as_ptr();
        // SAFETY: so many bytes are there, as the caller promises.
        let both = unsafe { [words.read_volatile(), words.add(1).read_volatile()] };
        both.map(u64::from_le)
    }

    /// A private copy of the 16 bytes at `at`, each fetched once; what lies past the end of the
    /// buffer reads as zero.
    #[inline]
    pub(crate) fn head(&self, at: u32) -> Head {
        if at == 0 && self.base.cast::<u64>().is_aligned() && self.size >= 16 {
            // SAFETY: they are there, and aligned, as was just found.
            return unsafe { self.first_words() };
        }
        let mut bytes = [0u8; 16];
        for (i, byte) in (at..self.size).zip(&mut bytes) {
            // SAFETY: `i` is below the size.
            *byte = unsafe { self.base.as_ptr().add(i as usize).read_volatile() };
        }
        head_of(bytes)
    }

    /// Copies `len` bytes at `from` of this buffer to `to` of another. What does not fit is left
    /// out: it never goes beyond either buffer.
    #[inline]
    pub(crate) fn copy_to(
        &self,
        from: u32,
        (other, to): (&Buf<'_>, u32),
        len: u32,
        by: &mut Copier<'_>,
    ) {
        let len = len
            .min(self.size.saturating_sub(from))
            .min(other.size.saturating_sub(to));
        // SAFETY: both ranges lie inside their buffers: `len` is at most what there is behind
        // either start (with 0 nothing is touched). A program may be writing to either; what is
        // read goes nowhere but to the other buffer, so a torn word is that program's own loss.
        unsafe {
            copy(
                self.base.as_ptr().add(from.min(self.size) as usize),
                other.base.as_ptr().add(to.min(other.size) as usize),
                len as usize,
                by,
            )
        }
    }

    /// Copies the first `len` bytes to another buffer. `false`, and nothing done, if one of them is
    /// smaller.
    #[inline]
    pub(crate) fn copy_start_to(&self, other: &Buf<'_>, len: u32, by: &mut Copier<'_>) -> bool {
        self.copy_part_to(other, 0..len, by)
    }

    /// Copies part of a frame to the same offset of another buffer. `false`, and nothing done, if
    /// one of them is smaller.
    #[inline]
    pub(crate) fn copy_part_to(
        &self,
        other: &Buf<'_>,
        part: Range<u32>,
        by: &mut Copier<'_>,
    ) -> bool {
        let fits = part.start <= part.end && part.end <= self.size && part.end <= other.size;
        if fits {
            let start = part.start as usize;
            // SAFETY: the part is inside both buffers, as was just found. A program may be writing
            // to either; what is read goes nowhere but to the other buffer.
            unsafe {
                copy(
                    self.base.as_ptr().add(start),
                    other.base.as_ptr().add(start),
                    part.end as usize - start,
                    by,
                )
            }
        }
        fits
    }

    /// Bytes of the buffer.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// `len` bytes at `at`, for copies by other means. `None` where the buffer ends before.
    #[inline]
    pub(crate) fn span(&self, at: u32, len: u32) -> Option<Span<'m>> {
        let fits = at <= self.size && len <= self.size - at;
        // SAFETY: within the buffer, by the line above, so valid for `'m` by the invariant.
        fits.then(|| unsafe { Span::new(self.base.add(at as usize), len) })
    }

    /// Fetches bytes at `at` into a private copy. Fails where the buffer ends before.
    pub(crate) fn read(&self, at: u32, out: &mut [u8]) -> Result {
        let from = self.part(at, out.len())?;
        // SAFETY: `part` found as many bytes to be within the buffer, and `out` is ours to write. A
        // program may be writing to the buffer: whoever asked checks the copy.
        unsafe { copy(from, out.as_mut_ptr(), out.len(), &mut Copier::narrow()) };
        // What was checked is what is used: nothing is fetched from the buffer again.
        compiler_fence(Ordering::SeqCst);
        Ok(())
    }

    /// Writes bytes at `at`. Fails where they do not fit.
    pub(crate) fn write(&self, at: u32, bytes: &[u8]) -> Result {
        let to = self.part(at, bytes.len())?;
        // SAFETY: `part` found as many bytes to be within the buffer. A program may be reading it.
        unsafe { copy(bytes.as_ptr(), to, bytes.len(), &mut Copier::narrow()) };
        Ok(())
    }

    /// The one's complement sum of some of its bytes, of which there are none past its end.
    pub(crate) fn sum(&self, part: Range<u32>) -> u32 {
        let end = part.end.min(self.size);
        let len = end.saturating_sub(part.start);
        // SAFETY: the part ends within the buffer, and starts there unless it is empty. A program
        // may be writing to it: what is summed up then is nobody's frame but that program's own.
        unsafe {
            let start = self.base.as_ptr().add(part.start.min(end) as usize);
            bindings::csum_partial(start.cast(), len as c_int, 0)
        }
    }

    /// Where `len` bytes at `at` are, if all are within the buffer.
    fn part(&self, at: u32, len: usize) -> Result<*mut u8> {
        if at > self.size || len > (self.size - at) as usize {
            return Err(kernel::error::code::EINVAL);
        }
        // SAFETY: at most the buffer's end, as was just found.
        Ok(unsafe { self.base.as_ptr().add(at as usize) })
    }

    /// Writes zeros.
    pub(crate) fn zero(&self, at: u32, len: u32) {
        for i in at..at.saturating_add(len).min(self.size) {
            // SAFETY: `i` is below the size.
            unsafe { self.base.as_ptr().add(i as usize).write_volatile(0) };
        }
    }

    /// Fills the buffer from `at` on with `len` bytes of the calling process, without sleeping.
    /// Fails where the process cannot read them, and where they do not fit.
    pub(crate) fn fill_from(&self, caller: Caller<'_>, at: u32, addr: u64, len: u32) -> Result {
        let to = self.part(at, len as usize)?;
        // SAFETY: `part` found as many bytes to be within the buffer.
        unsafe { caller.read_atomic(to, addr, len as usize) }
    }
}
