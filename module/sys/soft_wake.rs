// SPDX-License-Identifier: GPL-2.0

//! Waking readers once for all the frames that a softirq brought. To wake somebody costs more than
//! to bring a frame, and most often he would find one frame and sleep again.

use super::wait::WaitQueue;
use kernel::{bindings, prelude::*, sync::Arc, types::Opaque};

/// Wakes whoever waits in a moment. The kernel works its bottom-half workqueue off right after it
/// has received what there is.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct SoftWake {
    #[pin]
    work: Opaque<bindings::work_struct>,
    waiters: Arc<WaitQueue>,
}

// SAFETY: any thread may queue and cancel a work; the wait queue is `Send` and `Sync`.
unsafe impl Send for SoftWake {}
// SAFETY: the kernel sees to it that a work is queued once, whoever queues it.
unsafe impl Sync for SoftWake {}

impl SoftWake {
    pub(crate) fn new(waiters: Arc<WaitQueue>) -> impl PinInit<Self> {
        pin_init!(SoftWake {
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: memory for a work, which stays where it is until it is dropped; name and
                // key are static.
                unsafe {
                    bindings::init_work_with_key(
                        slot,
                        Some(run),
                        false,
                        c"netmap readers".as_char_ptr(),
                        kernel::static_lock_class!().as_ptr(),
                    )
                }
            }),
            waiters,
        })
    }

    /// To be called after the frames can be seen.
    pub(crate) fn wake(&self) {
        if self.waiters.has_sleepers() && !self.is_queued() {
            // SAFETY: the kernel makes the queue when it boots and never destroys it. The work was
            // set up in `new`, does not move (the value is pinned), and is cancelled in `drop`
            // before it goes.
            unsafe {
                bindings::queue_work_on(
                    bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                    bindings::system_bh_wq,
                    self.work.get(),
                )
            };
        }
    }
}

impl SoftWake {
    /// Whether the work is going to run. Who is told so has shown his frames before he asked (there
    /// is a fence in [`WaitQueue::has_sleepers`]), and there is another between the kernel's taking
    /// the work off and its running: sleepers that it wakes find them.
    fn is_queued(&self) -> bool {
        const PENDING: usize = 1 << bindings::work_bits_WORK_STRUCT_PENDING_BIT;
        // SAFETY: the work was set up in `new` and is there as long as `self`; the word, which the
        // kernel writes atomically, is only looked at.
        let word = unsafe { (&raw const (*self.work.get()).data.counter).read_volatile() };
        word as usize & PENDING != 0
    }
}

#[pinned_drop]
impl PinnedDrop for SoftWake {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: set up in `new`; nobody queues it any more, as that takes a reference. Of a work
        // that was on a bottom-half queue the kernel asks only not to be in a hard irq
        // (kernel/workqueue.c, `__cancel_work_sync`), which drops nothing of ours; for one that was
        // on none it may have to sleep, which who drops a ring may (`Held::drop`).
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}

/// # Safety
///
/// Called by the kernel only, with the work of a [`SoftWake`].
unsafe extern "C" fn run(work: *mut bindings::work_struct) {
    // SAFETY: a `SoftWake` begins with its work, and its `drop` waits for us (`cancel_work_sync`)
    // before it goes.
    let this = unsafe { &*work.cast::<SoftWake>() };
    this.waiters.wake();
}
