// SPDX-License-Identifier: GPL-2.0

//! A transmit ring.

use super::{
    count::TxCounters,
    mem::{Direction, RingMem},
    Begun, Indexes,
};
use crate::{
    abi::cursor::{dist, prev},
    memory::{Region, RingView},
    refusal::Answer,
    sys::wait::WaitQueue,
};
use kernel::{
    prelude::*,
    sync::{lock::mutex::MutexBackend, lock::Guard, new_mutex, Arc, Mutex},
};

/// A transmit ring that is bound by somebody.
#[pin_data]
pub(crate) struct TxRing {
    pub(crate) mem: RingMem,
    pub(crate) counters: TxCounters,
    /// Woken when slots become free.
    #[pin]
    pub(crate) wait: WaitQueue,
    #[pin]
    state: Mutex<State>,
}

struct State {
    indexes: Indexes,
    /// The last head that was accepted: the next one is measured from there.
    head: u32,
}

impl TxRing {
    pub(super) fn new(region: &Arc<Region>, number: u16, slots: u32) -> Answer<Arc<Self>> {
        let mem = RingMem::new(region, number, slots, Direction::Tx)?;
        let state = State {
            indexes: Indexes {
                hwcur: 0,
                hwtail: slots.saturating_sub(1),
            },
            head: 0,
        };
        Ok(Arc::pin_init(
            pin_init!(TxRing {
                mem,
                counters: TxCounters::default(),
                wait <- WaitQueue::new(),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL,
        )?)
    }

    /// Begins a sync: fetches head and cur, once, and checks them.
    pub(crate) fn begin(&self) -> Begun<TxSync<'_>> {
        let Some(mut state) = self.state.try_lock() else {
            return Begun::Busy;
        };
        let view = self.mem.view();
        let hwtail = state.indexes.hwtail;
        match view.claimed().check(self.mem.slots(), state.head, hwtail) {
            Some(checked) => {
                state.head = checked.head();
                Begun::Ready(TxSync {
                    ring: self,
                    view,
                    cur: checked.cur(),
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

    /// Whether the program has filled slots that no sync has taken yet. A hint: the program may be
    /// writing at this moment.
    pub(crate) fn has_unsent(&self) -> bool {
        self.state
            .try_lock()
            .is_some_and(|state| self.mem.view().claimed().head != state.indexes.hwcur)
    }
}

/// A sync of a transmit ring, with the program's indexes checked.
pub(crate) struct TxSync<'r> {
    ring: &'r TxRing,
    view: RingView<'r>,
    cur: u32,
    state: Guard<'r, State, MutexBackend>,
}

impl<'r> TxSync<'r> {
    pub(crate) fn ring(&self) -> &'r TxRing {
        self.ring
    }

    pub(crate) fn view(&self) -> RingView<'r> {
        self.view
    }

    /// First slot to send.
    pub(crate) fn first(&self) -> u32 {
        self.state.indexes.hwcur
    }

    /// How many slots there are to send.
    pub(crate) fn count(&self) -> u32 {
        let Indexes { hwcur, .. } = self.state.indexes;
        dist(hwcur, self.state.head, self.ring.mem.slots())
    }

    /// Ends the sync: every slot is sent, and all but one are free again. Answers whether the program
    /// finds room past its `cur`.
    pub(crate) fn all_sent(mut self) -> bool {
        let head = self.state.head;
        let tail = prev(head, self.ring.mem.slots().max(1));
        self.state.indexes = Indexes {
            hwcur: head,
            hwtail: tail,
        };
        self.publish()
    }

    /// Ends the sync with nothing sent. Answers whether the program finds room past its `cur`.
    pub(crate) fn nothing_sent(self) -> bool {
        self.publish()
    }

    fn publish(self) -> bool {
        let tail = self.state.indexes.hwtail;
        self.view.set_tail(tail);
        self.cur != tail
    }
}
