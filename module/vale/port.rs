// SPDX-License-Identifier: GPL-2.0

//! A file's view of a port of a switch. What one of its transmit rings sends is forwarded in the
//! sender's own sync.

use super::{forward::Forward, switches::Joined};
use crate::{
    abi::name::ValeName,
    live::{self, Counted},
    port::{Port, PortLabel},
    refusal::{refuse, Fallible, Name},
    ring::{Collect, Operator, Queues, RingSet, RxQueue, Selection, TxQueue},
    sys::wait::WaitQueue,
};
use kernel::{prelude::*, sync::Arc};

/// A binding's view of the port; several bindings may share the port itself.
pub(crate) struct ValePort {
    name: PortLabel,
    joined: Joined,
    operator: Operator,
    _live: Counted,
}

impl ValePort {
    pub(crate) fn open(
        name: &ValeName<'_>,
        joined: Joined,
        operator: Operator,
    ) -> Fallible<KBox<dyn Port>> {
        let port = ValePort {
            name: PortLabel::new(&[name.switch, b":", name.port]),
            joined,
            operator,
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL_ACCOUNT)?)
    }
}

impl Port for ValePort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.joined.member().rings
    }

    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn prepare(&mut self, _: &Selection) -> Fallible {
        if self.joined.member().operator != self.operator {
            refuse!(
                EBUSY,
                "{} is an interface that is attached to the switch",
                Name(self.name())
            );
        }
        Ok(())
    }

    fn switch_index(&self) -> Option<u32> {
        Some(self.joined.member().index.into())
    }

    fn set_longest(&self, len: u32) {
        self.joined.member().set_longest(len);
    }

    fn header(&self) -> u32 {
        self.joined.member().header()
    }

    fn set_header(&self, len: u32) -> bool {
        self.joined.member().set_header(len);
        true
    }
}

impl Queues for ValePort {
    fn tx_queue(&self, number: u16, _: u32, _: &Arc<WaitQueue>) -> Fallible<KBox<dyn TxQueue>> {
        let queue = Forward::new(self.joined.switch(), self.joined.member(), number)?;
        Ok(KBox::new(queue, GFP_KERNEL_ACCOUNT)?)
    }

    fn rx_queue(&self, _: u16) -> Fallible<KBox<dyn RxQueue>> {
        Ok(KBox::new(Collect, GFP_KERNEL_ACCOUNT)?)
    }
}
