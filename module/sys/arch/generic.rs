// SPDX-License-Identifier: GPL-2.0

//! Any processor: what is said here is what the other files do faster.

/// All ones if `index` is below `count`, and otherwise zeros, without a jump that a processor could
/// guess. As linux/nospec.h has it, `count` is at most `isize::MAX + 1`.
#[inline(always)]
pub(crate) fn mask(index: usize, count: usize) -> usize {
    // So that the compiler does not use what it knows from the comparison.
    let index = core::hint::black_box(index);
    let outside = index | count.wrapping_sub(1).wrapping_sub(index);
    !((outside as isize) >> (usize::BITS - 1)) as usize
}

/// Copies `words` words, wherever they start.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing that many words. They may overlap, and
/// others may be writing to them: what arrives then is any mixture.
#[inline(always)]
pub(crate) unsafe fn copy_words(from: *const u8, to: *mut u8, words: usize) {
    let (from, to) = (from.cast::<u64>(), to.cast::<u64>());
    for at in 0..words {
        // SAFETY: below `words`, for which the caller vouches.
        unsafe { to.add(at).write_unaligned(from.add(at).read_unaligned()) };
    }
}

/// Asks for what is at an address to be in this CPU's cache, for writing. Any address will do.
#[inline(always)]
pub(crate) fn prefetch_for_writing(_: *const u8) {}

/// Copies `len` bytes, wherever they start, with the wide registers.
///
/// # Safety
///
/// As of [`copy_words`], for `len` bytes, at least 64; and the registers must be there and ours to
/// use.
#[inline(always)]
pub(crate) unsafe fn copy_wide(from: *const u8, to: *mut u8, len: usize) {
    const WORD: usize = size_of::<u64>();
    // SAFETY: whole words from the start on, and one up to the end, are within `len`.
    unsafe {
        copy_words(from, to, len / WORD);
        copy_words(from.add(len - WORD), to.add(len - WORD), 1);
    }
}

/// Leaves the wide registers as narrow instructions want to find them.
///
/// # Safety
///
/// The registers must be there and ours to use.
#[inline(always)]
pub(crate) unsafe fn leave_wide() {}
