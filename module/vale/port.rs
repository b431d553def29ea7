// SPDX-License-Identifier: GPL-2.0

//! A file's view of a port of a switch. What one of its transmit rings sends is forwarded in the
//! sender's own sync.

use super::{forward::Forward, switches::Joined};
use crate::{
    abi::{
        consts::{VALE_DEFAULT_SLOTS, VALE_MAX_EXTRA_BUFS, VALE_MAX_RINGS, VALE_MAX_SLOTS},
        layout::PortNeeds,
        name::ValeName,
    },
    live::{self, Counted},
    port::{Habits, Port, PortLabel},
    refusal::{refuse, Fallible, Name},
    ring::{Collect, Operator, Queues, RingSet, RxQueue, Selection, Shape, TxQueue},
    sys::wait::WaitQueue,
};
use kernel::{prelude::*, sync::Arc};

/// Pipes for which a region of a port's own leaves room.
const PIPES: u32 = 2;

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

    /// Refuses programs where the kernel moves the frames.
    fn operated_by_its_own(&self) -> Fallible {
        if self.joined.member().operator != self.operator {
            refuse!(
                EBUSY,
                "{} is an interface that is attached to the switch",
                Name(&self.name)
            );
        }
        Ok(())
    }

    /// The rings of a port that is made, by what was wished for.
    pub(crate) fn shape(wish: Shape) -> Shape {
        Shape {
            tx_rings: or(wish.tx_rings, 1).min(VALE_MAX_RINGS),
            rx_rings: or(wish.rx_rings, 1).min(VALE_MAX_RINGS),
            tx_slots: or(wish.tx_slots, VALE_DEFAULT_SLOTS).min(VALE_MAX_SLOTS),
            rx_slots: or(wish.rx_slots, VALE_DEFAULT_SLOTS).min(VALE_MAX_SLOTS),
            ..Shape::default()
        }
    }

    /// What a region of its own has to have.
    pub(crate) fn needs(shape: &Shape, extra_bufs: u32) -> PortNeeds {
        PortNeeds {
            tx_rings: shape.tx_rings.into(),
            rx_rings: shape.rx_rings.into(),
            tx_slots: shape.tx_slots,
            rx_slots: shape.rx_slots,
            pipes: PIPES,
            extra_bufs: extra_bufs.min(VALE_MAX_EXTRA_BUFS),
        }
    }
}

/// What was asked for, or the default where nothing was.
fn or<T: Default + PartialEq>(asked: T, default: T) -> T {
    if asked == T::default() {
        default
    } else {
        asked
    }
}

impl Port for ValePort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.joined.member().rings
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn prepare(&mut self, _: &Selection) -> Fallible {
        self.operated_by_its_own()
    }

    fn bears_pipes(&self) -> Fallible {
        self.operated_by_its_own()
    }

    fn habits(&self) -> Habits {
        let habits = Habits {
            switched: true,
            ..Habits::default()
        };
        match self.joined.member().operator {
            Operator::Programs => habits,
            Operator::Kernel => habits.carried(),
        }
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
