// SPDX-License-Identifier: GPL-2.0

//! Indexes that programs choose, kept inside also where the processor runs ahead of a check.
//!
//! A processor guesses how a comparison ends and goes on. What it reads past an array meanwhile is thrown away, but which
//! cache lines it touched can be found out (Spectre, variant 1). So such an index is not only compared: it goes through a
//! mask, which the processor has to compute, as `array_index_nospec` of linux/nospec.h does. Pure.

/// `index`, if it is below `count`, and otherwise 0, whatever the processor guesses.
#[inline(always)]
pub(crate) fn confine(index: usize, count: usize) -> usize {
    index & mask(index, count)
}

/// The same for numbers of 32 bits.
#[inline(always)]
pub(crate) fn confine32(index: u32, count: u32) -> u32 {
    confine(index as usize, count as usize) as u32
}

/// All ones if `index` is below `count`, and otherwise zeros.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn mask(index: usize, count: usize) -> usize {
    let mask;
    // SAFETY: computes a number from two others; flags are no longer ours afterwards.
    unsafe {
        core::arch::asm!(
            "cmp {index}, {count}",
            "sbb {mask}, {mask}",
            index = in(reg) index,
            count = in(reg) count,
            mask = lateout(reg) mask,
            options(nomem, nostack)
        );
    }
    mask
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use computed as mask;

/// The same without an instruction for it. As linux/nospec.h has it, `count` is at most `isize::MAX + 1`.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
pub(crate) fn computed(index: usize, count: usize) -> usize {
    // So that the compiler does not use what it knows from the comparison.
    let index = core::hint::black_box(index);
    let outside = index | count.wrapping_sub(1).wrapping_sub(index);
    !((outside as isize) >> (usize::BITS - 1)) as usize
}
