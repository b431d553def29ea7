// SPDX-License-Identifier: MIT OR Apache-2.0

//! Free maps against a set of numbers.

use crate::pool::{words, FreeMap};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn map(count: u32, reserved: u32) -> FreeMap<Vec<u64>> {
    let mut map = FreeMap::new(vec![0; words(count)], count);
    map.grow_to(count, |index| index < reserved);
    map
}

#[test]
fn a_map_has_two_bits_for_each_object() {
    let table = [
        (0, 0),
        (1, 2),
        (63, 2),
        (64, 2),
        (65, 4),
        (163_840, 5120),
        (u32::MAX, 1 << 27),
    ];
    for (count, len) in table {
        assert_eq!(words(count), len, "{count} objects");
    }
}

#[test]
fn only_objects_that_are_there_are_handed_out() {
    let mut map = FreeMap::new(vec![0; words(200)], 200);
    assert_eq!((map.take(), map.free(), map.left()), (None, 0, 200));
    assert!(!map.give(0) && !map.give(199));
    // (there from then on, what is handed out)
    let table = [
        (1, 0..0),
        (3, 2..3),
        (64, 3..64),
        (65, 64..65),
        (40, 0..0),
        (u32::MAX, 65..200),
    ];
    for (there, want) in table {
        map.grow_to(there, |index| index < 2);
        assert_eq!(map.free() as usize, want.len(), "{there} there");
        assert!(want.eq(std::iter::from_fn(|| map.take())), "{there} there");
        assert_eq!(map.left(), 200 - map.there(), "{there} there");
        assert!(!map.give(map.there()));
    }
    assert_eq!(map.there(), 200);
}

#[test]
fn what_is_given_back_comes_before_what_comes_later() {
    let mut map = FreeMap::new(vec![0; words(200)], 200);
    map.grow_to(100, |_| false);
    while map.take().is_some() {}
    assert!(map.give(70));
    map.grow_to(130, |_| false);
    assert_eq!([map.take(), map.take()], [Some(70), Some(100)]);
}

#[test]
fn it_is_known_how_many_have_to_be_there() {
    let mut map = FreeMap::new(vec![0; words(100)], 100);
    // (wanted, have to be there)
    for (count, there) in [
        (0, None),
        (1, Some(1)),
        (100, Some(100)),
        (u32::MAX, Some(100)),
    ] {
        assert_eq!(map.there_for(count), there, "{count} of nothing");
    }
    map.grow_to(10, |index| index < 2);
    map.take();
    for (count, there) in [
        (0, None),
        (7, None),
        (8, Some(11)),
        (97, Some(100)),
        (98, Some(100)),
    ] {
        assert_eq!(map.there_for(count), there, "{count} where 7 are free");
    }
    map.grow_to(100, |_| false);
    assert_eq!(map.there_for(u32::MAX), None);
}

#[test]
fn objects_come_out_lowest_first_and_the_reserved_ones_never() {
    // (count, reserved, first, how many)
    let table = [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (2, 2, 2, 0),
        (2, 3, 3, 0),
        (3, 2, 2, 1),
        (64, 0, 0, 64),
        (64, 63, 63, 1),
        (64, 64, 64, 0),
        (65, 64, 64, 1),
        (200, 65, 65, 135),
        (20_482, 2, 2, 20_480),
    ];
    for (count, reserved, first, all) in table {
        let mut map = map(count, reserved);
        assert_eq!(map.free(), all, "{count} objects, {reserved} reserved");
        for want in first..first + all {
            assert_eq!(map.take(), Some(want));
        }
        assert_eq!((map.take(), map.take(), map.free()), (None, None, 0));
    }
}

#[test]
fn objects_in_the_middle_can_be_withheld() {
    let held = [0, 5, 63, 64, 127, 199];
    let mut map = FreeMap::new(vec![0; words(200)], 200);
    map.grow_to(200, |index| held.contains(&index));
    assert_eq!(map.free(), 194);
    let out: Vec<_> = std::iter::from_fn(|| map.take()).collect();
    assert!(out
        .iter()
        .copied()
        .eq((0..200).filter(|index| !held.contains(index))));
    // Nor does anybody get one by giving it first.
    assert!(held.iter().all(|&index| !map.give(index)));
    assert!(out.iter().all(|&index| map.give(index)));
    assert_eq!(map.free(), 194);
}

#[test]
fn only_what_was_handed_out_can_be_given_back_and_only_once() {
    let mut map = map(70, 2);
    assert_eq!((map.take(), map.take()), (Some(2), Some(3)));
    for index in [0, 1, 4, 69, 70, 127, 128, 1 << 31, u32::MAX] {
        assert!(!map.give(index), "object {index}");
    }
    assert_eq!(map.free(), 66);
    assert!(map.give(3));
    assert!(!map.give(3), "twice");
    assert_eq!((map.free(), map.take()), (67, Some(3)));
}

#[test]
fn an_object_given_back_before_the_search_is_found_again() {
    let mut map = map(1000, 0);
    while map.take().is_some() {}
    assert!(map.give(999) && map.give(130) && map.give(0));
    assert_eq!(
        [map.take(), map.take(), map.take()],
        [Some(0), Some(130), Some(999)]
    );
}

#[test]
fn whatever_the_storage_held_before_does_not_matter() {
    let mut map = FreeMap::new(vec![u64::MAX; 4], 70);
    map.grow_to(70, |index| index < 2);
    assert_eq!(map.free(), 68);
    assert!((2..70).eq(core::iter::from_fn(|| map.take())));
}

#[test]
fn storage_that_is_too_short_or_too_long_changes_which_objects_exist_and_nothing_else() {
    let mut short = FreeMap::new(vec![0; 2], u32::MAX);
    short.grow_to(u32::MAX, |index| index < 2);
    assert_eq!(short.free(), 62);
    assert!(!short.give(64) && !short.give(u32::MAX - 1));
    assert!((2..64).eq(core::iter::from_fn(|| short.take())));
    let mut long = FreeMap::new(vec![0; 9], 3);
    long.grow_to(9, |_| false);
    assert!((0..3).eq(core::iter::from_fn(|| long.take())));
    let mut none = FreeMap::new(vec![], 3);
    none.grow_to(3, |_| false);
    assert_eq!((none.take(), none.give(0), none.free()), (None, false, 0));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    Give(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Take),
        6 => (0..210u32).prop_map(Step::Give),
        1 => any::<u32>().prop_map(Step::Give),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn a_map_does_what_a_set_does(count in 0..200u32, reserved in 0..200u32, steps in steps()) {
        let all: BTreeSet<u32> = (reserved..count).collect();
        let (mut map, mut model) = (map(count, reserved), all.clone());
        for step in steps {
            match step {
                Step::Take => prop_assert_eq!(map.take(), model.pop_first()),
                Step::Give(index) => {
                    let taken = all.contains(&index) && model.insert(index);
                    prop_assert_eq!(map.give(index), taken);
                }
            }
            prop_assert_eq!(map.free() as usize, model.len());
        }
    }
}
