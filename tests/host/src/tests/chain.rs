// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of several slots, gathered.

use crate::{
    abi::{
        consts::{NETMAP_MAX_FRAGS as MOST, NS_FORWARD, NS_MOREFRAG as MORE},
        wire::Slot,
    },
    chain::{
        Chain,
        Step::{self, Bad, On, Whole},
    },
};

fn slot(number: usize, flags: u16) -> Slot {
    Slot {
        buf_idx: number as u32,
        flags,
        ..Slot::default()
    }
}

/// What the slots do; those with `NS_FORWARD`, or all, mean their frame to go.
fn passed(chain: &mut Chain, all: bool, slots: &[u16]) -> Vec<Step> {
    let pass = |(number, &flags): (usize, &u16)| {
        let meant = all || flags & NS_FORWARD != 0;
        let step = chain.take(slot(number, flags), meant, MOST);
        if step == Whole {
            chain.restart();
        }
        step
    };
    slots.iter().enumerate().map(pass).collect()
}

#[test]
fn a_frame_is_whole_with_its_last_slot() {
    let mut chain = Chain::new();
    let slots = [0, MORE, 0, 0, MORE, MORE, 0];
    let what = [Whole, On, Whole, Whole, On, On, Whole];
    assert_eq!(passed(&mut chain, true, &slots), what);
    chain.take(slot(7, MORE), true, MOST);
    chain.take(slot(8, 0), true, MOST);
    let taken: Vec<u32> = chain.slots().iter().map(|slot| slot.buf_idx).collect();
    assert_eq!(taken, [7, 8]);
}

#[test]
fn a_frame_of_too_many_slots_is_counted_once_and_its_end_is_no_frame() {
    for slots in [MOST + 1, MOST + 2, 200] {
        let mut chain = Chain::new();
        let mut all = vec![MORE; slots - 1];
        all.extend([0, 0]);
        let mut what = vec![On; slots];
        what[MOST - 1] = Bad;
        what.push(Whole);
        assert_eq!(passed(&mut chain, true, &all), what, "{slots}");
    }
    let mut chain = Chain::new();
    let mut all = vec![MORE; MOST - 1];
    all.push(0);
    assert_eq!(passed(&mut chain, true, &all).last(), Some(&Whole));
}

#[test]
fn a_ring_of_few_slots_has_short_frames() {
    let mut chain = Chain::new();
    let take = |chain: &mut Chain, flags| chain.take(slot(0, flags), true, 2);
    assert_eq!(take(&mut chain, MORE), On);
    assert_eq!(take(&mut chain, MORE), Bad);
    assert_eq!(take(&mut chain, MORE), On);
    assert_eq!(take(&mut chain, 0), On);
    assert_eq!(take(&mut chain, 0), Whole);
}

#[test]
fn a_mark_anywhere_means_the_frame() {
    const MARKED: u16 = NS_FORWARD;
    for (slots, what) in [
        ([MORE, MORE, 0], [On, On, On]),
        ([MORE, MORE, MARKED], [On, On, Whole]),
        ([MORE, MORE | MARKED, 0], [On, On, Whole]),
        ([MORE | MARKED, MORE, 0], [On, On, Whole]),
    ] {
        let mut chain = Chain::new();
        assert_eq!(passed(&mut chain, false, &slots), what, "{slots:?}");
        assert_eq!(passed(&mut chain, false, &[0, MARKED]), [On, Whole]);
    }
}

#[test]
fn a_frame_that_was_given_up_is_counted_once_over_its_parts() {
    const MARKED: u16 = NS_FORWARD;
    let mut chain = Chain::new();
    assert_eq!(passed(&mut chain, false, &[MORE | MARKED]), [On]);
    assert!(chain.give_up());
    assert_eq!(
        passed(&mut chain, false, &[MORE | MARKED, MARKED]),
        [On, On]
    );
    assert_eq!(passed(&mut chain, false, &[MARKED, MORE]), [Whole, On]);
    assert!(!chain.give_up());
    assert_eq!(passed(&mut chain, false, &[MORE, MARKED]), [On, Bad]);
    assert!(!chain.give_up(), "there is none");
    assert_eq!(passed(&mut chain, false, &[MARKED]), [Whole]);
}

#[test]
fn a_frame_that_is_forgotten_begins_anew() {
    let mut chain = Chain::new();
    passed(&mut chain, true, &[MORE; MOST]);
    chain.forget();
    assert_eq!(passed(&mut chain, true, &[0]), [Whole]);
    passed(&mut chain, true, &[MORE]);
    chain.restart();
    assert_eq!(passed(&mut chain, true, &[0]), [Whole]);
}

#[test]
fn the_last_slot_tells_where_nobody_looked_at_the_others() {
    let mut chain = Chain::new();
    chain.behind(MORE);
    assert!(!chain.begins());
    assert_eq!(passed(&mut chain, false, &[NS_FORWARD]), [Bad]);
    chain.behind(NS_FORWARD);
    assert!(chain.begins());
    assert_eq!(passed(&mut chain, false, &[NS_FORWARD]), [Whole]);
}
