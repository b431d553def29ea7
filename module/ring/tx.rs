// SPDX-License-Identifier: GPL-2.0

//! A transmit ring.

use super::{
    count::TxCounters,
    mem::{Direction, RingMem},
    parts::Parts,
    rx::Arrived,
    turns::{Begun, Turns},
    Indexes,
};
use crate::{
    abi::{
        consts::{NS_BUF_CHANGED, NS_MOREFRAG},
        cursor::{add, dist, prev},
        wire::Slot,
    },
    memory::{RingView, SlotCell, Use},
    refusal::Answer,
    sys::net::tickets::{Tickets, WakeUp},
    sys::{user::Caller, wait::WaitQueue},
};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::{
    bindings::{POLLOUT, POLLWRNORM},
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, new_mutex, Arc, Mutex, SetOnce},
};

/// A transmit ring that is bound by somebody.
#[pin_data]
pub(crate) struct TxRing {
    pub(crate) mem: RingMem,
    pub(crate) counters: TxCounters,
    #[pin]
    wait: WaitQueue,
    /// Of frames that leave later, where there is a driver below.
    tickets: SetOnce<Arc<Tickets>>,
    turns: Turns,
    /// First slot that no sync has taken, for those who have not got the ring.
    sent: AtomicU32,
    #[pin]
    state: Mutex<State>,
}

struct State {
    indexes: Indexes,
    /// The last head that was accepted: the next one is measured from there.
    head: u32,
    /// Where frames have one slot: what the slots sent so far say about the next.
    parts: Parts,
    /// Brings sleepers back while the driver is full.
    wake_up: WakeUp,
}

impl TxRing {
    pub(super) fn new(memory: &Use, number: u16, slots: u32) -> Answer<Arc<Self>> {
        let mem = RingMem::new(memory.clone(), number, slots, Direction::Tx)?;
        let state = State {
            indexes: Indexes {
                hwcur: 0,
                hwtail: slots.saturating_sub(1),
            },
            head: 0,
            parts: Parts::default(),
            wake_up: WakeUp::default(),
        };
        Ok(Arc::pin_init(
            pin_init!(TxRing {
                mem,
                counters: TxCounters::default(),
                wait <- WaitQueue::new(),
                tickets: SetOnce::new(),
                turns: Turns::new(),
                sent: AtomicU32::new(0),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// Where frames tell that they have left. Only the first time counts.
    pub(crate) fn set_tickets(&self, tickets: Arc<Tickets>) {
        self.tickets.populate(tickets);
    }

    pub(crate) fn tickets(&self) -> Option<&Arc<Tickets>> {
        self.tickets.as_ref()
    }

    /// Woken when slots become free.
    pub(crate) fn news(&self) -> &WaitQueue {
        self.tickets().map_or(&self.wait, |tickets| &tickets.wait)
    }

    /// Has `sync` sync the ring, unless another thread does. It answers whether the program finds room past its `cur`.
    /// `caller` is the process that asks for it, if it is its memory that addresses in slots mean.
    pub(crate) fn sync(
        &self,
        caller: Option<Caller<'_>>,
        sync: impl Fn(TxSync<'_>) -> bool,
    ) -> Begun<bool> {
        let once = || self.begin(caller).map(&sync);
        self.turns
            .serve(once, || self.news().wake(POLLOUT | POLLWRNORM))
    }

    /// Begins a sync: fetches head and cur, once, and checks them.
    fn begin<'r>(&'r self, caller: Option<Caller<'r>>) -> Begun<TxSync<'r>> {
        let Some(mut state) = self.turns.enter(|| self.state.try_lock()) else {
            return Begun::Busy;
        };
        let view = self.mem.view();
        let hwtail = state.indexes.hwtail;
        match view.position(state.head, hwtail) {
            Some(at) => {
                state.head = at.head;
                Begun::Ready(TxSync {
                    ring: self,
                    view,
                    cur: at.cur,
                    caller,
                    state,
                })
            }
            None => {
                let hwcur = state.indexes.hwcur;
                state.head = hwcur;
                self.mem.reset(hwcur, hwtail);
                self.counters.resets.add_alone(1);
                Begun::Bad
            }
        }
    }

    /// Begins to add frames behind the program's own; waits for another thread that syncs the ring. `None` if the
    /// program's indexes make no sense. To be followed by a [`sync`](Self::sync), for frames to leave and for those
    /// who came meanwhile.
    pub(crate) fn append(&self) -> Option<Append<'_>> {
        let state = self.state.lock();
        let (view, slots, tail) = (self.mem.view(), self.mem.slots(), state.indexes.hwtail);
        let at = view.position(state.head, tail)?;
        Some(Append {
            view,
            slots,
            head: at.head,
            tail,
            _state: state,
        })
    }

    /// Whether the program has filled slots that no sync has taken yet. A hint: the program may be
    /// writing at this moment.
    pub(crate) fn has_unsent(&self) -> bool {
        self.mem.view().claimed().head != self.sent.load(Relaxed)
    }
}

/// Adds frames to a transmit ring as the program would.
pub(crate) struct Append<'r> {
    view: RingView<'r>,
    slots: u32,
    head: u32,
    tail: u32,
    _state: Guard<'r, State, MutexBackend>,
}

impl Append<'_> {
    /// Puts a frame of one slot, taken from `from`, into the next free slot, by exchanging buffers. False if there
    /// is none.
    pub(crate) fn exchange(&mut self, from: SlotCell<'_>, frame: Slot) -> bool {
        self.has_room(1) && {
            self.swap(from, frame, 0);
            true
        }
    }

    /// Puts a frame into as many free slots as it has, by exchanging buffers. False if there are not as many.
    pub(crate) fn carry(&mut self, frame: &Arrived<'_>) -> bool {
        if !self.has_room(frame.slots()) {
            return false;
        }
        // The frame's end is where it was found, whatever others write into its slots meanwhile.
        for (left, from) in (0..frame.slots()).rev().zip(frame.cells()) {
            self.swap(from, from.take(), if left > 0 { NS_MOREFRAG } else { 0 });
        }
        true
    }

    fn has_room(&self, slots: u32) -> bool {
        slots <= dist(self.head, self.tail, self.slots)
    }

    /// Exchanges buffers with the next slot, which must be free.
    fn swap(&mut self, from: SlotCell<'_>, part: Slot, more: u16) {
        let to = self.view.cell(self.head);
        let theirs = to.buf();
        to.set(part.buf_idx, part.len, NS_BUF_CHANGED | more);
        from.set(theirs, part.len, NS_BUF_CHANGED);
        self.head = add(self.head, 1, self.slots);
    }
}

impl Drop for Append<'_> {
    fn drop(&mut self) {
        self.view.advance(self.head);
    }
}

/// A sync of a transmit ring, with the program's indexes checked.
pub(crate) struct TxSync<'r> {
    ring: &'r TxRing,
    view: RingView<'r>,
    cur: u32,
    caller: Option<Caller<'r>>,
    state: Guard<'r, State, MutexBackend>,
}

impl<'r> TxSync<'r> {
    pub(crate) fn ring(&self) -> &'r TxRing {
        self.ring
    }

