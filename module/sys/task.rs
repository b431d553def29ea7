// SPDX-License-Identifier: GPL-2.0

//! The task that is running.

use super::bindings;
use kernel::task::Task;

/// Lets others have the CPU, if somebody waits for it. False if the process is being killed: what
/// is left of the system call is for nobody. For process context without a spinlock, where a system
/// call may take long.
pub(crate) fn go_on() -> bool {
    // SAFETY: may be called by any task that may sleep, and changes nothing but its own.
    unsafe { bindings::_cond_resched() };
    !is_killed()
}

/// The same for a system call that ends at any signal, and may be busy until there is one. Says so
/// to those who wait until every task has been where it holds nothing (RCU for tasks): it would
/// keep them waiting for as long.
pub(crate) fn go_on_without_signal() -> bool {
    // SAFETY: for a task that holds nothing, as process context here; it looks at and changes
    // nothing but its own.
    unsafe { bindings::ferromap_cond_resched_tasks_rcu_qs() };
    !has_signal()
}

/// Whether the process has got a signal: the system call is to end.
pub(crate) fn has_signal() -> bool {
    // SAFETY: looks at the running task only.
    unsafe { bindings::signal_pending(Task::current_raw()) != 0 }
}

/// Whether the process is being killed.
pub(crate) fn is_killed() -> bool {
    // SAFETY: looks at the running task only.
    unsafe { bindings::fatal_signal_pending(Task::current_raw()) != 0 }
}
