// SPDX-License-Identifier: MIT OR Apache-2.0

//! The module and its device.

use super::finding::Finding;
use crate::facts::Facts;
use std::{fs::OpenOptions, io::ErrorKind};

const DEVICE: &str = "dev/netmap";

/// Whether this user can open ports at all.
pub fn usable(facts: &Facts) -> Vec<Finding> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open(facts.path(DEVICE));
    let error = match opened {
        Ok(_) => {
            return vec![Finding::ok(
                "device",
                "/dev/netmap is there, and you may open it.",
            )]
        }
        Err(e) => e,
    };
    let finding = match error.kind() {
        ErrorKind::PermissionDenied => Finding::problem(
            "device",
            "You may not open /dev/netmap. Root may, and the members of the group that a udev rule \
             gives it to.",
        )
        .mend("sudo -i".into()),
        _ if facts.module_is_loaded() => Finding::problem(
            "device",
            format!("The module is loaded, but /dev/netmap cannot be opened ({error}): without it \
                no port can be. In a container, the device must be passed in."),
        ),
        _ => Finding::problem(
            "device",
            "The module is not loaded, so there is no /dev/netmap and no port can be opened.",
        )
        .mend("modprobe netmap".into()),
    };
    vec![finding]
}

/// A parameter by which emulated mode, the only one there is, is refused.
pub fn native_mode_only(facts: &Facts, _: &str) -> Vec<Finding> {
    if facts.parameter("admode") != Some(1) {
        return Vec::new();
    }
    let text =
        "The parameter admode is 1, which refuses emulated mode: no interface can be opened.";
    let command = "echo 0 > /sys/module/netmap/parameters/admode";
    vec![Finding::problem("admode", text).mend(command.into())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::finding::Severity, facts::made_up::Machine};

    #[test]
    fn the_device_must_be_there() {
        let machine = Machine::with(&[]);
        let command = |machine: &Machine| usable(&machine.0).remove(0).command;
        assert_eq!(command(&machine).as_deref(), Some("modprobe netmap"));
        machine.write("sys/module/netmap/parameters/admode", "0\n");
        assert_eq!(usable(&machine.0)[0].severity, Severity::Problem);
        assert_eq!(command(&machine), None);
        machine.write(DEVICE, "");
        assert_eq!(usable(&machine.0)[0].severity, Severity::Ok);
    }

    #[test]
    fn native_mode_alone_is_a_problem() {
        let machine = Machine::with(&[("sys/module/netmap/parameters/admode", "2\n")]);
        assert_eq!(native_mode_only(&machine.0, "eth0"), []);
        machine.write("sys/module/netmap/parameters/admode", "1\n");
        let finding = native_mode_only(&machine.0, "eth0").remove(0);
        assert_eq!(finding.severity, Severity::Problem);
        assert!(finding.command.unwrap().starts_with("echo 0 >"));
    }
}
