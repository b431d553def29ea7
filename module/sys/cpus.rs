// SPDX-License-Identifier: GPL-2.0

//! Which CPUs there are.

use super::bindings;

/// How many are online.
pub(crate) fn online() -> u32 {
    // SAFETY: may be called anywhere.
    unsafe { bindings::num_online_cpus() }
}

/// Whether that one is.
pub(crate) fn is_online(cpu: u32) -> bool {
    // SAFETY: the number is that of a possible CPU when it is looked up.
    cpu < kernel::cpu::nr_cpu_ids() && unsafe { bindings::cpu_online(cpu) }
}
