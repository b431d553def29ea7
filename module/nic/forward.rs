// SPDX-License-Identifier: GPL-2.0

//! From ring to ring without the program: what it marked with `NS_FORWARD` goes the way that it would have gone
//! without us (section 8.2 of the interface).

use super::{
    host::{up, Going, Unfit},
    send, Nic,
};
use crate::{
    abi::consts::{NR_FORWARD, NS_FORWARD},
    params,
    ring::{count::RxCounters, parts::Part, Append, RxSync, TxRing},
};
use kernel::{prelude::*, sync::Arc};

/// Where frames of the host go: all transmit rings of the interface, or none if the binding has not all of them.
#[derive(Default)]
pub(crate) struct Forwarding(KVec<Arc<TxRing>>);

impl Forwarding {
    /// To these rings, which are the interface's, in order.
    pub(crate) fn to(rings: &[Arc<TxRing>]) -> Result<Self> {
        let mut tx = KVec::with_capacity(rings.len(), GFP_KERNEL_ACCOUNT)?;
        for ring in rings {
            tx.push(ring.clone(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Forwarding(tx))
    }

    /// Passes on what the program has marked among the slots that it has released on receive ring `number`.
    pub(crate) fn forward(&self, nic: &Nic, number: u16, sync: &mut RxSync<'_>) {
        let all = params::fwd.get() != 0;
        let up_or_out = number < nic.rings.shape().rx_rings
            || number == nic.rings.shape().rx_rings && !self.0.is_empty();
        if !up_or_out || !all && sync.view().flags() & NR_FORWARD == 0 {
            sync.pass_parts();
            return;
        }
        let ring = sync.ring();
        let counters = &ring.counters;
        let mut parts = sync.parts();
        // Unmarked slots are looked at, too: what comes behind one may belong to its frame.
        let marked = sync.released().filter_map(|cell| {
            let slot = cell.take();
            let marked = all || slot.flags & NS_FORWARD != 0;
            let part = parts.pass(slot.flags, marked);
            marked.then_some((cell, slot, part))
        });
        if number < nic.rings.shape().rx_rings {
            up(nic, &ring.mem.mem().bufs(), marked, |given| match given {
                Ok(_) => {}
                Err(Unfit::Chain) => counters.bad_chain.add_alone(1),
                Err(_) => counters.not_forwarded.add_alone(1),
            });
        } else {
            self.to_wire(nic, marked, counters);
        }
        sync.keep_parts(parts);
    }

    /// Hands frames of the host to the transmit rings, and these to the driver.
    fn to_wire<'m>(
        &self,
        nic: &Nic,
        marked: impl Iterator<Item = Going<'m>>,
        counters: &RxCounters,
    ) {
        let mut marked = marked.peekable();
        if marked.peek().is_none() {
            return;
        }
        let mut rings = self.0.iter().filter_map(|ring| ring.append());
        let mut now: Option<Append<'_>> = rings.next();
        for (cell, slot, part) in marked {
            if part != Part::Whole {
                counters.bad_chain.add_alone((part == Part::Chain).into());
                continue;
            }
            while now.as_mut().is_some_and(|ring| !ring.exchange(cell, slot)) {
                // The lock of one ring at a time.
                drop(now.take());
                now = rings.next();
            }
            counters.not_forwarded.add_alone(now.is_none().into());
        }
        drop(now);
        for (number, ring) in (0..).zip(&self.0) {
            ring.sync(None, |sync| send(nic, number, sync));
        }
    }
}
