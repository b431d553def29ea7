// SPDX-License-Identifier: GPL-2.0

//! A transmit ring.

use super::{
    chain::Chain,
    contention::{Contention, Synced},
    count::TxCounters,
    frames::Frames,
    indexes::Indexes,
    mem::RingMem,
    watch::{Sight, Tap},
};
use crate::{
    abi::cursor::{add, dist, prev, Claimed},
    memory::{RingView, SlotCell},
    refusal::Fallible,
    sys::{
        user::Caller,
        wait::{WaitQueue, ROOM},
    },
};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::{
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, new_mutex, Arc, Mutex},
};

/// What takes frames from a transmit ring. A port makes one for each ring that is bound; it owns
/// all that is private to the ring, and one thread at a time uses it.
pub(crate) trait TxQueue: Send {
    /// Sends what the program released, and tells the sync what is sent and what is free again.
    fn sync(&mut self, sync: &mut TxSync<'_>);
}

/// A transmit ring that exists because somebody holds it.
#[pin_data]
pub(crate) struct TxRing {
    pub(crate) mem: RingMem,
    pub(crate) counters: TxCounters,
    waiters: Arc<WaitQueue>,
    contention: Contention,
    tap: Tap,
    /// First slot that no sync has taken, for those who have not got the ring.
    next: AtomicU32,
    #[pin]
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) sent: Sent,
    queue: KBox<dyn TxQueue>,
}

/// How far the kernel has come.
pub(super) struct Sent {
    pub(super) indexes: Indexes,
    /// The last head that was accepted: the next one is measured from there.
    pub(super) head: u32,
}

impl TxRing {
    /// A ring in that memory, with the queue that `queue` makes. Who waits for room in it sleeps on
    /// what that is told of.
    pub(super) fn new(
        mem: RingMem,
        tap: Tap,
        queue: impl FnOnce(&Arc<WaitQueue>) -> Fallible<KBox<dyn TxQueue>>,
    ) -> Fallible<Arc<Self>> {
        let waiters = WaitQueue::new(ROOM)?;
        let state = State {
            sent: Sent {
                indexes: Indexes {
                    hwcur: 0,
                    hwtail: mem.first_tail(),
                },
                head: 0,
            },
            queue: queue(&waiters)?,
        };
        Ok(Arc::pin_init(
            pin_init!(TxRing {
                mem,
                counters: TxCounters::default(),
                waiters,
                contention: Contention::new(),
                tap,
                next: AtomicU32::new(0),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// Who waits for slots to become free.
    pub(crate) fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    pub(super) fn lock(&self) -> Guard<'_, State, MutexBackend> {
        self.state.lock()
    }

    /// Has what was released sent, unless another thread syncs the ring: then what it looks like is
    /// returned. `caller` is the process that asks for it, if it is its memory that addresses in
    /// slots mean.
    pub(crate) fn sync(&self, caller: Option<Caller<'_>>) -> Synced {
        let synced = self
            .contention
            .serve(|| self.try_sync(caller), || self.waiters.wake());
        synced.unwrap_or_else(|| self.mem.looks_ready().into())
    }

    /// `None` if another thread has the ring.
    fn try_sync(&self, caller: Option<Caller<'_>>) -> Option<Synced> {
        let mut state = self.contention.enter(|| self.state.try_lock())?;
        let State { sent, queue } = &mut *state;
        let before = sent.head;
        let Some(mut sync) = self.begin(sent, self.mem.view().claimed(), caller) else {
            self.mem.reset_indexes(sent.indexes);
            return Some(Synced::Bad);
        };
        self.serve(&mut **queue, &mut sync, before);
        Some(sync.publish().into())
    }

    /// As [`sync`](Self::sync), for a ring whose `head` and `cur` the program says elsewhere, and
    /// only there: in a CSB. Waits for another thread. Returns what the program is to be told;
    /// an error if what it said made no sense, and it is to begin anew at what that has.
    pub(crate) fn sync_at(
        &self,
        claimed: Claimed,
        caller: Option<Caller<'_>>,
    ) -> Result<Indexes, Indexes> {
        let mut state = self.state.lock();
        let State { sent, queue } = &mut *state;
        let before = sent.head;
        let Some(mut sync) = self.begin(sent, claimed, caller) else {
            return Err(sent.indexes);
        };
        self.serve(&mut **queue, &mut sync, before);
        Ok(sync.finish())
    }

    /// Where the program is, by what the ring says if that is to be `believed` and makes sense, or
    /// else by what the last sync was told; and how far the kernel has come.
    pub(crate) fn position(&self, believed: bool) -> (Claimed, Indexes) {
        let state = self.state.lock();
        let Sent { indexes, head } = state.sent;
        (self.mem.position(believed, head, indexes.hwtail), indexes)
    }

    /// Begins a sync: checks head and cur. If they make no sense, the ring's slots are mended, and
    /// it goes on at the kernel's own.
    #[inline(always)]
    fn begin<'s>(
        &'s self,
        sent: &'s mut Sent,
        claimed: Claimed,
        caller: Option<Caller<'s>>,
    ) -> Option<TxSync<'s>> {
        let view = self.mem.view();
        let Indexes { hwcur, hwtail } = sent.indexes;
        let Some(at) = view.checked(claimed, sent.head, hwtail) else {
            sent.head = hwcur;
            self.mem.mend();
            self.counters.resets.add_alone(1);
            return None;
        };
        sent.head = at.head;
        Some(TxSync {
            ring: self,
            view,
            cur: at.cur,
            caller,
            sent,
        })
    }

    /// Has the queue do its part. Slots from `before` on are those that the program has released
    /// since the last sync.
    #[inline(always)]
    fn serve(&self, queue: &mut dyn TxQueue, sync: &mut TxSync<'_>, before: u32) {
        if self.tap.is_watched() {
            self.serve_watched(queue, sync, before);
        } else {
            queue.sync(sync);
        }
    }

    /// The same where somebody watches: he is shown what is sent, once, and what is free again.
    #[cold]
    #[inline(never)]
    fn serve_watched(&self, queue: &mut dyn TxQueue, sync: &mut TxSync<'_>, before: u32) {
        let slots = self.mem.slots();
        let released = dist(before, sync.sent.head, slots);
        if released > 0 {
            let unsent = sync.count().saturating_sub(released);
            let sight = Sight::new(&self.mem, before, released).behind(unsent, sync.caller);
            self.tap.show(|who, place| who.sending(place, &sight));
        }
        let on_their_way = add(sync.sent.indexes.hwtail, 1, slots);
        queue.sync(sync);
        let free = dist(on_their_way, add(sync.sent.indexes.hwtail, 1, slots), slots);
        if free > 0 {
            let sight = Sight::new(&self.mem, on_their_way, free).behind(0, sync.caller);
            self.tap.show(|who, place| who.sent(place, &sight));
        }
    }

    /// Calls `f` for every slot that the program has, or that it has released and nobody has sent.
    pub(crate) fn each_kept(&self, f: impl FnMut(u32)) {
        let slots = self.mem.slots();
        // Held to the end: nothing is sent from these slots meanwhile.
        let state = self.lock();
        let Indexes { hwcur, hwtail } = state.sent.indexes;
        let on_their_way = dist(add(hwtail, 1, slots), hwcur, slots);
        (on_their_way..slots)
            .map(|behind| add(hwcur, behind - on_their_way, slots))
            .for_each(f);
    }

    /// Whether the program has filled slots that no sync has taken yet. A hint: the program may be
    /// writing at this moment.
    pub(crate) fn has_unsent(&self) -> bool {
        self.mem.view().claimed().head != self.next.load(Relaxed)
    }
}

/// A sync of a transmit ring, with the program's indexes checked.
pub(crate) struct TxSync<'s> {
    ring: &'s TxRing,
    view: RingView<'s>,
    cur: u32,
    caller: Option<Caller<'s>>,
    sent: &'s mut Sent,
}

impl<'s> TxSync<'s> {
    pub(crate) fn ring(&self) -> &'s TxRing {
        self.ring
    }

