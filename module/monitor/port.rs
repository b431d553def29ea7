// SPDX-License-Identifier: GPL-2.0

//! A file's view of a monitor. Each REGISTER makes a monitor of its own.

use super::{
    audience::{Audience, Member, What},
    monitors::{Monitors, Seat},
};
use crate::{
    abi::{
        consts::{
            MONITOR_MAX_SLOTS, NR_MONITOR_RX, NR_MONITOR_TX, NR_ZCOPY_MON, VALE_MAX_EXTRA_BUFS,
        },
        layout::PortNeeds,
    },
    live::{self, Counted},
    memory::RegionRef,
    port::{Port, PortLabel, Watched},
    refusal::{refuse, Fallible, Name},
    ring::{Queues, RingSet, RxQueue, RxSync, Selection, Shape, TxBufs, TxQueue, TxSync},
    sys::{net::device::DeviceId, wait::WaitQueue},
    text::Text,
};
use core::fmt::Write;
use kernel::{prelude::*, sync::Arc};

/// What a request says about a monitor.
pub(crate) struct Wish {
    /// Its flags; one of those for monitors is among them.
    pub(crate) flags: u64,
    /// Slots for its rings; zeros mean as many as the port has.
    pub(crate) shape: Shape,
    pub(crate) region: Option<RegionRef>,
    pub(crate) extra_bufs: u32,
}

/// A monitor of a port that it does not keep: it learns when that is closed.
pub(crate) struct MonitorPort {
    seat: Seat,
    /// Which interface the port is, and the header on its frames.
    interface: Option<DeviceId>,
    header: u32,
    _live: Counted,
}

impl MonitorPort {
    /// A monitor of `port`. One that gets copies has a region of its own, which `own_region` makes,
    /// unless the request names one.
    pub(crate) fn open(
        monitors: &Arc<Monitors>,
        port: &dyn Port,
        wish: Wish,
        own_region: impl FnOnce(PortNeeds) -> Fallible<RegionRef>,
    ) -> Fallible<KBox<dyn Port>> {
        let zero_copy = wish.flags & NR_ZCOPY_MON != 0;
        let what = What {
            zero_copy,
            sent: zero_copy || wish.flags & NR_MONITOR_TX != 0,
            received: zero_copy || wish.flags & NR_MONITOR_RX != 0,
        };
        let watched = port.rings();
        let shape = shape(watched.shape(), wish.shape);
        let region = match wish.region {
            Some(region) if zero_copy && !Arc::ptr_eq(&region, watched.region()) => refuse!(
                EINVAL,
                "a zero-copy monitor shares the memory of {}, which is in region {}: set nr_mem_id \
                 to 0",
                Name(port.name()),
                watched.region().id()
            ),
            Some(region) => region,
            None if zero_copy => watched.region().clone(),
            None => own_region(needs(&shape, wish.extra_bufs))?,
        };
        let rings = RingSet::new(region, shape)?;
        let seat = monitors.join(port, shape.rx_rings, |number| {
            let member = Member {
                number,
                name: label(port.name(), what, number),
                what,
                rings,
            };
            Ok(Arc::new(member, GFP_KERNEL_ACCOUNT)?)
        })?;
        let monitor = MonitorPort {
            seat,
            interface: port.interface(),
            header: port.header(),
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(monitor, GFP_KERNEL_ACCOUNT)?)
    }
}

/// The rings of a monitor of a port with these: receive ring i is for ring i of either direction.
/// The others are there since programs look for some.
fn shape(of: Shape, wish: Shape) -> Shape {
    let slots = |wished: u32, default| match wished {
        0 => default,
        slots => slots.min(MONITOR_MAX_SLOTS),
    };
    let host_rx_rings = of.host_tx_rings.max(of.host_rx_rings);
    Shape {
        tx_rings: 1,
        rx_rings: of.tx_rings.max(of.rx_rings),
        host_tx_rings: host_rx_rings.min(1),
        host_rx_rings,
        tx_slots: slots(wish.tx_slots, of.tx_slots),
        rx_slots: slots(wish.rx_slots, of.rx_slots),
    }
}

/// What a region of its own has to have.
fn needs(shape: &Shape, extra_bufs: u32) -> PortNeeds {
    PortNeeds {
        tx_rings: shape.host_tx().end.into(),
        rx_rings: shape.host_rx().end.into(),
        tx_slots: shape.tx_slots,
        rx_slots: shape.rx_slots,
        pipes: 0,
        extra_bufs: extra_bufs.min(VALE_MAX_EXTRA_BUFS),
    }
}

/// What monitor `number` of that port is called.
fn label(port: &[u8], what: What, number: u32) -> PortLabel {
    let letter = |is, letter: &'static [u8]| if is { letter } else { b"" };
    let mut digits = Text::<10>::new(&[]);
    // As many as a number of 32 bits has at the most.
    let _ = write!(digits, "{number}");
    PortLabel::new(&[
        port,
        b"/",
        letter(what.zero_copy, b"z"),
        letter(what.received, b"r"),
        letter(what.sent, b"t"),
        b"#",
        &digits,
    ])
}

impl Port for MonitorPort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.seat.member.rings
    }

    fn name(&self) -> &[u8] {
        &self.seat.member.name
    }

    fn prepare(&mut self, _: &Selection) -> Fallible {
        Ok(())
    }

    fn watched(&self) -> Option<Watched> {
        Some(Watched {
            over: self.seat.audience.is_over(),
        })
    }

    /// Frames come in buffers of the port, where they are.
    fn takes_offsets(&self) -> bool {
        !self.seat.member.what.zero_copy
    }

    fn interface(&self) -> Option<DeviceId> {
        self.interface
    }

    fn header(&self) -> u32 {
        self.header
    }
}

impl Queues for MonitorPort {
    fn tx_queue(&self, _: u16, _: u32, _: &Arc<WaitQueue>) -> Fallible<KBox<dyn TxQueue>> {
        Ok(KBox::new(Nothing, GFP_KERNEL_ACCOUNT)?)
    }

    fn rx_queue(&self, number: u16) -> Fallible<KBox<dyn RxQueue>> {
        let queue = Watching {
            audience: self.seat.audience.clone(),
            seat: self.seat.at,
            number,
            passes_on: self.seat.member.what.zero_copy,
        };
        Ok(KBox::new(queue, GFP_KERNEL_ACCOUNT)?)
    }

    fn tx_bufs(&self, _: u16) -> TxBufs {
        TxBufs::None
    }
}

/// The queue of a transmit ring, which sends nothing.
struct Nothing;

impl TxQueue for Nothing {
    fn sync(&mut self, _: &mut TxSync<'_>) {}
}

/// The queue of a receive ring.
struct Watching {
    audience: Arc<Audience>,
    seat: usize,
    number: u16,
    passes_on: bool,
}

impl RxQueue for Watching {
    /// Shows nothing once the port has been closed.
    fn sync(&mut self, sync: &mut RxSync<'_>) {
        if self.audience.is_over() {
            sync.release();
            return;
        }
        if self.passes_on && sync.has_released() {
            self.audience.feed(self.seat, self.number, sync);
        }
        sync.collect();
    }
}
