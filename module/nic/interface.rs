// SPDX-License-Identifier: GPL-2.0

//! What an open interface is, however it is run and whoever has it open.

use crate::{
    abi::consts::ETH_HLEN,
    live::{self, Counted},
    refusal::Fallible,
    ring::RingSet,
    sys::{
        net::{
            device::{DeviceId, Label},
            Device,
        },
        rcu::RcuSlot,
    },
};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// Bytes of a frame that do not count for the MTU: header and two VLAN tags.
pub(super) const FRAME_EXTRA: u32 = ETH_HLEN as u32 + 8;

/// An interface with rings.
pub(crate) struct Nic {
    id: DeviceId,
    name: Label,
    /// Empty once the interface has gone away.
    device: RcuSlot<Device>,
    pub(crate) rings: Arc<RingSet>,
    _live: Counted,
}

impl Nic {
    pub(super) fn new(device: Device, rings: Arc<RingSet>) -> Fallible<Arc<Self>> {
        let nic = Nic {
            id: device.id(),
            name: device.name(),
            device: RcuSlot::new(),
            rings,
            _live: Counted::new(live::Kind::Nic),
        };
        nic.device
            .replace(Some(Arc::new(device, GFP_KERNEL_ACCOUNT)?));
        Ok(Arc::new(nic, GFP_KERNEL_ACCOUNT)?)
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.id
    }

    /// Its name, which may change; once it has gone away, that which it had when it was opened.
    pub(crate) fn name(&self) -> Label {
        let guard = rcu::read_lock();
        self.device(&guard).map_or(self.name, Device::name)
    }

    /// The interface, unless it has gone away.
    #[inline]
    pub(crate) fn device<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g Device> {
        self.device.load(guard)
    }

    /// Lets go of the interface, and wakes who waits for something to come or go through it.
    pub(super) fn let_go(&self) {
        drop(self.device.replace(None));
        self.rings.abandon();
    }
}
