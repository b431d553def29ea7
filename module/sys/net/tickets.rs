// SPDX-License-Identifier: GPL-2.0

//! Hearing when drivers have finished with frames.
//!
//! A frame carries a ticket, which is handed in when the frame is freed, or orphaned by an interface that makes
//! itself answerable for it. A frame may be in a driver's queue long after its sender has gone; until then its
//! ticket keeps the counter where it is handed in, and the module.

use super::Packet;
use crate::sys::{bindings, keep::Keep, wait::WaitQueue};
use core::mem::ManuallyDrop;
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
        Delta, Instant, Monotonic,
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

/// Brings sleepers back in a moment, unless it is cleared or dropped before. For when a driver takes no more: it need
/// not hold any ticket, and tells nobody but its queueing discipline when it has room again.
#[derive(Default)]
pub(crate) struct WakeUp {
    timer: Option<ArcHrTimerHandle<Tickets>>,
    /// Since when nothing has moved.
    since: Option<Instant<Monotonic>>,
}

impl WakeUp {
    /// From now on. `moved` says whether anything has since the last time: who waits for long is not brought back for nothing
    /// ten thousand times a second.
    pub(crate) fn set(&mut self, tickets: &Arc<Tickets>, moved: bool) {
        // First: there is but one timer, and dropping a handle of it stops it, whoever has started it since.
        self.timer = None;
        let now = Instant::now();
        if moved {
            self.since = None;
        }
        let since = *self.since.get_or_insert(now);
        let waited = (now - since).as_micros_ceil().clamp(SOON, LATE);
        self.timer = Some(tickets.clone().start(Delta::from_micros(waited)));
    }

    pub(crate) fn clear(&mut self) {
        *self = WakeUp::default();
    }
}

/// Microseconds: long enough for a driver to send some frames, and short for who waits.
const SOON: i64 = 100;
/// After so many as nothing has moved, but no more.
const LATE: i64 = 6400;

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
        let mut cells = KVVec::with_capacity(slots as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..slots {
            let cell = Cell {
                all: AtomicPtr::new(core::ptr::null_mut()),
                out: AtomicBool::new(false),
            };
            cells.push(cell, GFP_KERNEL_ACCOUNT)?;
        }
        Arc::pin_init(
            pin_init!(Tickets {
                cells,
                wait <- WaitQueue::new(),
                timer <- HrTimer::new(),
                _keep: Keep::new(),
            }),
            GFP_KERNEL_ACCOUNT,
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

    /// Whether a frame carries that slot's ticket.
    pub(crate) fn is_out(&self, slot: u32) -> bool {
        let cell = self.cells.get(slot as usize);
        cell.is_some_and(|cell| cell.out.load(Acquire))
    }
}

/// A ticket that was issued. Dropping it takes it back, as if it had not been: nobody is woken, for who waits would
/// come only to hear that nothing has changed, and come again.
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

impl Ticket {
    /// Makes the slot free again.
    fn free(&mut self) -> Arc<Tickets> {
        // SAFETY: by the invariant the cell is alive until `all`, below, is dropped.
        let cell = unsafe { &*self.0 };
        // SAFETY: that reference is the ticket's own.
        let all = unsafe { Arc::from_raw(cell.all.load(Relaxed)) };
        cell.out.store(false, Release);
        all
    }

    /// Hands it in: the driver has finished with the frame, and the slot can be used.
    fn hand_in(self) {
        let all = ManuallyDrop::new(self).free();
        all.wait.wake(POLLOUT | POLLWRNORM);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.free();
    }
}

/// The ticket that a frame carries.
///
/// # Safety
///
/// The frame must carry one, which is the caller's from then on.
unsafe fn of(skb: *mut sk_buff) -> Ticket {
    // SAFETY: the argument was put there with the destructor, and stays with the frame's data.
    let cell: *mut c_void = unsafe {
        let shared: *mut bindings::skb_shared_info = bindings::skb_end_pointer(skb).cast();
        (*shared).__bindgen_anon_2.destructor_arg
    };
    Ticket(cell.cast_const().cast())
}

/// A frame with a ticket, to be sent. Dropping it takes the ticket off: it is not sent after all.
pub(crate) struct Outgoing(Packet);

impl Outgoing {
    pub(crate) fn new(packet: Packet, ticket: Ticket) -> Self {
        let skb = packet.as_ptr();
        // SAFETY: the frame is ours, and has no destructor; the shared info lies at its end.
        unsafe {
            let shared: *mut bindings::skb_shared_info = bindings::skb_end_pointer(skb).cast();
            (*shared).__bindgen_anon_2.destructor_arg = ticket.into_raw();
            (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor = Some(hand_in);
        }
        Outgoing(packet)
    }

    /// Bytes of the frame.
    pub(crate) fn len(&self) -> u32 {
        self.0.len()
    }

    /// The frame, which is still ours.
    pub(super) fn as_ptr(&self) -> *mut sk_buff {
        self.0.as_ptr()
    }

    pub(super) fn packet(&mut self) -> &mut Packet {
        &mut self.0
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let skb = self.as_ptr();
        // SAFETY: the frame is ours. It carries its ticket, unless a driver has orphaned it before it was busy.
        unsafe {
            let destructor = &raw mut (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor;
            if destructor.read().is_some() {
                destructor.write(None);
                drop(of(skb));
            }
        }
    }
}

/// The destructor of frames that carry a ticket.
///
/// # Safety
///
/// Called by the kernel only, once, with a frame of [`Outgoing`].
pub(super) unsafe extern "C" fn hand_in(skb: *mut sk_buff) {
    // SAFETY: it carries a ticket, and the destructor is called once.
    unsafe { of(skb) }.hand_in();
}

// SAFETY: a cell is atomics; the pointer is only followed by who holds the ticket.
unsafe impl Send for Tickets {}
// SAFETY: as above.
unsafe impl Sync for Tickets {}
