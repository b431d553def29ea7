// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs, which see frames before we do.

use super::finding::Finding;
use crate::facts::{Answer, Facts};

/// As `ip -d link` tells them, with what takes each out.
const MODES: [&str; 4] = ["xdp", "xdpgeneric", "xdpdrv", "xdpoffload"];

pub fn program(facts: &Facts, interface: &str) -> Vec<Finding> {
    match facts.ask(&["ip", "-d", "link", "show", "dev", interface]) {
        Answer::Said(text) => attached(interface, &text),
        Answer::Failed => Vec::new(),
        Answer::NotInstalled => {
            let text = "The program ip is not installed, so XDP programs are not seen.";
            vec![Finding::note("xdp", text).mend("apt install iproute2".into())]
        }
    }
}

fn attached(interface: &str, text: &str) -> Vec<Finding> {
    let mut words = text.split_whitespace();
    let several = text.contains("xdpmulti");
    let Some(mode) = words
        .find(|word| MODES.contains(word))
        .or(several.then_some("xdp"))
    else {
        return vec![Finding::ok(
            "xdp",
            format!("No XDP program is on {interface}."),
        )];
    };
    let text = format!(
        "An XDP program is on {interface}: what it drops or redirects does not come to the rings."
    );
    vec![Finding::note("xdp", text).mend(format!("ip link set dev {interface} {mode} off"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_seen_in_each_mode() {
        let said = |mode: &str| {
            format!("2: eth0: <UP> mtu 1500 {mode} qdisc noqueue\n    prog/xdp id 8 name drop\n")
        };
        for mode in MODES {
            let found = attached("eth0", &said(mode)).remove(0);
            let command = format!("ip link set dev eth0 {mode} off");
            assert_eq!(found.command, Some(command));
        }
        assert!(
            attached("eth0", "2: eth0: <UP> mtu 1500 qdisc noqueue\n")[0]
                .command
                .is_none()
        );
        assert!(attached("eth0", &said("xdpmulti"))[0].command.is_some());
    }
}
