// SPDX-License-Identifier: GPL-2.0

//! One direction of a pipe: from a transmit ring to the receive ring of the same number at the
//! other end. Both have as many slots.
//!
//! Slot k of one and slot k of the other are never both in use. What a program sends is copied from
//! slot to slot, and so is what the other one leaves in the slot that he gives back: what buffer
//! that names, he may have chosen. Both is done in the sender's sync, so that the slots of the
//! transmit ring stay in his CPU's cache.
//!
//! The slots that the sender has are those that he may fill, so there is always room for what he
//! sends. Nothing is lost.

use crate::{
    abi::consts::NS_MOREFRAG,
    ring::{RxQueue, RxRing, RxSync, TxQueue, TxSync, Walk},
    sys::wait::WaitQueue,
};
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use kernel::sync::{Arc, SetOnce};

/// How far both sides have come: the numbers of slots, all below the rings' size.
#[derive(Default)]
pub(super) struct Strand {
    /// The first slot that has not been sent. Release: the slots before it are written.
    sent: AtomicU32,
    /// The first slot that the receiver has not given back. Release: he has done with those before.
    given_back: AtomicU32,
    /// Who waits for room to send; there once the transmit ring is.
    room: SetOnce<Arc<WaitQueue>>,
}

impl Strand {
    /// The queue of the transmit ring, for who waits on `room`; `to` is the ring at the other end.
    pub(super) fn sender(self: Arc<Self>, to: Arc<RxRing>, room: &Arc<WaitQueue>) -> Sender {
        // A strand has one transmit ring.
        self.room.populate(room.clone());
        Sender { strand: self, to }
    }

    /// The queue of the receive ring.
    pub(super) fn receiver(self: Arc<Self>) -> Receiver {
        Receiver { strand: self }
    }
}

/// The queue of a transmit ring.
pub(super) struct Sender {
    strand: Arc<Strand>,
    to: Arc<RxRing>,
}

impl TxQueue for Sender {
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let (from, to) = (sync.view(), self.to.mem.view());
        let (first, count) = sync.reclaim_up_to(self.strand.given_back.load(Acquire));
        give_back(Walk::new(to, first, count), Walk::new(from, first, count));
        let (first, count) = (sync.first(), sync.count());
        let passed = pass(Walk::new(from, first, count), Walk::new(to, first, count));
        if passed.slots == 0 {
            return;
        }
        self.to.arriving(first, passed.slots);
        sync.advance(passed.slots);
        self.strand.sent.store(sync.first(), Release);
        let counters = &sync.ring().counters;
        counters.frames.add_alone(passed.frames.into());
        counters.bytes.add_alone(passed.bytes);
        // Who syncs this ring is the only one who writes to these, too.
        self.to.counters.frames.add_alone(passed.frames.into());
        self.to.counters.bytes.add_alone(passed.bytes);
        self.to.waiters().wake();
    }
}

/// Copies the slots that the receiver has given back.
fn give_back(mut from: Walk<'_>, mut to: Walk<'_>) {
    while from.left() > 0 {
        let run = from.ahead(u32::MAX);
        run.copy_to(to.ahead(u32::MAX));
        from.advance(run.left());
        to.advance(run.left());
    }
}

/// What a sync has sent.
#[derive(Default)]
struct Passed {
    slots: u32,
    frames: u32,
    bytes: u64,
}

/// Copies frames from slot to slot, as far as they are whole: the other end is to see no frame that
/// has not ended yet.
fn pass(mut from: Walk<'_>, mut to: Walk<'_>) -> Passed {
    let mut passed = Passed::default();
    while from.left() > 0 {
        let run = from.ahead(u32::MAX);
        let (simple, bytes) = run.pass_to(to.ahead(u32::MAX));
        from.advance(simple);
        to.advance(simple);
        passed.slots += simple;
        passed.frames += simple;
        passed.bytes += bytes;
        if simple < run.left() && !pass_chain(&mut from, &mut to, &mut passed) {
            break;
        }
    }
    passed
}

/// The same for a frame of several slots. False if it has not ended.
#[cold]
fn pass_chain(from: &mut Walk<'_>, to: &mut Walk<'_>, passed: &mut Passed) -> bool {
    let mut rest = *from;
    let Some(last) = rest.position(|cell| cell.flags() & NS_MOREFRAG == 0) else {
        return false;
    };
    // Both walks end where the frame does, whatever is written into its slots meanwhile.
    for _ in 0..=last {
        if let (Some(from), Some(to)) = (from.next(), to.next()) {
            passed.bytes += u64::from(from.pass_to(to));
            passed.slots += 1;
        }
    }
    passed.frames += 1;
    true
}

/// The queue of a receive ring.
pub(super) struct Receiver {
    strand: Arc<Strand>,
}

impl RxQueue for Receiver {
    fn sync(&mut self, sync: &mut RxSync<'_>) {
        if sync.has_released() {
            sync.release();
            self.strand.given_back.store(sync.first(), Release);
            if let Some(room) = self.strand.room.as_ref() {
                room.wake();
            }
        }
        sync.arrived_up_to(self.strand.sent.load(Acquire));
    }
}
