// SPDX-License-Identifier: GPL-2.0

//! All rings of a port: which of them exist, and who has them.
//!
//! A ring exists while somebody holds it ([`Held`]). Who also binds it may have it for himself;
//! only then senders find it. They do under RCU, so that the list that they see is replaced as a
//! whole when a ring is bound or is not any more.

use super::{
    mem::{Direction, RingMem},
    offsets::Offsets,
    rx::{RxQueue, RxRing},
    seats::{empty, Seat, Seats},
    shape::{Selection, Shape},
    tx::{TxQueue, TxRing},
    watch::{Place, Watched, Watcher},
};
use crate::{
    memory::{Needs, RegionRef, Use},
    refusal::Fallible,
    sys::{rcu::RcuSlot, wait::WaitQueue},
};
use core::ops::Range;
use kernel::{
    prelude::*,
    sync::{new_mutex, rcu, Arc, Mutex, UniqueArc},
};

/// Who makes the queues of a port's rings.
pub(crate) trait Queues {
    /// The queue of transmit ring `number`, which has `slots` slots. Who waits for room in it
    /// sleeps on `waiters`.
    fn tx_queue(
        &self,
        number: u16,
        slots: u32,
        waiters: &Arc<WaitQueue>,
    ) -> Fallible<KBox<dyn TxQueue>>;

    /// The queue of receive ring `number`.
    fn rx_queue(&self, number: u16) -> Fallible<KBox<dyn RxQueue>>;

    /// Which buffers are in the slots of transmit ring `number`.
    fn tx_bufs(&self, _number: u16) -> TxBufs {
        TxBufs::Own
    }

    /// The transmit ring at the other end of receive ring `number`.
    fn far_sender(&self, _number: u16) -> Option<Arc<TxRing>> {
        None
    }
}

/// Offsets that somebody wants his rings to have (section 4.12 of the interface).
pub(crate) struct WantedOffsets {
    pub(crate) offsets: Offsets,
    /// What slots begin with.
    pub(crate) initial: u32,
}

/// The buffers in the slots of a transmit ring.
pub(crate) enum TxBufs {
    Own,
    /// Those of the receive ring that it leads to.
    Of(Arc<RxRing>),
    /// None: nothing can be sent by it.
    None,
}

/// What can be seen under RCU of the rings that are bound.
struct Shown {
    /// Receive rings, by number.
    rx: KVec<Option<Arc<RxRing>>>,
    /// Whether a transmit ring is, by number.
    tx: KVec<bool>,
}

/// The rings of a port.
#[pin_data]
pub(crate) struct RingSet {
    region: RegionRef,
    shape: Shape,
    /// What senders see. Empty while no ring is bound.
    shown: RcuSlot<Shown>,
    pub(super) watched: Arc<Watched>,
    #[pin]
    pub(super) seats: Mutex<Seats>,
}

