// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ferromap doctor`: what keeps an interface from being opened, or makes it slow.
//!
//! Each check is a function that looks at the [`Facts`] and has findings, or one that says that all
//! is well. Whether the interface can be opened is the module's to say, which is asked
//! ([`Facts::probe`]); the checks tell what it may be that stands in the way. Nothing is ever
//! changed: the command that would is told.

mod device;
mod ethtool;
mod finding;
mod link;
mod members;
mod xdp;

use crate::facts::{Cause, Facts};
use common::{json::Object, say};
use finding::{Finding, Severity};
use std::process::ExitCode;

type Check = fn(&Facts, &str) -> Vec<Finding>;

/// What may keep it from being opened, in the order in which one would mend things.
const OBSTACLES: [Check; 5] = [
    device::native_mode_only,
    link::ethernet,
    members::taken,
    members::plugged,
    link::mtu,
];

/// What may keep frames from going, or make them slow.
const TROUBLES: [Check; 10] = [
    link::up,
    link::loopback,
    link::promiscuous,
    xdp::program,
    ethtool::installed,
    ethtool::offloads,
    ethtool::batches,
    ethtool::channels,
    ethtool::pause,
    ethtool::coalescing,
];

/// Tells all findings; the status says whether one is a problem.
pub fn run(facts: &Facts, interface: &str, json: bool) -> ExitCode {
    let findings = examine(facts, interface);
    if json {
        findings
            .iter()
            .for_each(|finding| say!("{}", object(interface, finding)));
    } else {
        findings
            .iter()
            .flat_map(Finding::lines)
            .for_each(|line| say!("{line}"));
        say!("{}", summary(interface, &findings));
    }
    if count(&findings, Severity::Problem) > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn examine(facts: &Facts, interface: &str) -> Vec<Finding> {
    let mut findings = device::usable(facts);
    let Some(own) = facts.own_name(interface) else {
        findings.push(link::missing(interface));
        return findings;
    };
    let interface = own.as_str();
    let all = |checks: &[Check]| -> Vec<Finding> {
        let found = checks.iter().flat_map(|check| check(facts, interface));
        found.collect()
    };
    let mut obstacles = all(&OBSTACLES);
    match facts.probe(interface) {
        Some(Ok(())) => {
            let text = format!("The module would open {interface}.");
            findings.push(Finding::ok("open", text));
            // Then nothing of it stands in the way.
            obstacles.iter_mut().for_each(Finding::soften);
        }
        Some(Err(refusal)) => {
            let text = format!("{interface} cannot be opened: {}.", refusal.why);
            let refused = Finding::problem("open", text);
            match refusal.cause {
                // All others are about an interface that is open, or could be.
                Cause::Kind => {
                    findings.push(refused);
                    return findings;
                }
                // It is among the obstacles, with the command.
                Cause::Mtu if obstacles.iter().any(link::is_large_mtu) => {}
                Cause::Mtu | Cause::Other => findings.push(refused),
            }
        }
        None => {}
    }
    findings.extend(obstacles);
    findings.extend(all(&TROUBLES));
    findings
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|f| f.severity == severity).count()
}

fn summary(interface: &str, findings: &[Finding]) -> String {
    let some = |n, what: &str| match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    format!(
        "{interface}: {}, {}.",
        some(count(findings, Severity::Problem), "problem"),
        some(count(findings, Severity::Note), "note")
    )
}

