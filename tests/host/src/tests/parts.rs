// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of several slots, where only frames of one slot can leave.

use crate::{
    abi::consts::{NS_FORWARD, NS_MOREFRAG as MORE},
    parts::{
        Part::{self, Chain, Rest, Whole},
        Parts,
    },
};

/// What the slots are; of those with `NS_FORWARD`, or of all, it is meant that they leave.
fn passed(parts: &mut Parts, all: bool, slots: &[u16]) -> Vec<Part> {
    let pass = |&flags| parts.next(flags, all || flags & NS_FORWARD != 0);
    slots.iter().map(pass).collect()
}

#[test]
fn a_chain_is_counted_once_and_its_end_is_no_frame() {
    let mut parts = Parts::default();
    let slots = [0, MORE, 0, 0, MORE, MORE, 0, MORE, 0, 0];
    let what = [
        Whole, Chain, Rest, Whole, Chain, Rest, Rest, Chain, Rest, Whole,
    ];
    assert_eq!(passed(&mut parts, true, &slots), what);
}

#[test]
fn a_chain_goes_on_with_the_slots_of_the_next_sync() {
    let mut parts = Parts::default();
    assert_eq!(passed(&mut parts, true, &[0, MORE]), [Whole, Chain]);
    assert_eq!(passed(&mut parts, true, &[MORE]), [Rest]);
    assert_eq!(passed(&mut parts, true, &[0, 0]), [Rest, Whole]);
}

#[test]
fn a_mark_anywhere_in_a_chain_counts_it() {
    const MARKED: u16 = NS_FORWARD;
    for (slots, what) in [
        ([MORE, MORE, 0], [Rest, Rest, Rest]),
        ([MORE, MORE, MARKED], [Rest, Rest, Chain]),
        ([MORE, MORE | MARKED, MARKED], [Rest, Chain, Rest]),
        ([MORE | MARKED, MORE, MARKED], [Chain, Rest, Rest]),
    ] {
        let mut parts = Parts::default();
        assert_eq!(passed(&mut parts, false, &slots), what, "{slots:?}");
        assert_eq!(passed(&mut parts, false, &[MARKED]), [Whole]);
    }
}

#[test]
fn the_last_slot_tells_where_nobody_looked_at_the_others() {
    assert_eq!(Parts::behind(MORE).next(NS_FORWARD, true), Chain);
    assert_eq!(Parts::behind(NS_FORWARD).next(NS_FORWARD, true), Whole);
}
