// SPDX-License-Identifier: GPL-2.0

//! A file's view of one end of a pipe.

use super::{
    pair::{End, EndOf, PipeName},
    pipes::{PipeRef, Pipes},
};
use crate::{
    live::{self, Counted},
    memory::{Needs, Use},
    port::{Habits, Port, PortLabel},
    refusal::Fallible,
    ring::{Queues, RingSet, RxQueue, Selection, Shape, TxBufs, TxQueue, TxRing},
    sys::{net::device::DeviceId, wait::WaitQueue},
};
use kernel::{prelude::*, sync::Arc};

/// A binding's view of one end; several bindings may share it.
pub(crate) struct PipePort {
    name: PortLabel,
    pipe: PipeRef,
    end: End,
    _live: Counted,
}

impl PipePort {
    /// That end of a pipe on `base`, called by the name that has for itself; the pipe is made, with
    /// rings as wished for, if it is not there.
    pub(crate) fn open(
        pipes: &Arc<Pipes>,
        base: KBox<dyn Port>,
        name: PipeName<'_>,
        wish: Shape,
    ) -> Fallible<KBox<dyn Port>> {
        let called = PortLabel::new(&[base.name()]);
        let pipe = pipes.open(base, name.id, wish)?;
        PipePort::view(pipe, &called, name)
    }

    /// The same if the pipe is there already, on the port that has the rings `base` and is `called`
    /// so by who asks.
    pub(crate) fn find(
        pipes: &Arc<Pipes>,
        (called, base): (&[u8], &Arc<RingSet>),
        name: PipeName<'_>,
    ) -> Option<Fallible<KBox<dyn Port>>> {
        let pipe = pipes.find(base, name.id)?;
        Some(PipePort::view(pipe, called, name))
    }

    fn view(pipe: PipeRef, called: &[u8], name: PipeName<'_>) -> Fallible<KBox<dyn Port>> {
        let end = End::new(name.master);
        let port = PipePort {
            name: PortLabel::new(&[called, end.mark(), name.id]),
            pipe,
            end,
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL_ACCOUNT)?)
    }
}

impl Port for PipePort {
    fn rings(&self) -> &Arc<RingSet> {
        self.pipe.rings(self.end)
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn prepare(&mut self, _: &Selection) -> Fallible {
        Ok(())
    }

    fn needs(&self, _: &Selection) -> Needs {
        self.pipe.needs()
    }

    fn furnish(&self, memory: &Use) -> Fallible {
        self.pipe.furnish(memory)
    }

    /// What the other end gives back has whatever buffer it wanted.
    fn habits(&self) -> Habits {
        Habits {
            keeps_sent: false,
            ..Habits::default()
        }
    }

    /// What it is built on: who may not open the interface is not to choose its region.
    fn interface(&self) -> Option<DeviceId> {
        self.pipe.base().interface()
    }
}

impl Queues for PipePort {
    fn tx_queue(
        &self,
        number: u16,
        slots: u32,
        room: &Arc<WaitQueue>,
    ) -> Fallible<KBox<dyn TxQueue>> {
        EndOf(&self.pipe, self.end).tx_queue(number, slots, room)
    }

    fn rx_queue(&self, number: u16) -> Fallible<KBox<dyn RxQueue>> {
        EndOf(&self.pipe, self.end).rx_queue(number)
    }

    fn tx_bufs(&self, number: u16) -> TxBufs {
        EndOf(&self.pipe, self.end).tx_bufs(number)
    }

    fn far_sender(&self, number: u16) -> Option<Arc<TxRing>> {
        EndOf(&self.pipe, self.end).far_sender(number)
    }
}
