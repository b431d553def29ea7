// SPDX-License-Identifier: GPL-2.0

//! The task that is running.

use super::bindings;
use kernel::task::Task;

/// Lets others have the CPU, if somebody waits for it. False if the process is being killed: what
/// is left of the system call is for nobody. For process context without a spinlock, where a system
/// call may take long.
pub(crate) fn go_on() -> bool {
    // SAFETY: both may be called by any task, and look at and change nothing but its own.
    unsafe {
        bindings::_cond_resched();
        bindings::fatal_signal_pending(Task::current_raw()) == 0
    }
}
