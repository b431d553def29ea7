// SPDX-License-Identifier: GPL-2.0

//! `NETMAP_REQ_REGISTER`: binds the file to a port (section 7.3 of the interface), or only tells whether that would do.

use super::{rights, Context};
use crate::{
    abi::{consts::*, wire::NmreqRegister},
    binding::Binding,
    memory::Claimant,
    port::Port,
    refusal::{refuse, Answer, Name},
    registry::{self, Want},
    ring::{Selection, Shape},
    sys::{nospec::confine32, user::AddressSpace},
};
use core::ops::Range;
use kernel::prelude::*;

/// The port that the request names, and which of its rings it selects.
fn find(context: &Context<'_>, req: &NmreqRegister) -> Answer<(KBox<dyn Port>, Selection)> {
    if let Some(bound) = context.file.binding() {
        refuse!(
            EBUSY,
            "this file is already bound to {}: open another one",
            Name(bound.port().name())
        );
    }
    rights::change(context)?;
    let claimant = Claimant::current(context.asker)?;
    let port = registry::open(
        &context.world.places,
        &Want {
            name: context.name,
            mode: req.nr_mode,
            flags: req.nr_flags,
            shape: Shape {
                tx_rings: req.nr_tx_rings,
                rx_rings: req.nr_rx_rings,
                host_tx_rings: req.nr_host_tx_rings,
                host_rx_rings: req.nr_host_rx_rings,
                tx_slots: req.nr_tx_slots,
                rx_slots: req.nr_rx_slots,
            },
            // An unknown region is refused even where it would not be used.
            region: context.region(&claimant, req.nr_mem_id)?,
            claimant,
            extra_bufs: req.nr_extra_bufs,
        },
    )?;
    if port.interface().is_some() {
        rights::interfaces(context, "binding a network interface")?;
    }
    context.admit(port.rings().region(), &claimant)?;
    let selection = select(req, port.rings().shape())?;
    if port.header() != 0 && req.nr_flags & NR_ACCEPT_VNET_HDR == 0 {
        refuse!(
            EIO,
            "{} has a virtio-net header of {} bytes on its frames: say NR_ACCEPT_VNET_HDR if you can cope",
            Name(context.name),
            port.header()
        );
    }
    Ok((port, selection))
}

/// `FERROMAP_REQ_PROBE`: what [`register`] would answer.
pub(super) fn probe(context: &Context<'_>, req: &mut NmreqRegister) -> Answer {
    let (mut port, selection) = find(context, req)?;
    // This hooks into an interface, since only the kernel knows whether it lets us. As long as no ring is bound all frames
    // pass, and it is let go of when we leave.
    port.prepare(&selection)?;
    port.rings().admit(&selection)
}

/// `NETMAP_REQ_REGISTER`.
pub(super) fn register(context: &Context<'_>, req: &mut NmreqRegister) -> Answer {
    let (port, selection) = find(context, req)?;
    // What is left of a switch port's region is for its rings and pipes.
    let most_extra = if port.switch_index().is_some() {
        VALE_MAX_EXTRA_BUFS
    } else {
        u32::MAX
    };
    let extra_bufs = req.nr_extra_bufs.min(most_extra);
    if context.unknown_options {
        refuse!(
            EOPNOTSUPP,
            "an option is not known to this request: see their nro_status"
        );
    }
    let region = port.rings().region().clone();
    let memory = context.turn.aside(|| region.enter())?;
    let process = AddressSpace::of_caller();
    let binding = Binding::new(port, selection, &memory, req.nr_flags, extra_bufs, process)?;

    let (set, layout) = (binding.held().set(), *binding.mem().layout());
    let shape = set.shape();
    req.nr_offset = binding.offset();
    req.nr_memsize = layout.bytes();
    req.nr_mem_id = set.region().id();
    req.nr_tx_slots = shape.tx_slots;
    req.nr_rx_slots = shape.rx_slots;
    req.nr_tx_rings = shape.tx_rings;
    req.nr_rx_rings = shape.rx_rings;
    req.nr_host_tx_rings = shape.host_tx_rings;
    req.nr_host_rx_rings = shape.host_rx_rings;
    req.nr_extra_bufs = binding.extra_bufs();
    context.file.bind(binding)
}

/// Which rings the request selects of a port of that shape.
fn select(req: &NmreqRegister, shape: Shape) -> Answer<Selection> {
    let only = |flag| req.nr_flags & flag != 0;
    let exclusive = only(NR_EXCLUSIVE);
    let (no_tx, no_rx) = (only(NR_RX_RINGS_ONLY), only(NR_TX_RINGS_ONLY));
    if no_tx && no_rx {
        // Nothing is left to select; the mode does not matter.
        return Ok(Selection {
            tx: 0..0,
            rx: 0..0,
            exclusive,
        });
    }
    let (tx, rx) = match req.nr_mode {
        NR_REG_ALL_NIC | NR_REG_NULL => (0..shape.tx_rings, 0..shape.rx_rings),
        NR_REG_ONE_NIC => {
            let (tx, rx) = (0..shape.tx_rings, 0..shape.rx_rings);
            one(req.nr_ringid, tx, rx, "")?
        }
        NR_REG_SW | NR_REG_NIC_SW | NR_REG_ONE_SW if shape.host_rx_rings == 0 => {
            refuse!(EINVAL, "the port has no host rings")
        }
        NR_REG_SW => (shape.host_tx(), shape.host_rx()),
        NR_REG_NIC_SW => (0..shape.host_tx().end, 0..shape.host_rx().end),
        NR_REG_ONE_SW => one(req.nr_ringid, shape.host_tx(), shape.host_rx(), "host ")?,
        mode => refuse!(
            EINVAL,
            "nr_mode is {}, and that is no mode to bind a port",
            mode
        ),
    };
    let none = |none, range| if none { 0..0 } else { range };
    Ok(Selection {
        tx: none(no_tx, tx),
        rx: none(no_rx, rx),
        exclusive,
    })
}

/// The pair of that number among these rings, which are of some kind. Where only one direction has so many, it is the
/// first of the other.
fn one(ring: u16, tx: Range<u16>, rx: Range<u16>, kind: &str) -> Answer<(Range<u16>, Range<u16>)> {
    let has = |rings: &Range<u16>| usize::from(ring) < rings.len();
    if !has(&tx) && !has(&rx) {
        refuse!(
            EINVAL,
            "there is no {}ring {}: the port has {} {}transmit and {} {}receive rings",
            kind,
            ring,
            tx.len(),
            kind,
            rx.len(),
            kind
        );
    }
    let pick = |rings: Range<u16>| {
        let first = rings.start + confine32(ring.into(), rings.len() as u32) as u16;
        first..first.saturating_add(1).min(rings.end)
    };
    Ok((pick(tx), pick(rx)))
}
