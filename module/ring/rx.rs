// SPDX-License-Identifier: GPL-2.0

//! A receive ring.

use super::{
    count::RxCounters,
    inbox::{Inbox, Lease},
    mem::{Direction, RingMem},
    Begun, Indexes,
};
use crate::{
    abi::{
        consts::NR_TIMESTAMP,
        cursor::{add, dist},
    },
    memory::{Position, RingView, SlotCell, Use},
    net::bell::Bell,
    params,
    refusal::Answer,
    sys::{bottom_half::Disabled, clock, wait::WaitQueue},
};
use core::sync::atomic::AtomicU32;
use kernel::{
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
    #[pin]
    state: Mutex<Indexes>,
}

impl RxRing {
    pub(super) fn new(memory: &Use, number: u16, slots: u32) -> Answer<Arc<Self>> {
        let mem = RingMem::new(memory.clone(), number, slots, Direction::Rx)?;
        let mut marks = KVVec::with_capacity(slots as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..slots {
            marks.push(AtomicU32::new(0), GFP_KERNEL_ACCOUNT)?;
        }
        let state = Indexes {
            hwcur: 0,
            hwtail: 0,
        };
        Ok(Arc::pin_init(
            pin_init!(RxRing {
                mem,
                counters: RxCounters::default(),
                inbox: Inbox::new(marks),
                wait <- WaitQueue::new(),
                bell: SetOnce::new(),
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

    /// Begins a sync: fetches head and cur, once, and checks them.
    pub(crate) fn begin(&self) -> Begun<RxSync<'_>> {
        let Some(state) = self.state.try_lock() else {
            return Begun::Busy;
        };
        let view = self.mem.view();
        let Indexes { hwcur, hwtail } = *state;
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
    /// Takes frames that have arrived, as the program would: shows `take` slot by slot, until it answers false, and
    /// releases those before. Answers how many these are.
    pub(crate) fn read<'r>(&'r self, mut take: impl FnMut(SlotCell<'r>) -> bool) -> u32 {
        let Some(state) = self.state.try_lock() else {
            return 0;
        };
        let (view, slots) = (self.mem.view(), self.mem.slots());
        let Indexes { hwcur, hwtail } = *state;
        let Some(Position { head, .. }) = view.position(hwcur, hwtail) else {
            return 0;
        };
        let mut cells = view.around(head, dist(head, hwtail, slots));
        let taken = cells.position(|cell| !take(cell));
        let taken = taken.map_or(dist(head, hwtail, slots), |taken| taken as u32);
        view.advance(add(head, taken, slots));
        taken
    }
}

/// A sync of a receive ring, with the program's indexes checked.
pub(crate) struct RxSync<'r> {
    ring: &'r RxRing,
    view: RingView<'r>,
    head: u32,
    cur: u32,
    state: Guard<'r, Indexes, MutexBackend>,
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
        let count = dist(self.state.hwcur, self.head, self.ring.mem.slots());
        self.view.around(self.state.hwcur, count)
    }

    /// Ends the sync: gives released slots back to the senders, and shows the program what they have
    /// delivered since. Answers whether the program finds frames past its `cur`.
    pub(crate) fn collect(mut self) -> bool {
        let (slots, inbox) = (self.ring.mem.slots(), &self.ring.inbox);
        let released = dist(self.state.hwcur, self.head, slots);
        if released != 0 {
            inbox.release(released);
            self.state.hwcur = self.head;
        }
        let arrived = inbox.collect(self.state.hwtail);
        self.state.hwtail = add(self.state.hwtail, arrived, slots);
        self.publish()
    }

    /// Ends the sync of a port where nothing ever arrives.
    pub(crate) fn nothing_arrived(mut self) -> bool {
        self.state.hwcur = self.head;
        self.publish()
    }

    fn publish(self) -> bool {
        if params::no_timestamp.get() == 0 || self.view.flags() & NR_TIMESTAMP != 0 {
            self.view.set_timestamp(clock::wall());
        }
        let tail = self.state.hwtail;
        self.view.set_tail(tail);
        self.cur != tail
    }
}
