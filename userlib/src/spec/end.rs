// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a port's name ends, and its suffixes begin.
//!
//! An interface may have the characters of suffixes in its name: `br-lan`, `br-1a2b3c`, `eth0-0`.
//! So it is asked which interfaces there are, and the longest name wins.

/// What begins a suffix.
const SUFFIX: [char; 5] = ['-', '*', '^', '/', '@'];

/// What begins the pipe suffix, which is part of the name.
const PIPE: [char; 2] = ['{', '}'];

/// How many bytes at the start of `text` are the port's name.
pub(super) fn of_name(text: &str, is_interface: impl Fn(&str) -> bool) -> usize {
    let first = |text: &str| text.find(SUFFIX).unwrap_or(text.len());
    let shortest = first(text);
    // No interface has a slash in its name, and braces always mean a pipe.
    let most = text.find(['/', '{', '}']).unwrap_or(text.len());
    let ends = text[..most].match_indices(SUFFIX).map(|(at, _)| at);
    let longest = ends
        .chain([most])
        .rev()
        .find(|&end| end > shortest && is_interface(&text[..end]));
    match longest {
        None => shortest,
        Some(end) if text[end..].starts_with(PIPE) => end + first(&text[end..]),
        Some(end) => end,
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::{PortSpec, Rings};
    use proptest::prelude::*;

    /// Reads a name where there are just these interfaces.
    fn read(text: &str, interfaces: &[&str]) -> PortSpec {
        let is_there = |name: &str| interfaces.contains(&name);
        PortSpec::read(text, is_there).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn an_interface_of_that_name_wins() {
        for (text, interfaces, name, rings) in [
            ("netmap:br-lan", &["br-lan"][..], "br-lan", Rings::Nic),
            (
                "netmap:br-1a2b3c^",
                &["br-1a2b3c"],
                "br-1a2b3c",
                Rings::Host,
            ),
            ("netmap:eth0-0", &["eth0-0", "eth0"], "eth0-0", Rings::Nic),
            ("netmap:eth0-0", &["eth0"], "eth0", Rings::OneNic(0)),
            (
                "netmap:eth0-00",
                &["eth0-0", "eth0"],
                "eth0",
                Rings::OneNic(0),
            ),
            ("netmap:eth0-0-1/x", &["eth0-0"], "eth0-0", Rings::OneNic(1)),
            ("netmap:a@b*@2", &["a@b"], "a@b", Rings::NicAndHost),
            ("netmap:a^^1", &["a^"], "a^", Rings::OneHost(1)),
            (
                "netmap:br-lan{1-0",
                &["br-lan"],
                "br-lan{1",
                Rings::OneNic(0),
            ),
            ("vale0:br-lan", &["br-lan"], "vale0:br-lan", Rings::Nic),
            ("netmap:-", &["-"], "-", Rings::Nic),
            // Alternative names have no limit of 15.
            (
                "netmap:a-rather-long-name-1",
                &["a-rather-long-name"],
                "a-rather-long-name",
                Rings::OneNic(1),
            ),
        ] {
            let spec = read(text, interfaces);
            assert_eq!((spec.name.as_str(), spec.rings), (name, rings), "{text}");
        }
        assert_eq!(read("netmap:a@b*@2", &["a@b"]).mem_id, 2);
    }

    #[test]
    fn one_that_is_missing_is_named() {
        let read = PortSpec::read("netmap:br-lan", |_| false);
        let why = read.unwrap_err().to_string();
        assert!(why.contains("no interface is called `br-lan`"), "{why}");
    }

    /// What an interface can be called, but for braces.
    fn names() -> impl Strategy<Value = String> {
        let characters = "abz0189_.+-*^@".chars().collect::<Vec<_>>();
        proptest::collection::vec(proptest::sample::select(characters), 1..IFNAMSIZ)
            .prop_map(String::from_iter)
    }

    fn suffixes() -> impl Strategy<Value = String> {
        let one = |all: &[&str]| {
            let all: Vec<String> = all.iter().map(|s| (*s).to_owned()).collect();
            proptest::sample::select(all)
        };
        let parts = (
            one(&["", "{1", "}ab"]),
            one(&["", "-0", "-12", "^", "^3", "*"]),
            one(&["", "/x", "/RT"]),
            one(&["", "@7"]),
            one(&["", "@conf:slots=64"]),
        );
        parts.prop_map(|(pipe, mode, flags, region, sizes)| {
            format!("{pipe}{mode}{flags}{region}{sizes}")
        })
    }

    use ferromap_abi::consts::IFNAMSIZ;

    proptest! {
        /// An interface that is there is opened by its name, whatever that is, and suffixes mean
        /// the same on all.
        #[test]
        fn any_interface_has_all_suffixes(name in names(), suffix in suffixes()) {
            let whole = format!("{name}{suffix}");
            // Unless name and suffix together begin with a longer name, of which there is none.
            let odd = read(&format!("netmap:{whole}"), &[&name]);
            let mut plain = read(&format!("netmap:eth0{suffix}"), &["eth0"]);
            plain.name = plain.name.replacen("eth0", &name, 1);
            prop_assert_eq!(odd, plain);
        }

        /// Of two interfaces, one named as the other with a suffix, each can be opened.
        #[test]
        fn the_longer_name_wins(name in names(), suffix in "[-*^@][0-9]{0,2}") {
            let longer = format!("{name}{suffix}");
            prop_assume!(longer.len() < IFNAMSIZ);
            let both = [name.as_str(), longer.as_str()];
            prop_assert_eq!(read(&format!("netmap:{longer}"), &both).name, longer.clone());
            prop_assert_eq!(read(&format!("netmap:{name}"), &both).name, name.clone());
        }

        /// Where no interface is, the grammar alone counts.
        #[test]
        fn without_interfaces_suffixes_are_suffixes(name in names(), suffix in suffixes()) {
            if let Ok(spec) = PortSpec::read(&format!("netmap:{name}{suffix}"), |_| false) {
                prop_assert!(!spec.name.contains(['-', '*', '^', '@', '/']));
            }
        }
    }
}