impl RingSet {
    pub(crate) fn new(region: RegionRef, shape: Shape) -> Fallible<Arc<Self>> {
        let seats = Seats {
            tx: Seat::empty(shape.host_tx().end)?,
            rx: Seat::empty(shape.host_rx().end)?,
        };
        Ok(Arc::pin_init(
            pin_init!(RingSet {
                region,
                shape,
                shown: RcuSlot::new(),
                watched: Watched::new()?,
                seats <- new_mutex!(seats),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn region(&self) -> &RegionRef {
        &self.region
    }

    /// The receive ring of that number, if somebody binds it.
    #[inline]
    pub(crate) fn rx<'g>(&'g self, number: u16, guard: &'g rcu::Guard) -> Option<&'g RxRing> {
        let shown = self.shown.load(guard)?;
        shown.rx.get(usize::from(number))?.as_deref()
    }

    /// Whether somebody binds any of them.
    pub(crate) fn is_bound(&self) -> bool {
        self.seats.lock().are_bound()
    }

    /// Whether somebody binds the transmit ring of that number.
    pub(crate) fn has_tx(&self, number: u16, guard: &rcu::Guard) -> bool {
        let shown = self.shown.load(guard);
        shown.is_some_and(|shown| shown.tx.get(usize::from(number)) == Some(&true))
    }

    /// Whether one file, and no other, binds the ring of that number.
    fn has_one_user<R>(&self, of: impl Fn(&Seats) -> &[Seat<R>], number: u16) -> bool {
        let seats = self.seats.lock();
        let seat = of(&seats).get(usize::from(number));
        seat.is_some_and(|seat| seat.users == 1)
    }

    /// Calls `f` for each receive ring that exists.
    pub(crate) fn each_rx(&self, mut f: impl FnMut(u16, &RxRing)) {
        let seats = self.seats.lock();
        for (number, seat) in (0..).zip(&seats.rx) {
            if let Some(ring) = &seat.ring {
                f(number, ring);
            }
        }
    }

    /// Calls `f` for each transmit ring that exists.
    pub(crate) fn each_tx(&self, mut f: impl FnMut(u16, &TxRing)) {
        let seats = self.seats.lock();
        for (number, seat) in (0..).zip(&seats.tx) {
            if let Some(ring) = &seat.ring {
                f(number, ring);
            }
        }
    }

    /// Whether the selected rings can be bound now.
    pub(crate) fn admit(&self, want: &Selection) -> Fallible {
        self.seats.lock().admit(want)
    }

    /// How many of the selected rings do not exist: transmit and receive rings.
    pub(crate) fn lacking(&self, want: &Selection) -> (u32, u32) {
        let mut seats = self.seats.lock();
        // What is selected wrongly is refused when it is bound.
        seats
            .of(want)
            .map_or((0, 0), |(tx, rx)| (empty(tx), empty(rx)))
    }

    /// What has to be made of a region for the selected rings to be held.
    pub(crate) fn needs(&self, want: &Selection) -> Needs {
        let (tx, rx) = self.lacking(want);
        self.shape.needs(tx, rx)
    }

    /// Binds the selected rings, and makes those that do not exist yet in the region's memory, with
    /// the queues that `queues` makes; all or none. Those that are made have the `offsets`; others
    /// get them by [`Held::set_offsets`]. The ranges must lie within the port's shape.
    pub(crate) fn bind(
        self: &Arc<Self>,
        want: Selection,
        offsets: Option<&WantedOffsets>,
        memory: &Use,
        queues: &(impl Queues + ?Sized),
    ) -> Fallible<Held> {
        // Before anything is made for who is refused.
        self.admit(&want)?;
        let mut held = self.hold(want, offsets, memory, queues)?;
        held.bind()?;
        Ok(held)
    }

    /// Refuses if one of those rings has other offsets, which would not do. Returns those that the
    /// first one which has any has.
    pub(crate) fn admit_offsets(
        &self,
        want: &Selection,
        offsets: &Offsets,
    ) -> Fallible<Option<Offsets>> {
        self.seats.lock().admit_offsets(want, offsets)
    }

    /// Holds the rings of [`bind`](Self::bind), and does not bind them.
    pub(crate) fn hold(
        self: &Arc<Self>,
        want: Selection,
        offsets: Option<&WantedOffsets>,
        memory: &Use,
        queues: &(impl Queues + ?Sized),
    ) -> Fallible<Held> {
        // First everything that can fail or take long, without the lock: closing takes it.
        let (tx_slots, rx_slots) = (self.shape.tx_slots, self.shape.rx_slots);
        let mut tx = self.find_or_make(&want.tx, Self::known_tx, |n| {
            let mem = match queues.tx_bufs(n) {
                TxBufs::Own => RingMem::new(memory.clone(), n, tx_slots, Direction::Tx)?,
                TxBufs::Of(to) => RingMem::sharing(&to.mem, n)?,
                TxBufs::None => RingMem::unusable(memory.clone(), n, tx_slots)?,
            };
            let tap = self.watched.tap(place(n, self.shape.tx_rings));
            begin_at(&mem, offsets);
            TxRing::new(mem, tap, |waiters| queues.tx_queue(n, tx_slots, waiters))
        })?;
        let mut rx = self.find_or_make(&want.rx, Self::known_rx, |n| {
            let tap = self.watched.tap(place(n, self.shape.rx_rings));
            let ring = RxRing::new(memory, n, rx_slots, tap, queues.rx_queue(n)?)?;
            begin_at(&ring.mem, offsets);
            Ok(ring)
        })?;
        let mut seats = self.seats.lock();
        let (tx_seats, rx_seats) = seats.of(&want)?;
        for (seat, ring) in tx_seats.iter_mut().zip(&mut tx) {
            seat.hold(ring);
        }
        for (seat, ring) in rx_seats.iter_mut().zip(&mut rx) {
            seat.hold(ring);
        }
        drop(seats);
        Ok(Held {
            tx,
            rx,
            selection: want,
            bound: None,
            set: self.clone(),
        })
    }

    /// The rings of these numbers; `make` makes those that do not exist.
    fn find_or_make<R>(
        &self,
        numbers: &Range<u16>,
        known: impl Fn(&Self, u16) -> Option<Arc<R>>,
        make: impl Fn(u16) -> Fallible<Arc<R>>,
    ) -> Fallible<KVec<Arc<R>>> {
        let mut rings = KVec::with_capacity(numbers.len(), GFP_KERNEL_ACCOUNT)?;
        for number in numbers.clone() {
            let ring = match known(self, number) {
                Some(ring) => ring,
                None => make(number)?,
            };
            rings.push(ring, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(rings)
    }

    /// The transmit ring of that number, if it exists.
    pub(crate) fn known_tx(&self, number: u16) -> Option<Arc<TxRing>> {
        let seats = self.seats.lock();
        seats.tx.get(usize::from(number))?.ring.clone()
    }

    /// The receive ring of that number, if it exists.
    pub(crate) fn known_rx(&self, number: u16) -> Option<Arc<RxRing>> {
        let seats = self.seats.lock();
        seats.rx.get(usize::from(number))?.ring.clone()
    }

    /// Lists with room for every ring, made ahead: unbinding cannot fail.
    fn show_nothing(&self) -> Result<UniqueArc<Shown>> {
        let room = Shown {
            rx: KVec::with_capacity(self.shape.host_rx().end.into(), GFP_KERNEL_ACCOUNT)?,
            tx: KVec::with_capacity(self.shape.host_tx().end.into(), GFP_KERNEL_ACCOUNT)?,
        };
        Ok(UniqueArc::new(room, GFP_KERNEL_ACCOUNT)?)
    }

    /// Nobody watches any more, and who did is told before anybody can bind the rings anew: a
    /// monitor that came then would join an audience that is at its end.
    pub(super) fn end_watching(&self, _: &Seats) -> Option<Arc<dyn Watcher>> {
        let watcher = self.watched.end()?;
        watcher.over();
        Some(watcher)
    }

    /// Shows senders the rings that are bound now; waits until nobody looks at the previous lists.
    fn show_senders(&self, seats: &Seats, mut lists: UniqueArc<Shown>) {
        let mut any = false;
        // The lists have room for every ring.
        for seat in &seats.rx {
            let bound = seat.ring.as_ref().filter(|_| seat.users > 0);
            any |= bound.is_some();
            let _ = lists.rx.push_within_capacity(bound.cloned());
        }
        for seat in &seats.tx {
            any |= seat.users > 0;
            let _ = lists.tx.push_within_capacity(seat.users > 0);
        }
        self.shown.replace(any.then(|| lists.into()));
    }
}

/// Gives a ring its offsets that nobody has seen yet.
fn begin_at(mem: &RingMem, offsets: Option<&WantedOffsets>) {
    let Some(wanted) = offsets else {
        return;
    };
    mem.set_offsets(&wanted.offsets);
    let (view, initial) = (mem.view(), u64::from(wanted.initial));
    (0..mem.slots()).for_each(|slot| view.cell(slot).set_ptr(initial));
}

/// Which ring number `number` is where the host rings follow that many others.
fn place(number: u16, others: u16) -> Place {
    let host = number.checked_sub(others);
    Place {
        host: host.is_some(),
        number: host.unwrap_or(number),
    }
}

/// Rings that somebody holds: they exist for as long. When the last one who does drops this, they
/// are gone, and their buffers back in the region.
pub(crate) struct Held {
    tx: KVec<Arc<TxRing>>,
    rx: KVec<Arc<RxRing>>,
    selection: Selection,
    /// There if he binds them: the lists that senders see when he does not any more.
    bound: Option<UniqueArc<Shown>>,
    set: Arc<RingSet>,
}

impl Held {
    /// Binds them, unless somebody is in the way by now.
    fn bind(&mut self) -> Fallible {
        let (lists, spare) = (self.set.show_nothing()?, self.set.show_nothing()?);
        let mut seats = self.set.seats.lock();
        seats.admit(&self.selection)?;
        let exclusive = self.selection.exclusive;
        let (tx, rx) = seats.of(&self.selection)?;
        tx.iter_mut().for_each(|seat| seat.bind(exclusive));
        rx.iter_mut().for_each(|seat| seat.bind(exclusive));
        self.set.show_senders(&seats, lists);
        self.bound = Some(spare);
        Ok(())
    }

    /// Has those of the rings have offsets that were there without any, and with them the rings at
    /// the other ends of pipes. Others see that, so it comes when nothing can be refused any more.
    /// Slots of a pipe's ring that nobody else has bound begin with the first offset, but for those
    /// that may have frames: these bring their own.
    pub(crate) fn set_offsets(&self, wanted: &WantedOffsets, queues: &(impl Queues + ?Sized)) {
        let initial = u64::from(wanted.initial);
        for (ring, number) in self.tx.iter().zip(self.selection.tx.clone()) {
            ring.mem.set_offsets(&wanted.offsets);
            let TxBufs::Of(to) = queues.tx_bufs(number) else {
                continue;
            };
            to.mem.set_offsets(&wanted.offsets);
            if self.set.has_one_user(|seats| &seats.tx, number) {
                let view = ring.mem.view();
                ring.each_kept(|slot| view.cell(slot).set_ptr(initial));
            }
        }
        for (ring, number) in self.rx.iter().zip(self.selection.rx.clone()) {
            ring.mem.set_offsets(&wanted.offsets);
            let Some(from) = queues.far_sender(number) else {
                continue;
            };
            from.mem.set_offsets(&wanted.offsets);
            if self.set.has_one_user(|seats| &seats.rx, number) {
                let view = ring.mem.view();
                // Slots that the sender has are empty here, and he cannot send meanwhile.
                from.each_kept(|slot| view.cell(slot).set_ptr(initial));
            }
        }
    }

    pub(crate) fn tx(&self) -> &[Arc<TxRing>] {
        &self.tx
    }

    pub(crate) fn rx(&self) -> &[Arc<RxRing>] {
        &self.rx
    }

    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    pub(crate) fn set(&self) -> &Arc<RingSet> {
        &self.set
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut seats = self.set.seats.lock();
        let bound = self.bound.is_some();
        if let Ok((tx, rx)) = seats.of(&self.selection) {
            tx.iter_mut().for_each(|seat| seat.leave(bound));
            rx.iter_mut().for_each(|seat| seat.leave(bound));
        }
        // Our own references keep the rings until senders have let go of them.
        if let Some(lists) = self.bound.take() {
            self.set.show_senders(&seats, lists);
        }
        let watcher = match seats.are_bound() {
            true => None,
            false => self.set.end_watching(&seats),
        };
        // With the lock held: who finds a seat empty finds the ring's memory back in the region.
        self.tx.clear();
        self.rx.clear();
        drop(seats);
        // What goes with him takes locks of its own.
        drop(watcher);
    }
}
