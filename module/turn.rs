// SPDX-License-Identifier: GPL-2.0

//! Whose turn it is to make or unmake something.

use crate::sys::vmalloc;
use core::cell::Cell;
use kernel::{
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, new_mutex, Arc, Mutex},
};

/// Held by the control requests that make or unmake something, one at a time. Which those are, each
/// line of the dispatch says (`control/mod.rs`); closing a file is none of them.
#[pin_data]
pub(crate) struct Turn {
    #[pin]
    lock: Mutex<()>,
}

impl Turn {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(pin_init!(Turn { lock <- new_mutex!(()) }), GFP_KERNEL)
    }

    pub(crate) fn take(&self) -> Taken<'_> {
        Taken {
            turn: self,
            guard: Cell::new(Some(self.lock.lock())),
        }
    }
}

/// Somebody's turn. Memory that was dropped in it is given back when it is over, while the next one
/// has his.
pub(crate) struct Taken<'t> {
    turn: &'t Turn,
    /// Always there, but in [`aside`](Self::aside).
    guard: Cell<Option<Guard<'t, (), MutexBackend>>>,
}

impl Taken<'_> {
    /// Does what takes long, as making memory does, while others have their turns. What was looked
    /// up before may be otherwise afterwards; what is held is still there.
    pub(crate) fn aside<T>(&self, f: impl FnOnce() -> T) -> T {
        drop(self.guard.take());
        let done = f();
        self.guard.set(Some(self.turn.lock.lock()));
        done
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        drop(self.guard.take());
        vmalloc::give_back();
    }
}
