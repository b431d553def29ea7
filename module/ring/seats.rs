// SPDX-License-Identifier: GPL-2.0

//! Who has which of a port's rings.

use super::{offsets::Offsets, rx::RxRing, shape::Selection, tx::TxRing};
use crate::refusal::{refuse, Fallible};
use core::ops::Range;
use kernel::{prelude::*, sync::Arc};

/// Who has which ring.
pub(super) struct Seats {
    pub(super) tx: KVec<Seat<TxRing>>,
    pub(super) rx: KVec<Seat<RxRing>>,
}

pub(super) struct Seat<R> {
    /// There while somebody holds it.
    pub(super) ring: Option<Arc<R>>,
    holders: u32,
    /// Files that have it bound, and whether one of them is to be the only one.
    pub(super) users: u32,
    exclusive: bool,
}

impl<R> Seat<R> {
    pub(super) fn empty(count: u16) -> Result<KVec<Self>> {
        let mut seats = KVec::with_capacity(count.into(), GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            let seat = Seat {
                ring: None,
                holders: 0,
                users: 0,
                exclusive: false,
            };
            seats.push(seat, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(seats)
    }

    /// Holds the ring that is there, which `ring` is from now on, or else that one.
    pub(super) fn hold(&mut self, ring: &mut Arc<R>) {
        *ring = self.ring.get_or_insert_with(|| ring.clone()).clone();
        self.holders += 1;
    }

    pub(super) fn bind(&mut self, exclusive: bool) {
        self.users += 1;
        self.exclusive = exclusive;
    }

    /// Undoes [`hold`](Self::hold), and [`bind`](Self::bind) where the ring was `bound`. Both at
    /// once: who begins to bind the ring after that gets a fresh one, and not what was left. (Who
    /// had begun before shares it with who leaves, be it for a moment.)
    pub(super) fn leave(&mut self, bound: bool) {
        self.holders -= 1;
        if self.holders == 0 {
            self.ring = None;
        }
        self.users -= u32::from(bound);
        if self.users == 0 {
            self.exclusive = false;
        }
    }
}

/// The seats of some rings, by direction: transmit, receive.
pub(super) type Chosen<'s> = (&'s mut [Seat<TxRing>], &'s mut [Seat<RxRing>]);

impl Seats {
    /// The seats of those rings.
    pub(super) fn of(&mut self, want: &Selection) -> Fallible<Chosen<'_>> {
        let Some(tx) = self.tx.get_mut(range(&want.tx)) else {
            refuse!(EINVAL, "the port has no such transmit ring");
        };
        let Some(rx) = self.rx.get_mut(range(&want.rx)) else {
            refuse!(EINVAL, "the port has no such receive ring");
        };
        Ok((tx, rx))
    }

    /// Whether somebody binds any ring.
    pub(super) fn are_bound(&self) -> bool {
        self.tx.iter().any(|seat| seat.users > 0) || self.rx.iter().any(|seat| seat.users > 0)
    }

    /// Refuses if somebody is in the way of who wants to bind those rings.
    pub(super) fn admit(&mut self, want: &Selection) -> Fallible {
        let (tx, rx) = self.of(want)?;
        admit(tx, "transmit", &want.tx, want.exclusive)?;
        admit(rx, "receive", &want.rx, want.exclusive)
    }

    /// Refuses if one of those rings has other offsets, which would not do. Returns those that the
    /// first one which has any has.
    pub(super) fn admit_offsets(
        &mut self,
        want: &Selection,
        offsets: &Offsets,
    ) -> Fallible<Option<Offsets>> {
        let (tx, rx) = self.of(want)?;
        let tx = tx.iter().flat_map(|seat| seat.ring.as_ref()?.mem.offsets());
        let rx = rx.iter().flat_map(|seat| seat.ring.as_ref()?.mem.offsets());
        let mut first = None;
        for there in Iterator::chain(tx, rx) {
            if !there.satisfy(offsets) {
                refuse!(
                    EBUSY,
                    "a ring has offsets of up to {} bytes in the bits {:#x} of ptr, as another \
                     file asked for: ask for no more",
                    there.max,
                    there.mask
                );
            }
            first = first.or(Some(there));
        }
        Ok(first)
    }
}

/// How many of the seats have no ring.
pub(super) fn empty<R>(seats: &[Seat<R>]) -> u32 {
    // A ring's number has 16 bits.
    seats.iter().filter(|seat| seat.ring.is_none()).count() as u32
}

/// A range of ring numbers as indexes.
fn range(numbers: &Range<u16>) -> Range<usize> {
    numbers.start.into()..numbers.end.into()
}

/// Refuses if somebody is in the way.
fn admit<R>(seats: &[Seat<R>], what: &str, numbers: &Range<u16>, exclusive: bool) -> Fallible {
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
