// SPDX-License-Identifier: GPL-2.0

//! Numbers that nobody can guess.

use super::bindings;

pub(crate) fn word() -> u32 {
    // SAFETY: it keeps interrupts off itself while it needs that; only from a non-maskable one it may not be called.
    unsafe { bindings::get_random_u32() }
}
