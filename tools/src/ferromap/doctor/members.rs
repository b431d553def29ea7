// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who else takes the frames of an interface: only one part of the kernel can.

use super::finding::Finding;
use crate::{
    counters,
    facts::{Answer, Facts},
};

/// Devices above an interface that take its frames.
const TAKERS: [&str; 5] = ["macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"];

/// Others whose kind matters.
const OTHERS: [&str; 5] = ["bridge", "bond", "team", "vrf", "vlan"];

/// Bridges, bonds, teams, and devices on top of the interface.
pub fn taken(facts: &Facts, interface: &str) -> Vec<Finding> {
    let folder = format!("sys/class/net/{interface}");
    let master = facts.link(&format!("{folder}/master"));
    let mut findings = Vec::new();
    if let Some(master) = &master {
        findings.push(member(facts, interface, master));
    } else if facts.is_there(&format!("{folder}/brport")) {
        findings.push(member(facts, interface, "a bridge"));
    }
    for name in facts.names(&folder).unwrap_or_default() {
        match name.strip_prefix("upper_") {
            Some(upper) if Some(upper) != master.as_deref() => {
                findings.push(above(facts, interface, upper));
            }
            _ => {}
        }
    }
    if findings.is_empty() {
        let text =
            format!("{interface} is in no bridge, bond or team, and nothing is on top of it.");
        findings.push(Finding::ok("member", text));
    }
    findings
}

fn member(facts: &Facts, interface: &str, master: &str) -> Finding {
    let is = |file: &str| facts.is_there(&format!("sys/class/net/{master}/{file}"));
    let kind = if is("bridge") {
        Some("bridge")
    } else if is("bonding") {
        Some("bond")
    } else {
        device_type(facts, master)
    };
    // A VRF looks at frames later, in the stack.
    if kind == Some("vrf") {
        let text = format!(
            "{interface} is in the VRF {master}, which loses its frames while a program has the \
             interface."
        );
        return Finding::note("member", text);
    }
    let kind = kind.map_or(String::new(), |kind| format!("{kind} "));
    let text = format!("{interface} is in {kind}{master}, which takes its frames.");
    Finding::problem("member", text).mend(format!("ip link set {interface} nomaster"))
}

fn above(facts: &Facts, interface: &str, upper: &str) -> Finding {
    let kind = device_type(facts, upper).filter(|kind| TAKERS.contains(kind));
    if let Some(kind) = kind {
        let text = format!("{upper} ({kind}) is on top of {interface} and takes its frames.");
        Finding::problem("member", text).mend(format!("ip link del {upper}"))
    } else {
        let text = format!(
            "{upper} is on top of {interface}: while a program has the interface, it gets only \
             what that passes on to the host stack, as bridge -i {interface} -i {interface}^ does."
        );
        Finding::note("member", text)
    }
}

/// What a device is. Not all say so in sysfs, but `ip` begins a line with it.
fn device_type(facts: &Facts, name: &str) -> Option<&'static str> {
    let known = |word: &str| {
        let mut kinds = TAKERS.iter().chain(&OTHERS);
        kinds.find(|kind| **kind == word).copied()
    };
    let uevent = facts.of(name, "uevent").unwrap_or_default();
    let told = |line: &str| known(line.strip_prefix("DEVTYPE=")?);
    uevent.lines().find_map(told).or_else(|| {
        match facts.ask(&["ip", "-d", "link", "show", "dev", name]) {
            Answer::Said(text) => text
                .lines()
                .find_map(|line| known(line.split_whitespace().next()?)),
            Answer::Failed | Answer::NotInstalled => None,
        }
    })
}

/// A switch of ours. Nothing is found where debugfs cannot be read.
pub fn plugged(facts: &Facts, interface: &str) -> Vec<Finding> {
    let ports = counters::read(facts).unwrap_or_default();
    let Some(port) = counters::plugged(&ports, interface) else {
        return Vec::new();
    };
    let text = format!(
        "{interface} is attached to a switch, as {port}: programs cannot open it, only other ports \
         of the switch."
    );
    vec![Finding::problem("switch", text).mend(format!("vale-ctl -d {port}"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::finding::Severity, facts::made_up::Machine};

    #[test]
    fn a_member_must_leave() {
        for (folder, kind) in [
            ("bridge/x", "bridge br0"),
            ("bonding/x", "bond br0"),
            ("x", " br0"),
        ] {
            let machine = Machine::with(&[(&format!("sys/class/net/br0/{folder}"), "")]);
            machine.link("sys/class/net/eth0/master", "../br0");
            machine.link("sys/class/net/eth0/upper_br0", "../br0");
            let findings = taken(&machine.0, "eth0");
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].severity, Severity::Problem);
            assert!(findings[0].text.contains(kind), "{findings:?}");
            let command = findings[0].command.as_deref();
            assert_eq!(command, Some("ip link set eth0 nomaster"));
        }
    }

    #[test]
    fn a_vrf_does_not_stand_in_the_way() {
        let machine =
            Machine::with(&[("sys/class/net/red/uevent", "DEVTYPE=vrf\nINTERFACE=red\n")]);
        machine.link("sys/class/net/eth0/master", "../red");
        assert_eq!(taken(&machine.0, "eth0")[0].severity, Severity::Note);
    }

    /// A VLAN was to be deleted though it stands in nobody's way.
    #[test]
    fn a_macvlan_takes_frames_and_a_vlan_does_not() {
        for (kind, severity, command) in [
            ("macvlan", Severity::Problem, Some("ip link del v")),
            ("vlan", Severity::Note, None),
        ] {
            let uevent = format!("DEVTYPE={kind}\n");
            let machine = Machine::with(&[("sys/class/net/v/uevent", &uevent)]);
            machine.link("sys/class/net/eth0/upper_v", "../v");
            let found = taken(&machine.0, "eth0").remove(0);
            assert_eq!(found.severity, severity, "{kind}");
            assert_eq!(found.command.as_deref(), command);
        }
    }

    #[test]
    fn ip_knows_a_macvlan_that_sysfs_does_not() {
        let machine = Machine::with(&[("sys/class/net/v/uevent", "INTERFACE=v\n")]);
        machine.link("sys/class/net/eth0/upper_v", "../v");
        let said =
            "5: v@eth0: <UP> mtu 1500\n    link/ether 02:00 promiscuity 0\n    macvlan mode vepa\n";
        machine.answer("ip -d link show dev v", said);
        let found = taken(&machine.0, "eth0").remove(0);
        assert_eq!(found.severity, Severity::Problem);
    }

    #[test]
    fn one_that_stands_alone_is_free() {
        let machine = Machine::with(&[("sys/class/net/eth0/mtu", "1500\n")]);
        assert_eq!(taken(&machine.0, "eth0")[0].severity, Severity::Ok);
        assert_eq!(plugged(&machine.0, "eth0"), []);
    }

    #[test]
    fn an_attached_interface_can_be_detached() {
        let machine = Machine::with(&[
            ("sys/module/netmap/parameters/admode", "0\n"),
            (counters::PORTS, counters::tests::TEXT),
        ]);
        let found = plugged(&machine.0, "eth0").remove(0);
        assert_eq!(found.command.as_deref(), Some("vale-ctl -d vale0:eth0"));
    }
}
