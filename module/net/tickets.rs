// SPDX-License-Identifier: GPL-2.0

//! Hearing when drivers have finished with frames.
//!
//! A frame carries a ticket, which is handed in when the frame is freed, or orphaned by an interface that makes
//! itself answerable for it. A frame may be in a driver's queue long after its sender has gone; until then its
//! ticket keeps the counter where it is handed in, and the module.

use crate::sys::{bindings, keep::Keep, wait::WaitQueue};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};
use kernel::{
    bindings::{sk_buff, POLLOUT, POLLWRNORM},
    prelude::*,
    sync::{Arc, ArcBorrow},
    time::{
        hrtimer::{
            ArcHrTimerHandle, HrTimer, HrTimerCallback, HrTimerCallbackContext, HrTimerPointer,
            HrTimerRestart, RelativeMode,
        },
        Delta, Monotonic,
    },
};

/// Tickets for the slots of a transmit ring.
#[pin_data]
pub(crate) struct Tickets {
    cells: KVVec<Cell>,
    /// Woken when tickets are handed in.
    #[pin]
    pub(crate) wait: WaitQueue,
    #[pin]
    timer: HrTimer<Self>,
    _keep: Keep,
}

/// Sleepers will be woken, for as long as this lives.
pub(crate) type WakeUp = ArcHrTimerHandle<Tickets>;

/// Long enough for a driver to send some frames, and short for who waits.
const SOON: Delta = Delta::from_micros(100);

impl HrTimerCallback for Tickets {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.wait.wake(POLLOUT | POLLWRNORM);
        HrTimerRestart::NoRestart
    }
}

kernel::impl_has_hr_timer! {
    impl HasHrTimer<Self> for Tickets {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

/// The ticket of a slot.
struct Cell {
    /// While a frame carries the ticket: its reference to the tickets, from `Arc::into_raw`.
    all: AtomicPtr<Tickets>,
    out: AtomicBool,
}

impl Tickets {
    /// For `slots` slots.
    pub(crate) fn new(slots: u32) -> Result<Arc<Self>> {
        let mut cells = KVVec::with_capacity(slots as usize, GFP_KERNEL)?;
        for _ in 0..slots {
            let cell = Cell {
                all: AtomicPtr::new(core::ptr::null_mut()),
                out: AtomicBool::new(false),
            };
            cells.push(cell, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Tickets {
                cells,
                wait <- WaitQueue::new(),
                timer <- HrTimer::new(),
                _keep: Keep::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The ticket of that slot; `None` if it is out.
    pub(crate) fn issue(self: &Arc<Self>, slot: u32) -> Option<Ticket> {
        let cell = self.cells.get(slot as usize)?;
        if cell.out.swap(true, Acquire) {
            return None;
        }
        let all = Arc::into_raw(self.clone()).cast_mut();
        cell.all.store(all, Relaxed);
        Some(Ticket(core::ptr::from_ref(cell)))
    }

    /// Wakes sleepers in a moment, unless the answer is dropped before. For when a driver takes no more: it need
    /// not hold any ticket, and tells nobody but its queueing discipline when it has room again.
    pub(crate) fn wake_soon(self: &Arc<Self>) -> WakeUp {
        self.clone().start(SOON)
    }

    /// Whether a frame carries that slot's ticket.
    pub(crate) fn is_out(&self, slot: u32) -> bool {
        let cell = self.cells.get(slot as usize);
        cell.is_some_and(|cell| cell.out.load(Acquire))
    }
}

/// A ticket that was issued. Dropping it hands it in.
///
/// # Invariants
///
/// The cell is in the tickets that its `all` is a reference to.
pub(crate) struct Ticket(*const Cell);

impl Ticket {
    pub(super) fn into_raw(self) -> *mut c_void {
        let cell = self.0;
        core::mem::forget(self);
        cell.cast_mut().cast()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // SAFETY: by the invariant the cell is alive until `all`, below, is dropped.
        let cell = unsafe { &*self.0 };
        // SAFETY: that reference is the ticket's own.
        let all = unsafe { Arc::from_raw(cell.all.load(Relaxed)) };
        cell.out.store(false, Release);
        all.wait.wake(POLLOUT | POLLWRNORM);
    }
}

/// The destructor of frames that carry a ticket.
///
/// # Safety
///
/// Called by the kernel only, once, with a frame of [`Packet::with_ticket`](super::Packet::with_ticket).
pub(super) unsafe extern "C" fn hand_in(skb: *mut sk_buff) {
    // SAFETY: the argument was put there with this destructor, and stays with the frame's data.
    let cell: *mut c_void = unsafe {
        let shared: *mut bindings::skb_shared_info = bindings::skb_end_pointer(skb).cast();
        (*shared).__bindgen_anon_2.destructor_arg
    };
    drop(Ticket(cell.cast_const().cast()));
}

// SAFETY: a cell is atomics; the pointer is only followed by who holds the ticket.
unsafe impl Send for Tickets {}
// SAFETY: as above.
unsafe impl Sync for Tickets {}
