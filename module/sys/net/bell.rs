// SPDX-License-Identifier: GPL-2.0

//! Waking readers once for all the frames that a softirq brought. To wake somebody costs more than to bring a
//! frame, and most often he would find one frame and sleep again.

use crate::sys::{bindings, wait::WaitQueue};
use kernel::{
    bindings::{POLLIN, POLLRDNORM},
    prelude::*,
    sync::Arc,
    types::Opaque,
};

/// Wakes readers in a moment. The kernel runs tasklets right after it has received what there is.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Bell {
    #[pin]
    tasklet: Opaque<bindings::tasklet_struct>,
    #[pin]
    pub(crate) wait: WaitQueue,
}

// SAFETY: a tasklet may be scheduled by any thread; the queue has its own lock.
unsafe impl Send for Bell {}
// SAFETY: as above.
unsafe impl Sync for Bell {}

impl Bell {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Bell {
                tasklet <- Opaque::ffi_init(|slot| {
                    // SAFETY: memory for a tasklet, which stays where it is until it is dropped.
                    unsafe { bindings::tasklet_setup(slot, Some(rung)) }
                }),
                wait <- WaitQueue::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// To be called after the frames can be seen.
    pub(crate) fn ring(&self) {
        if self.wait.has_sleepers() {
            // SAFETY: set up in `new`, and killed no sooner than it is dropped.
            unsafe { bindings::tasklet_schedule(self.tasklet.get()) };
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Bell {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: as in `ring`. Rings are dropped where one may sleep.
        unsafe { bindings::tasklet_kill(self.tasklet.get()) };
    }
}

/// # Safety
///
/// Called by the kernel only, with the tasklet of a [`Bell`].
unsafe extern "C" fn rung(tasklet: *mut bindings::tasklet_struct) {
    // SAFETY: it is the first field of a bell, which waits for us before it goes.
    let bell = unsafe { &*tasklet.cast::<Bell>() };
    bell.wait.wake(POLLIN | POLLRDNORM);
}
