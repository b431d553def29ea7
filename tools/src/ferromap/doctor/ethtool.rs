// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `ethtool` tells: offloads, channels, pause frames, coalescing. All of it is about cost.

use super::finding::Finding;
use crate::facts::{Answer, Facts};

/// Offloads that the module undoes frame by frame, and what `ethtool -K` calls them.
const OFFLOADS: [(&str, &str); 5] = [
    (GRO, "gro"),
    ("large-receive-offload", "lro"),
    ("tcp-segmentation-offload", "tso"),
    ("generic-segmentation-offload", "gso"),
    ("rx-vlan-offload", "rxvlan"),
];

const GRO: &str = "generic-receive-offload";

/// An interrupt that waits longer is felt.
const LONG_WAIT: u64 = 100;

/// Without it there is nothing to tell from here on.
pub fn installed(facts: &Facts, _: &str) -> Vec<Finding> {
    if facts.ask(&["ethtool", "--version"]) != Answer::NotInstalled {
        return Vec::new();
    }
    let text = "The program ethtool is not installed, so offloads, channels, pause frames and \
        coalescing are not looked at.";
    vec![Finding::note("ethtool", text).mend("apt install ethtool".into())]
}

pub fn offloads(facts: &Facts, interface: &str) -> Vec<Finding> {
    let Some(text) = said(facts, "-k", interface) else {
        return Vec::new();
    };
    // What is fixed cannot be changed, so there is nothing to say.
    let on = |name: &str| value(&text, name) == Some("on");
    let names: Vec<&str> = OFFLOADS
        .iter()
        .filter(|&&(name, _)| on(name) && !(name == GRO && is_veth(facts, interface)))
        .map(|&(_, short)| short)
        .collect();
    if names.is_empty() {
        let text = "No offload is on that would have to be undone.";
        return vec![Finding::ok("offloads", text)];
    }
    let text = format!(
        "Offloads are on ({}): the module undoes them, so frames are right, but that costs time.",
        names.join(", ")
    );
    let command = format!("ethtool -K {interface} {} off", names.join(" off "));
    vec![Finding::note("offloads", text).mend(command)]
}

/// A veth pair receives many frames at a time, as a NIC does, only with GRO on
/// (docs/performance.md).
pub fn batches(facts: &Facts, interface: &str) -> Vec<Finding> {
    let off = said(facts, "-k", interface).is_some_and(|text| value(&text, GRO) == Some("off"));
    if !off || !is_veth(facts, interface) {
        return Vec::new();
    }
    let text = format!(
        "{interface} is an end of a veth pair and receives frames one by one while \
        GRO is off: at half the rate."
    );
    vec![Finding::note("batches", text).mend(format!("ethtool -K {interface} gro on"))]
}

fn is_veth(facts: &Facts, interface: &str) -> bool {
    said(facts, "-i", interface).is_some_and(|text| value(&text, "driver") == Some("veth"))
}

pub fn channels(facts: &Facts, interface: &str) -> Vec<Finding> {
    let Some(text) = said(facts, "-l", interface) else {
        return Vec::new();
    };
    let cpus = facts
        .line("sys/devices/system/cpu/online")
        .map_or(0, |list| count(&list));
    let Some((most, now)) = text.split_once("Current hardware settings") else {
        return Vec::new();
    };
    for (name, short) in [("Combined", "combined"), ("RX", "rx")] {
        let number = |text| value(text, name).and_then(|v: &str| v.parse::<u64>().ok());
        let (Some(most), Some(now)) = (number(most), number(now)) else {
            continue;
        };
        let best = most.min(cpus);
        if most > 0 && cpus > 0 && now != best {
            let why = if now < best {
                "more of them let more CPUs receive at a time"
            } else {
                "each beyond the number of CPUs costs memory and wakes a CPU that others use"
            };
            let text = format!(
                "For {cpus} CPUs {interface} has {now} channel{}: {why}.",
                if now == 1 { "" } else { "s" }
            );
            let command = format!("ethtool -L {interface} {short} {best}");
            return vec![Finding::note("channels", text).mend(command)];
        }
    }
    Vec::new()
}

pub fn pause(facts: &Facts, interface: &str) -> Vec<Finding> {
    let Some(text) = said(facts, "-a", interface) else {
        return Vec::new();
    };
    if value(&text, "RX") != Some("on") && value(&text, "TX") != Some("on") {
        return Vec::new();
    }
    let text = "Pause frames are on: a slow receiver stops its sender, so rates that are measured \
        are those of the slowest.";
    let command = format!("ethtool -A {interface} autoneg off rx off tx off");
    vec![Finding::note("pause", text).mend(command)]
}

pub fn coalescing(facts: &Facts, interface: &str) -> Vec<Finding> {
    let Some(text) = said(facts, "-c", interface) else {
        return Vec::new();
    };
    let wait = value(&text, "rx-usecs").and_then(|v| v.parse::<u64>().ok());
    match wait {
        Some(wait) if wait > LONG_WAIT => {
            let text = format!(
                "{interface} may hold frames back for {wait} microseconds before it interrupts: \
                 that is felt as latency."
            );
            let command = format!("ethtool -C {interface} rx-usecs {}", LONG_WAIT / 4);
            vec![Finding::note("coalescing", text).mend(command)]
        }
        _ => Vec::new(),
    }
}

