// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ports: their names as people give them, and what to know before frames go.

use ferromap::{Config, Errno, Port, PortInfo, PortSpec, Result, Rings};
use std::fs;

/// The name in full: a bare one is an interface.
pub fn full_name(name: &str) -> String {
    PortSpec::full_name(name).into_owned()
}

/// The name taken apart.
pub fn spec(name: &str) -> Result<PortSpec> {
    name.parse()
}

/// Tells people once for each interface that its frames are copied.
pub fn tell_emulated<'a>(tool: &str, ports: impl IntoIterator<Item = &'a Port>) {
    let mut told: Vec<&str> = Vec::new();
    for port in ports {
        let name = port.name();
        if port.is_emulated() && !told.contains(&name) {
            told.push(name);
            crate::note!(
                "{tool}: {name} is driven in emulated mode: frames are copied between \
                its driver and the rings"
            );
        }
    }
}

/// Tells people where a port has other sizes than they asked for.
pub fn tell_sizes<'a>(tool: &str, ports: impl IntoIterator<Item = &'a Port>) {
    for port in ports {
        let other = other_sizes(&port.spec().config, &port.info());
        if !other.is_empty() {
            crate::note!(
                "{tool}: {} has {}: a port that is there already keeps its sizes, and others have \
                 limits",
                port.name(),
                other.join(", ")
            );
        }
    }
}

fn other_sizes(asked: &Config, got: &PortInfo) -> Vec<String> {
    let sizes = [
        (asked.tx_slots, got.tx_slots, "transmit slots a ring"),
        (asked.rx_slots, got.rx_slots, "receive slots a ring"),
        (asked.tx_rings.into(), got.tx_rings.into(), "transmit rings"),
        (asked.rx_rings.into(), got.rx_rings.into(), "receive rings"),
        (
            asked.host_tx_rings.into(),
            got.host_tx_rings.into(),
            "host transmit rings",
        ),
        (
            asked.host_rx_rings.into(),
            got.host_rx_rings.into(),
            "host receive rings",
        ),
    ];
    let other = sizes
        .into_iter()
        .filter(|(asked, got, _)| *asked != 0 && asked != got);
    other
        .map(|(asked, got, what)| format!("{got} {what}, not {asked}"))
        .collect()
}

/// Tells people if fewer extra buffers came than they asked for.
pub fn tell_extra_buffers(tool: &str, got: usize, asked: u32) {
    if got < asked as usize {
        crate::note!("{tool}: {got} extra buffers of {asked} came: the memory region has no more");
    }
}

/// Why poll reports an error on the port: a sync tells more than poll can.
pub fn gone(port: &mut Port) -> String {
    match port.sync() {
        Err(e) if e.errno() == Some(Errno::EIO) => {
            format!("{} is gone: the interface was removed ({e})", port.name())
        }
        Err(e) => format!("{} is gone: {e}", port.name()),
        Ok(()) => format!(
            "{} fails in poll: it was closed below us, or somebody else writes to its rings",
            port.name()
        ),
    }
}

/// Tells people once for each interface that has no link.
pub fn tell_lost_links(tool: &str, ports: &[Port]) {
    let mut told: Vec<&str> = Vec::new();
    for port in ports.iter().filter(|port| !is_up(port)) {
        if !told.contains(&port.name()) {
            told.push(port.name());
            if let Some(why) = why_no_carrier(port.name()) {
                crate::note!("{tool}: {why}");
            }
        }
    }
}

/// Whether there is an interface with a link behind its rings.
pub fn is_wired(port: &Port) -> bool {
    has_wire(port.spec())
}

/// Whether the link is up, where there is one.
pub fn is_up(port: &Port) -> bool {
    let carrier = || fs::read_to_string(format!("/sys/class/net/{}/carrier", port.name()));
    !is_wired(port) || carrier().is_ok_and(|c| c.trim() == "1")
}

/// What a frame may have beside the MTU: an Ethernet header and two VLAN tags.
pub const HEADERS: usize = 14 + 8;

/// The MTU of the interface behind NIC rings; what host rings give to the stack is not bound by it.
pub fn mtu(port: &Port) -> Option<usize> {
    if !is_wired(port) {
        return None;
    }
    let mtu = fs::read_to_string(format!("/sys/class/net/{}/mtu", port.name()));
    mtu.ok()?.trim().parse().ok()
}

/// Behind host rings is the machine itself.
fn has_wire(spec: &PortSpec) -> bool {
    !spec.is_virtual() && !matches!(spec.rings, Rings::Host | Rings::OneHost(_))
}

const LOST: &str = "nothing comes, and what is sent is dropped";

fn why_no_carrier(name: &str) -> Option<String> {
    let told = |file: &str| fs::read_to_string(format!("/sys/class/net/{name}/{file}")).ok();
    told("ifindex")?;
    Some(match (lacks_members(name, told), told("carrier")) {
        (Some(why), _) => why,
        (None, Some(_)) => {
            format!("{name} has no link: {LOST}. Check the cable and the other side")
        }
        // The kernel tells of a carrier only where the interface is up.
        (None, None) => format!("{name} is down: {LOST}. Set it up: ip link set {name} up"),
    })
}

/// Says so of a bond that has no members, which are its cables. `told` reads the interface's files
/// in sysfs.
pub fn lacks_members(name: &str, told: impl Fn(&str) -> Option<String>) -> Option<String> {
    let members = told("bonding/slaves")?;
    members.trim().is_empty().then(|| {
        format!("{name} has no members: {LOST}. Give it one: ip link set IF master {name}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_were_cut_are_told() {
        let mut asked = Config::default();
        let mut got = PortInfo::default();
        (got.tx_slots, got.rx_slots, got.tx_rings) = (4096, 1024, 1);
        assert!(other_sizes(&asked, &got).is_empty());
        (asked.tx_slots, asked.rx_slots) = (9_999_999, 1024);
        assert_eq!(
            other_sizes(&asked, &got),
            ["4096 transmit slots a ring, not 9999999"]
        );
    }
}
