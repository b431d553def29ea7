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
    /// Only for callers that run in the module, with something of it open.
    pub(crate) fn new() -> Self {
        EVER.store(true, Relaxed);
        // SAFETY: our own module, which stays while something of it is open, as it is now.
        unsafe { bindings::__module_get(this_module::<crate::LocalModule>().as_ptr().cast()) };
        ModuleRef(())
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that `new` took. See `settle` for the instructions after
        // this.
        unsafe { bindings::module_put(this_module::<crate::LocalModule>().as_ptr().cast()) };
    }
}

/// Waits until nobody is still on the way out of a function that gave the last reference to the
/// module back. To be called before the module's code goes.
pub(crate) fn settle() {
    if !EVER.load(Relaxed) {
        return;
    }
    #[cfg(CONFIG_TASKS_RCU)]
    // SAFETY: only waits.
    unsafe {
        bindings::synchronize_rcu_tasks()
    };
    // Softirqs, and everything where tasks are never interrupted.
    // SAFETY: only waits.
    unsafe { kernel::bindings::synchronize_rcu() };
}
