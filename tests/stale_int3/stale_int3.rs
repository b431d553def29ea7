// SPDX-License-Identifier: GPL-2.0

//! For the VM only, where QEMU emulates the processor (TCG): goes on where a breakpoint was met
//! that is in memory no more.
//!
//! The kernel changes its own code under those who run it, such as the branches to netfilter's
//! hooks when the first one comes or the last one goes. Meanwhile a breakpoint stands there, and
//! who meets it is sent on; afterwards no processor meets it any more
//! (arch/x86/kernel/alternative.c, `smp_text_poke_batch_finish`). QEMU's may: it runs translations
//! of code, each processor in a thread of its own, and one that has begun is run to its end. The
//! kernel then knows nothing of the breakpoint and dies of it, "Oops: int3", whatever modules it
//! has: a loop that adds and deletes `tc qdisc ... dev lo clsact` beside two floods of pings does
//! it within a minute.
//!
//! The answer is the one that kprobes once had for it: where there is no breakpoint, what is there
//! is executed.

use core::ffi::c_void;
use kernel::{bindings::notifier_block, prelude::*, types::Opaque};

#[path = "../sys.rs"]
mod sys;
use sys::bindings;

module! {
    type: StaleInt3,
    name: "stale_int3",
    authors: ["The Ferromap founders"],
    description: "For emulated VMs only: goes on where a breakpoint was met that is gone",
    license: "GPL",
}

sys::param::params! {
    count = 0, WRITABLE, "how often a breakpoint was met that was gone";
}

/// The instruction that a breakpoint is.
const INT3: u8 = 0xcc;

/// # Safety
///
/// Called by the kernel for whatever it may die of, with its `die_args`.
unsafe extern "C" fn told(_: *mut notifier_block, event: usize, args: *mut c_void) -> i32 {
    use bindings::*;
    if event as u32 != die_val_DIE_INT3 {
        return stale_int3_answer_STALE_INT3_DONE as i32;
    }
    // SAFETY: arguments and registers are the handler's until it returns.
    let regs = unsafe { &mut *(*args.cast::<die_args>()).regs };
    // SAFETY: whatever the kernel has there besides, the selector comes first.
    let is_user = unsafe { regs.__bindgen_anon_1.cs } & 3 != 0;
    let at = regs.ip - 1;
    // SAFETY: the kernel's own code, which was just executed, is there.
    if is_user || unsafe { (at as *const u8).read_volatile() } == INT3 {
        return stale_int3_answer_STALE_INT3_DONE as i32;
    }
    regs.ip = at;
    count.set(count.get().wrapping_add(1));
    stale_int3_answer_STALE_INT3_STOP as i32
}

/// The handler, which the kernel knows while this is there.
struct StaleInt3(Pin<KBox<Opaque<notifier_block>>>);

// SAFETY: only the kernel looks into it, under its own locks.
unsafe impl Send for StaleInt3 {}
// SAFETY: as above.
unsafe impl Sync for StaleInt3 {}

impl kernel::Module for StaleInt3 {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let block = notifier_block {
            notifier_call: Some(told),
            // SAFETY: the rest is a pointer and a number, for which 0 is right.
            ..unsafe { core::mem::zeroed() }
        };
        let block = KBox::pin(Opaque::new(block), GFP_KERNEL)?;
        // SAFETY: it stays where it is until it is unregistered.
        kernel::error::to_result(unsafe { bindings::register_die_notifier(block.get()) })?;
        Ok(StaleInt3(block))
    }
}

impl Drop for StaleInt3 {
    fn drop(&mut self) {
        // SAFETY: registered in `init`.
        unsafe { bindings::unregister_die_notifier(self.0.get()) };
    }
}
