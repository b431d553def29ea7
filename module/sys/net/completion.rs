// SPDX-License-Identifier: GPL-2.0

//! Being told when drivers have finished with frames.
//!
//! A frame carries a completion, which it gives back when it is freed, or orphaned by an interface
//! that makes itself answerable for it. A frame may be in a driver's queue long after its sender
//! has gone; until then its completion keeps what it is given back to, and the module.
//!
//! Two virtual interfaces hand the very frame to their receiver's GRO, which forgets the destructor
//! of what it merges (`skb_gro_receive`): netdevsim, and MACsec with an asynchronous cipher. There
//! such a slot stays pending for ever. Frames that GRO cannot merge would cure it, and would cost
//! all others, as veth, what GRO is for.

use super::Packet;
use crate::sys::{bindings, module_ref::ModuleRef, wait::WaitQueue};
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};
use kernel::{
    bindings::sk_buff,
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

/// The completions of a transmit ring, one a slot.
#[pin_data]
pub(crate) struct Completions {
    cells: KVVec<Cell>,
    /// Who waits for slots of the ring.
    waiters: Arc<WaitQueue>,
    #[pin]
    timer: HrTimer<Self>,
    _module: ModuleRef,
}

/// Wakes who waits for room after a moment, unless it is cleared or dropped before. For when a
/// driver takes no more: it need not hold any frame of ours, and tells nobody but its queueing
/// discipline when it has room again.
#[derive(Default)]
pub(crate) struct Retry {
    timer: Option<ArcHrTimerHandle<Completions>>,
    /// Since when nothing has moved.
    since: Option<Instant<Monotonic>>,
}

impl Retry {
    /// From now on. `moved` says whether anything has since the last time: who waits for long is
    /// not woken for nothing ten thousand times a second.
    pub(crate) fn set(&mut self, completions: &Arc<Completions>, moved: bool) {
        // First: there is but one timer, and dropping a handle of it stops it, whoever has started
        // it since.
        self.timer = None;
        let now = Instant::now();
        if moved {
            self.since = None;
        }
        let since = *self.since.get_or_insert(now);
        let waited = (now - since).as_micros_ceil().clamp(SOON, LATE);
        self.timer = Some(completions.clone().start(Delta::from_micros(waited)));
    }

    pub(crate) fn clear(&mut self) {
        *self = Retry::default();
    }
}

/// Microseconds: long enough for a driver to send some frames, and short for who waits.
const SOON: i64 = 100;
/// After so many as nothing has moved, but no more.
const LATE: i64 = 6400;

impl HrTimerCallback for Completions {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.waiters.wake();
        HrTimerRestart::NoRestart
    }
}

