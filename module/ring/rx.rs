// SPDX-License-Identifier: GPL-2.0

//! A receive ring.

use super::{
    arrived::Arrived,
    chain::Chain,
    contention::{Contention, Synced},
    count::RxCounters,
    frames::Frames,
    inbox::{Inbox, Lease},
    indexes::Indexes,
    mem::{Direction, RingMem},
    tx::TxRing,
    watch::{Sight, Tap},
};
use crate::{
    abi::{
        consts::NR_TIMESTAMP,
        cursor::{add, dist, prev, Claimed},
    },
    memory::{Position, RingView, SlotCell, Use},
    params,
    refusal::Fallible,
    sys::{
        clock,
        soft_wake::SoftWake,
        wait::{WaitQueue, FRAMES},
    },
};
use core::sync::atomic::AtomicU32;
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// What shows a program the frames of a receive ring. A port makes one for each ring that is bound;
/// it owns all that is private to the ring, and one thread at a time uses it.
pub(crate) trait RxQueue: Send {
    /// Takes back what the program released, and tells the sync what arrived.
    fn sync(&mut self, sync: &mut RxSync<'_>);
}

/// The queue of a ring that shows what senders have put into it, and does nothing else.
pub(crate) struct Collect;

impl RxQueue for Collect {
    fn sync(&mut self, sync: &mut RxSync<'_>) {
        sync.collect();
    }
}

/// What the inbox of a ring keeps for each slot.
pub(super) type Marks = KVVec<AtomicU32>;

/// A receive ring that exists because somebody holds it.
#[pin_data]
pub(crate) struct RxRing {
    pub(crate) mem: RingMem,
    pub(crate) counters: RxCounters,
    /// Where senders put frames.
    inbox: Inbox<Marks>,
    waiters: Arc<WaitQueue>,
    #[pin]
    soft_wake: SoftWake,
    contention: Contention,
    tap: Tap,
    #[pin]
    state: Mutex<State>,
}

struct State {
    indexes: Indexes,
    queue: KBox<dyn RxQueue>,
}

impl RxRing {
    pub(super) fn new(
        memory: &Use,
        number: u16,
        slots: u32,
        tap: Tap,
        queue: KBox<dyn RxQueue>,
    ) -> Fallible<Arc<Self>> {
        let mem = RingMem::new(memory.clone(), number, slots, Direction::Rx)?;
        let mut marks = KVVec::with_capacity(slots as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..slots {
            marks.push(AtomicU32::new(0), GFP_KERNEL_ACCOUNT)?;
        }
        let waiters = WaitQueue::new(FRAMES)?;
        let state = State {
            indexes: Indexes {
                hwcur: 0,
                hwtail: 0,
            },
            queue,
        };
        Ok(Arc::pin_init(
            pin_init!(RxRing {
                mem,
                counters: RxCounters::default(),
                inbox: Inbox::new(marks),
                soft_wake <- SoftWake::new(waiters.clone()),
                waiters,
                contention: Contention::new(),
                tap,
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// Who waits for frames.
    pub(crate) fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    /// Wakes who waits for frames, once for all that a softirq brings: for those that come one by
    /// one. To be called after they can be seen.
    pub(crate) fn wake_soon(&self) {
        self.soft_wake.wake();
    }

    /// How many slots senders could fill at this moment.
    pub(crate) fn room(&self) -> u32 {
        self.inbox.free()
    }

    /// Shows who watches the ring frames that a sender has put into these slots, and that he has
    /// not handed over yet. For one who neither has to hurry nor uses a
    /// [`Delivery`](super::Delivery), which does it by itself.
    #[inline]
    pub(crate) fn arriving(&self, first: u32, count: u32) {
        if self.tap.is_watched() {
            let sight = Sight::new(&self.mem, first, count);
            self.tap.show(|who, place| who.arriving(place, &sight));
        }
    }

    /// The same for a sender who must not sleep.
    #[inline(always)]
    pub(super) fn arriving_at_once(&self, first: u32, count: u32) {
        if self.tap.is_watched() {
            let sight = Sight::new(&self.mem, first, count).in_a_hurry();
            self.tap
                .show_at_once(|who, place| who.arriving(place, &sight));
        }
    }

    /// Reserves slots for a sender: see [`Inbox::reserve`].
    #[inline(always)]
    pub(super) fn reserve(&self, take: impl Fn(u32) -> u32) -> Option<Lease<'_, Marks>> {
        self.inbox.reserve(take)
    }

    /// Has what arrived shown, unless another thread syncs the ring: then what it looks like is
    /// returned. `beside` are the transmit rings that whoever asks has bound together with it, from
    /// the port's first one on, or none. The queue cannot know them: of two files that share a ring
    /// one may have bound all transmit rings, and the other none (item 108).
    pub(crate) fn sync(&self, beside: &[Arc<TxRing>]) -> Synced {
        let synced = self
            .contention
            .serve(|| self.try_sync(beside), || self.waiters.wake());
        synced.unwrap_or_else(|| self.mem.looks_ready().into())
    }

    /// `None` if another thread has the ring.
    fn try_sync(&self, beside: &[Arc<TxRing>]) -> Option<Synced> {
        let mut state = self.contention.enter(|| self.state.try_lock())?;
        let State { indexes, queue } = &mut *state;
        let Some(mut sync) = self.begin(indexes, self.mem.view().claimed(), beside) else {
            self.mem.reset_indexes(*indexes);
            return Some(Synced::Bad);
        };
        queue.sync(&mut sync);
        Some(sync.publish().into())
    }

    /// As [`sync`](Self::sync), for a ring whose `head` and `cur` the program says in a CSB: see
    /// [`TxRing::sync_at`]. Nor do transmit rings beside it say theirs where frames can be added:
    /// `NR_FORWARD` passes nothing on to them.
    pub(crate) fn sync_at(&self, claimed: Claimed) -> Result<Indexes, Indexes> {
        let mut state = self.state.lock();
        let State { indexes, queue } = &mut *state;
        let Some(mut sync) = self.begin(indexes, claimed, &[]) else {
            return Err(*indexes);
        };
        queue.sync(&mut sync);
        Ok(sync.finish())
    }

    /// Where the program is, as of a transmit ring: see [`TxRing::position`].
    pub(crate) fn position(&self, believed: bool) -> (Claimed, Indexes) {
        let state = self.state.lock();
        let Indexes { hwcur, hwtail } = state.indexes;
        (self.mem.position(believed, hwcur, hwtail), state.indexes)
    }

    /// Begins a sync: checks head and cur. If they make no sense, the ring's slots are mended, and
    /// it goes on at the kernel's own.
    #[inline(always)]
    fn begin<'s>(
        &'s self,
        indexes: &'s mut Indexes,
        claimed: Claimed,
        beside: &'s [Arc<TxRing>],
    ) -> Option<RxSync<'s>> {
        let view = self.mem.view();
        let Indexes { hwcur, hwtail } = *indexes;
        let Some(at) = view.checked(claimed, hwcur, hwtail) else {
            self.mem.mend();
            self.counters.resets.add_alone(1);
            return None;
        };
        Some(RxSync {
            ring: self,
            view,
            head: at.head,
            cur: at.cur,
            beside,
            indexes,
        })
    }

    /// Takes frames that have arrived, as the program would: shows `take` frame by frame, until it
    /// returns false, and releases those before. Returns whether there were any.
    pub(crate) fn read<'r>(&'r self, mut take: impl FnMut(Arrived<'r>) -> bool) -> bool {
        let Some(state) = self.state.try_lock() else {
            return false;
        };
        let (view, slots) = (self.mem.view(), self.mem.slots());
        let Indexes { hwcur, hwtail } = state.indexes;
        let Some(Position { head, .. }) = view.position(hwcur, hwtail) else {
            return false;
        };
        let mut at = head;
        while at != hwtail {
            let frame = Arrived::new(view, at, dist(at, hwtail, slots));
            let next = add(at, frame.slots(), slots);
            if !take(frame) {
                break;
            }
            at = next;
        }
        view.advance(at);
        at != head
    }
}

/// A sync of a receive ring, with the program's indexes checked.
pub(crate) struct RxSync<'s> {
    ring: &'s RxRing,
    view: RingView<'s>,
    head: u32,
    cur: u32,
    beside: &'s [Arc<TxRing>],
    indexes: &'s mut Indexes,
}

impl<'s> RxSync<'s> {
    pub(crate) fn ring(&self) -> &'s RxRing {
        self.ring
    }

    pub(crate) fn view(&self) -> RingView<'s> {
        self.view
    }

