// SPDX-License-Identifier: GPL-2.0

//! The second half of a pass: which frames go into which rings, and who is woken for it.

use super::{
    chain::Chain,
    fill::Load,
    forward::{News, Scratch, Sender, Walk, FLOOD},
    switch::Member,
    virtio::Reheader,
};
use kernel::{bindings, sync::rcu};

impl Scratch {
    /// Brings every frame to its destination, and leaves the chains empty. With `slots`, which are the sent
    /// slots of the frames one by one, buffers may be exchanged.
    pub(super) fn deliver(&mut self, sender: &Sender<'_>, slots: Option<Walk<'_>>) {
        let guard = rcu::read_lock();
        let mut news = core::mem::take(&mut self.news);
        let counters = &sender.ring.counters;
        let flood = self.sorted.chains[usize::from(FLOOD)];
        for &dest in &self.sorted.touched {
            if dest == FLOOD {
                continue;
            }
            let own = self.sorted.chains[usize::from(dest)];
            let Some(to) = sender.switch.member(dest, self.asked, &guard) else {
                counters.nobody.add_alone(own.frames.into());
                continue;
            };
            let number = unicast_ring(to, sender.number);
            if number == 0 && !flood.is_empty() && dest != sender.member.index {
                // With the flooded ones, below, so that the order is kept. The sender gets none of those.
                continue;
            }
            let chains = (own, Chain::EMPTY);
            if self.deliver_to(sender, slots, (to, number), chains, &guard) == Some(true) {
                news.own.insert(dest);
            }
        }
        if !flood.is_empty() {
            let mut reached = false;
            let all = sender.switch.members(self.asked, &guard);
            for to in all.filter(|to| to.index != sender.member.index) {
                let own = if unicast_ring(to, sender.number) == 0 {
                    self.sorted.chains[usize::from(to.index)]
                } else {
                    Chain::EMPTY
                };
                let arrived = self.deliver_to(sender, slots, (to, 0), (own, flood), &guard);
                reached |= arrived.is_some();
                if arrived == Some(true) {
                    news.flood.insert(to.index);
                }
            }
            if !reached {
                counters.nobody.add_alone(flood.frames.into());
            }
        }
        self.news = news;
        drop(guard);
        for dest in self.sorted.touched.drain_all() {
            self.sorted.chains[usize::from(dest)] = Chain::EMPTY;
        }
    }

    /// Brings the frames of two chains, the port's own and flooded ones, to a ring of it. Answers whether
    /// some arrived, or `None` if the ring is not there at all.
    fn deliver_to(
        &self,
        sender: &Sender<'_>,
        slots: Option<Walk<'_>>,
        (to, number): (&Member, u16),
        (own, flood): (Chain, Chain),
        guard: &rcu::Guard,
    ) -> Option<bool> {
        let Some(ring) = to.rings.rx(number, guard) else {
            sender.ring.counters.nobody.add_alone(own.frames.into());
            return None;
        };
        let load = Load {
            runs: own.merge(flood, &self.sorted.runs),
            frames: own.frames + flood.frames,
            slots: own.slots + flood.slots,
            header: Reheader::between(sender.header, to.header()),
            // A flooded frame has several receivers, but one buffer.
            sent: slots.filter(|_| flood.is_empty()),
        };
        if load.header.strips() && self.asks(&load) {
            return Some(self.carry_out(load, to.longest(), sender, ring) > 0);
        }
        Some(self.fill(load, sender, ring) > 0)
    }

    /// Wakes whoever got frames of the batch. All at once: receivers that sleep on one CPU are then woken by
    /// a single interrupt.
    pub(super) fn wake(&mut self, sender: &Sender<'_>) {
        let guard = rcu::read_lock();
        let News { own, flood } = core::mem::take(&mut self.news);
        // Later than any pass of the batch.
        let asked = self.asked;
        let member = |port| sender.switch.member(port, asked, &guard);
        let own = own.filter_map(member);
        let own = own.map(|to| (to, unicast_ring(to, sender.number)));
        let flood = flood.filter_map(member).map(|to| (to, 0));
        for (to, number) in own.chain(flood) {
            if let Some(ring) = to.rings.rx(number, &guard) {
                ring.news().wake(bindings::POLLIN | bindings::POLLRDNORM);
            }
        }
    }
}

/// The ring of `to` that gets unicast frames from transmit ring `number`.
#[inline]
fn unicast_ring(to: &Member, number: u16) -> u16 {
    let rings = to.rings.shape().rx_rings;
    if number < rings {
        return number;
    }
    number.checked_rem(rings).unwrap_or(0)
}
