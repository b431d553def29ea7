// SPDX-License-Identifier: GPL-2.0

//! The second half of a burst: which frames go into which rings, and who is woken for it.

use super::{
    fill::Load,
    frame::FLOOD,
    origin::Origin,
    runs::RunList,
    scratch::{Scratch, Woken},
    sender::Sender,
    switch::Member,
    virtio::Reheader,
};
use crate::ring::count::TxDrop;
use core::cell::Cell;
use kernel::sync::rcu;

impl Scratch {
    /// Brings every frame to its destination, and leaves the lists empty.
    #[inline(never)]
    pub(super) fn deliver(&mut self, sender: &Sender<'_>, origin: &impl Origin) {
        let guard = rcu::read_lock();
        if sender.switch.has(sender.member, &guard) {
            self.deliver_all(sender, origin, &guard);
        } else {
            // It was pulled out meanwhile.
            let counters = &sender.ring.counters;
            counters.drop(TxDrop::Nobody, self.taken as u64);
        }
        drop(guard);
        for dest in self.sorted.touched.drain_all() {
            self.sorted.lists[usize::from(dest)] = RunList::EMPTY;
        }
    }

    #[inline(always)]
    fn deliver_all(&self, sender: &Sender<'_>, origin: &impl Origin, guard: &rcu::Guard) {
        let counters = &sender.ring.counters;
        let flood = self.sorted.lists[usize::from(FLOOD)];
        for &dest in &self.sorted.touched {
            if dest == FLOOD {
                continue;
            }
            let own = self.sorted.lists[usize::from(dest)];
            let Some(to) = sender.switch.member(dest, self.asked, guard) else {
                counters.drop(TxDrop::Nobody, own.frames.into());
                continue;
            };
            let number = unicast_ring(to, sender.number);
            if number == 0 && !flood.is_empty() && dest != sender.member.index {
                // With the flooded ones, below, so that the order is kept. The sender gets none of
                // those.
                continue;
            }
            let lists = (own, RunList::EMPTY);
            if self.deliver_to(sender, origin, (to, number), lists, guard) == Some(true) {
                self.woken.own.insert(dest);
            }
        }
        if !flood.is_empty() {
            let mut reached = false;
            // A flooded frame has several receivers, but one buffer.
            let origin = origin.shared();
            let all = sender.switch.members(self.asked, guard);
            for to in all.filter(|to| to.index != sender.member.index) {
                let own = if unicast_ring(to, sender.number) == 0 {
                    self.sorted.lists[usize::from(to.index)]
                } else {
                    RunList::EMPTY
                };
                let arrived = self.deliver_to(sender, &origin, (to, 0), (own, flood), guard);
                reached |= arrived.is_some();
                if arrived == Some(true) {
                    self.woken.flood.insert(to.index);
                }
            }
            if !reached {
                counters.drop(TxDrop::Nobody, flood.frames.into());
            }
        }
    }

    /// Brings the frames of two lists, the port's own and flooded ones, to a ring of it. Returns
    /// whether some arrived, or `None` if the ring is not there at all.
    fn deliver_to(
        &self,
        sender: &Sender<'_>,
        origin: &impl Origin,
        (to, number): (&Member, u16),
        (own, flood): (RunList, RunList),
        guard: &rcu::Guard,
    ) -> Option<bool> {
        let counters = &sender.ring.counters;
        let due = Cell::new(false);
        let load = Load {
            runs: own.merge(flood, &self.sorted.runs),
            frames: own.frames + flood.frames,
            slots: own.slots + flood.slots,
            header: Reheader::between(sender.header, to.header()),
            due: &due,
        };
        let Some(ring) = to.rings.rx(number, guard) else {
            if let Some(stack) = to.stack(guard) {
                self.up(load, sender.header, origin, counters, stack);
                return Some(false);
            }
            counters.drop(TxDrop::Nobody, own.frames.into());
            return None;
        };
        if load.header.strips() && self.asks(&load) {
            self.carry_out(load, to.longest(), origin, counters, ring);
        } else {
            self.fill(load, origin, ring);
        }
        Some(due.get())
    }

    /// Wakes whoever got frames of the batch. All at once: receivers that sleep on one CPU are then
    /// woken by a single interrupt.
    pub(super) fn wake(&self, sender: &Sender<'_>) {
        let guard = rcu::read_lock();
        // Asked later than by any burst of the batch.
        let wake = |port, sent_from| {
            let to = sender.switch.member(port, self.asked, &guard);
            let ring = to.and_then(|to| to.rings.rx(unicast_ring(to, sent_from), &guard));
            if let Some(ring) = ring {
                ring.waiters().wake();
            }
        };
        let Woken { own, flood } = &self.woken;
        own.drain(|port| wake(port, sender.number));
        // Floods go where frames of transmit ring 0 do.
        flood.drain(|port| wake(port, 0));
    }
}

/// The ring of `to` that gets unicast frames from transmit ring `number`.
#[inline]
pub(super) fn unicast_ring(to: &Member, number: u16) -> u16 {
    let rings = to.rings.shape().rx_rings;
    if number < rings {
        return number;
    }
    number.checked_rem(rings).unwrap_or(0)
}
