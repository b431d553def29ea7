// SPDX-License-Identifier: GPL-2.0

//! A pipe: what both its ends share.

use super::strand::Strand;
use crate::{
    abi::consts::{PIPE_MAX_RINGS, PIPE_MAX_SLOTS},
    live::{self, Counted},
    memory::{Needs, Use},
    port::Port,
    refusal::{refuse, Fallible},
    ring::{Held, Queues, RingSet, RxQueue, RxRing, Selection, Shape, TxBufs, TxQueue, TxRing},
    sys::wait::WaitQueue,
};
use kernel::{
    prelude::*,
    sync::{Arc, SetOnce},
};

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// `BASE{ID`.
    Master,
    /// `BASE}ID`.
    Slave,
}

/// Which end of which pipe on a port.
#[derive(Clone, Copy)]
pub(crate) struct PipeName<'n> {
    pub(crate) id: &'n [u8],
    pub(crate) master: bool,
}

impl End {
    pub(super) fn new(master: bool) -> Self {
        if master {
            End::Master
        } else {
            End::Slave
        }
    }

    fn other(self) -> Self {
        End::new(self == End::Slave)
    }

    /// What is before the id in the end's name.
    pub(super) fn mark(self) -> &'static [u8] {
        match self {
            End::Master => b"{",
            End::Slave => b"}",
        }
    }
}

/// A pipe. The port that it is built on is only held: its traffic goes on as it was.
pub(super) struct Pair {
    /// There once one end has been bound: then both ends have all their rings.
    rings: SetOnce<Rings>,
    master: Side,
    slave: Side,
    base: KBox<dyn Port>,
    _live: Counted,
}

/// What is one end's own.
struct Side {
    rings: Arc<RingSet>,
    /// Those by which it sends, for each of its transmit rings.
    strands: KVec<Arc<Strand>>,
}

impl Side {
    fn new(base: &dyn Port, shape: Shape) -> Fallible<Self> {
        let count = usize::from(shape.tx_rings);
        let mut strands = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            let strand = Arc::new(Strand::default(), GFP_KERNEL_ACCOUNT)?;
            strands.push(strand, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Side {
            rings: RingSet::new(base.rings().region().clone(), shape)?,
            strands,
        })
    }
}

impl Pair {
    /// A pipe that is built on `base`, with the master's rings as wished for. Without a wish there
    /// is one in each direction, with as many slots as the base's rings have.
    pub(super) fn new(base: KBox<dyn Port>, wish: Shape) -> Fallible<Arc<Self>> {
        let like = base.rings().shape();
        let slots = |wished, default| match wished {
            0 => default,
            slots => PIPE_MAX_SLOTS.min(slots),
        };
        let shape = Shape {
            tx_rings: wish.tx_rings.clamp(1, PIPE_MAX_RINGS),
            rx_rings: wish.rx_rings.clamp(1, PIPE_MAX_RINGS),
            tx_slots: slots(wish.tx_slots, like.tx_slots),
            rx_slots: slots(wish.rx_slots, like.rx_slots),
            ..Shape::default()
        };
        let pair = Pair {
            rings: SetOnce::new(),
            master: Side::new(&*base, shape)?,
            slave: Side::new(&*base, shape.at_the_other_end())?,
            base,
            _live: Counted::new(live::Kind::Pipe),
        };
        Ok(Arc::new(pair, GFP_KERNEL_ACCOUNT)?)
    }

    /// The port that it is built on.
    pub(super) fn base(&self) -> &dyn Port {
        &*self.base
    }

    fn side(&self, end: End) -> &Side {
        match end {
            End::Master => &self.master,
            End::Slave => &self.slave,
        }
    }

    pub(super) fn rings(&self, end: End) -> &Arc<RingSet> {
        &self.side(end).rings
    }

