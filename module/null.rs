// SPDX-License-Identifier: GPL-2.0

//! The null port: rings and buffers of a region, and no traffic.
//!
//! The smallest kind of port; read it first. Programs open one to get extra buffers, or a mapping
//! of a region, without a port that moves anything. Transmit slots are never consumed and nothing
//! is ever received. Each REGISTER makes a port of its own.

use crate::{
    live::{self, Counted},
    port::{Port, PortLabel},
    refusal::Fallible,
    ring::{Queues, RingSet, RxQueue, RxSync, Selection, TxQueue, TxSync},
    sys::wait::WaitQueue,
};
use kernel::{prelude::*, sync::Arc};

pub(crate) struct NullPort {
    name: PortLabel,
    rings: Arc<RingSet>,
    _live: Counted,
}

impl NullPort {
    /// A null port with these rings; `label` is whatever the program calls it.
    pub(crate) fn open(label: &[u8], rings: Arc<RingSet>) -> Fallible<KBox<dyn Port>> {
        let port = NullPort {
            name: PortLabel::new(&[b"null:", label]),
            rings,
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL_ACCOUNT)?)
    }
}

impl Port for NullPort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.rings
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn prepare(&mut self, _: &Selection) -> Fallible {
        Ok(())
    }
}

impl Queues for NullPort {
    fn tx_queue(&self, _: u16, _: u32, _: &Arc<WaitQueue>) -> Fallible<KBox<dyn TxQueue>> {
        Ok(KBox::new(Idle, GFP_KERNEL_ACCOUNT)?)
    }

    fn rx_queue(&self, _: u16) -> Fallible<KBox<dyn RxQueue>> {
        Ok(KBox::new(Idle, GFP_KERNEL_ACCOUNT)?)
    }
}

/// The queue of a ring where nothing moves.
struct Idle;

impl TxQueue for Idle {
    fn sync(&mut self, _: &mut TxSync<'_>) {}
}

impl RxQueue for Idle {
    fn sync(&mut self, sync: &mut RxSync<'_>) {
        sync.release();
    }
}
