// SPDX-License-Identifier: GPL-2.0

//! All monitors there are.

use super::audience::{Audience, Member};
use crate::{
    abi::consts::MONITOR_MAX_PER_PORT,
    port::Port,
    refusal::{refuse, Fallible, Name},
    ring::{RingSet, Watcher},
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

#[pin_data]
pub(crate) struct Monitors {
    #[pin]
    list: Mutex<KVec<Entry>>,
}

/// A port that is watched, or was until it was closed.
struct Entry {
    rings: Arc<RingSet>,
    audience: Arc<Audience>,
    /// By their numbers.
    members: KVec<Arc<Member>>,
}

impl Entry {
    /// The number of the next one: above all that are there.
    fn next(&self) -> u32 {
        self.members
            .last()
            .map_or(0, |newest| newest.number.wrapping_add(1))
    }
}

impl Monitors {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Monitors {
                list <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// A monitor of `port`, which `make` makes by its number. `first_host` is the number of its
    /// first host ring.
    pub(super) fn join(
        self: &Arc<Self>,
        port: &dyn Port,
        first_host: u16,
        make: impl FnOnce(u32) -> Fallible<Arc<Member>>,
    ) -> Fallible<Seat> {
        // An interface looks at itself for that, whose lock comes before ours.
        let habits = port.habits();
        let mut list = self.list.lock();
        let known = list
            .iter()
            .position(|entry| Arc::ptr_eq(&entry.rings, port.rings()) && !entry.audience.is_over());
        let member = make(known.map_or(0, |at| list[at].next()))?;
        let at = match known {
            Some(at) => at,
            None => {
                let entry = Entry {
                    rings: port.rings().clone(),
                    audience: Audience::new(habits, first_host)?,
                    members: KVec::new(),
                };
                list.push(entry, GFP_KERNEL)?;
                list.len() - 1
            }
        };
        let sat = list[at].admit(port, &member);
        if sat.is_err() && list[at].members.is_empty() {
            let _ = list.remove(at);
        }
        let seat = sat?;
        Ok(Seat {
            monitors: self.clone(),
            audience: list[at].audience.clone(),
            at: seat,
            member,
        })
    }

    /// Calls `each` for every monitor: its name, whether it gets copies, and its rings.
    pub(crate) fn each(&self, mut each: impl FnMut(&[u8], bool, &RingSet)) {
        for entry in self.list.lock().iter() {
            for member in entry.members.iter() {
                each(&member.name, !member.what.zero_copy, &member.rings);
            }
        }
    }

    /// One less. The last one of a port closes its entry.
    fn leave(&self, seat: &Seat) {
        let mut list = self.list.lock();
        let is_it = |entry: &Entry| Arc::ptr_eq(&entry.audience, &seat.audience);
        let Some(at) = list.iter().position(is_it) else {
            return;
        };
        seat.audience.rise(seat.at);
        let entry = &mut list[at];
        let is_it = |member: &Arc<Member>| Arc::ptr_eq(member, &seat.member);
        let member = entry.members.iter().position(is_it);
        let member = member.map(|at| entry.members.remove(at));
        let mut gone = None;
        if entry.members.is_empty() {
            let who: Arc<dyn Watcher> = entry.audience.clone();
            entry.rings.unwatch(&who);
            gone = list.remove(at).ok();
        }
        drop(list);
        // What goes with them takes locks of its own.
        drop((member, gone));
    }
}

impl Entry {
    /// Has a monitor shown what passes through the port. Returns its seat.
    fn admit(&mut self, port: &dyn Port, member: &Arc<Member>) -> Fallible<usize> {
        self.members.reserve(1, GFP_KERNEL_ACCOUNT)?;
        if self.members.is_empty() && !self.rings.watch(self.audience.clone())? {
            refuse!(
                EINVAL,
                "nobody has {} open, so there is nothing to see: open it first",
                Name(port.name())
            );
        }
        let Some(seat) = self.audience.sit(member) else {
            refuse!(
                EBUSY,
                "{} has {} monitors, which is as many as a port can have",
                Name(port.name()),
                MONITOR_MAX_PER_PORT
            );
        };
        // The room was reserved above.
        let _ = self.members.push_within_capacity(member.clone());
        Ok(seat)
    }
}

/// A monitor's place among those of its port. Dropping it gives it up.
pub(super) struct Seat {
    monitors: Arc<Monitors>,
    pub(super) audience: Arc<Audience>,
    pub(super) at: usize,
    pub(super) member: Arc<Member>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.monitors.leave(self);
    }
}
