// SPDX-License-Identifier: GPL-2.0

//! From the driver into receive rings, frame by frame, in the softirq that brought it.

use super::Nic;
use crate::{
    abi::{consts::NS_MOREFRAG, cursor::add},
    net::{receive::Receiver, Packet},
    ring::RxRing,
};
use kernel::{
    bindings::{POLLIN, POLLRDNORM},
    sync::rcu,
};

impl Nic {
    /// The receive ring that frames of a queue go to.
    fn ring<'g>(&'g self, queue: u16, guard: &'g rcu::Guard) -> Option<&'g RxRing> {
        let number = queue.checked_rem(self.rings.shape().rx_rings)?;
        self.rings.rx(number, guard)
    }
}

impl Receiver for Nic {
    fn takes(&self, queue: u16) -> bool {
        self.ring(queue, &rcu::read_lock()).is_some()
    }

    fn receive(&self, packet: Packet, queue: u16) {
        let guard = rcu::read_lock();
        if let Some(ring) = self.ring(queue, &guard) {
            put(ring, &packet);
        }
    }

    fn lost(&self, queue: u16) {
        if let Some(ring) = self.ring(queue, &rcu::read_lock()) {
            ring.counters.bad_frame.add(1);
        }
    }
}

/// Puts a frame into a ring, over as many slots as it needs, or not at all. The program is woken.
fn put(ring: &RxRing, packet: &Packet) {
    let bufs = ring.mem.mem().bufs();
    // A slot tells at most as many bytes.
    let (len, size) = (packet.len(), bufs.size().min(u16::MAX.into()));
    let slots = len.div_ceil(size.max(1));
    let lease = ring
        .inbox
        .reserve(|free| if slots <= free { slots } else { 0 });
    let Some(lease) = lease else {
        ring.counters.full.add(1);
        return;
    };
    let view = ring.mem.view();
    let mut at = 0;
    for i in 0..slots {
        let part = size.min(len - at);
        let flags = if i + 1 < slots { NS_MOREFRAG } else { 0 };
        for cell in view.run(add(lease.first(), i, ring.mem.slots()), 1) {
            let copied = bufs
                .own(cell.buf())
                .is_some_and(|buf| packet.copy_to(at, &buf, part));
            if copied {
                cell.set_len_flags(part as u16, flags);
            } else {
                // The program had released a slot without a buffer: what belongs there arrives empty.
                ring.counters.bad_buffer.add(1);
                cell.set_len_flags(0, flags);
            }
        }
        at += part;
    }
    ring.inbox.commit(lease);
    ring.counters.frames.add(1);
    ring.counters.bytes.add(len.into());
    ring.wait.wake(POLLIN | POLLRDNORM);
}
