// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames sorted by destination come out in the order in which they were sent.

use crate::chain::{Chain, FrameId, NONE};
use proptest::prelude::*;

/// Chains of the frames that go to destination 1 and 2, with as many slots each as its number says.
fn sort(dests: &[(u8, u32)], next: &mut [FrameId]) -> [Chain; 2] {
    let mut chains = [Chain::EMPTY; 2];
    for (frame, &(dest, slots)) in dests.iter().enumerate() {
        if let Some(chain) = chains.get_mut(usize::from(dest).wrapping_sub(1)) {
            chain.push(next, frame as FrameId, slots);
        }
    }
    chains
}

#[test]
fn two_chains_merge_into_the_order_of_sending() {
    let table: [(&[u8], &[FrameId]); 9] = [
        (&[], &[]),
        (&[0, 0], &[]),
        (&[1], &[0]),
        (&[2], &[0]),
        (&[1, 1, 1], &[0, 1, 2]),
        (&[1, 2], &[0, 1]),
        (&[2, 1], &[0, 1]),
        (&[2, 2, 1, 1], &[0, 1, 2, 3]),
        (&[1, 0, 2, 1, 0, 2, 2], &[0, 2, 3, 5, 6]),
    ];
    for (dests, order) in table {
        let mut next = [NONE; 8];
        let dests: Vec<_> = dests.iter().map(|&dest| (dest, 1)).collect();
        let [a, b] = sort(&dests, &mut next);
        assert!(a.merge(b, &next).eq(order.iter().copied()), "{dests:?}");
        assert!(
            b.merge(a, &next).eq(order.iter().copied()),
            "{dests:?}, the other way"
        );
    }
}

#[test]
fn an_empty_chain_has_nothing() {
    assert!(Chain::EMPTY.is_empty());
    assert_eq!((Chain::EMPTY.frames, Chain::EMPTY.slots), (0, 0));
    assert_eq!(Chain::EMPTY.merge(Chain::EMPTY, &[]).next(), None);
}

#[test]
fn the_highest_frame_is_not_taken_for_the_end() {
    let mut next = vec![NONE; usize::from(NONE)];
    let (mut a, mut b) = (Chain::EMPTY, Chain::EMPTY);
    a.push(&mut next, 0, 1);
    a.push(&mut next, NONE - 1, 1);
    b.push(&mut next, NONE - 2, 1);
    assert!(a.merge(b, &next).eq([0, NONE - 2, NONE - 1]));
}

#[test]
fn a_chain_that_was_emptied_forgets_its_old_thread() {
    let mut next = [NONE; 4];
    let [mut a, _] = sort(&[(1, 1), (1, 1), (1, 1)], &mut next);
    assert_eq!(a.frames, 3);
    a = Chain::EMPTY;
    a.push(&mut next, 1, 5);
    assert!(a.merge(Chain::EMPTY, &next).eq([1]));
    assert_eq!((a.frames, a.slots), (1, 5));
}

#[test]
fn frames_that_lie_side_by_side_are_a_run() {
    let run = |dests: &[u8]| {
        let mut next = [NONE; 8];
        let dests: Vec<_> = dests.iter().map(|&dest| (dest, 1)).collect();
        let [a, b] = sort(&dests, &mut next);
        assert_eq!(a.run_with(&b), b.run_with(&a), "{dests:?}, the other way");
        a.run_with(&b)
    };
    let table: [(&[u8], _); 8] = [
        (&[], None),
        (&[0], None),
        (&[1], Some(0..=0)),
        (&[0, 2, 2, 0], Some(1..=2)),
        (&[1, 1, 1], Some(0..=2)),
        (&[1, 0, 1], None),
        (&[1, 2], None),
        (&[2, 1, 1], None),
    ];
    for (dests, want) in table {
        assert_eq!(run(dests), want, "{dests:?}");
    }
}

proptest! {
    #[test]
    fn a_run_is_what_merging_gives(dests in prop::collection::vec((0..3u8, 1..=4u32), 0..64)) {
        let mut next = vec![NONE; dests.len()];
        let [a, b] = sort(&dests, &mut next);
        if let Some(run) = a.run_with(&b) {
            prop_assert!(a.merge(b, &next).map(usize::from).eq(run));
        }
    }

    #[test]
    fn merging_keeps_order_and_loses_nobody(
        dests in prop::collection::vec((0..3u8, 1..=64u32), 0..1024), stale: u16
    ) {
        // What a batch before left in the thread does not matter.
        let mut next = vec![stale; dests.len()];
        let [a, b] = sort(&dests, &mut next);
        let to = |want: &[u8]| -> Vec<(FrameId, u32)> {
            let frames = dests.iter().enumerate().filter(|(_, (dest, _))| want.contains(dest));
            frames.map(|(frame, &(_, slots))| (frame as FrameId, slots)).collect()
        };
        for (chain, want) in [(a, [1]), (b, [2])] {
            let want = to(&want);
            prop_assert_eq!(chain.frames as usize, want.len());
            prop_assert_eq!(chain.slots, want.iter().map(|(_, slots)| slots).sum::<u32>());
            prop_assert_eq!(chain.is_empty(), want.is_empty());
        }
        let merge = a.merge(b, &next);
        let order: Vec<_> = to(&[1, 2]).into_iter().map(|(frame, _)| frame).collect();
        prop_assert!(merge.clone().eq(order.iter().copied()));
        prop_assert!(merge.eq(order), "a clone takes nothing from its original");
    }

    #[test]
    fn a_thread_that_is_too_short_shortens_the_chain_and_never_panics(
        frames in prop::collection::btree_set(0..NONE, 0..50), len in 0..40usize
    ) {
        let mut next = vec![NONE; len];
        let mut chain = Chain::EMPTY;
        for &frame in &frames {
            chain.push(&mut next, frame, 1);
        }
        prop_assert!(chain.merge(Chain::EMPTY, &next).count() <= frames.len());
    }
}
