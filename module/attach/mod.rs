// SPDX-License-Identifier: GPL-2.0

//! Interfaces that are plugged into a switch. The kernel does for them what a program could do: it binds the rings
//! of the interface and those of a port of the switch, and carries frames between the two by exchanging buffers.
//!
//! - [`attachments`]: which there are.
//! - [`carrier`]: the threads that carry, asleep between frames or polling.
//! - [`lane`]: the way from one ring to another.

mod attachments;
mod carrier;
mod lane;

pub(crate) use attachments::{Attachments, Polling};

use kernel::{
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, new_mutex, Arc, Mutex},
};

/// Held by whoever makes or unmakes something.
#[pin_data]
pub(crate) struct Turn {
    #[pin]
    lock: Mutex<()>,
}

impl Turn {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(pin_init!(Turn { lock <- new_mutex!(()) }), GFP_KERNEL)
    }

    pub(crate) fn take(&self) -> Guard<'_, (), MutexBackend> {
        self.lock.lock()
    }
}
