// SPDX-License-Identifier: MIT OR Apache-2.0

//! Port names, as section 6.1 of the interface reads them.

use ferromap_abi::name::{is_vale, trim, PortName, ValeName};
use proptest::prelude::*;

#[test]
fn names_ask_for_the_kind_of_port_that_the_rules_say() {
    let vale = |switch: &'static str, port: &'static str| {
        PortName::Vale(ValeName {
            switch: switch.as_bytes(),
            port: port.as_bytes(),
        })
    };
    let pipe = |base: &'static str, id: &'static str, master| PortName::Pipe {
        base: base.as_bytes(),
        id: id.as_bytes(),
        master,
    };
    let interface = |name: &'static str| PortName::Interface(name.as_bytes());
    let table = [
        ("", PortName::Empty),
        ("eth0", interface("eth0")),
        ("eth0:1", interface("eth0:1")),
        ("netmap:eth0", interface("netmap:eth0")),
        ("eth0-1^*/@", interface("eth0-1^*/@")),
        // Netmap itself looks at three letters only and takes these for switches.
        ("valx:y", interface("valx:y")),
        ("val0", interface("val0")),
        ("VALE0:a", interface("VALE0:a")),
        ("xvale0:a", interface("xvale0:a")),
        ("vale0:a", vale("vale0", "a")),
        ("vale:x", vale("vale", "x")),
        ("vale0:", vale("vale0", "")),
        ("vale_A9:b", vale("vale_A9", "b")),
        ("vale0:a:b", vale("vale0", "a:b")),
        ("vale0: /\u{e9}", vale("vale0", " /\u{e9}")),
        ("vale0:a-1", vale("vale0", "a-1")),
        ("vale12345678901:a", vale("vale12345678901", "a")),
        ("vale123456789012:a", PortName::BadVale),
        ("vale0:123456789012345", vale("vale0", "123456789012345")),
        ("vale0:1234567890123456", PortName::BadVale),
        ("vale", PortName::BadVale),
        ("vale0", PortName::BadVale),
        ("vale-0:a", PortName::BadVale),
        ("vale 0:a", PortName::BadVale),
        ("vale\u{e9}:a", PortName::BadVale),
        ("eth0{1", pipe("eth0", "1", true)),
        ("eth0}1", pipe("eth0", "1", false)),
        ("vale0:a{x", pipe("vale0:a", "x", true)),
        ("a{b{c", pipe("a{b", "c", true)),
        ("a}b}c", pipe("a}b", "c", false)),
        // A master's mark counts before a slave's, wherever they stand.
        ("a{b}c", pipe("a", "b}c", true)),
        ("a}b{c", pipe("a}b", "c", true)),
        ("{1", PortName::BadPipe),
        ("eth0{", PortName::BadPipe),
        ("}1", PortName::BadPipe),
        ("eth0}", PortName::BadPipe),
        ("eth0}1{", PortName::BadPipe),
        ("{", PortName::BadPipe),
    ];
    for (name, meaning) in table {
        assert_eq!(PortName::parse(name.as_bytes()), meaning, "{name:?}");
    }
}

#[test]
fn a_name_ends_at_its_first_nul_or_before_its_last_byte() {
    let table: [(&[u8], &[u8]); 8] = [
        (b"", b""),
        (b"a", b""),
        (b"\0", b""),
        (b"eth0\0\0\0\0", b"eth0"),
        (b"eth0\0eth1\0", b"eth0"),
        (b"\0eth0", b""),
        (b"eth0\0", b"eth0"),
        (b"eth0!", b"eth0"),
    ];
    for (raw, name) in table {
        assert_eq!(trim(raw), name, "{raw:?}");
    }
}

/// The grammar once more, written the other way round: try every way to cut the name.
fn is_vale_name(name: &[u8], switch: &[u8], port: &[u8]) -> bool {
    let text = |b: &u8| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_');
    [switch, b":", port].concat() == name
        && (4..=15).contains(&switch.len())
        && switch.starts_with(b"vale")
        && switch.iter().all(text)
        && port.len() <= 15
}

/// Bytes that look like names often enough to be worth trying.
fn namelike() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..70),
        "(vale|val|eth)?[a-z0-9_:{}. -]{0,20}".prop_map(String::into_bytes),
        "vale[A-Za-z0-9_]{0,14}:[a-z:]{0,18}".prop_map(String::into_bytes),
        "[a-z0-9:]{0,6}[{}][a-z0-9{}]{0,6}".prop_map(String::into_bytes),
    ]
}

/// Whether the name has one of the marks of a pipe.
fn has_mark(name: &[u8]) -> bool {
    name.contains(&b'{') || name.contains(&b'}')
}

proptest! {
    #[test]
    fn parsing_never_panics_and_loses_nothing(name in namelike()) {
        match PortName::parse(&name) {
            PortName::Vale(vale) => {
                prop_assert!(is_vale_name(&name, vale.switch, vale.port));
            }
            PortName::BadVale => {
                prop_assert!(is_vale(&name));
                for at in 0..name.len() {
                    prop_assert!(!is_vale_name(&name, &name[..at], &name[at + 1..]));
                }
            }
            PortName::Pipe { base, id, master } => {
                let mark = if master { b'{' } else { b'}' };
                prop_assert_eq!([base, &[mark], id].concat(), name.clone());
                prop_assert!(!base.is_empty() && !id.is_empty() && !id.contains(&mark));
                let has_master = name.contains(&b'{');
                prop_assert_eq!(master, has_master);
            }
            PortName::BadPipe => prop_assert!(has_mark(&name)),
            PortName::Interface(same) => {
                prop_assert_eq!(same, &name[..]);
                prop_assert!(!same.is_empty() && !is_vale(same));
                prop_assert!(!has_mark(same));
            }
            PortName::Empty => prop_assert!(name.is_empty()),
        }
    }

    #[test]
    fn a_pipe_of_a_pipe_ends_at_a_port(name in namelike()) {
        let mut parsed = PortName::parse(&name);
        let mut left = name.len();
        while let PortName::Pipe { base, .. } = parsed {
            prop_assert!(base.len() < left);
            left = base.len();
            parsed = PortName::parse(base);
        }
    }

    #[test]
    fn trimmed_names_have_no_nul_and_always_a_byte_to_spare(
        raw in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..70)
    ) {
        let name = trim(&raw);
        prop_assert!(raw.starts_with(name) && !name.contains(&0));
        prop_assert!(raw.is_empty() || name.len() < raw.len());
        prop_assert!(name.len() + 1 >= raw.len() || raw[name.len()] == 0);
    }
}
