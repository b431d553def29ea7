// SPDX-License-Identifier: MIT OR Apache-2.0

//! The interface itself: its kind, its link, its MTU.

use super::finding::{Finding, Severity};
use crate::facts::Facts;
use common::ports;

/// `if_arp.h` and `if.h`.
const ETHERNET: &str = "1";
const LOOPBACK: &str = "772";
const UP: u64 = 1;
const PROMISCUOUS: u64 = 0x100;

/// Bytes of an Ethernet header, which the MTU leaves out, and those with two VLAN tags.
const ETHERNET_HEADER: u64 = 14;
const HEADERS: u64 = ETHERNET_HEADER + 8;

/// Slots that a frame can have, and the largest MTU of one with several.
const MOST_SLOTS: u64 = 64;
const LARGEST_MTU: u64 = 32768;

pub fn missing(interface: &str) -> Finding {
    let text = format!(
        "There is no network interface {interface} in this network namespace. The command lists \
         those that are."
    );
    Finding::problem("interface", text).mend("ip -br link".into())
}

pub fn ethernet(facts: &Facts, interface: &str) -> Vec<Finding> {
    let finding = match facts.of(interface, "type").as_deref() {
        Some(ETHERNET) | None => Finding::ok(
            "ethernet",
            format!("{interface} is there, and speaks Ethernet."),
        ),
        Some(LOOPBACK) => Finding::note(
            "ethernet",
            format!(
                "{interface} is the loopback: its frames look like Ethernet, but there is no \
                wire behind it."
            ),
        ),
        Some(other) => Finding::problem(
            "ethernet",
            format!(
                "{interface} is not Ethernet (type {other}): the module opens Ethernet \
                interfaces only."
            ),
        ),
    };
    vec![finding]
}

pub fn up(facts: &Facts, interface: &str) -> Vec<Finding> {
    if let Some(why) = ports::lacks_members(interface, |file| facts.of(interface, file)) {
        return vec![Finding::problem("link", format!("{why}."))];
    }
    let finding = if flags(facts, interface) & UP == 0 {
        let text = format!("{interface} is down: no frame goes either way.");
        Finding::problem("link", text).mend(format!("ip link set {interface} up"))
    } else if facts.of(interface, "carrier").as_deref() == Some("0") {
        Finding::problem(
            "link",
            format!(
                "{interface} is up but has no carrier: the cable, or the far side, is not \
                there, and frames are dropped. The command shows what the driver sees."
            ),
        )
        .mend(format!("ethtool {interface}"))
    } else {
        Finding::ok("link", format!("{interface} is up and has a link."))
    };
    vec![finding]
}

/// Whether frames fit into buffers, with the header that the MTU leaves out.
pub fn mtu(facts: &Facts, interface: &str) -> Vec<Finding> {
    let mtu = facts.number(&format!("sys/class/net/{interface}/mtu"));
    let (Some(mtu), Some(size)) = (mtu, facts.parameter("buf_size")) else {
        return Vec::new();
    };
    let in_slots = LARGEST_MTU.min((MOST_SLOTS * size).saturating_sub(HEADERS));
    let finding = if mtu > size.max(in_slots) {
        Finding::problem(
            "mtu",
            format!(
                "The MTU of {interface} is {mtu}, and with buffers of {size} bytes to receive \
                there is refused above {in_slots}. Lower the MTU, as below."
            ),
        )
        .mend(format!("ip link set {interface} mtu 1500"))
    } else if mtu + ETHERNET_HEADER > size {
        let most = size.saturating_sub(ETHERNET_HEADER);
        Finding::note(
            "mtu",
            format!(
                "With its header, a frame of the MTU of {mtu} is longer than a buffer of \
                {size} bytes: longer ones come in several slots (NS_MOREFRAG), each of which a \
                program that does not know of that takes for a frame. Then lower the MTU, or \
                raise the parameter buf_size while no port is open."
            ),
        )
        .mend(format!("ip link set {interface} mtu {most}"))
    } else {
        Finding::ok(
            "mtu",
            format!("Frames of the MTU of {mtu} fit into buffers of {size} bytes."),
        )
    };
    vec![finding]
}

/// Whether this is the one above by which to receive is refused.
pub fn is_large_mtu(finding: &Finding) -> bool {
    finding.check == "mtu" && finding.severity == Severity::Problem
}

/// What comes back to the stack over the loopback bears the machine's own addresses, which it takes
/// for forged.
pub fn loopback(facts: &Facts, interface: &str) -> Vec<Finding> {
    if !is_loopback(facts, interface) {
        return Vec::new();
    }
    let is_on = |interface: &str, name: &str| {
        facts.line(&format!("proc/sys/net/ipv4/conf/{interface}/{name}")) == Some("1".into())
    };
    let missing: Vec<String> = ["route_localnet", "accept_local"]
        .into_iter()
        .filter(|name| !is_on(interface, name) && !is_on("all", name))
        .map(|name| format!("net.ipv4.conf.{interface}.{name}=1"))
        .collect();
    if missing.is_empty() {
        let text = format!("The stack takes what a program hands it through {interface}^.");
        return vec![Finding::ok("loopback", text)];
    }
    let text = format!(
        "The stack drops IPv4 packets that a program hands it through {interface}^: they come from \
         its own addresses."
    );
    vec![Finding::note("loopback", text).mend(format!("sysctl -w {}", missing.join(" ")))]
}

