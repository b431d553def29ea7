// SPDX-License-Identifier: GPL-2.0

//! Numbers that nobody can guess.

use super::bindings;

pub(crate) fn word() -> u32 {
    // SAFETY: may be called by all but interrupts that cannot be kept off, and none of these runs
    // code of ours; it keeps off the others itself.
    unsafe { bindings::get_random_u32() }
}