/// Nothing where the driver tells nothing.
fn said(facts: &Facts, option: &str, interface: &str) -> Option<String> {
    match facts.ask(&["ethtool", option, interface]) {
        Answer::Said(text) => Some(text),
        Answer::Failed | Answer::NotInstalled => None,
    }
}

/// What is after `name:`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

/// How many numbers are in a list like `0-3,6`.
fn count(list: &str) -> u64 {
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (last + 1).checked_sub(first)
    };
    list.split(',').filter_map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    /// The commands that the check has on a machine where ethtool says this.
    fn commands(check: super::super::Check, option: &str, text: &str) -> Vec<Option<String>> {
        let machine = Machine::with(&[("sys/devices/system/cpu/online", "0-3\n")]);
        machine.answer(&format!("ethtool {option} eth0"), text);
        let findings = check(&machine.0, "eth0");
        findings.into_iter().map(|f| f.command).collect()
    }

    fn some(command: &str) -> Vec<Option<String>> {
        vec![Some(command.to_owned())]
    }

    #[test]
    fn offloads_that_can_be_turned_off_are_told() {
        let text = "Features for eth0:\ntcp-segmentation-offload: on\n\ttx-tcp-segmentation: on\n\
            generic-receive-offload: on\nlarge-receive-offload: off [fixed]\nrx-vlan-offload: on \
            [fixed]\n";
        assert_eq!(
            commands(offloads, "-k", text),
            some("ethtool -K eth0 gro off tso off")
        );
        assert_eq!(commands(offloads, "-k", "rx-checksumming: on\n"), [None]);
    }

    /// README says the same of veth pairs.
    #[test]
    fn a_veth_pair_is_to_have_gro() {
        let text = |gro| format!("generic-receive-offload: {gro}\ntcp-segmentation-offload: on\n");
        for (driver, gro, no_offloads, receives) in [
            ("veth", "on", some("ethtool -K eth0 tso off"), vec![]),
            (
                "veth",
                "off",
                some("ethtool -K eth0 tso off"),
                some("ethtool -K eth0 gro on"),
            ),
            ("igb", "on", some("ethtool -K eth0 gro off tso off"), vec![]),
            ("igb", "off", some("ethtool -K eth0 tso off"), vec![]),
        ] {
            let machine = Machine::with(&[]);
            machine.answer("ethtool -k eth0", &text(gro));
            machine.answer(
                "ethtool -i eth0",
                &format!("driver: {driver}\nversion: 1.0\n"),
            );
            let of = |check: super::super::Check| -> Vec<_> {
                check(&machine.0, "eth0")
                    .into_iter()
                    .map(|f| f.command)
                    .collect()
            };
            assert_eq!(
                (of(offloads), of(batches)),
                (no_offloads, receives),
                "{driver}, GRO {gro}"
            );
        }
    }

    #[test]
    fn channels_should_be_as_many_as_cpus() {
        let text = |most, now| {
            format!(
                "Channel parameters for eth0:\nPre-set \
                maximums:\nRX:\t\tn/a\nCombined:\t{most}\nCurrent hardware \
                settings:\nRX:\t\tn/a\nCombined:\t{now}\n"
            )
        };
        let found = |most, now| commands(channels, "-l", &text(most, now));
        assert_eq!(found(8, 1), some("ethtool -L eth0 combined 4"));
        assert_eq!(found(8, 8), some("ethtool -L eth0 combined 4"));
        assert_eq!(found(2, 1), some("ethtool -L eth0 combined 2"));
        assert_eq!((found(8, 4), found(2, 2)), (vec![], vec![]));
    }

    #[test]
    fn pause_frames_are_told() {
        let text = |rx| {
            format!("Pause parameters for eth0:\nAutonegotiate:\ton\nRX:\t\t{rx}\nTX:\t\toff\n")
        };
        assert_eq!(
            commands(pause, "-a", &text("on")),
            some("ethtool -A eth0 autoneg off rx off tx off")
        );
        assert_eq!(commands(pause, "-a", &text("off")), []);
    }

    #[test]
    fn long_waits_are_told() {
        let text = |n| {
            format!("Coalesce parameters for eth0:\nAdaptive RX: off  TX: off\nrx-usecs:\t{n}\n")
        };
        let found = |n| commands(coalescing, "-c", &text(n));
        assert_eq!(found("200"), some("ethtool -C eth0 rx-usecs 25"));
        assert_eq!((found("3"), found("n/a")), (vec![], vec![]));
    }

    #[test]
    fn a_machine_without_ethtool_gets_one_note() {
        let machine = Machine::with(&[("programs/none", "")]);
        assert_eq!(installed(&machine.0, "eth0").len(), 1);
        assert_eq!(offloads(&machine.0, "eth0"), []);
    }

    #[test]
    fn lists_of_cpus_are_counted() {
        for (list, wanted) in [("0", 1), ("0-3", 4), ("0-3,6", 5), ("", 0)] {
            assert_eq!(count(list), wanted, "{list}");
        }
    }
}
