// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ferromap doctor`: what keeps an interface from being opened, or makes it slow.
//!
//! Each check is a function that looks at the [`Facts`] and has findings, or one that says that all is
//! well. It never changes anything: the command that would is told.

mod device;
mod ethtool;
mod finding;
mod link;
mod members;
mod xdp;

use crate::facts::Facts;
use common::{json::Object, say};
use finding::{Finding, Severity};
use std::process::ExitCode;

type Check = fn(&Facts, &str) -> Vec<Finding>;

/// In the order in which one would mend things.
const CHECKS: [Check; 13] = [
    link::ethernet,
    members::taken,
    members::plugged,
    link::up,
    link::mtu,
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
    findings.extend(device::native_mode_only(facts));
    if !facts.has_interface(interface) {
        findings.push(link::missing(interface));
        return findings;
    }
    findings.extend(CHECKS.iter().flat_map(|check| check(facts, interface)));
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
        Machine::with(&[
            ("dev/netmap", ""),
            ("sys/module/netmap/parameters/admode", "0\n"),
            ("sys/module/netmap/parameters/buf_size", "2048\n"),
            ("sys/class/net/eth0/ifindex", "2\n"),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/eth0/flags", "0x1103\n"),
            ("sys/class/net/eth0/carrier", "1\n"),
            ("sys/class/net/eth0/mtu", "1500\n"),
        ])
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
            r#"{"type":"finding","interface":"eth0","check":"mtu","severity":"problem","text":"too \"large\"","command":"ip link"}"#
        );
    }
}
