// SPDX-License-Identifier: GPL-2.0

//! The smaller requests.

use super::{context::Context, region_rights::RegionRights, rights};
use crate::{
    abi::{
        consts::*,
        ext::NmreqWhy,
        name::{is_vale, PortName, ValeName},
        wire::*,
    },
    port::Port,
    refusal::{refuse, Fallible, Name},
    registry::{self, Want},
    ring::Shape,
    sys::net::{Device, NetNs},
    turn::Taken,
};
use kernel::prelude::*;

/// The port that a REGISTER in mode ALL_NIC would bind; for the duration of the request.
fn look_up(
    context: &Context<'_>,
    rights: &RegionRights<'_>,
    shape: Shape,
    mem_id: u16,
) -> Fallible<KBox<dyn Port>> {
    registry::open(
        &context.world.registry,
        &Want {
            name: context.name(),
            mode: NR_REG_ALL_NIC,
            flags: 0,
            shape,
            region: rights.region(mem_id)?,
            claimant: rights.claimant,
            extra_bufs: 0,
        },
    )
}

/// `NETMAP_REQ_PORT_INFO_GET`: what a port has, or what memory a region has (section 7.4).
pub(super) fn port_info_get(
    context: &mut Context<'_>,
    _: &Taken<'_>,
    req: &mut NmreqPortInfoGet,
) -> Fallible {
    let rights = RegionRights::of(context)?;
    if context.name().is_empty() {
        let region = match rights.region(req.nr_mem_id)? {
            Some(region) => region,
            None => context.world.registry.regions.shared(&rights.claimant)?,
        };
        req.nr_memsize = region.layout()?.bytes();
        req.nr_mem_id = region.id();
        return Ok(());
    }
    let shape = Shape {
        tx_rings: req.nr_tx_rings,
        rx_rings: req.nr_rx_rings,
        tx_slots: req.nr_tx_slots,
        rx_slots: req.nr_rx_slots,
        // Asking changes nothing (quirk 19).
        ..Shape::default()
    };
    let port = look_up(context, &rights, shape, req.nr_mem_id)?;
    let (shape, region) = (port.rings().shape(), port.rings().region());
    *req = NmreqPortInfoGet {
        nr_memsize: region.layout()?.bytes(),
        nr_tx_slots: shape.tx_slots,
        nr_rx_slots: shape.rx_slots,
        nr_tx_rings: shape.tx_rings,
        nr_rx_rings: shape.rx_rings,
        nr_host_tx_rings: shape.host_tx_rings,
        nr_host_rx_rings: shape.host_rx_rings,
        nr_mem_id: region.id(),
        pad: req.pad,
    };
    Ok(())
}

/// `NETMAP_REQ_POOLS_INFO_GET`: the pools of a port's region (section 7.12). As they would be if it
/// is not in use: asking makes nothing that anybody else could find.
pub(super) fn pools_info_get(
    context: &mut Context<'_>,
    _: &Taken<'_>,
    req: &mut NmreqPoolsInfo,
) -> Fallible {
    let rights = RegionRights::of(context)?;
    let port = look_up(context, &rights, Shape::default(), req.nr_mem_id)?;
    let region = port.rings().region();
    let layout = region.layout()?;
    req.nr_memsize = layout.bytes();
    req.nr_mem_id = region.id();
    layout.tell(req);
    Ok(())
}

/// `NETMAP_REQ_VALE_LIST`: numbers of a named port, or the next port of the list (section 7.7).
pub(super) fn vale_list(context: &mut Context<'_>, req: &mut NmreqValeList) -> Fallible {
    let (net, switches) = (NetNs::current()?.id(), &context.world.registry.switches);
    if !context.name().is_empty() {
        if !is_vale(context.name()) {
            refuse!(
                EINVAL,
                "{} is not the name of a switch port",
                Name(context.name())
            );
        }
        let Some((switch, port)) = ValeName::split(context.name()) else {
            refuse!(ENOENT, "there is no switch {}", Name(context.name()));
        };
        let listed = switches.listed(net, switch, port)?;
        (req.nr_bridge_idx, req.pad1, req.nr_port_idx) = (listed.switch, listed.kind, listed.port);
        return Ok(());
    }
    let Some(listed) = switches.list_from(net, req.nr_bridge_idx, req.nr_port_idx) else {
        refuse!(ENOENT, "there are no more ports");
    };
    (req.nr_bridge_idx, req.pad1, req.nr_port_idx) = (listed.switch, listed.kind, listed.port);
    context.listed = Some(listed.name());
    Ok(())
}

/// `NETMAP_REQ_PORT_HDR_SET`: the length of the virtio-net header on a switch port (section 7.8).
pub(super) fn port_hdr_set(
    context: &mut Context<'_>,
    _: &Taken<'_>,
    req: &mut NmreqPortHdr,
) -> Fallible {
    let region_rights = RegionRights::of(context)?;
    rights::change(context)?;
    if !matches!(req.nr_hdr_len, 0 | 10 | 12) {
        refuse!(
            EINVAL,
            "a virtio-net header has 0, 10 or 12 bytes, not {}",
            req.nr_hdr_len
        );
    }
    // Before it is looked up: an interface that is there is no better, nor is a pipe that is not.
    if !matches!(PortName::parse(context.name()), PortName::Vale(_)) {
        refuse!(ENXIO, "{} is not a switch port", Name(context.name()));
    }
    let port = registry::open_existing(&context.world.registry, context.name())?;
    // It shifts every frame of whoever has the port, and lets senders ask for what a header can ask
    // for.
    if region_rights.admit(port.rings().region()).is_err() {
        rights::administrate(context, "a header on a port of others", "")?;
    }
    if !port.set_header(req.nr_hdr_len) {
        refuse!(ENXIO, "{} is not a switch port", Name(context.name()));
    }
    Ok(())
}

/// `NETMAP_REQ_PORT_HDR_GET`. An interface has what it has as a port of a switch, by whichever of
/// both names; none where it is no such.
pub(super) fn port_hdr_get(context: &mut Context<'_>, req: &mut NmreqPortHdr) -> Fallible {
    let (registry, attachments) = (&context.world.registry, &context.world.attachments);
    let Some(interface) = Device::find(&NetNs::current()?, context.name()) else {
        req.nr_hdr_len = registry::open_existing(registry, context.name())?.header();
        return Ok(());
    };
    let plugged = match registry.persistents.of(interface.id()) {
        Some(port) => Some(port.header()),
        None => attachments.port_of(interface.id(), |port| port.header()),
    };
    req.nr_hdr_len = plugged.unwrap_or(0);
    Ok(())
}

/// `FERROMAP_REQ_WHY`: why the last request on this file was refused, in words.
pub(super) fn why(context: &mut Context<'_>, req: &mut NmreqWhy) -> Fallible {
    *req = context.file.last_refusal();
    Ok(())
}
