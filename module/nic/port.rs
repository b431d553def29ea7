// SPDX-License-Identifier: GPL-2.0

//! A file's view of a network interface.

use super::nics::NicRef;
use crate::{
    abi::consts::ETH_HLEN,
    live::{self, Counted},
    port::{Habits, Port},
    refusal::Fallible,
    ring::{Operator, Queues, RingSet, RxQueue, Selection, TxQueue},
    sys::{
        net::device::{DeviceId, Label},
        wait::WaitQueue,
    },
};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// A binding's view of the interface; several bindings may share it.
pub(crate) struct NicPort {
    nic: NicRef,
    /// The interface's name when this view was made.
    name: Label,
    /// Whether this view has the interface in netmap mode.
    in_netmap_mode: bool,
    operator: Operator,
    _live: Counted,
}

impl NicPort {
    pub(crate) fn open(nic: NicRef, operator: Operator) -> Fallible<KBox<dyn Port>> {
        let port = NicPort {
            name: nic.name(),
            nic,
            in_netmap_mode: false,
            operator,
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

    fn prepare(&mut self, selection: &Selection) -> Fallible {
        let of_queues = self.nic.rings.shape().rx_rings;
        self.nic.enter_netmap_mode(
            !selection.rx.is_empty() && selection.rx.start < of_queues,
            self.operator,
        )?;
        self.in_netmap_mode = true;
        Ok(())
    }

    fn bears_pipes(&self) -> Fallible {
        self.nic.bears_pipes()
    }

    fn habits(&self) -> Habits {
        let habits = Habits {
            tells_changes: true,
            ..Habits::default()
        };
        if self.nic.is_attached() {
            habits.carried()
        } else {
            habits
        }
    }

    fn is_there(&self) -> bool {
        self.nic.device(&rcu::read_lock()).is_some()
    }

    fn interface(&self) -> Option<DeviceId> {
        Some(self.nic.id())
    }

    fn flags(&self) -> u32 {
        self.nic.run().flags()
    }

    fn longest(&self) -> Option<u32> {
        let guard = rcu::read_lock();
        let device = self.nic.device(&guard)?;
        Some(device.mtu().saturating_add(ETH_HLEN as u32))
    }
}

impl Queues for NicPort {
    fn tx_queue(
        &self,
        number: u16,
        slots: u32,
        waiters: &Arc<WaitQueue>,
    ) -> Fallible<KBox<dyn TxQueue>> {
        self.nic.run().tx_queue(number, slots, waiters)
    }

    fn rx_queue(&self, number: u16) -> Fallible<KBox<dyn RxQueue>> {
        self.nic.run().rx_queue(number, self.operator)
    }
}

impl Drop for NicPort {
    fn drop(&mut self) {
        if self.in_netmap_mode {
            self.nic.leave_netmap_mode();
        }
    }
}
