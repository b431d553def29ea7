// SPDX-License-Identifier: GPL-2.0

//! A network interface, in emulated mode: any driver, unchanged.

use super::Port;
use crate::{
    live::{self, Counted},
    net::tickets::Tickets,
    nic::{self, NicRef},
    refusal::Answer,
    ring::{Held, RingSet, RxSync, Selection, TxSync},
};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// A binding's view of the interface; several bindings may share it.
pub(super) struct NicPort {
    nic: NicRef,
    /// Whether this view has the interface in netmap mode.
    seized: bool,
    _live: Counted,
}

impl NicPort {
    pub(super) fn open(nic: NicRef) -> Answer<KBox<dyn Port>> {
        let port = NicPort {
            nic,
            seized: false,
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL)?)
    }
}

impl Port for NicPort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.nic.rings
    }

    fn name(&self) -> &[u8] {
        self.nic.name()
    }

    fn prepare(&mut self, selection: &Selection) -> Answer {
        self.nic.seize(!selection.rx.is_empty())?;
        self.seized = true;
        Ok(())
    }

    fn bound(&self, held: &Held) -> Answer {
        for ring in held.tx().iter().filter(|ring| ring.tickets().is_none()) {
            ring.set_tickets(Tickets::new(ring.mem.slots())?);
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        self.nic.device(&rcu::read_lock()).is_some()
    }

    fn is_emulated(&self) -> bool {
        true
    }

    fn txsync(&self, number: u16, sync: TxSync<'_>) -> bool {
        nic::send(&self.nic, number, sync)
    }

    fn rxsync(&self, sync: RxSync<'_>) -> bool {
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
