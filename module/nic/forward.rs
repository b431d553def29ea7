// SPDX-License-Identifier: GPL-2.0

//! From ring to ring without the program: what it marked with `NS_FORWARD` goes the way that it would have gone
//! without us (section 8.2 of the interface).

use super::{host::up, send, Nic};
use crate::{
    abi::consts::{NR_FORWARD, NS_FORWARD},
    memory::SlotCell,
    params,
    ring::{count::Counter, Append, Begun, RxSync, TxRing},
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
    pub(crate) fn forward(&self, nic: &Nic, number: u16, sync: &RxSync<'_>) {
        let all = params::fwd.get() != 0;
        if !all && sync.view().flags() & NR_FORWARD == 0 {
            return;
        }
        let ring = sync.ring();
        let lost = &ring.counters.not_forwarded;
        let marked = sync
            .released()
            .filter(|cell| all || cell.flags() & NS_FORWARD != 0);
        if number < nic.rings.shape().rx_rings {
            up(nic, &ring.mem.mem().bufs(), marked, |given| {
                lost.add_alone(given.is_err().into());
            });
        } else if number == nic.rings.shape().rx_rings && !self.0.is_empty() {
            self.to_wire(nic, marked, lost);
        }
    }

    /// Hands frames of the host to the transmit rings, and these to the driver.
    fn to_wire<'m>(&self, nic: &Nic, marked: impl Iterator<Item = SlotCell<'m>>, lost: &Counter) {
        let mut rings = self.0.iter().filter_map(|ring| ring.append());
        let mut now: Option<Append<'_>> = rings.next();
        let mut any = false;
        for cell in marked {
            while now.as_mut().is_some_and(|ring| !ring.exchange(cell)) {
                now = rings.next();
            }
            any |= now.is_some();
            lost.add_alone(now.is_none().into());
        }
        drop(now);
        if !any {
            return;
        }
        for (number, ring) in (0..).zip(&self.0) {
            if let Begun::Ready(sync) = ring.begin(None) {
                send(nic, number, sync);
            }
        }
    }
}