pub fn promiscuous(facts: &Facts, interface: &str) -> Vec<Finding> {
    if is_loopback(facts, interface) {
        return Vec::new();
    }
    if flags(facts, interface) & PROMISCUOUS != 0 {
        let text = format!("{interface} is promiscuous: frames for all addresses come.");
        return vec![Finding::ok("promiscuous", text)];
    }
    let text = format!(
        "{interface} is not promiscuous: frames for other stations do not come, so bridging or \
         capturing misses them."
    );
    let command = format!("ip link set {interface} promisc on");
    vec![Finding::note("promiscuous", text).mend(command)]
}

fn is_loopback(facts: &Facts, interface: &str) -> bool {
    facts.of(interface, "type").as_deref() == Some(LOOPBACK)
}

fn flags(facts: &Facts, interface: &str) -> u64 {
    let text = facts.of(interface, "flags").unwrap_or_default();
    let digits = text.strip_prefix("0x").unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    fn check(which: super::super::Check, files: &[(&str, &str)]) -> (Severity, Option<String>) {
        let machine = Machine::with(files);
        let finding = which(&machine.0, "eth0").remove(0);
        (finding.severity, finding.command)
    }

    #[test]
    fn only_ethernet_will_do() {
        for (kind, wanted) in [
            ("1", Severity::Ok),
            ("772", Severity::Note),
            ("512", Severity::Problem),
        ] {
            let (severity, _) = check(ethernet, &[("sys/class/net/eth0/type", kind)]);
            assert_eq!(severity, wanted, "{kind}");
        }
    }

    #[test]
    fn a_link_is_up_and_has_carrier() {
        let link = |flags, carrier| {
            check(
                up,
                &[
                    ("sys/class/net/eth0/flags", flags),
                    ("sys/class/net/eth0/carrier", carrier),
                ],
            )
        };
        assert_eq!(link("0x1003\n", "1\n").0, Severity::Ok);
        let down = link("0x1002\n", "");
        assert_eq!(down.1.as_deref(), Some("ip link set eth0 up"));
        assert_eq!(link("0x1003\n", "0\n").0, Severity::Problem);
    }

    /// A bond without members was said to lack a cable.
    #[test]
    fn a_bond_needs_members() {
        let machine = Machine::with(&[
            ("sys/class/net/b0/flags", "0x1403\n"),
            ("sys/class/net/b0/carrier", "0\n"),
            ("sys/class/net/b0/bonding/slaves", "\n"),
        ]);
        let text = |machine: &Machine| up(&machine.0, "b0").remove(0).text;
        let told = text(&machine);
        assert!(told.contains("b0 has no members"), "{told}");
        assert!(told.ends_with("ip link set IF master b0."), "{told}");
        machine.write("sys/class/net/b0/bonding/slaves", "eth0\n");
        assert!(text(&machine).contains("the cable"));
    }

    #[test]
    fn the_mtu_must_fit_into_a_buffer() {
        for (given, severity, command) in [
            ("1500", Severity::Ok, None),
            ("2034", Severity::Ok, None),
            ("2048", Severity::Note, Some("ip link set eth0 mtu 2034")),
            ("9000", Severity::Note, Some("ip link set eth0 mtu 2034")),
            ("32768", Severity::Note, Some("ip link set eth0 mtu 2034")),
            (
                "32769",
                Severity::Problem,
                Some("ip link set eth0 mtu 1500"),
            ),
        ] {
            let found = check(
                mtu,
                &[
                    ("sys/class/net/eth0/mtu", given),
                    ("sys/module/netmap/parameters/buf_size", "2048\n"),
                ],
            );
            assert_eq!(found, (severity, command.map(str::to_owned)), "{given}");
        }
    }

    #[test]
    fn the_loopback_needs_two_settings() {
        let lo = ("sys/class/net/eth0/type", "772\n");
        let localnet = "proc/sys/net/ipv4/conf/all/route_localnet";
        let local = "proc/sys/net/ipv4/conf/eth0/accept_local";
        let (severity, command) = check(loopback, &[lo, (local, "0\n"), (localnet, "1\n")]);
        assert_eq!(severity, Severity::Note);
        assert_eq!(
            command.as_deref(),
            Some("sysctl -w net.ipv4.conf.eth0.accept_local=1")
        );
        let both = check(loopback, &[lo, (local, "1\n"), (localnet, "1\n")]);
        assert_eq!(both, (Severity::Ok, None));
        let machine = Machine::with(&[("sys/class/net/eth0/type", "1\n")]);
        assert_eq!(loopback(&machine.0, "eth0"), []);
    }

    #[test]
    fn promiscuous_mode_is_a_note() {
        let mode = |flags| check(promiscuous, &[("sys/class/net/eth0/flags", flags)]);
        assert_eq!(mode("0x1103\n"), (Severity::Ok, None));
        let (severity, command) = mode("0x1003\n");
        assert_eq!(severity, Severity::Note);
        assert_eq!(command.as_deref(), Some("ip link set eth0 promisc on"));
    }
}