    pub(crate) fn view(&self) -> RingView<'s> {
        self.view
    }

    /// Whose memory the addresses in slots mean (`NS_INDIRECT`). Nobody's, if somebody else syncs
    /// the ring.
    pub(crate) fn caller(&self) -> Option<Caller<'s>> {
        self.caller
    }

    /// First slot to send.
    pub(crate) fn first(&self) -> u32 {
        self.sent.indexes.hwcur
    }

    /// How many slots there are to send.
    pub(crate) fn count(&self) -> u32 {
        dist(self.first(), self.sent.head, self.ring.mem.slots())
    }

    /// The slots to send.
    pub(crate) fn slots(&self) -> impl Iterator<Item = SlotCell<'s>> {
        self.view.around(self.first(), self.count())
    }

    /// The slots to send, frame by frame. Of their flags `done` are taken off.
    pub(crate) fn frames<'c>(&self, done: u16, chain: &'c mut Chain) -> Frames<'s, 'c> {
        let slots = (self.first(), self.count());
        Frames::new(&self.ring.mem, slots, (0, done), chain)
    }

    /// The first `count` of the slots to send are on their way.
    pub(crate) fn advance(&mut self, count: u32) {
        self.sent.indexes.hwcur = add(self.first(), count, self.ring.mem.slots());
    }

    /// Slots that are on their way are free again up to the first of which `done` says no. Returns
    /// whether there are any.
    pub(crate) fn reclaim(&mut self, done: impl Fn(u32) -> bool) -> bool {
        let slots = self.ring.mem.slots();
        let Indexes { hwcur, hwtail } = &mut self.sent.indexes;
        let before = *hwtail;
        loop {
            let next = add(*hwtail, 1, slots);
            if next == *hwcur || !done(next) {
                return *hwtail != before;
            }
            *hwtail = next;
        }
    }

    /// Slots that are on their way are free again before `end`, which must be one of those, or the
    /// first to send. Returns the first of them, and how many there are.
    pub(crate) fn reclaim_up_to(&mut self, end: u32) -> (u32, u32) {
        let slots = self.ring.mem.slots();
        let first = add(self.sent.indexes.hwtail, 1, slots);
        self.sent.indexes.hwtail = prev(end, slots);
        (first, dist(first, end, slots))
    }

    /// Every slot is sent, and all but one are free again.
    pub(crate) fn all_sent(&mut self) {
        self.all_sent_but(0);
    }

    /// All slots but the last `left` are sent, and those are free again.
    pub(crate) fn all_sent_but(&mut self, left: u32) {
        self.advance(self.count().saturating_sub(left));
        self.sent.indexes.hwtail = prev(self.first(), self.ring.mem.slots().max(1));
    }

    /// Shows the program which slots are free. Returns whether it finds room past its `cur`.
    fn publish(self) -> bool {
        let (view, cur) = (self.view, self.cur);
        let Indexes { hwtail: tail, .. } = self.finish();
        view.set_tail(tail);
        cur != tail
    }

    /// What there is to publish.
    #[inline(always)]
    fn finish(self) -> Indexes {
        self.ring.next.store(self.sent.indexes.hwcur, Relaxed);
        self.sent.indexes
    }
}
