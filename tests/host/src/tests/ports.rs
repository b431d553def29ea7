// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sets of ports and marks return what was put in, once, in ascending order.

use crate::{abi::consts::VALE_MAX_PORTS, ports::*};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn an_empty_set_has_nobody() {
    assert_eq!(PortSet::default().next(), None);
    assert_eq!(PortSet::of([0; WORDS]), PortSet::default());
}

#[test]
fn every_port_has_a_bit_of_its_own() {
    let bits: BTreeSet<_> = (0..VALE_MAX_PORTS as u8).map(bit_of).collect();
    assert_eq!(bits.len(), VALE_MAX_PORTS);
    assert!(bits
        .iter()
        .all(|&(word, bit)| word < WORDS && bit.is_power_of_two()));
}

proptest! {
    #[test]
    fn a_set_returns_what_was_put_in(
        ports in prop::collection::vec(0..VALE_MAX_PORTS as u8, 0..300)
    ) {
        let marks = Marks::default();
        let mut words = [0; WORDS];
        for &port in &ports {
            marks.insert(port);
            let (word, bit) = bit_of(port);
            words[word] |= bit;
        }
        let want: BTreeSet<_> = ports.into_iter().collect();
        prop_assert!(PortSet::of(words).eq(want.iter().copied()));
        let mut came = vec![];
        marks.drain(|port| came.push(port));
        prop_assert!(came.into_iter().eq(want));
        marks.drain(|port| panic!("{port} stayed"));
    }
}
