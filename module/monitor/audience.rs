// SPDX-License-Identifier: GPL-2.0

//! The monitors of one port.

use crate::{
    abi::consts::MONITOR_MAX_PER_PORT,
    live::{self, Counted},
    port::{Habits, PortLabel},
    refusal::Fallible,
    ring::{Place, RingSet, RxRing},
    sys::rcu::RcuSlot,
};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// What a monitor wants to see, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct What {
    /// Buffers are exchanged with the port's.
    pub(crate) zero_copy: bool,
    pub(crate) sent: bool,
    pub(crate) received: bool,
}

/// A monitor.
pub(super) struct Member {
    /// Which monitor of its port it is; the name says it as well.
    pub(super) number: u32,
    pub(super) name: PortLabel,
    pub(super) what: What,
    /// Its own, of which receive ring i is for ring i of either direction of the port.
    pub(super) rings: Arc<RingSet>,
}

/// All monitors of a port, from the moment on that there is one, until the port is closed or there
/// is none any more.
pub(super) struct Audience {
    /// In the order in which zero-copy monitors feed each other.
    seats: [RcuSlot<Member>; MONITOR_MAX_PER_PORT],
    pub(super) habits: Habits,
    /// The number of a monitor's first host ring.
    first_host: u16,
    over: AtomicBool,
    _live: Counted,
}

/// Who of them.
#[derive(Clone, Copy)]
pub(super) enum Whom {
    /// The one in that seat.
    In(usize),
    /// The first zero-copy monitor, from that seat on, that has the ring.
    FirstFrom(usize),
}

/// The seat of one who is shown something. Who sat there when it was chosen may have left, and
/// another one come, for whom it is not.
#[derive(Clone, Copy)]
pub(super) enum Chosen {
    Any(usize),
    ZeroCopy(usize),
}

impl Audience {
    pub(super) fn new(habits: Habits, first_host: u16) -> Fallible<Arc<Self>> {
        let audience = Audience {
            seats: [const { RcuSlot::new() }; MONITOR_MAX_PER_PORT],
            habits,
            first_host,
            over: AtomicBool::new(false),
            _live: Counted::new(live::Kind::Audience),
        };
        Ok(Arc::new(audience, GFP_KERNEL_ACCOUNT)?)
    }

    /// One more. `None` if all seats are taken. One request at a time does.
    pub(super) fn sit(&self, member: &Arc<Member>) -> Option<usize> {
        let free = self.seats.iter().position(|seat| !seat.is_there())?;
        self.seats[free].replace(Some(member.clone()));
        Some(free)
    }

    /// One less: it is shown nothing after this.
    pub(super) fn rise(&self, at: usize) {
        if let Some(seat) = self.seats.get(at) {
            drop(seat.replace(None));
        }
    }

    /// The seats of those of whom `is` says so.
    pub(super) fn who<'a>(
        &'a self,
        is: impl Fn(What) -> bool + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        // Most seats are empty, which is seen without a guard.
        let there = move |&at: &usize| {
            let Some(seat) = self.seats.get(at).filter(|seat| seat.is_there()) else {
                return false;
            };
            let guard = rcu::read_lock();
            seat.load(&guard).is_some_and(|member| is(member.what))
        };
        (0..MONITOR_MAX_PER_PORT).filter(there)
    }

    /// Who that is, at this moment, for the receive ring of that number.
    pub(super) fn choose(&self, whom: Whom, number: u16) -> Option<Chosen> {
        let first = match whom {
            Whom::In(seat) => return Some(Chosen::Any(seat)),
            Whom::FirstFrom(first) => first,
        };
        let guard = rcu::read_lock();
        let mut seats = (first..MONITOR_MAX_PER_PORT).map(Chosen::ZeroCopy);
        seats.find(|seat| self.ring(*seat, number, &guard).is_some())
    }

    /// The receive ring of that number, if whoever was chosen has it bound.
    pub(super) fn ring<'g>(
        &'g self,
        chosen: Chosen,
        number: u16,
        guard: &'g rcu::Guard,
    ) -> Option<&'g RxRing> {
        let (Chosen::Any(seat) | Chosen::ZeroCopy(seat)) = chosen;
        let member = self.seats.get(seat)?.load(guard)?;
        let meant = member.what.zero_copy || matches!(chosen, Chosen::Any(_));
        meant.then(|| member.rings.rx(number, guard))?
    }

    /// The number of the receive ring where a monitor sees that ring of the port.
    pub(super) fn number(&self, place: Place) -> u16 {
        if place.host {
            place.number.saturating_add(self.first_host)
        } else {
            place.number
        }
    }

    /// Whether the port has been closed, or has gone away.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// There is nothing more to see: wakes who waits for it.
    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
        let guard = rcu::read_lock();
        for seat in &self.seats {
            let Some(member) = seat.load(&guard) else {
                continue;
            };
            for number in 0..member.rings.shape().host_rx().end {
                if let Some(ring) = member.rings.rx(number, &guard) {
                    ring.waiters().wake_in_vain();
                }
            }
        }
    }
}
