// SPDX-License-Identifier: GPL-2.0

//! All rings of a port: which of them exist, and who has them.
//!
//! A ring exists while somebody binds it. Senders find receive rings under RCU, so binding and unbinding
//! replaces the list that they see as a whole.

use super::{rx::RxRing, tx::TxRing};
use crate::{
    memory::{RegionRef, Use},
    refusal::{refuse, Answer},
    sys::rcu::RcuSlot,
};
use core::ops::Range;
use kernel::{
    prelude::*,
    sync::{new_mutex, rcu, Arc, Mutex, UniqueArc},
};

/// How many rings of how many slots a port has. Host rings are numbered after the others, and have as many slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) tx_rings: u16,
    pub(crate) rx_rings: u16,
    pub(crate) host_tx_rings: u16,
    pub(crate) host_rx_rings: u16,
    pub(crate) tx_slots: u32,
    pub(crate) rx_slots: u32,
}

impl Shape {
    /// The numbers of the host transmit rings.
    pub(crate) fn host_tx(&self) -> Range<u16> {
        self.tx_rings..self.tx_rings.saturating_add(self.host_tx_rings)
    }

    /// The numbers of the host receive rings.
    pub(crate) fn host_rx(&self) -> Range<u16> {
        self.rx_rings..self.rx_rings.saturating_add(self.host_rx_rings)
    }

    /// What people call transmit ring `number`: its kind, and its number among those.
    pub(crate) fn tx_label(&self, number: u16) -> (&'static str, u16) {
        match number.checked_sub(self.tx_rings) {
            Some(host) => ("host-tx", host),
            None => ("tx", number),
        }
    }

    /// What people call receive ring `number`.
    pub(crate) fn rx_label(&self, number: u16) -> (&'static str, u16) {
        match number.checked_sub(self.rx_rings) {
            Some(host) => ("host-rx", host),
            None => ("rx", number),
        }
    }
}

/// Who moves the frames of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Programs that open it.
    Programs,
    /// The kernel: an interface is attached to a switch.
    Kernel,
}

/// Which rings a binding wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) tx: Range<u16>,
    pub(crate) rx: Range<u16>,
    /// Nobody else may have any of them.
    pub(crate) exclusive: bool,
}

/// What can be seen under RCU of the rings that exist.
struct Shown {
    /// Receive rings, by number.
    rx: KVec<Option<Arc<RxRing>>>,
    /// Whether there is a transmit ring of that number.
    tx: KVec<bool>,
}

/// The rings of a port.
#[pin_data]
pub(crate) struct RingSet {
    region: RegionRef,
    shape: Shape,
    /// What senders see. Empty while no ring exists.
    shown: RcuSlot<Shown>,
    #[pin]
    seats: Mutex<Seats>,
}

/// Who has which ring.
struct Seats {
    tx: KVec<Seat<TxRing>>,
    rx: KVec<Seat<RxRing>>,
}

struct Seat<R> {
    ring: Option<Arc<R>>,
    users: u32,
    exclusive: bool,
}

