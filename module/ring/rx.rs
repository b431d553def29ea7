// SPDX-License-Identifier: GPL-2.0

//! A receive ring.

use super::{
    count::RxCounters,
    inbox::{Inbox, Lease},
    mem::{Direction, RingMem},
    parts::Parts,
    turns::{Begun, Turns},
    Indexes,
};
use crate::{
    abi::{
        consts::{NR_TIMESTAMP, NS_MOREFRAG},
        cursor::{add, dist, prev},
    },
    memory::{Position, RingView, SlotCell, Use},
    params,
    refusal::Answer,
    sys::net::bell::Bell,
    sys::{bottom_half::Disabled, clock, wait::WaitQueue},
};
use core::sync::atomic::AtomicU32;
use kernel::{
    bindings::{POLLIN, POLLRDNORM},
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, new_mutex, Arc, Mutex, SetOnce},
};

/// A receive ring that is bound by somebody.
#[pin_data]
pub(crate) struct RxRing {
    pub(crate) mem: RingMem,
    pub(crate) counters: RxCounters,
    /// Where senders put frames.
    inbox: Inbox<KVVec<AtomicU32>>,
    #[pin]
    wait: WaitQueue,
    /// Where frames come one by one.
    bell: SetOnce<Arc<Bell>>,
    turns: Turns,
    #[pin]
    state: Mutex<State>,
}

struct State {
    indexes: Indexes,
    /// Where released frames may be forwarded: what the slots released so far say about the next.
    parts: Parts,
}

impl RxRing {
    pub(super) fn new(memory: &Use, number: u16, slots: u32) -> Answer<Arc<Self>> {
        let mem = RingMem::new(memory.clone(), number, slots, Direction::Rx)?;
        let mut marks = KVVec::with_capacity(slots as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..slots {
            marks.push(AtomicU32::new(0), GFP_KERNEL_ACCOUNT)?;
        }
        let state = State {
            indexes: Indexes {
                hwcur: 0,
                hwtail: 0,
            },
            parts: Parts::default(),
        };
        Ok(Arc::pin_init(
            pin_init!(RxRing {
                mem,
                counters: RxCounters::default(),
                inbox: Inbox::new(marks),
                wait <- WaitQueue::new(),
                bell: SetOnce::new(),
                turns: Turns::new(),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// Has readers woken by a bell. Only the first time counts.
    pub(crate) fn set_bell(&self, bell: Arc<Bell>) {
        self.bell.populate(bell);
    }

    pub(crate) fn bell(&self) -> Option<&Arc<Bell>> {
        self.bell.as_ref()
    }

    /// Woken when frames arrive.
    pub(crate) fn news(&self) -> &WaitQueue {
        self.bell().map_or(&self.wait, |bell| &bell.wait)
    }

    /// Reserves slots for a sender: see [`Inbox::reserve`]. Other senders' frames wait behind these slots, so nobody may
    /// interrupt him until he commits them.
    #[inline(always)]
    pub(crate) fn reserve(&self, take: impl Fn(u32) -> u32, _: &Disabled) -> Option<Lease> {
        self.inbox.reserve(take)
    }

    /// Hands filled slots to the program.
    #[inline(always)]
    pub(crate) fn commit(&self, lease: Lease, _: &Disabled) {
        self.inbox.commit(lease);
    }

    /// Has `sync` sync the ring, unless another thread does. It answers whether the program finds frames past its `cur`.
    pub(crate) fn sync(&self, sync: impl Fn(RxSync<'_>) -> bool) -> Begun<bool> {
        let once = || self.begin().map(&sync);
        self.turns
            .serve(once, || self.news().wake(POLLIN | POLLRDNORM))
    }

    /// Begins a sync: fetches head and cur, once, and checks them.
    fn begin(&self) -> Begun<RxSync<'_>> {
        let Some(state) = self.turns.enter(|| self.state.try_lock()) else {
            return Begun::Busy;
        };
        let view = self.mem.view();
        let Indexes { hwcur, hwtail } = state.indexes;
        match view.position(hwcur, hwtail) {
            Some(at) => Begun::Ready(RxSync {
                ring: self,
                view,
                head: at.head,
                cur: at.cur,
                state,
            }),
            None => {
                self.mem.reset(hwcur, hwtail);
                self.counters.resets.add_alone(1);
                Begun::Bad
            }
        }
    }
}

impl RxRing {
    /// Takes frames that have arrived, as the program would: shows `take` frame by frame, until it answers false, and
    /// releases those before. Answers whether there were any.
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
            let next = add(at, frame.slots, slots);
            if !take(frame) {
                break;
            }
            at = next;
        }
        view.advance(at);
        at != head
    }
}

/// A frame that has arrived, with all its slots.
pub(crate) struct Arrived<'r> {
    view: RingView<'r>,
    first: u32,
    slots: u32,
}

impl<'r> Arrived<'r> {
    /// The frame that starts at slot `first`, of `there` slots. They come whole: one that says to go on behind these was
    /// scribbled on, and ends here.
    fn new(view: RingView<'r>, first: u32, there: u32) -> Self {
        let last = view
            .around(first, there)
            .position(|cell| cell.flags() & NS_MOREFRAG == 0);
        let slots = last.map_or(there, |last| last as u32 + 1);
        Arrived { view, first, slots }
    }

    /// How many slots it has.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = SlotCell<'r>> {
        self.view.around(self.first, self.slots)
    }
}

/// A sync of a receive ring, with the program's indexes checked.
pub(crate) struct RxSync<'r> {
    ring: &'r RxRing,
    view: RingView<'r>,
    head: u32,
    cur: u32,
    state: Guard<'r, State, MutexBackend>,
}

impl<'r> RxSync<'r> {
    pub(crate) fn ring(&self) -> &'r RxRing {
        self.ring
    }