fn object(interface: &str, finding: &Finding) -> Object {
    let object = Object::new("finding")
        .text("interface", interface)
        .text("check", finding.check)
        .text("severity", finding.severity.name())
        .text("text", &finding.text);
    match &finding.command {
        Some(command) => object.text("command", command),
        None => object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    fn healthy() -> Machine {
        let machine = Machine::with(&[
            ("dev/netmap", ""),
            ("sys/module/netmap/parameters/admode", "0\n"),
            ("sys/module/netmap/parameters/buf_size", "2048\n"),
            ("sys/class/net/eth0/ifindex", "2\n"),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/eth0/flags", "0x1103\n"),
            ("sys/class/net/eth0/carrier", "1\n"),
            ("sys/class/net/eth0/mtu", "1500\n"),
        ]);
        machine.decide("eth0", "");
        machine
    }

    #[test]
    fn whether_it_can_be_opened_is_the_modules_to_say() {
        let machine = healthy();
        // Of a kind that no check knows.
        machine.decide("eth0", "eth0 takes no hook (EINVAL)");
        let findings = examine(&machine.0, "eth0");
        assert_eq!(count(&findings, Severity::Problem), 1);
        let text = &findings[1].text;
        assert_eq!(text, "eth0 cannot be opened: eth0 takes no hook (EINVAL).");
        // What a check takes for an obstacle is none if the module would open it.
        machine.write("sys/class/net/eth0/mtu", "40000\n");
        machine.decide("eth0", "");
        let findings = examine(&machine.0, "eth0");
        assert_eq!(count(&findings, Severity::Problem), 0);
        assert_eq!(count(&findings, Severity::Note), 1);
    }

    /// A VRF that cannot be opened was said to be down, not promiscuous, and "it can be opened".
    #[test]
    fn of_what_nobody_can_open_nothing_else_is_told() {
        let machine = healthy();
        machine.write("sys/class/net/eth0/flags", "0x1002\n");
        machine.write("sys/class/net/eth0/mtu", "65575\n");
        for why in [
            "eth0 is of kind vrf, and the kernel lets nobody take frames of such an interface \
             (EINVAL)",
            "eth0 does not carry Ethernet frames (EINVAL)",
            "the frames of eth0, a macvtap, go to whoever opens its /dev/tap: use that (EBUSY)",
        ] {
            machine.decide("eth0", why);
            let findings = examine(&machine.0, "eth0");
            let told: Vec<&str> = findings.iter().map(|f| f.check).collect();
            assert_eq!(told, ["device", "open"], "{why}");
        }
    }

    /// A member of a bridge that is down can be mended, but "it can be opened" it cannot.
    #[test]
    fn what_can_be_mended_has_its_other_findings_too() {
        let machine = healthy();
        machine.write("sys/class/net/eth0/flags", "0x1002\n");
        machine.write("sys/class/net/br0/bridge/x", "");
        machine.link("sys/class/net/eth0/master", "../br0");
        machine.decide(
            "eth0",
            "eth0 is in bridge br0, which takes its frames (EBUSY)",
        );
        let findings = examine(&machine.0, "eth0");
        assert_eq!(count(&findings, Severity::Problem), 3, "{findings:?}");
        assert!(findings.iter().any(|f| f.check == "promiscuous"));
        assert!(!findings.iter().any(|f| f.text.contains("can be opened")));
    }

    /// Of the loopback it was told twice, once with 2048 as what to set it to and once with 1500.
    #[test]
    fn a_large_mtu_is_one_problem() {
        let machine = healthy();
        machine.write("sys/class/net/eth0/mtu", "65536\n");
        let why =
            "frames of eth0 do not fit: its MTU is 65536, and with buffers of 2048 bytes it can \
            be 32768 at most. Lower the MTU (ip link set eth0 mtu 2026) (EINVAL)";
        machine.decide("eth0", why);
        let problems = || -> Vec<Option<String>> {
            let mut findings = examine(&machine.0, "eth0");
            findings.retain(|f| f.severity == Severity::Problem);
            findings.into_iter().map(|f| f.command).collect()
        };
        assert_eq!(problems(), [Some("ip link set eth0 mtu 1500".to_owned())]);
        // Buffers may have been larger by then: the module's word stays.
        machine.write("sys/module/netmap/parameters/buf_size", "131072\n");
        assert_eq!(problems(), [None]);
    }

    #[test]
    fn a_healthy_interface_has_no_problem() {
        let machine = healthy();
        let findings = examine(&machine.0, "eth0");
        assert!(
            findings.iter().all(|f| f.severity == Severity::Ok),
            "{findings:?}"
        );
        assert!(findings.len() > 4);
        assert_eq!(summary("eth0", &findings), "eth0: no problems, no notes.");
    }

    /// By an alternative name it was said to be missing.
    #[test]
    fn an_alternative_name_is_one_of_the_interface() {
        let machine = healthy();
        machine.answer(
            "ip -o link show dev enp1s0",
            "2: eth0@eth7: <UP> mtu 1500\n",
        );
        let findings = examine(&machine.0, "enp1s0");
        assert_eq!(count(&findings, Severity::Problem), 0, "{findings:?}");
        assert!(findings.iter().any(|f| f.text.contains("eth0 is there")));
    }

    #[test]
    fn a_missing_interface_is_one_problem() {
        let machine = healthy();
        let findings = examine(&machine.0, "eth1");
        let last = findings.last().unwrap();
        assert_eq!(count(&findings, Severity::Problem), 1);
        assert!(last.text.contains("no network interface eth1"), "{last:?}");
        assert_eq!(summary("eth1", &findings), "eth1: 1 problem, no notes.");
    }

    #[test]
    fn programs_get_the_command_too() {
        let finding = Finding::problem("mtu", "too \"large\"").mend("ip link".into());
        assert_eq!(
            object("eth0", &finding).to_string(),
            concat!(
                r#"{"type":"finding","interface":"eth0","check":"mtu","severity":"problem","#,
                r#""text":"too \"large\"","command":"ip link"}"#,
            )
        );
    }
}
