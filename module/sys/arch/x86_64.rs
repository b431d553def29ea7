// SPDX-License-Identifier: GPL-2.0

//! x86 with 64 bits. Wide registers are those of AVX, with 32 bytes; to copy with them takes AVX2.

use core::arch::asm;

/// All ones if `index` is below `count`, and otherwise zeros, without a jump that a processor could
/// guess.
///
/// Intel's have `sbb` wait for what the register held before, though nothing comes of it. Where
/// that was a byte of the frame before, each frame waited for the cache: 22.4 ns for 60 bytes,
/// rings of 4096, instead of 18.4. For a register that was zeroed nothing waits.
#[inline(always)]
pub(crate) fn mask(index: usize, count: usize) -> usize {
    let mask;
    // SAFETY: computes a number from two others; flags are no longer ours afterwards.
    unsafe {
        asm!(
            "xor {mask:e}, {mask:e}",
            "cmp {index}, {count}",
            "sbb {mask}, {mask}",
            index = in(reg) index,
            count = in(reg) count,
            mask = out(reg) mask,
            options(nomem, nostack)
        );
    }
    mask
}

/// Copies `words` words, wherever they start.
///
/// # Safety
///
/// `from` must be valid for reading and `to` for writing that many words. They may overlap, and
/// others may be writing to them: what arrives then is any mixture.
#[inline(always)]
pub(crate) unsafe fn copy_words(from: *const u8, to: *mut u8, words: usize) {
    // SAFETY: the direction flag is clear wherever Rust is called, as the ABI says; nothing but
    // `words` words is touched, for which the caller vouches.
    unsafe {
        asm!(
            "rep movsq",
            inout("rcx") words => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        )
    };
}

/// Asks for what is at an address to be in this CPU's cache, for writing. Any address will do.
#[inline(always)]
pub(crate) fn prefetch_for_writing(at: *const u8) {
    // SAFETY: a hint, which neither faults nor changes memory, whatever the address; processors
    // without the instruction pass it over.
    unsafe {
        asm!(
            "prefetchw [{}]",
            in(reg) at,
            options(nostack, preserves_flags, readonly)
        )
    }
}

/// Copies `len` bytes, wherever they start, with the wide registers: two registers at a time, and
/// the last two once more from the end.
///
/// # Safety
///
/// As of [`copy_words`], for `len` bytes, at least 64; and the registers must be there and ours to
/// use.
#[inline(always)]
pub(crate) unsafe fn copy_wide(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: `at` is 0 or below `last`, so that each access is within `len`, for which the caller
    // vouches. In the kernel the compiler keeps nothing in these registers; elsewhere it is told.
    unsafe {
        asm!(
            "2:",
            "vmovdqu ymm0, [{from} + {at}]",
            "vmovdqu ymm1, [{from} + {at} + 32]",
            "vmovdqu [{to} + {at}], ymm0",
            "vmovdqu [{to} + {at} + 32], ymm1",
            "add {at}, 64",
            "cmp {at}, {last}",
            "jb 2b",
            "vmovdqu ymm0, [{from} + {last}]",
            "vmovdqu ymm1, [{from} + {last} + 32]",
            "vmovdqu [{to} + {last}], ymm0",
            "vmovdqu [{to} + {last} + 32], ymm1",
            from = in(reg) from,
            to = in(reg) to,
            last = in(reg) len - 64,
            at = inout(reg) 0usize => _,
            out("xmm0") _,
            out("xmm1") _,
            options(nostack),
        )
    }
}

/// Leaves the wide registers as narrow instructions want to find them: these are slow while
/// something is in the upper halves.
///
/// # Safety
///
/// The registers must be there and ours to use.
#[inline(always)]
pub(crate) unsafe fn leave_wide() {
    // SAFETY: the caller vouches for the instruction and for what is in the registers, of which
    // only the upper halves are cleared.
    unsafe { asm!("vzeroupper", options(nomem, nostack, preserves_flags)) };
}
