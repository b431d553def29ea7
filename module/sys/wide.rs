// SPDX-License-Identifier: GPL-2.0

//! The processor's wide registers, which hold what the running program left in them: to use them, the kernel
//! has to put that away first, once a system call, and fetch it again on the way back.

use super::bottom_half::Disabled;
use core::{
    marker::PhantomData,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether this machine has them: registers of 32 bytes, and instructions to copy with them (AVX2).
static PRESENT: AtomicBool = AtomicBool::new(false);

/// Looks what the processor has. To be called once: where a hypervisor answers, it takes microseconds.
pub(crate) fn probe() {
    PRESENT.store(arch::present(), Relaxed);
}

/// Wide registers, free to be used until this is dropped. They may be in use only once at a time: `'b` is
/// that of the only thing that can lend them on this CPU.
pub(crate) struct Wide<'b>(PhantomData<&'b Disabled>);

impl<'b> Wide<'b> {
    /// `None` where there are none.
    #[cold]
    pub(crate) fn take(_: &'b Disabled) -> Option<Self> {
        PRESENT.load(Relaxed).then(|| {
            arch::begin();
            Wide(PhantomData)
        })
    }

    /// Copies bytes that others may be writing.
    ///
    /// # Safety
    ///
    /// `from` must be valid for reading and `to` for writing `len` bytes, for all but this copy's own
    /// purposes of data races, and `len` must be at least 64.
    #[inline(always)]
    pub(crate) unsafe fn copy(&mut self, from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: as promised by the caller; the registers are ours.
        unsafe { arch::copy(from, to, len) }
    }
}

impl Drop for Wide<'_> {
    fn drop(&mut self) {
        arch::end()
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use core::arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count},
    };

    /// Intel SDM volume 1, 14.3: the processor can, the kernel saves the registers (XCR0), and AVX2 is there.
    pub(super) fn present() -> bool {
        const OSXSAVE: u32 = 1 << 27;
        const SSE_AND_AVX: u32 = 0b110;
        const AVX2: u32 = 1 << 5;
        // SAFETY: every 64-bit processor has CPUID; a leaf above the highest is not asked for.
        let (highest, basic) = unsafe { (__cpuid(0).eax, __cpuid(1)) };
        if highest < 7 || basic.ecx & OSXSAVE == 0 {
            return false;
        }
        let enabled: u32;
        // SAFETY: XGETBV is there by OSXSAVE, and only reads.
        unsafe {
            asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack))
        };
        // SAFETY: leaf 7 is there.
        let more = unsafe { __cpuid_count(7, 0) };
        enabled & SSE_AND_AVX == SSE_AND_AVX && more.ebx & AVX2 != 0
    }

    /// In User Mode Linux the registers of programs are in processes of their own.
    #[inline]
    pub(super) fn begin() {
        #[cfg(not(CONFIG_UML))]
        // SAFETY: bottom halves are off, in a task, and nobody here uses the registers: `take` has the only
        // `Disabled` for as long as they are in use.
        unsafe {
            super::super::bindings::kernel_fpu_begin()
        };
    }

    #[inline]
    pub(super) fn end() {
        // SAFETY: the registers are ours. Without this, narrow instructions of the program would be slow.
        unsafe { asm!("vzeroupper", options(nomem, nostack, preserves_flags)) };
        #[cfg(not(CONFIG_UML))]
        // SAFETY: pairs with `begin`.
        unsafe {
            super::super::bindings::kernel_fpu_end()
        };
    }

    /// Two registers at a time, and the last two once more from the end.
    ///
    /// # Safety
    ///
    /// As of `Wide::copy`, between `begin` and `end`.
    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: each access is within `len`. The compiler keeps nothing in these registers: the kernel
        // is built without them.
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
                options(nostack),
            )
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod arch {
    pub(super) fn present() -> bool {
        false
    }

    pub(super) fn begin() {}

    pub(super) fn end() {}

    pub(super) unsafe fn copy(_: *const u8, _: *mut u8, _: usize) {}
}
