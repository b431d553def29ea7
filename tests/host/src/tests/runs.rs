// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames sorted by destination come out in the order in which they were sent.

use crate::runs::{FrameId, Run, RunId, RunList, NONE};
use proptest::prelude::*;

/// Frames with the destination and the slots of each, as a burst sorts them: the lists of
/// destinations 1 and 2, and the runs they are made of. Frames to 0 go nowhere, and end a run.
fn sort(frames: &[(u8, u16)]) -> ([RunList; 2], Vec<Run>) {
    let mut lists = [RunList::EMPTY; 2];
    let mut runs = Vec::new();
    let mut first = 0;
    while first < frames.len() {
        let dest = frames[first].0;
        let same = frames[first..].iter().take_while(|frame| frame.0 == dest);
        let (count, slots) = same.fold((0, 0), |(n, slots), frame| (n + 1, slots + frame.1));
        if let Some(list) = lists.get_mut(usize::from(dest).wrapping_sub(1)) {
            let id = runs.len() as RunId;
            runs.push(Run::new(first as FrameId, count as u16, slots));
            list.push(&mut runs, id);
        }
        first += count;
    }
    (lists, runs)
}

/// The frames of two lists, in the order in which they come out.
fn merged(a: RunList, b: RunList, runs: &[Run]) -> Vec<usize> {
    a.merge(b, runs).flat_map(|run| run.frames()).collect()
}

#[test]
fn two_lists_merge_into_the_order_of_sending() {
    let table: [(&[u8], &[usize]); 9] = [
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
        let frames: Vec<_> = dests.iter().map(|&dest| (dest, 1)).collect();
        let ([a, b], runs) = sort(&frames);
        assert_eq!(merged(a, b, &runs), order, "{dests:?}");
        assert_eq!(merged(b, a, &runs), order, "{dests:?}, the other way");
    }
}

#[test]
fn an_empty_chain_has_nothing() {
    assert!(RunList::EMPTY.is_empty());
    assert_eq!((RunList::EMPTY.frames, RunList::EMPTY.slots), (0, 0));
    assert_eq!(RunList::EMPTY.merge(RunList::EMPTY, &[]).next(), None);
}

#[test]
fn frames_that_follow_one_another_are_one_run() {
    let ([a, b], runs) = sort(&[(1, 1), (1, 3), (2, 1), (1, 1)]);
    let of_a: Vec<_> = a.merge(RunList::EMPTY, &runs).map(|r| r.frames()).collect();
    assert_eq!(of_a, [0..2, 3..4]);
    assert_eq!((a.frames, a.slots), (3, 5));
    assert_eq!((b.frames, b.slots), (1, 1));
}

#[test]
fn a_run_that_does_not_exist_is_not_taken_in() {
    let (mut list, mut runs) = (RunList::EMPTY, vec![Run::new(0, 1, 1)]);
    list.push(&mut runs, 7);
    list.push(&mut runs, NONE);
    assert!(list.is_empty());
    assert_eq!(list.frames, 0);
}

proptest! {
    #[test]
    fn merging_keeps_order_and_loses_nobody(
        frames in prop::collection::vec((0..3u8, 1..=64u16), 0..1000)
    ) {
        let ([a, b], runs) = sort(&frames);
        let to = |want: &[u8]| -> Vec<usize> {
            (0..frames.len()).filter(|&i| want.contains(&frames[i].0)).collect()
        };
        for (list, want) in [(a, [1]), (b, [2])] {
            let want = to(&want);
            let slots: u32 = want.iter().map(|&i| u32::from(frames[i].1)).sum();
            prop_assert_eq!(list.frames as usize, want.len());
            prop_assert_eq!(list.slots, slots);
            prop_assert_eq!(list.is_empty(), want.is_empty());
        }
        prop_assert_eq!(merged(a, b, &runs), to(&[1, 2]));
        let merge = a.merge(b, &runs);
        let cloned = merge.clone().count();
        prop_assert_eq!(cloned, merge.count(), "a clone takes nothing from its original");
    }

    #[test]
    fn a_list_of_runs_that_is_cut_short_shortens_the_chain_and_never_panics(
        frames in prop::collection::vec((0..3u8, 1..=4u16), 0..50), len in 0..40usize
    ) {
        let ([a, b], runs) = sort(&frames);
        let cut = &runs[..len.min(runs.len())];
        prop_assert!(a.merge(b, cut).count() <= runs.len());
    }
}