    pub(crate) fn view(&self) -> RingView<'r> {
        self.view
    }

    /// Whose memory the addresses in slots mean (`NS_INDIRECT`). Nobody's, if somebody else syncs the ring.
    pub(crate) fn caller(&self) -> Option<Caller<'r>> {
        self.caller
    }

    /// First slot to send.
    pub(crate) fn first(&self) -> u32 {
        self.state.indexes.hwcur
    }

    /// The slots to send.
    pub(crate) fn slots(&self) -> impl Iterator<Item = SlotCell<'r>> {
        self.view.around(self.first(), self.count())
    }

    /// What the slots sent before say about the first one.
    pub(crate) fn parts(&self) -> Parts {
        self.state.parts
    }

    /// Keeps what the slots sent by now say about the next one.
    pub(crate) fn keep_parts(&mut self, parts: Parts) {
        self.state.parts = parts;
    }

    /// How many slots there are to send.
    pub(crate) fn count(&self) -> u32 {
        let Indexes { hwcur, .. } = self.state.indexes;
        dist(hwcur, self.state.head, self.ring.mem.slots())
    }

    /// Ends the sync: every slot is sent, and all but one are free again. Answers whether the program
    /// finds room past its `cur`.
    pub(crate) fn all_sent(self) -> bool {
        self.all_sent_but(0)
    }

    /// Ends the sync: all slots but the last `left` are sent, and those are free again. Answers the same.
    pub(crate) fn all_sent_but(mut self, left: u32) -> bool {
        let slots = self.ring.mem.slots();
        let sent = self.count().saturating_sub(left);
        let hwcur = add(self.state.indexes.hwcur, sent, slots);
        self.state.indexes = Indexes {
            hwcur,
            hwtail: prev(hwcur, slots.max(1)),
        };
        self.publish()
    }

    /// Ends the sync: `count` slots are on their way, and those are free again up to which `done` says yes of each. Answers
    /// whether the program finds room past its `cur`.
    pub(crate) fn taken(mut self, count: u32, done: impl Fn(u32) -> bool) -> bool {
        let slots = self.ring.mem.slots();
        let Indexes { hwcur, mut hwtail } = self.state.indexes;
        let hwcur = add(hwcur, count, slots);
        let before = hwtail;
        loop {
            let next = add(hwtail, 1, slots);
            if next == hwcur || !done(next) {
                break;
            }
            hwtail = next;
        }
        self.state.indexes = Indexes { hwcur, hwtail };
        match self.ring.tickets() {
            Some(tickets) if hwcur != self.state.head => {
                let moved = count > 0 || hwtail != before;
                self.state.wake_up.set(tickets, moved);
            }
            _ => self.state.wake_up.clear(),
        }
        self.publish()
    }

    /// Ends the sync with nothing sent. Answers whether the program finds room past its `cur`.
    pub(crate) fn nothing_sent(self) -> bool {
        self.publish()
    }

    fn publish(self) -> bool {
        let Indexes {
            hwcur,
            hwtail: tail,
        } = self.state.indexes;
        self.ring.sent.store(hwcur, Relaxed);
        self.view.set_tail(tail);
        self.cur != tail
    }
}
