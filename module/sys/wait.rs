// SPDX-License-Identifier: GPL-2.0

//! Where poll sleeps until a ring has news.

use core::{
    marker::PhantomData,
    sync::atomic::{fence, Ordering::SeqCst},
};
use kernel::{
    bindings::{self, POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM},
    prelude::*,
    sync::Arc,
    types::Opaque,
};

/// What who waits at a receive ring waits for: frames to read.
pub(crate) const FRAMES: u32 = POLLIN | POLLRDNORM;
/// And at a transmit ring: room to write.
pub(crate) const ROOM: u32 = POLLOUT | POLLWRNORM;

/// A wait queue for poll, select and epoll, and for threads of ours.
///
/// Whoever is on it keeps it: [`Poll::wait_on`](super::file::Poll::wait_on) and
/// [`WaitEntries::wait_on`](super::waiting::WaitEntries::wait_on) take none that may go before.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
    /// What sleepers wait for.
    events: u32,
}

// SAFETY: the kernel's functions for a wait queue may be called by any task.
unsafe impl Send for WaitQueue {}
// SAFETY: a wait queue has a lock of its own, under which these functions work.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// For those who wait for [`FRAMES`] or [`ROOM`].
    pub(crate) fn new(events: u32) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(WaitQueue {
                head <- Opaque::ffi_init(|slot| {
                    // SAFETY: `slot` is pinned memory for a wait queue head; name and key are
                    // static.
                    unsafe {
                        bindings::__init_waitqueue_head(
                            slot,
                            c"netmap ring".as_char_ptr(),
                            kernel::static_lock_class!().as_ptr(),
                        )
                    }
                }),
                events,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Wakes whoever sleeps here: what they wait for is there.
    ///
    /// Call it after publishing the news: the fence orders that before the look at the queue, and
    /// pairs with the one in `poll_wait`, so either the sleeper sees the news or we see the
    /// sleeper.
    pub(crate) fn wake(&self) {
        self.wake_for(self.events);
    }

    /// Wakes whoever sleeps here: what they wait at has gone away.
    pub(crate) fn wake_in_vain(&self) {
        self.wake_for(self.events | POLLERR);
    }

    fn wake_for(&self, events: u32) {
        if self.has_sleepers() {
            // SAFETY: `new` initialised the head; the functions of those who wait take the events
            // as the key, or nothing.
            unsafe {
                bindings::__wake_up(
                    self.head.get(),
                    bindings::TASK_NORMAL,
                    1,
                    events as usize as *mut c_void,
                )
            };
        }
    }

    /// Whether there is anybody to wake, for news that are published by that.
    pub(crate) fn has_sleepers(&self) -> bool {
        fence(SeqCst);
        let head = self.head.get();
        // SAFETY: `new` initialised the head, and it never moves. The pointer that is read, which
        // others may be writing, is only compared with the list's own address, as
        // `waitqueue_active` does without lock.
        unsafe {
            let list = &raw mut (*head).head;
            (&raw const (*list).next).read_volatile() != list
        }
    }

    /// Where to wait, for [`WaitEntries::wait_on`](super::waiting::WaitEntries::wait_on).
    pub(crate) fn spot(&self) -> Spot<'_> {
        // INVARIANT: the queue is there for as long as it is borrowed.
        Spot(self.as_ptr(), PhantomData)
    }

    /// The queue, for [`Poll::wait_on`](super::file::Poll::wait_on).
    pub(super) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }
}

/// A wait queue of the kernel's.
///
/// # Invariants
///
/// It was initialised, and is there for `'q`.
pub(crate) struct Spot<'q>(
    pub(super) *mut bindings::wait_queue_head,
    pub(super) PhantomData<&'q ()>,
);
