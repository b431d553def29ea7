// SPDX-License-Identifier: GPL-2.0

//! Requests that make persistent ports and delete them (sections 7.9 and 7.10 of the interface).

use super::{context::Context, region_rights::RegionRights, rights};
use crate::{
    abi::wire::NmreqValeNewif,
    refusal::{refuse, Fallible, Name},
    registry,
    ring::Shape,
    sys::net::NetNs,
    turn::Taken,
};
use kernel::prelude::*;

/// Whether the asker may do any of this.
fn permit(context: &Context<'_>) -> Fallible {
    rights::change(context)?;
    rights::interfaces(context, "making and deleting interfaces")
}

/// `NETMAP_REQ_VALE_NEWIF`.
pub(super) fn newif(
    context: &mut Context<'_>,
    _: &Taken<'_>,
    req: &mut NmreqValeNewif,
) -> Fallible {
    let rights = RegionRights::of(context)?;
    permit(context)?;
    let wish = Shape {
        tx_rings: req.nr_tx_rings,
        rx_rings: req.nr_rx_rings,
        tx_slots: req.nr_tx_slots,
        rx_slots: req.nr_rx_slots,
        ..Shape::default()
    };
    let region = rights.region(req.nr_mem_id)?;
    let registry = &context.world.registry;
    let port = registry::make_persistent(registry, context.name(), wish, &rights.claimant, region)?;
    let shape = port.rings().shape();
    *req = NmreqValeNewif {
        nr_tx_slots: shape.tx_slots,
        nr_rx_slots: shape.rx_slots,
        nr_tx_rings: shape.tx_rings,
        nr_rx_rings: shape.rx_rings,
        nr_mem_id: port.rings().region().id(),
        pad1: req.pad1,
    };
    Ok(())
}

/// `NETMAP_REQ_VALE_DELIF`.
pub(super) fn delif(context: &mut Context<'_>, _: &Taken<'_>) -> Fallible {
    permit(context)?;
    let (net, name) = (NetNs::current()?, context.name());
    match context.world.registry.persistents.find(&net, name) {
        Some(port) => port.delete(),
        None if net.has_interface(name) => refuse!(
            EINVAL,
            "{} is no persistent port: it is deleted by who made it (ip link del)",
            Name(name)
        ),
        None => refuse!(ENXIO, "there is no interface {}", Name(name)),
    }
}