    /// The transmit rings that whoever asks has bound together with this one: see [`RxRing::sync`].
    pub(crate) fn beside(&self) -> &'s [Arc<TxRing>] {
        self.beside
    }

    /// The slots that the program has released since the last sync, frame by frame: those of which
    /// a slot has a flag of `only`, or with 0 all. Of their flags `done` are taken off.
    pub(crate) fn released<'c>(
        &self,
        only: u16,
        done: u16,
        chain: &'c mut Chain,
    ) -> Frames<'s, 'c> {
        let slots = (self.indexes.hwcur, self.released_count());
        Frames::new(&self.ring.mem, slots, (only, done), chain)
    }

    /// The last of those.
    pub(crate) fn last_released(&self) -> Option<SlotCell<'s>> {
        let last = prev(self.head, self.ring.mem.slots());
        (self.released_count() > 0).then(|| self.view.cell(last))
    }

    /// Whether the program has released any slot since the last sync.
    pub(crate) fn has_released(&self) -> bool {
        self.head != self.indexes.hwcur
    }

    /// The first slot that it has not, as far as this sync has taken them back.
    pub(crate) fn first(&self) -> u32 {
        self.indexes.hwcur
    }

    /// Frames have arrived in all slots before `tail`, which is one of the ring's.
    pub(crate) fn arrived_up_to(&mut self, tail: u32) {
        self.indexes.hwtail = tail;
    }

    fn released_count(&self) -> u32 {
        dist(self.indexes.hwcur, self.head, self.ring.mem.slots())
    }

    /// Gives released slots back to the senders, and takes in what they have delivered since.
    pub(crate) fn collect(&mut self) {
        let (slots, inbox) = (self.ring.mem.slots(), &self.ring.inbox);
        let released = self.released_count();
        if released != 0 {
            self.show_released();
            inbox.release(released);
            self.indexes.hwcur = self.head;
        }
        let arrived = inbox.collect(self.indexes.hwtail);
        self.indexes.hwtail = add(self.indexes.hwtail, arrived, slots);
    }

    /// Takes released slots back.
    pub(crate) fn release(&mut self) {
        self.show_released();
        self.indexes.hwcur = self.head;
    }

    /// The slots that the program has released, to be shown.
    pub(crate) fn sight(&self) -> Sight<'s> {
        Sight::new(&self.ring.mem, self.indexes.hwcur, self.released_count())
    }

    /// Shows them to who watches the ring.
    #[inline(always)]
    fn show_released(&self) {
        if self.ring.tap.is_watched() {
            let sight = self.sight();
            self.ring.tap.show(|who, place| who.released(place, &sight));
        }
    }

    /// Shows the program what has arrived. Returns whether it finds frames past its `cur`.
    fn publish(self) -> bool {
        let (view, cur) = (self.view, self.cur);
        let Indexes { hwtail: tail, .. } = self.finish();
        view.set_tail(tail);
        cur != tail
    }

    /// What there is to publish.
    #[inline(always)]
    fn finish(self) -> Indexes {
        if params::no_timestamp.get() == 0 || self.view.flags() & NR_TIMESTAMP != 0 {
            self.view.set_timestamp(clock::wall());
        }
        *self.indexes
    }
}