    /// What has to be made of a region for [`furnish`](Self::furnish). Transmit rings have no
    /// buffers of their own.
    pub(super) fn needs(&self) -> Needs {
        if self.rings.as_ref().is_some() {
            return Needs::default();
        }
        let of = |end| {
            let shape = self.rings(end).shape();
            let rings = Needs {
                rings: shape.tx_rings.into(),
                ..Needs::default()
            };
            rings + shape.needs(0, shape.rx_rings.into())
        };
        of(End::Master) + of(End::Slave)
    }

    /// Makes all rings of both ends, if they are not there. One request at a time does.
    pub(super) fn furnish(&self, memory: &Use) -> Fallible {
        if self.rings.as_ref().is_none() {
            self.rings.populate(Rings::new(self, memory)?);
        }
        Ok(())
    }
}

/// One end of a pipe, as who makes its queues.
pub(super) struct EndOf<'p>(pub(super) &'p Pair, pub(super) End);

impl EndOf<'_> {
    /// What one end sends by, or the other.
    fn strand(&self, sender: End, number: u16) -> Fallible<Arc<Strand>> {
        match self.0.side(sender).strands.get(usize::from(number)) {
            Some(strand) => Ok(strand.clone()),
            None => refuse!(EINVAL, "the pipe has no ring {} in that direction", number),
        }
    }

    /// The receive ring at the other end of transmit ring `number`, if it is there.
    fn far_end(&self, number: u16) -> Option<Arc<RxRing>> {
        self.0.rings(self.1.other()).known_rx(number)
    }
}

impl Queues for EndOf<'_> {
    fn tx_queue(&self, number: u16, _: u32, room: &Arc<WaitQueue>) -> Fallible<KBox<dyn TxQueue>> {
        let strand = self.strand(self.1, number)?;
        let Some(to) = self.far_end(number) else {
            refuse!(ENXIO, "the other end of the pipe is not there");
        };
        Ok(KBox::new(strand.sender(to, room), GFP_KERNEL_ACCOUNT)?)
    }

    fn rx_queue(&self, number: u16) -> Fallible<KBox<dyn RxQueue>> {
        let strand = self.strand(self.1.other(), number)?;
        Ok(KBox::new(strand.receiver(), GFP_KERNEL_ACCOUNT)?)
    }

    fn tx_bufs(&self, number: u16) -> TxBufs {
        self.far_end(number).map_or(TxBufs::Own, TxBufs::Of)
    }

    fn far_sender(&self, number: u16) -> Option<Arc<TxRing>> {
        self.0.rings(self.1.other()).known_tx(number)
    }
}

/// All rings of a pipe. Nothing that was sent gets lost when an end is closed: they stay.
struct Rings {
    /// Fields go in this order: the buffers in their slots are those of the receive rings.
    tx: [Held; 2],
    rx: [Held; 2],
}

impl Rings {
    fn new(pair: &Pair, memory: &Use) -> Fallible<Self> {
        let hold = |end, tx, rx| {
            let exclusive = false;
            let want = Selection { tx, rx, exclusive };
            let rings = pair.rings(end);
            rings.hold(want, None, memory, &EndOf(pair, end))
        };
        let all_rx = |end| hold(end, 0..0, 0..pair.rings(end).shape().rx_rings);
        let all_tx = |end| hold(end, 0..pair.rings(end).shape().tx_rings, 0..0);
        // Transmit rings send to rings that are there.
        let rx = [all_rx(End::Master)?, all_rx(End::Slave)?];
        Ok(Rings {
            tx: [all_tx(End::Master)?, all_tx(End::Slave)?],
            rx,
        })
    }
}

impl Drop for Rings {
    /// Which buffers belong to the pipe say the slots of the receive rings, but for those that
    /// their senders have.
    fn drop(&mut self) {
        let [master, slave] = &self.tx;
        let [to_master, to_slave] = &self.rx;
        for (from, to) in [(master, to_slave), (slave, to_master)] {
            for (from, to) in from.tx().iter().zip(to.rx()) {
                let (from_view, to_view) = (from.mem.view(), to.mem.view());
                from.each_kept(|slot| from_view.cell(slot).copy_to(to_view.cell(slot)));
            }
        }
    }
}
