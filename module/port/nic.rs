// SPDX-License-Identifier: GPL-2.0

//! A network interface, in emulated mode: any driver, unchanged.

use super::Port;
use crate::{
    abi::consts::ETH_HLEN,
    live::{self, Counted},
    nic::{self, Forwarding, NicRef},
    refusal::Answer,
    ring::{Held, Owner, RingSet, RxSync, Selection, TxSync},
    sys::net::{
        bell::Bell,
        device::{DeviceId, Label},
        tickets::Tickets,
    },
};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// A binding's view of the interface; several bindings may share it.
pub(super) struct NicPort {
    nic: NicRef,
    /// The interface's name when this view was made.
    name: Label,
    /// Whether this view has the interface in netmap mode.
    seized: bool,
    owner: Owner,
    forwarding: Forwarding,
    _live: Counted,
}

impl NicPort {
    pub(super) fn open(nic: NicRef, owner: Owner) -> Answer<KBox<dyn Port>> {
        let port = NicPort {
            name: nic.name(),
            nic,
            seized: false,
            owner,
            forwarding: Forwarding::default(),
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL_ACCOUNT)?)
    }
}

impl Port for NicPort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.nic.rings
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn prepare(&mut self, selection: &Selection) -> Answer {
        let of_queues = self.nic.rings.shape().rx_rings;
        self.nic.seize(
            !selection.rx.is_empty() && selection.rx.start < of_queues,
            self.owner,
        )?;
        self.seized = true;
        Ok(())
    }

    fn bound(&mut self, held: &Held) -> Answer {
        let numbers = held.selection().tx.clone();
        let of_queues = self.nic.rings.shape().tx_rings;
        for (_, ring) in numbers
            .clone()
            .zip(held.tx())
            .filter(|(n, _)| *n < of_queues)
        {
            if ring.tickets().is_none() {
                ring.set_tickets(Tickets::new(ring.mem.slots())?);
            }
        }
        for ring in held.rx().iter().filter(|ring| ring.bell().is_none()) {
            ring.set_bell(Bell::new()?);
        }
        if numbers.start == 0 {
            if let Some(all) = held.tx().get(..of_queues.into()) {
                self.forwarding = Forwarding::to(all)?;
            }
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        self.nic.device(&rcu::read_lock()).is_some()
    }

    fn interface(&self) -> Option<DeviceId> {
        Some(self.nic.id())
    }

    fn is_emulated(&self) -> bool {
        true
    }

    fn longest(&self) -> Option<u32> {
        let guard = rcu::read_lock();
        let device = self.nic.device(&guard)?;
        Some(device.mtu().saturating_add(ETH_HLEN as u32))
    }

    fn txsync(&self, number: u16, sync: TxSync<'_>) -> bool {
        if number < self.nic.rings.shape().tx_rings {
            nic::send(&self.nic, number, sync)
        } else {
            nic::inject(&self.nic, sync)
        }
    }

    fn rxsync(&self, number: u16, mut sync: RxSync<'_>) -> bool {
        if self.owner == Owner::Programs {
            self.forwarding.forward(&self.nic, number, &mut sync);
        }
        sync.collect()
    }
}

impl Drop for NicPort {
    fn drop(&mut self) {
        if self.seized {
            self.nic.release();
        }
    }
}
