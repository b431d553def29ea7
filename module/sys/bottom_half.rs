// SPDX-License-Identifier: GPL-2.0

//! Staying on this CPU for a moment.

use super::bindings;
use kernel::types::NotThreadSafe;

/// While this lives, the CPU runs neither another task nor a softirq.
///
/// There may be several, one within the other: it proves that they are off, not that something is
/// ours alone. Somebody else waits for what is done in between, so it must be short and cannot
/// sleep.
pub(crate) struct Disabled(NotThreadSafe);

/// Keeps the CPU until what is returned is dropped.
pub(crate) fn disable() -> Disabled {
    // SAFETY: only counts, and is undone by the same task on the same CPU: a task cannot move while
    // bottom halves are off, and `Disabled` cannot go to another.
    unsafe { bindings::local_bh_disable() };
    Disabled(NotThreadSafe)
}

impl Drop for Disabled {
    fn drop(&mut self) {
        // SAFETY: undoes what `disable` did for this one, once.
        unsafe { bindings::local_bh_enable() };
    }
}
