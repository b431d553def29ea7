// SPDX-License-Identifier: GPL-2.0

//! Keeping the module loaded while something of it may still run that no open file accounts for.

use super::bindings;
use kernel::{
    module::this_module,
    sync::atomic::{AtomicFlag, Relaxed},
};

/// Whether there ever was one.
static EVER: AtomicFlag = AtomicFlag::new(false);

/// A reference to the module.
pub(crate) struct ModuleRef(());

impl ModuleRef {
    /// `None` if the module is being unloaded.
    pub(crate) fn take() -> Option<Self> {
        EVER.store(true, Relaxed);
        // SAFETY: our own module, which is there while its code runs.
        let taken = unsafe {
            bindings::try_module_get(this_module::<crate::LocalModule>().as_ptr().cast())
        };
        taken.then_some(ModuleRef(()))
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: gives back what `take` took. See `settle` for the instructions after this.
        unsafe { bindings::module_put(this_module::<crate::LocalModule>().as_ptr().cast()) };
    }
}

// A task that is interrupted on the way out would be waited for by nobody. The kernel has it with
// BPF, kprobes or ftrace.
#[cfg(all(CONFIG_PREEMPTION, not(CONFIG_TASKS_RCU)))]
compile_error!("a kernel with CONFIG_PREEMPTION needs CONFIG_TASKS_RCU (by CONFIG_BPF_SYSCALL)");

/// Waits until nobody is still on the way out of a function that gave the last reference to the
/// module back. To be called before the module's code goes.
pub(crate) fn settle() {
    if !EVER.load(Relaxed) {
        return;
    }
    #[cfg(CONFIG_TASKS_RCU)]
    // SAFETY: only waits, and may sleep, as who unloads a module may.
    unsafe {
        bindings::synchronize_rcu_tasks()
    };
    // Softirqs, and everything where tasks are never interrupted.
    // SAFETY: only waits, and may sleep, as who unloads a module may.
    unsafe { kernel::bindings::synchronize_rcu() };
}
