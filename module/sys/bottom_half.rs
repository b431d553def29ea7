// SPDX-License-Identifier: GPL-2.0

//! Staying on this CPU for a moment.

use super::bindings;
use kernel::types::NotThreadSafe;

/// While this lives, the CPU runs neither another task nor a softirq.
///
/// Somebody else waits for what is done in between, so it must be short and cannot sleep.
pub(crate) struct Disabled(NotThreadSafe);

/// Keeps the CPU until the answer is dropped.
pub(crate) fn disable() -> Disabled {
    // SAFETY: may be called anywhere; `Disabled` undoes it exactly once, on the same CPU, since a task
    // cannot move while bottom halves are off and `Disabled` cannot go to another thread.
    unsafe { bindings::local_bh_disable() };
    Disabled(NotThreadSafe)
}

impl Drop for Disabled {
    fn drop(&mut self) {
        // SAFETY: pairs with the call in `disable`, as told there.
        unsafe { bindings::local_bh_enable() };
    }
}
