// SPDX-License-Identifier: GPL-2.0

//! The task that is running.

use super::bindings;

/// Lets others have the CPU, if somebody waits for it. False if the process is being killed: what is left of the system
/// call is for nobody. For process context without a spinlock, where a system call may take long.
pub(crate) fn go_on() -> bool {
    // SAFETY: may sleep here, as every caller promises by its documentation; a task may ask about its own signals.
    unsafe {
        bindings::_cond_resched();
        bindings::fatal_signal_pending(bindings::get_current()) == 0
    }
}
