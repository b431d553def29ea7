// SPDX-License-Identifier: GPL-2.0

//! The second half of a pass: which frames go into which rings, and who is woken for it.

use super::{
    chain::Chain,
    fill::Load,
    forward::{Scratch, Sender, Walk, FLOOD},
    header::Reheader,
    switch::{Member, Switch},
};
use kernel::{bindings, prelude::*, sync::rcu};

impl Scratch {
    /// Brings every frame to its destination, and leaves the chains empty. With `slots`, which are the sent
    /// slots of the frames one by one, buffers may be exchanged.
    pub(super) fn deliver(&mut self, sender: &Sender<'_>, slots: Option<Walk<'_>>) {
        let guard = rcu::read_lock();
        let mut news = core::mem::replace(&mut self.news, KVec::new());
        let mut way = |to, (own, flood)| {
            let arrived = self.deliver_to(sender, slots, to, (own, flood), &guard);
            match arrived {
                Some(true) if !news.contains(&(to.0.index, to.1)) => {
                    // There is room for every port and ring.
                    let _ = news.push_within_capacity((to.0.index, to.1));
                }
                _ => {}
            }
            arrived.is_some()
        };
        let counters = &sender.ring.counters;
        let flood = self.chains[usize::from(FLOOD)];
        for &dest in &self.touched {
            if dest == FLOOD {
                continue;
            }
            let chain = self.chains[usize::from(dest)];
            match sender.switch.member(dest, &guard) {
                Some(to) => {
                    let number = unicast_ring(to, sender.number);
                    // Otherwise with the flooded ones, below, so that the order is kept.
                    if flood.is_empty() || number != 0 {
                        way((to, number), (chain, Chain::EMPTY));
                    }
                }
                None => counters.nobody.add_alone(chain.frames.into()),
            }
        }
        if !flood.is_empty() {
            let mut reached = false;
            let all = sender.switch.members(&guard);
            for to in all.filter(|to| to.index != sender.member.index) {
                let own = if unicast_ring(to, sender.number) == 0 {
                    self.chains[usize::from(to.index)]
                } else {
                    Chain::EMPTY
                };
                reached |= way((to, 0), (own, flood));
            }
            if !reached {
                counters.nobody.add_alone(flood.frames.into());
            }
        }
        self.news = news;
        drop(guard);
        for dest in self.touched.drain_all() {
            self.chains[usize::from(dest)] = Chain::EMPTY;
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
            runs: own.merge(flood, &self.runs),
            frames: own.frames + flood.frames,
            slots: own.slots + flood.slots,
            header: Reheader::between(sender.member.header(), to.header()),
            // A flooded frame has several receivers, but one buffer.
            sent: slots.filter(|_| flood.is_empty()),
        };
        Some(self.fill(load, sender, ring) > 0)
    }

    /// Wakes whoever got frames of the batch. All at once: receivers that sleep on one CPU are then woken by
    /// a single interrupt.
    pub(super) fn wake(&mut self, switch: &Switch) {
        let guard = rcu::read_lock();
        for (port, ring) in self.news.drain_all() {
            let port = switch.member(port, &guard);
            if let Some(ring) = port.and_then(|port| port.rings.rx(ring, &guard)) {
                ring.wait.wake(bindings::POLLIN | bindings::POLLRDNORM);
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
