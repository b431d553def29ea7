// SPDX-License-Identifier: MIT OR Apache-2.0

//! The module's parameters: what somebody has changed.

use crate::facts::Facts;

/// Those that matter and can be set, with what they are at first.
const DEFAULTS: [(&str, u64); 20] = [
    ("if_size", 1024),
    ("if_num", 100),
    ("ring_size", 36864),
    ("ring_num", 200),
    ("buf_size", 2048),
    ("buf_num", 163_840),
    ("priv_if_size", 1024),
    ("priv_if_num", 2),
    ("priv_ring_size", 20480),
    ("priv_ring_num", 4),
    ("priv_buf_size", 2048),
    ("priv_buf_num", 4098),
    ("admode", 0),
    ("admin_only", 1),
    ("generic_ringsize", 1024),
    ("fwd", 0),
    ("no_timestamp", 0),
    ("bridge_batch", 1024),
    ("max_bridges", 8),
    ("verbose", 0),
];

/// A parameter that is not what it is at first.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    pub name: &'static str,
    pub value: u64,
    pub default: u64,
}

pub fn changed(facts: &Facts) -> Vec<Changed> {
    let differs = |&(name, default): &(&'static str, u64)| {
        let value = facts.parameter(name)?;
        (value != default).then_some(Changed {
            name,
            value,
            default,
        })
    };
    DEFAULTS.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    /// The module's own list.
    const MODULE: &str = include_str!("../../../module/params.rs");

    #[test]
    fn the_defaults_are_those_of_the_module() {
        for (name, default) in DEFAULTS {
            let line = format!("    {name} = {default}, ");
            assert!(MODULE.contains(&line), "{line}");
        }
        for line in MODULE.lines().filter(|line| line.contains(" WRITABLE,")) {
            let name = line.split_whitespace().next().unwrap();
            let known = DEFAULTS.iter().any(|(own, _)| *own == name);
            assert!(known || line.contains("\"Ignored; "), "{line}");
        }
    }

    #[test]
    fn only_changes_are_told() {
        let machine = Machine::with(&[
            ("sys/module/netmap/parameters/admode", "0\n"),
            ("sys/module/netmap/parameters/buf_size", "4096\n"),
        ]);
        let wanted = Changed {
            name: "buf_size",
            value: 4096,
            default: 2048,
        };
        assert_eq!(changed(&machine.0), [wanted]);
    }
}
