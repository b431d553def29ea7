// SPDX-License-Identifier: GPL-2.0

//! Names of attached interfaces. A port has the name that the interface had with the kernel when it was attached, and is
//! found by all names that the interface has: another one since, and alternative ones (`ip link property`).

use crate::{
    abi::{
        consts::NETMAP_REQ_IFNAMSIZ,
        name::{is_vale, ValeName},
    },
    net::{Device, NetNs},
    refusal::Answer,
    vale::Switches,
    world::World,
};
use kernel::{prelude::*, sync::Arc};

/// A name as the switches know it.
pub(super) struct Known {
    bytes: [u8; NETMAP_REQ_IFNAMSIZ],
    len: usize,
}

impl Known {
    /// What a request calls `name`.
    pub(super) fn by(name: &[u8], world: &World) -> Answer<Self> {
        let colon = name.iter().position(|&b| b == b':');
        let (switch, port) = match colon.filter(|_| is_vale(name)) {
            Some(colon) => name.split_at(colon + 1),
            None => (name, &[][..]),
        };
        let found = if port.is_empty() || is_port(name, &world.places.switches)? {
            None
        } else {
            of_interface(port)?
        };
        let Some((interface, rest)) = found else {
            return Ok(Known::of([name, &[], &[]]));
        };
        // It may have been renamed since it was attached.
        let plugged = world.attachments.port_of(interface.id(), |plugged| {
            let there = plugged.starts_with(switch);
            there.then(|| Known::of([plugged, rest, &[]]))
        });
        Ok(plugged
            .flatten()
            .unwrap_or_else(|| Known::of([switch, &interface.name(), rest])))
    }

    fn of(parts: [&[u8]; 3]) -> Self {
        let mut known = Known {
            bytes: [0; NETMAP_REQ_IFNAMSIZ],
            len: 0,
        };
        for part in parts {
            known.add(part);
        }
        known
    }

    /// A name in a request is shorter than the room, and an interface's own name fits where a port's does.
    fn add(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part);
            self.len = end;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
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
