// SPDX-License-Identifier: GPL-2.0

//! Which CPUs there are.

use super::{bindings, nospec::confine32};

/// How many are online.
pub(crate) fn online() -> u32 {
    // SAFETY: reads a number of the kernel's.
    unsafe { bindings::num_online_cpus() }
}

/// Whether that one is.
pub(crate) fn is_online(cpu: u32) -> bool {
    let all = kernel::cpu::nr_cpu_ids();
    // SAFETY: below the number of ids, so that the kernel's mask has a bit for it.
    cpu < all && unsafe { bindings::cpu_online(confine32(cpu, all)) }
}
