// SPDX-License-Identifier: GPL-2.0

//! The processor's wide registers, which hold what the running program left in them: to use them,
//! the kernel has to put that away first, once a system call, and fetch it again on the way back.
//! Not so in User Mode Linux, where programs have registers of their own.

use super::{arch, bottom_half::Disabled};
use core::marker::PhantomData;

/// Wide registers, free to be used until this is dropped.
///
/// They go back before bottom halves do, so that no other task runs on this CPU in between. While
/// they are in use there they are not lent again; in User Mode Linux they may be, as nothing stays
/// in them from one copy to the next.
pub(crate) struct Wide<'b>(PhantomData<&'b Disabled>);

impl<'b> Wide<'b> {
    /// `None` where there are none, or where they are in use.
    #[cold]
    pub(crate) fn take(_: &'b Disabled) -> Option<Self> {
        lender::lend().then_some(Wide(PhantomData))
    }

    /// Copies bytes that others may be writing.
    ///
    /// # Safety
    ///
    /// `from` must be valid for reading and `to` for writing `len` bytes, for all but this copy's
    /// own purposes of data races, and `len` must be at least 64.
    #[inline(always)]
    pub(crate) unsafe fn copy(&mut self, from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: the caller vouches for the bytes. The registers are there and were lent to us by
        // `take`: what runs on this CPU until they go back is interrupts, which leave them as they
        // were (they ask `irq_fpu_usable`; in User Mode Linux they are signals, which save them).
        unsafe { arch::copy_wide(from, to, len) }
    }
}

impl Drop for Wide<'_> {
    fn drop(&mut self) {
        // SAFETY: the registers were lent by `take` on this CPU, which `'b` keeps us on, and go
        // back once: nothing uses them by this value any more.
        unsafe {
            arch::leave_wide();
            lender::take_back();
        }
    }
}

/// What the kernel knows of these registers, where there are some that we use.
#[cfg(target_arch = "x86_64")]
mod lender {
    use crate::sys::bindings;

    /// Whether they are there and free. If so, what they held has been put away, and they are ours.
    pub(super) fn lend() -> bool {
        // SAFETY: reads what the kernel found out of the processor when it booted.
        let there = unsafe { bindings::ferromap_boot_cpu_has(bindings::X86_FEATURE_AVX2) };
        there && put_away()
    }

    #[cfg(not(CONFIG_UML))]
    fn put_away() -> bool {
        const NEEDED: u64 =
            1 << bindings::xfeature_XFEATURE_SSE | 1 << bindings::xfeature_XFEATURE_YMM;
        // SAFETY: both only look: at what the kernel saves of these registers, and at whether it
        // uses them on this CPU. What it returned holds until we use them ourselves: the only ones
        // that could come between are interrupts, which give them back before they end.
        let free = unsafe {
            bindings::cpu_has_xfeatures(NEEDED, core::ptr::null_mut()) != 0
                && bindings::irq_fpu_usable()
        };
        if free {
            // SAFETY: the kernel does not use the registers here, as was just found, and bottom
            // halves are off (`take`), so that we stay on this CPU until `take_back`.
            unsafe { bindings::kernel_fpu_begin() };
        }
        free
    }

    /// In User Mode Linux the registers of programs are in processes of their own, and what
    /// interrupts us, a signal, saves ours. So they are always free: nothing stays in them from one
    /// copy to the next.
    #[cfg(CONFIG_UML)]
    fn put_away() -> bool {
        true
    }

    /// # Safety
    ///
    /// They must have been lent, on this CPU, and not been taken back yet.
    pub(super) unsafe fn take_back() {
        #[cfg(not(CONFIG_UML))]
        // SAFETY: ends what `put_away` began, as the caller promises.
        unsafe {
            bindings::kernel_fpu_end()
        };
    }
}

/// There are none that we use.
#[cfg(not(target_arch = "x86_64"))]
mod lender {
    pub(super) fn lend() -> bool {
        false
    }

    /// # Safety
    ///
    /// They must have been lent, which they never are.
    pub(super) unsafe fn take_back() {}
}
