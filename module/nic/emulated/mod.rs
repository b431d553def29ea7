// SPDX-License-Identifier: GPL-2.0

//! Emulated mode: any driver, unchanged. Frames are copied between the rings and the kernel's own.
//!
//! - [`running`]: being shown the frames of an interface, or why that is refused.
//! - [`receive`]: from the driver into receive rings, and from the stack into host receive rings.
//! - [`send`]: from transmit rings to the driver.
//! - [`host`]: from host transmit rings to the stack.
//! - [`copied`]: the kernel's frame for both of these.
//! - [`forward`]: from ring to ring without the program.

mod copied;
mod forward;
mod host;
mod receive;
mod running;
mod send;

pub(super) use running::Running;

use super::interface::Nic;
use crate::{
    abi::ext::FERROMAP_NI_EMULATED,
    params,
    refusal::Fallible,
    ring::{count::HostCounters, Collect, Operator, RxQueue, Shape, TxQueue},
    sys::{
        net::{Device, Rtnl},
        wait::WaitQueue,
    },
};
use forward::{ForwardDown, ForwardUp};
use host::ToHost;
use kernel::{prelude::*, sync::Arc};
use receive::ToRings;
use send::ToDriver;

/// Most slots of a ring: what fits an object of a ring pool of the default size.
const MAX_SLOTS: u32 = 2048;
/// Most rings in a direction, and most host rings.
const MAX_RINGS: u16 = 1024;

/// An interface that is open in emulated mode, whether or not it is in netmap mode.
pub(crate) struct Emulated {
    nic: Arc<Nic>,
    receiver: Arc<ToRings>,
}

impl Emulated {
    /// The rings that an interface has. They are as many as its queues, whatever is wished for; the
    /// number of host rings is the wish of whoever comes first.
    pub(super) fn shape(device: &Device, wish: Shape) -> Shape {
        let slots = params::generic_ringsize.get();
        let slots = u32::try_from(slots).unwrap_or(0).clamp(2, MAX_SLOTS);
        let (tx, rx) = device.queues();
        let rings = |queues: u32| queues.clamp(1, MAX_RINGS.into()) as u16;
        Shape {
            tx_rings: rings(tx),
            rx_rings: rings(rx),
            host_tx_rings: wish.host_tx_rings.clamp(1, MAX_RINGS),
            host_rx_rings: wish.host_rx_rings.clamp(1, MAX_RINGS),
            tx_slots: slots,
            rx_slots: slots,
        }
    }

    pub(super) fn new(nic: Arc<Nic>) -> Result<Self> {
        let receiver = Arc::new(ToRings::new(&nic.rings), GFP_KERNEL_ACCOUNT)?;
        Ok(Emulated { nic, receiver })
    }

    /// What people call this way to run it.
    pub(crate) fn mode(&self) -> &'static str {
        "emulated"
    }

    /// What became of frames of the host that are in no ring.
    pub(crate) fn host_counters(&self) -> &HostCounters {
        &self.receiver.host
    }

    /// What `ni_flags` says of it.
    pub(super) fn flags(&self) -> u32 {
        FERROMAP_NI_EMULATED
    }

    pub(super) fn tx_queue(
        &self,
        number: u16,
        slots: u32,
        waiters: &Arc<WaitQueue>,
    ) -> Fallible<KBox<dyn TxQueue>> {
        if number < self.nic.rings.shape().tx_rings {
            let queue = ToDriver::new(&self.nic, number, slots, waiters)?;
            Ok(KBox::new(queue, GFP_KERNEL_ACCOUNT)?)
        } else {
            Ok(KBox::new(ToHost::new(&self.nic), GFP_KERNEL_ACCOUNT)?)
        }
    }

    pub(super) fn rx_queue(&self, number: u16, operator: Operator) -> Fallible<KBox<dyn RxQueue>> {
        let of_queues = self.nic.rings.shape().rx_rings;
        Ok(match operator {
            // Nobody marks slots there.
            Operator::Kernel => KBox::new(Collect, GFP_KERNEL_ACCOUNT)?,
            Operator::Programs if number < of_queues => {
                KBox::new(ForwardUp::new(&self.nic), GFP_KERNEL_ACCOUNT)?
            }
            // Only the first host ring forwards.
            Operator::Programs if number == of_queues => {
                KBox::new(ForwardDown::new(&self.nic), GFP_KERNEL_ACCOUNT)?
            }
            Operator::Programs => KBox::new(Collect, GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// Puts the interface in netmap mode: its frames are taken from now on.
    pub(super) fn start(&self, device: &Device, rtnl: &Rtnl) -> Fallible<Running> {
        Running::start(device, &self.receiver, rtnl)
    }
}
