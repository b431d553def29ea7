// SPDX-License-Identifier: GPL-2.0

//! Requests that plug interfaces into switches (sections 7.5, 7.6 and 7.11 of the interface).

use super::{context::Context, region_rights::RegionRights, rights};
use crate::{
    abi::{consts::*, name::is_vale, name::ValeName, wire::*},
    attach::Polling,
    port::PortLabel,
    refusal::{refuse, Fallible, Name},
    registry,
    sys::{cpus, net::NetNs},
    turn::Taken,
};
use kernel::prelude::*;

/// The switch and the interface that the request names.
fn switch_port<'c>(context: &'c Context<'_>) -> Fallible<ValeName<'c>> {
    match ValeName::parse(context.name()) {
        Some(name) => Ok(name),
        None if is_vale(context.name()) => refuse!(
            EINVAL,
            "{} is not the name of a switch port: it must be valeSWITCH:INTERFACE",
            Name(context.name())
        ),
        None => refuse!(
            EINVAL,
            "{} does not name a switch: it must be valeSWITCH:INTERFACE",
            Name(context.name())
        ),
    }
}

/// The same, if the asker may do any of this.
fn permitted<'c>(context: &'c Context<'_>) -> Fallible<ValeName<'c>> {
    let name = switch_port(context)?;
    rights::change(context)?;
    rights::interfaces(context, "attaching, detaching and polling interfaces")?;
    Ok(name)
}

/// `NETMAP_REQ_VALE_ATTACH`.
pub(super) fn attach(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    req: &mut NmreqValeAttach,
) -> Fallible {
    let region_rights = RegionRights::of(context)?;
    let name = permitted(context)?;
    let region = region_rights.region(req.reg.nr_mem_id)?;
    let net = NetNs::current()?;
    let persistent = context.world.registry.persistents.find(&net, name.port);
    // For another switch it is an interface like any other.
    if let Some(port) = persistent.filter(|port| port.plugged(|_| ()).is_none()) {
        let switches = &context.world.registry.switches;
        req.port_index = port.plug(switches, net.id(), &name)?;
        return Ok(());
    }
    let with_host = match req.reg.nr_mode {
        NR_REG_ALL_NIC => false,
        NR_REG_NIC_SW => true,
        mode => refuse!(
            EINVAL,
            "nr_mode is {}: an interface is attached whole, with (NIC_SW) or without (ALL_NIC) its \
             host rings",
            mode
        ),
    };
    if req.reg.nr_ringid != 0 {
        refuse!(EINVAL, "nr_ringid is {}, not 0", req.reg.nr_ringid);
    }
    let (world, claimant) = (context.world, &region_rights.claimant);
    let nic = || {
        if !NetNs::current()?.has_interface(name.port) {
            refuse!(EINVAL, "there is no network interface {}", Name(name.port));
        }
        let nic = registry::open_for_switch(&world.registry, name.port, claimant, region)?;
        // It may be open already, in another's memory.
        region_rights.admit(nic.rings().region())?;
        Ok(nic)
    };
    let attachments = &world.attachments;
    req.port_index = attachments.attach(&world.registry, turn, &name, with_host, nic)?;
    Ok(())
}

/// `NETMAP_REQ_VALE_DETACH`.
pub(super) fn detach(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    req: &mut NmreqValeDetach,
) -> Fallible {
    let name = permitted(context)?;
    let world = context.world;
    let net = NetNs::current()?;
    let joined = world.registry.switches.find(net.id(), &name);
    let persistent = joined.as_ref().and_then(|joined| {
        let found = world.registry.persistents.with(&joined.member().rings)?;
        Some((found, joined.member().index))
    });
    drop(joined);
    if let Some((port, index)) = persistent {
        let again = |id| {
            let attachments = &world.attachments;
            attachments.port_of(id, |port| PortLabel::new(&[port.name()]))
        };
        if let Some(other) = port.id().and_then(again) {
            refuse!(
                EBUSY,
                "{} is attached a second time, as {}: pull that out first (vale-ctl -d)",
                Name(context.name()),
                Name(&other)
            );
        }
        port.unplug()?;
        req.port_index = index.into();
        return Ok(());
    }
    req.port_index = world.attachments.detach(&world.registry, turn, &name)?;
    Ok(())
}

/// `NETMAP_REQ_VALE_POLLING_ENABLE`.
pub(super) fn polling_enable(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    req: &mut NmreqValePolling,
) -> Fallible {
    let name = permitted(context)?;
    let (first, count) = (req.nr_first_cpu_id, req.nr_num_polling_cpus);
    let polling = match req.nr_mode {
        // 0 is what an old tool sends for 1 (quirk 25).
        NETMAP_POLLING_MODE_SINGLE_CPU if count <= 1 => Polling::AllOn { cpu: first },
        NETMAP_POLLING_MODE_SINGLE_CPU => {
            refuse!(EINVAL, "{} CPUs for the mode with one", count)
        }
        NETMAP_POLLING_MODE_MULTI_CPU if count == 0 || count >= cpus::online() => refuse!(
            EINVAL,
            "{} CPUs are to poll, of {}: at least one, and one is left over",
            count,
            cpus::online()
        ),
        NETMAP_POLLING_MODE_MULTI_CPU => Polling::Each { first, count },
        mode => refuse!(EINVAL, "there is no polling mode {}", mode),
    };
    let last = first.saturating_add(count.max(1) - 1);
    if !(first..=last).all(cpus::is_online) {
        refuse!(EINVAL, "there is no CPU {}", last);
    }
    let world = context.world;
    world
        .attachments
        .poll(&world.registry, turn, &name, Some(polling))
}

/// `NETMAP_REQ_VALE_POLLING_DISABLE`.
pub(super) fn polling_disable(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    _: &mut NmreqValePolling,
) -> Fallible {
    let name = permitted(context)?;
    let world = context.world;
    world.attachments.poll(&world.registry, turn, &name, None)
}
