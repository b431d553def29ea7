// SPDX-License-Identifier: GPL-2.0

//! From the driver into receive rings, and from the stack into host receive rings, frame by frame,
//! where they are met.

use crate::{
    abi::consts::NETMAP_MAX_FRAGS,
    ring::{
        count::{HostCounters, HostDrop, RxDrop},
        RingSet, RxRing, Soon,
    },
    sys::{
        bottom_half::Disabled,
        net::{packet::Side, receiver::Receiver, Packet},
    },
};
use kernel::sync::{rcu, Arc};

/// Where a frame goes.
pub(crate) enum Target<'r> {
    Ring(&'r RxRing),
    /// To nobody, but for being counted: the host's frames, where its own rings are not bound.
    Nobody(&'r HostCounters),
}

/// Who is shown the frames of an interface in netmap mode, and puts them into its rings.
pub(in crate::nic) struct ToRings {
    rings: Arc<RingSet>,
    pub(super) host: HostCounters,
}

impl ToRings {
    pub(super) fn new(rings: &Arc<RingSet>) -> Self {
        ToRings {
            rings: rings.clone(),
            host: HostCounters::default(),
        }
    }

    /// The receive ring that frames of a queue go to, if somebody binds it.
    fn ring<'g>(&'g self, from: Side, queue: u16, guard: &'g rcu::Guard) -> Option<&'g RxRing> {
        let rings = match from {
            Side::Wire => 0..self.rings.shape().rx_rings,
            Side::Host => self.rings.shape().host_rx(),
        };
        let number = rings.start + queue.checked_rem(rings.len() as u16)?;
        self.rings.rx(number, guard)
    }
}

impl Receiver for ToRings {
    type Target<'r> = Target<'r>;

    /// What the host sends through a queue is taken while its transmit ring is bound, whether or
    /// not anybody binds the host ring that it goes to.
    #[inline]
    fn target<'r>(&'r self, from: Side, queue: u16, guard: &'r rcu::Guard) -> Option<Target<'r>> {
        if from == Side::Host {
            let number = queue.checked_rem(self.rings.shape().tx_rings)?;
            if !self.rings.has_tx(number, guard) {
                return None;
            }
        }
        match (self.ring(from, queue, guard), from) {
            (Some(ring), _) => Some(Target::Ring(ring)),
            (None, Side::Wire) => None,
            (None, Side::Host) => Some(Target::Nobody(&self.host)),
        }
    }

    #[inline]
    fn receive(target: &Target<'_>, packet: &Packet, pinned: &Disabled) {
        match target {
            Target::Ring(ring) => put(ring, packet, pinned),
            Target::Nobody(host) => host.drop(HostDrop::Nobody, 1),
        }
    }

    fn lost(target: &Target<'_>) {
        match target {
            Target::Ring(ring) => ring.counters.drop(RxDrop::BadFrame, 1),
            Target::Nobody(host) => host.drop(HostDrop::Nobody, 1),
        }
    }
}

/// Puts a frame into a ring, over as many slots as it needs, or not at all. The program is woken.
fn put(ring: &RxRing, packet: &Packet, pinned: &Disabled) {
    let size = ring.mem.room();
    let len = packet.len();
    let slots = len.div_ceil(size);
    if slots > NETMAP_MAX_FRAGS as u32 {
        ring.counters.drop(RxDrop::BadLength, 1);
        return;
    }
    let Some(mut delivery) = ring.deliver_one(slots, Soon, pinned) else {
        return;
    };
    delivery.spread(len, size, 0, |buf, part| {
        buf.and_then(|buf| buf.span(0, part.end - part.start))
            .is_some_and(|bytes| packet.copy_to(part.start, bytes))
    });
    delivery.done();
}