    pub(crate) fn view(&self) -> RingView<'r> {
        self.view
    }

    /// The slots that the program has released since the last sync.
    pub(crate) fn released(&self) -> impl Iterator<Item = SlotCell<'r>> {
        self.view
            .around(self.state.indexes.hwcur, self.released_count())
    }

    fn released_count(&self) -> u32 {
        dist(self.state.indexes.hwcur, self.head, self.ring.mem.slots())
    }

    /// What the slots released before say about the first of these.
    pub(crate) fn parts(&self) -> Parts {
        self.state.parts
    }

    /// Keeps what the slots released by now say about the next one.
    pub(crate) fn keep_parts(&mut self, parts: Parts) {
        self.state.parts = parts;
    }

    /// The same, where nobody has looked at them: the last one tells.
    pub(crate) fn pass_parts(&mut self) {
        if self.released_count() > 0 {
            let last = prev(self.head, self.ring.mem.slots());
            self.state.parts = Parts::behind(self.view.slot(last).flags);
        }
    }

    /// Ends the sync: gives released slots back to the senders, and shows the program what they have
    /// delivered since. Answers whether the program finds frames past its `cur`.
    pub(crate) fn collect(mut self) -> bool {
        let (slots, inbox) = (self.ring.mem.slots(), &self.ring.inbox);
        let released = self.released_count();
        if released != 0 {
            inbox.release(released);
            self.state.indexes.hwcur = self.head;
        }
        let arrived = inbox.collect(self.state.indexes.hwtail);
        self.state.indexes.hwtail = add(self.state.indexes.hwtail, arrived, slots);
        self.publish()
    }

    /// Ends the sync of a port where nothing ever arrives.
    pub(crate) fn nothing_arrived(mut self) -> bool {
        self.state.indexes.hwcur = self.head;
        self.publish()
    }

    fn publish(self) -> bool {
        if params::no_timestamp.get() == 0 || self.view.flags() & NR_TIMESTAMP != 0 {
            self.view.set_timestamp(clock::wall());
        }
        let tail = self.state.indexes.hwtail;
        self.view.set_tail(tail);
        self.cur != tail
    }
}