kernel::impl_has_hr_timer! {
    impl HasHrTimer<Self> for Completions {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

/// What there is of a slot.
struct Cell {
    /// While a frame has the completion: its reference to all of them, from `Arc::into_raw`.
    all: AtomicPtr<Completions>,
    pending: AtomicBool,
}

impl Completions {
    /// For a ring of `slots` slots. Who waits for them sleeps on `waiters`.
    pub(crate) fn new(slots: u32, waiters: Arc<WaitQueue>) -> Result<Arc<Self>> {
        let mut cells = KVVec::with_capacity(slots as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..slots {
            let cell = Cell {
                all: AtomicPtr::new(core::ptr::null_mut()),
                pending: AtomicBool::new(false),
            };
            cells.push(cell, GFP_KERNEL_ACCOUNT)?;
        }
        let module = ModuleRef::take().ok_or(ENODEV)?;
        Arc::pin_init(
            pin_init!(Completions {
                cells,
                waiters,
                timer <- HrTimer::new(),
                _module: module,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The completion of that slot; `None` if a frame has it.
    pub(crate) fn start(self: &Arc<Self>, slot: u32) -> Option<Completion> {
        let cell = self.cells.get(slot as usize)?;
        if cell.pending.swap(true, Acquire) {
            return None;
        }
        let all = Arc::into_raw(self.clone()).cast_mut();
        cell.all.store(all, Relaxed);
        // INVARIANT: the cell is one of `self`, to which `all` is a reference.
        Some(Completion(core::ptr::from_ref(cell)))
    }

    /// Whether a frame has that slot's completion.
    pub(crate) fn is_pending(&self, slot: u32) -> bool {
        let cell = self.cells.get(slot as usize);
        cell.is_some_and(|cell| cell.pending.load(Acquire))
    }
}

/// The completion of a slot. Dropping it takes it back, as if it had not been: nobody is woken, for
/// who waits would find nothing changed, and wait again.
///
/// # Invariants
///
/// The cell is one of those that its `all` is a reference to.
pub(crate) struct Completion(*const Cell);

impl Completion {
    fn into_raw(self) -> *const Cell {
        let cell = self.0;
        core::mem::forget(self);
        cell
    }

    /// Makes the slot free again.
    fn free(&mut self) -> Arc<Completions> {
        // SAFETY: the cell is one of those that `all` refers to, by the invariant. That reference
        // is dropped by who called us, after this.
        let cell = unsafe { &*self.0 };
        // SAFETY: `start` took it out of `Arc::into_raw` for this completion, and writes another
        // one there only when `pending` is false again: who completes or drops it, which happens
        // once, has it.
        let all = unsafe { Arc::from_raw(cell.all.load(Relaxed)) };
        cell.pending.store(false, Release);
        all
    }

    /// The driver has finished with the frame, and the slot can be used.
    fn complete(self) {
        let all = ManuallyDrop::new(self).free();
        all.waiters.wake();
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.free();
    }
}

/// The completion that a frame carries.
///
/// # Safety
///
/// The frame must carry one, which is the caller's from then on.
unsafe fn of(skb: *mut sk_buff) -> Completion {
    // SAFETY: `Outgoing::new` put the argument there together with the destructor, which the frame
    // still has. It moves with the frame's data (net/core/skbuff.c, `pskb_expand_head`), which go
    // after the destructor was called (`skb_release_all`). GRO takes them away first, but calls
    // destructors of frames with `slow_gro` only (`napi_skb_free_stolen_head`), as those have that
    // came with a socket, a route or a connection: ours have none when they get there.
    let cell: *mut c_void = unsafe {
        let shared: *mut bindings::skb_shared_info = bindings::skb_end_pointer(skb).cast();
        (*shared).__bindgen_anon_2.destructor_arg
    };
    // INVARIANT: what `Outgoing::new` put there was a completion.
    Completion(cell.cast_const().cast())
}

/// A frame with a completion, to be sent. Dropping it takes that off: it is not sent after all.
pub(crate) struct Outgoing(Packet);

impl Outgoing {
    pub(crate) fn new(packet: Packet, completion: Completion) -> Self {
        let skb = packet.as_ptr();
        let cell = completion.into_raw();
        // SAFETY: the `sk_buff` is ours alone, and the shared info lies at its end. It has no
        // destructor that would be forgotten by this: who is not of `sys::net` can have a `Packet`
        // to keep from `Packet::copy_of` and its kin only, which make one without.
        unsafe {
            let shared: *mut bindings::skb_shared_info = bindings::skb_end_pointer(skb).cast();
            (*shared).__bindgen_anon_2.destructor_arg = cell.cast_mut().cast();
            (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor = Some(completed);
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
        // SAFETY: the `sk_buff` is ours alone again: a driver that is busy has given it back. It
        // carries its completion if it has the destructor of those that do; the driver may have
        // orphaned it before it was busy, and then it has another one or none.
        unsafe {
            let destructor = &raw mut (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor;
            if destructor
                .read()
                .is_some_and(|f| f as usize == completed as usize)
            {
                destructor.write(None);
                drop(of(skb));
            }
        }
    }
}

/// The destructor of frames that carry a completion.
///
/// # Safety
///
/// Called by the kernel only, once, with a frame of [`Outgoing`].
pub(super) unsafe extern "C" fn completed(skb: *mut sk_buff) {
    // SAFETY: a frame has this destructor as long as it carries a completion: `Outgoing` gives it
    // both and takes both, and whoever calls it, clears it then (`skb_release_head_state`,
    // `skb_orphan`). A clone has none (`__skb_clone`).
    unsafe { of(skb) }.complete();
}
