// SPDX-License-Identifier: MIT OR Apache-2.0

//! The learning table against a plain map of who was seen where.

use crate::{
    atomic::AtomicU64,
    table::{Mac, Table, SIZE},
};
use proptest::prelude::*;
use std::collections::HashMap;

fn table() -> Table<Vec<AtomicU64>> {
    Table::new((0..SIZE).map(|_| AtomicU64::new(0)).collect())
}

/// An address from its bytes as they are on the wire.
fn mac(bytes: [u8; 6]) -> Mac {
    let [a, b, c, d, e, f] = bytes;
    Mac::new(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
}

/// The station with this number; its address names no group.
fn station(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    mac([2, 0, a, b, c, d])
}

/// A station whose entry is the one that `other` has.
fn rival(other: Mac) -> Mac {
    let rivals = (0..).map(station).filter(|&mac| mac != other);
    let overwrites = |&mac: &Mac| {
        let table = table();
        table.learn(other, 1);
        table.learn(mac, 2);
        table.find(other).is_none()
    };
    rivals.into_iter().find(overwrites).unwrap()
}

#[test]
fn a_station_is_found_behind_the_port_where_it_was_last_heard() {
    let (table, a) = (table(), station(7));
    assert_eq!(table.find(a), None);
    for port in [0, 1, 253, 255, 1] {
        assert!(!table.knows(a, port));
        table.learn(a, port);
        table.learn(a, port);
        assert_eq!(table.find(a), Some(port));
        assert!(table.knows(a, port));
    }
}

#[test]
fn an_empty_table_does_not_know_the_address_of_all_zeros() {
    let (table, zero) = (table(), Mac::new(0));
    assert!(!zero.is_group());
    assert_eq!(table.find(zero), None);
    table.learn(zero, 0);
    assert_eq!(table.find(zero), Some(0));
    table.forget(0);
    assert_eq!(table.find(zero), None);
}

#[test]
fn groups_are_told_by_the_lowest_bit_of_the_first_byte_and_never_learned() {
    let table = table();
    for (bytes, group) in [
        ([0xff; 6], true),
        ([1, 0, 0x5e, 0, 0, 1], true),
        ([0x33, 0x33, 0, 0, 0, 1], true),
        ([0; 6], false),
        ([2, 1, 1, 1, 1, 1], false),
        ([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff], false),
    ] {
        let mac = mac(bytes);
        assert_eq!(mac.is_group(), group, "{bytes:x?}");
        assert_eq!(table.knows(mac, 3), group);
        table.learn(mac, 3);
        assert_eq!(table.find(mac).is_none(), group, "{bytes:x?}");
    }
}

#[test]
fn what_follows_the_address_in_a_word_is_ignored() {
    let (table, a) = (table(), 0x0605_0403_0202);
    table.learn(Mac::new(a | (0xabcd << 48)), 4);
    assert_eq!(table.find(Mac::new(a)), Some(4));
}

#[test]
fn of_two_stations_with_one_entry_the_last_heard_is_known() {
    let (table, a) = (table(), station(1));
    let b = rival(a);
    table.learn(a, 1);
    assert_eq!(table.find(b), None, "never seen, whoever has its entry");
    table.learn(b, 2);
    assert_eq!((table.find(a), table.find(b)), (None, Some(2)));
    table.learn(a, 3);
    assert_eq!((table.find(a), table.find(b)), (Some(3), None));
}

#[test]
fn forgetting_a_port_forgets_its_stations_and_no_others() {
    let table = table();
    let stations: Vec<_> = (0..200).map(|n| (station(n), (n % 3) as u8)).collect();
    for &(mac, port) in &stations {
        table.learn(mac, port);
    }
    let known = |port| {
        stations
            .iter()
            .filter(|s| s.1 == port && table.find(s.0).is_some())
            .count()
    };
    let before = [known(0), known(1), known(2)];
    table.forget(1);
    table.forget(77);
    assert_eq!([known(0), known(1), known(2)], [before[0], 0, before[2]]);
}

#[test]
fn addresses_that_differ_in_one_byte_spread_over_the_table() {
    for at in 0..6 {
        let table = table();
        // The lowest bit of the first byte stays clear: it would make a group.
        let stations: Vec<_> = (0..=255u8)
            .filter(|byte| at != 0 || byte & 1 == 0)
            .map(|byte| {
                let mut bytes = [0x02, 0x5a, 0x10, 0x20, 0x30, 0x40];
                bytes[at] = byte;
                mac(bytes)
            })
            .collect();
        for &mac in &stations {
            table.learn(mac, 1);
        }
        let known = stations
            .iter()
            .filter(|&&mac| table.find(mac).is_some())
            .count();
        // A random spread would keep 88 of 100.
        assert!(
            known * 10 >= stations.len() * 8,
            "byte {at}: {known} of {}",
            stations.len()
        );
    }
}

#[test]
fn a_table_with_too_few_entries_knows_less_and_never_panics() {
    for len in [0, 1, 512] {
        let table = Table::new((0..len).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        for n in 0..2000 {
            table.learn(station(n), 5);
            assert!(matches!(table.find(station(n)), None | Some(5)));
        }
        table.forget(5);
        assert!((0..2000).all(|n| table.find(station(n)).is_none()));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Learn(u64, u8),
    Find(u64),
    Forget(u8),
}

/// Few ports, so that they are forgotten while they have stations; addresses of all kinds.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let word = || prop_oneof![3 => 0..40u64, 1 => any::<u64>()];
    let step = prop_oneof![
        6 => (word(), 0..4u8).prop_map(|(word, port)| Step::Learn(word, port)),
        4 => word().prop_map(Step::Find),
        1 => (0..4u8).prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn nobody_is_found_where_he_was_not_last_heard(steps in steps()) {
        let (table, mut seen) = (table(), HashMap::new());
        for step in steps {
            match step {
                Step::Learn(word, port) => {
                    table.learn(Mac::new(word), port);
                    if word & 1 == 0 {
                        seen.insert(word << 16, port);
                        prop_assert_eq!(table.find(Mac::new(word)), Some(port));
                    }
                }
                // Somebody else may have taken the entry: that is no news of the station.
                Step::Find(word) => {
                    let found = table.find(Mac::new(word));
                    prop_assert!(found.is_none() || found.as_ref() == seen.get(&(word << 16)));
                }
                Step::Forget(port) => {
                    table.forget(port);
                    seen.retain(|_, at| *at != port);
                    let found = |word: &u64| table.find(Mac::new(word >> 16)) == Some(port);
                    prop_assert!(!seen.keys().any(found));
                }
            }
        }
    }
}

#[test]
fn who_gets_the_number_of_another_is_of_a_later_moment() {
    let (table, a) = (table(), station(7));
    table.learn(a, 1);
    let asked = table.now();
    assert_eq!(table.find(a), Some(1));
    // Newcomers under numbers that were never given back are not later.
    assert_eq!(table.now(), asked);
    table.forget(1);
    assert!(table.now() > asked);
    assert_eq!(table.find(a), None);
}