impl<R> Seat<R> {
    fn empty(count: u16) -> Result<KVec<Self>> {
        let mut seats = KVec::with_capacity(count.into(), GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            let seat = Seat {
                ring: None,
                users: 0,
                exclusive: false,
            };
            seats.push(seat, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(seats)
    }

    fn join(&mut self, ring: &Arc<R>, exclusive: bool) {
        self.ring.get_or_insert_with(|| ring.clone());
        self.users += 1;
        self.exclusive = exclusive;
    }

    fn leave(&mut self) {
        self.users -= 1;
        if self.users == 0 {
            self.exclusive = false;
            self.ring = None;
        }
    }
}

/// The seats of some rings, by direction: transmit, receive.
type Chosen<'s> = (&'s mut [Seat<TxRing>], &'s mut [Seat<RxRing>]);

impl Seats {
    /// The seats of the selected rings, unless somebody is in the way.
    fn free(&mut self, want: &Selection) -> Answer<Chosen<'_>> {
        let Some(tx) = self.tx.get_mut(range(&want.tx)) else {
            refuse!(EINVAL, "the port has no such transmit ring");
        };
        let Some(rx) = self.rx.get_mut(range(&want.rx)) else {
            refuse!(EINVAL, "the port has no such receive ring");
        };
        admit(tx, "transmit", &want.tx, want.exclusive)?;
        admit(rx, "receive", &want.rx, want.exclusive)?;
        Ok((tx, rx))
    }
}

impl RingSet {
    pub(crate) fn new(region: RegionRef, shape: Shape) -> Answer<Arc<Self>> {
        let seats = Seats {
            tx: Seat::empty(shape.host_tx().end)?,
            rx: Seat::empty(shape.host_rx().end)?,
        };
        Ok(Arc::pin_init(
            pin_init!(RingSet {
                region,
                shape,
                shown: RcuSlot::new(),
                seats <- new_mutex!(seats),
            }),
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
        let seats = self.seats.lock();
        seats.tx.iter().any(|seat| seat.users > 0) || seats.rx.iter().any(|seat| seat.users > 0)
    }

    /// Whether somebody binds the transmit ring of that number.
    pub(crate) fn has_tx(&self, number: u16, guard: &rcu::Guard) -> bool {
        let shown = self.shown.load(guard);
        shown.is_some_and(|shown| shown.tx.get(usize::from(number)) == Some(&true))
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
    pub(crate) fn admit(&self, want: &Selection) -> Answer {
        self.seats.lock().free(want).map(drop)
    }

    /// Binds the selected rings and makes those that do not exist yet, in the region's memory; all or none. The ranges
    /// must lie within the port's shape.
    pub(crate) fn bind(self: &Arc<Self>, want: Selection, memory: &Use) -> Answer<Held> {
        let (tx_slots, rx_slots) = (self.shape.tx_slots, self.shape.rx_slots);
        let mut guard = self.seats.lock();
        let seats = &mut *guard;
        let (tx_seats, rx_seats) = seats.free(&want)?;

        // First everything that can fail, on the side; then take the seats.
        let tx = find_or_make(tx_seats, &want.tx, |n| TxRing::new(memory, n, tx_slots))?;
        let rx = find_or_make(rx_seats, &want.rx, |n| RxRing::new(memory, n, rx_slots))?;
        let list = self.show_nothing()?;
        let spare = self.show_nothing()?;

        for (seat, ring) in tx_seats.iter_mut().zip(&tx) {
            seat.join(ring, want.exclusive);
        }
        for (seat, ring) in rx_seats.iter_mut().zip(&rx) {
            seat.join(ring, want.exclusive);
        }
        self.show_senders(seats, list);
        drop(guard);
        Ok(Held {
            tx,
            rx,
            selection: want,
            spare: Some(spare),
            set: self.clone(),
        })
    }

    /// Lists with room for every ring, made ahead: unbinding cannot fail.
    fn show_nothing(&self) -> Result<UniqueArc<Shown>> {
        let room = Shown {
            rx: KVec::with_capacity(self.shape.host_rx().end.into(), GFP_KERNEL_ACCOUNT)?,
            tx: KVec::with_capacity(self.shape.host_tx().end.into(), GFP_KERNEL_ACCOUNT)?,
        };
        Ok(UniqueArc::new(room, GFP_KERNEL_ACCOUNT)?)
    }

    /// Shows senders the rings that exist now; waits until nobody looks at the previous lists.
    fn show_senders(&self, seats: &Seats, mut lists: UniqueArc<Shown>) {
        let mut any = false;
        // The lists have room for every ring.
        for seat in &seats.rx {
            any |= seat.ring.is_some();
            let _ = lists.rx.push_within_capacity(seat.ring.clone());
        }
        for seat in &seats.tx {
            any |= seat.ring.is_some();
            let _ = lists.tx.push_within_capacity(seat.ring.is_some());
        }
        self.shown.replace(any.then(|| lists.into()));
    }
}

/// A range of ring numbers as indexes.
fn range(numbers: &Range<u16>) -> Range<usize> {
    numbers.start.into()..numbers.end.into()
}

/// Refuses if somebody is in the way.
fn admit<R>(seats: &[Seat<R>], what: &str, numbers: &Range<u16>, exclusive: bool) -> Answer {
    for (number, seat) in numbers.clone().zip(seats) {
        if seat.exclusive {
            refuse!(
                EBUSY,
                "{} ring {} is bound exclusively by another file",
                what,
                number
            );
        }
        if exclusive && seat.users > 0 {
            refuse!(
                EBUSY,
                "{} ring {} cannot be bound exclusively: {} other file(s) have it",
                what,
                number,
                seat.users
            );
        }
    }
    Ok(())
}

/// The rings of these seats; `make` makes those that do not exist.
fn find_or_make<R>(
    seats: &[Seat<R>],
    numbers: &Range<u16>,
    make: impl Fn(u16) -> Answer<Arc<R>>,
) -> Answer<KVec<Arc<R>>> {
    let mut rings = KVec::with_capacity(seats.len(), GFP_KERNEL_ACCOUNT)?;
    for (number, seat) in numbers.clone().zip(seats) {
        let ring = match &seat.ring {
            Some(ring) => ring.clone(),
            None => make(number)?,
        };
        rings.push(ring, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(rings)
}

/// The rings that a binding has. Dropping it lets go of them; rings that nobody else has are gone then,
/// and their buffers are back in the region.
pub(crate) struct Held {
    tx: KVec<Arc<TxRing>>,
    rx: KVec<Arc<RxRing>>,
    selection: Selection,
    /// The lists that senders will see when this is gone.
    spare: Option<UniqueArc<Shown>>,
    set: Arc<RingSet>,
}

impl Held {
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
        // Our own references keep the rings alive until senders have been shown the new list.
        if let Some(seats) = seats.tx.get_mut(range(&self.selection.tx)) {
            seats.iter_mut().for_each(Seat::leave);
        }
        if let Some(seats) = seats.rx.get_mut(range(&self.selection.rx)) {
            seats.iter_mut().for_each(Seat::leave);
        }
        if let Some(lists) = self.spare.take() {
            self.set.show_senders(&seats, lists);
        }
    }
}
