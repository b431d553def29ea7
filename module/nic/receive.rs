// SPDX-License-Identifier: GPL-2.0

//! From the driver into receive rings, and from the stack into host receive rings, frame by frame, where they are met.

use super::Nic;
use crate::{
    abi::{consts::NS_MOREFRAG, cursor::add},
    ring::{count::Counter, RxRing},
    sys::bottom_half::Disabled,
    sys::net::{packet::Side, receive::Receiver, Packet},
};
use kernel::{
    bindings::{POLLIN, POLLRDNORM},
    sync::rcu,
};

/// Where a frame goes.
pub(crate) enum Place<'r> {
    Ring(&'r RxRing, Side),
    /// To nobody, but for being counted: the host's frames, where its own rings are not bound.
    Nobody(&'r Counter),
}

impl Nic {
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

impl Receiver for Nic {
    type Place<'r> = Place<'r>;

    /// What the host sends through a queue is taken while its transmit ring is bound, whether or not anybody binds
    /// the host ring that it goes to.
    #[inline]
    fn place<'r>(&'r self, from: Side, queue: u16, guard: &'r rcu::Guard) -> Option<Place<'r>> {
        if from == Side::Host {
            let number = queue.checked_rem(self.rings.shape().tx_rings)?;
            if !self.rings.has_tx(number, guard) {
                return None;
            }
        }
        match (self.ring(from, queue, guard), from) {
            (Some(ring), from) => Some(Place::Ring(ring, from)),
            (None, Side::Wire) => None,
            (None, Side::Host) => Some(Place::Nobody(&self.host_unheard)),
        }
    }

    #[inline]
    fn receive(place: &Place<'_>, packet: &Packet, pinned: &Disabled) {
        match place {
            Place::Ring(ring, from) => put(ring, packet, *from, pinned),
            Place::Nobody(count) => count.add(1),
        }
    }

    fn lost(place: &Place<'_>) {
        match place {
            Place::Ring(ring, _) => ring.counters.bad_frame.add(1),
            Place::Nobody(count) => count.add(1),
        }
    }
}

/// Puts a frame into a ring, over as many slots as it needs, or not at all. The program is woken.
fn put(ring: &RxRing, packet: &Packet, from: Side, pinned: &Disabled) {
    let bufs = ring.mem.mem().bufs();
    // A slot tells at most as many bytes.
    let (len, size) = (packet.len(), bufs.size().clamp(1, u16::MAX.into()));
    let slots = len.div_ceil(size);
    if from == Side::Host && slots > 1 {
        ring.counters.bad_length.add(1);
        return;
    }
    let lease = ring.reserve(|free| if slots <= free { slots } else { 0 }, pinned);
    let Some(lease) = lease else {
        ring.counters.full.add(1);
        return;
    };
    let view = ring.mem.view();
    for i in 0..slots {
        let cell = view.cell(add(lease.first(), i, ring.mem.slots()));
        let at = i * size;
        let part = size.min(len - at);
        let flags = if i + 1 < slots { NS_MOREFRAG } else { 0 };
        let copied = bufs
            .own(cell.buf())
            .and_then(|buf| buf.span(0, part))
            .is_some_and(|bytes| packet.copy_to(at, bytes));
        if copied {
            cell.set_len_flags(part as u16, flags);
        } else {
            // The program had released a slot without a buffer: what belongs there arrives empty.
            ring.counters.bad_buffer.add(1);
            cell.set_len_flags(0, flags);
        }
    }
    ring.commit(lease, pinned);
    ring.counters.frames.add(1);
    ring.counters.bytes.add(len.into());
    match ring.bell() {
        Some(bell) => bell.ring(),
        None => ring.news().wake(POLLIN | POLLRDNORM),
    }
}
