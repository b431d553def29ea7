// SPDX-License-Identifier: GPL-2.0

//! Names of attached interfaces. A port has the name that the interface had with the kernel when it
//! was attached, and is found by all names that the interface has: another one since, and
//! alternative ones (`ip link property`).

use crate::{
    abi::name::{is_vale, ValeName},
    port::{Port, PortLabel},
    refusal::Fallible,
    sys::net::{Device, NetNs},
    vale::Switches,
    world::World,
};
use kernel::{prelude::*, sync::Arc};

/// What the switches call the port that a request calls `name`.
pub(super) fn known(name: &[u8], world: &World) -> Fallible<PortLabel> {
    let colon = name.iter().position(|&b| b == b':');
    let (switch, port) = match colon.filter(|_| is_vale(name)) {
        Some(colon) => name.split_at(colon + 1),
        None => (name, &[][..]),
    };
    let found = if port.is_empty() || is_port(name, &world.registry.switches)? {
        None
    } else {
        of_interface(port)?
    };
    let Some((interface, rest)) = found else {
        return Ok(PortLabel::new(&[name]));
    };
    // It may have been renamed since it was attached.
    let here = |plugged: &[u8]| {
        let there = plugged.starts_with(switch);
        there.then(|| PortLabel::new(&[plugged, rest]))
    };
    let id = interface.id();
    let persistent = world.registry.persistents.of(id);
    let plugged = persistent.and_then(|port| port.plugged(here).flatten());
    let attached = |port: &dyn Port| here(port.name());
    let plugged = plugged.or_else(|| world.attachments.port_of(id, attached).flatten());
    Ok(plugged.unwrap_or_else(|| PortLabel::new(&[switch, &interface.name(), rest])))
}

/// Whether a switch has a port of that very name.
fn is_port(name: &[u8], switches: &Arc<Switches>) -> Result<bool> {
    let Some(name) = ValeName::parse(name) else {
        return Ok(false);
    };
    let net = NetNs::current()?.id();
    Ok(matches!(switches.spot(net, &name), Ok(Some(_))))
}

/// The interface `port`, if there is such, and what is behind it: `^` for its host.
fn of_interface(port: &[u8]) -> Result<Option<(Device, &'static [u8])>> {
    let net = NetNs::current()?;
    let host = port.strip_suffix(b"^").map(|base| (base, &b"^"[..]));
    let bases = [Some((port, &[][..])), host].into_iter().flatten();
    let mut found = bases.filter_map(|(base, rest)| Some((Device::find(&net, base)?, rest)));
    Ok(found.next())
}
