// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ring arithmetic against somebody who walks the ring slot by slot.

use ferromap_abi::cursor::{add, dist, prev, Claimed};
use proptest::prelude::*;

/// The slots that one visits going forward from `from` to `to`, both included.
fn walk(from: u32, to: u32, n: u32) -> Vec<u32> {
    let mut seen = vec![from];
    let mut at = from;
    while at != to {
        at = if at + 1 == n { 0 } else { at + 1 };
        seen.push(at);
    }
    seen
}

/// Whether a walk from `from` meets `head` first, then `cur`, then `tail`.
fn in_order(n: u32, from: u32, tail: u32, claimed: Claimed) -> bool {
    let seen = walk(from, tail, n);
    let met = |slot: u32| seen.iter().position(|&at| at == slot);
    matches!((met(claimed.head), met(claimed.cur)), (Some(head), Some(cur)) if head <= cur)
}

#[test]
fn distances_count_the_steps_in_every_small_ring() {
    for n in 1..12 {
        for from in 0..n {
            for to in 0..n {
                let steps = walk(from, to, n).len() as u32 - 1;
                assert_eq!(dist(from, to, n), steps, "from {from} to {to} of {n}");
                assert_eq!(add(from, steps, n), to, "{steps} after {from} of {n}");
            }
            assert_eq!(add(from, n, n), from, "all around from {from} of {n}");
            assert_eq!(add(prev(from, n), 1, n), from, "before {from} of {n}");
        }
    }
}

#[test]
fn claims_pass_only_in_order_in_every_small_ring() {
    let rings = (1..=7).flat_map(|n| (0..n).flat_map(move |f| (0..n).map(move |t| (n, f, t))));
    for (n, from, tail) in rings {
        let indexes = || (0..n + 2).chain([u32::MAX - 1, u32::MAX]);
        for head in indexes() {
            for cur in indexes() {
                let claimed = Claimed { head, cur };
                let checked = claimed.check(n, from, tail);
                let good = in_order(n, from, tail, claimed);
                assert_eq!(
                    checked.is_some(),
                    good,
                    "{claimed:?} of {n}, {from}..{tail}"
                );
                if let Some(checked) = checked {
                    assert_eq!((checked.head(), checked.cur()), (head, cur));
                }
            }
        }
    }
}

#[test]
fn claims_at_the_edges() {
    let check = |n, from, tail, head, cur| Claimed { head, cur }.check(n, from, tail).is_some();
    // (ring, from, tail, head, cur, accepted, what it is)
    let table = [
        (8, 0, 7, 0, 0, true, "a fresh transmit ring, nothing done"),
        (8, 0, 7, 7, 7, true, "a transmit ring, all of it filled"),
        (
            8,
            0,
            7,
            0,
            7,
            true,
            "slots held back, to be woken past the tail",
        ),
        (8, 0, 7, 7, 6, false, "cur before head"),
        (8, 0, 7, 8, 8, false, "one past the ring"),
        (8, 0, 0, 0, 0, true, "an empty receive ring"),
        (8, 0, 0, 1, 1, false, "releasing what never arrived"),
        (8, 0, 0, 0, 1, false, "cur past the tail of an empty ring"),
        (8, 6, 2, 0, 1, true, "around the end"),
        (8, 6, 2, 7, 3, false, "around the end and past the tail"),
        (8, 6, 2, 5, 5, false, "backwards"),
        // Netmap's own check lets this pass.
        (
            8,
            6,
            2,
            7,
            8,
            false,
            "cur out of range while the free slots wrap",
        ),
        (1, 0, 0, 0, 0, true, "a ring of one slot is always empty"),
        (
            0,
            0,
            0,
            0,
            0,
            false,
            "a ring without slots has no good index",
        ),
        (
            u32::MAX,
            u32::MAX - 1,
            5,
            3,
            4,
            true,
            "the largest ring, around its end",
        ),
        (
            u32::MAX,
            u32::MAX - 1,
            5,
            4,
            3,
            false,
            "the largest ring, out of order",
        ),
    ];
    for (n, from, tail, head, cur, accepted, what) in table {
        assert_eq!(check(n, from, tail, head, cur), accepted, "{what}");
    }
}

#[test]
fn a_step_back_from_the_first_slot_is_the_last() {
    assert_eq!(prev(0, 8), 7);
    assert_eq!(prev(7, 8), 6);
    assert_eq!(prev(0, 1), 0);
    assert_eq!(prev(0, 0), 0);
}

/// A ring of any size, with two of its slots.
fn ring() -> impl Strategy<Value = (u32, u32, u32)> {
    (1..=u32::MAX).prop_flat_map(|n| (Just(n), 0..n, 0..n))
}

proptest! {
    #[test]
    fn going_the_distance_arrives_in_rings_of_any_size((n, from, to) in ring()) {
        let steps = dist(from, to, n);
        prop_assert!(steps < n);
        prop_assert_eq!(add(from, steps, n), to);
        prop_assert_eq!(u64::from(to), (u64::from(from) + u64::from(steps)) % u64::from(n));
        prop_assert_eq!(dist(prev(from, n), from, n), u32::from(n > 1));
    }

    #[test]
    fn accepted_claims_stay_inside_and_in_order(
        (n, from, tail) in ring(), head: u32, cur: u32, ahead in 0..20u32, more in 0..20u32
    ) {
        let near = add(from, ahead.min(n), n);
        let next = add(near, more.min(n), n);
        let pairs = [(head, cur), (near, next), (near, cur), (head % n, cur % n)];
        for (head, cur) in pairs {
            let claimed = Claimed { head, cur };
            let range = u64::from(dist(from, tail, n));
            let past = |at: u32| (u64::from(at) + u64::from(n) - u64::from(from)) % u64::from(n);
            let good = head < n && cur < n && past(head) <= past(cur) && past(cur) <= range;
            prop_assert_eq!(claimed.check(n, from, tail).is_some(), good);
        }
    }

    #[test]
    fn nothing_panics_whatever_the_numbers(a: u32, b: u32, n: u32, head: u32, cur: u32) {
        let _ = (dist(a, b, n), add(a, b, n), prev(a, n));
        if let Some(checked) = (Claimed { head, cur }).check(n, a, b) {
            prop_assert!(checked.head() < n && checked.cur() < n);
        }
    }
}
