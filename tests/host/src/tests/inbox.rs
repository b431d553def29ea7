// SPDX-License-Identifier: MIT OR Apache-2.0

//! The inbox of a receive ring, step by step, against a list of what was promised and what was
//! kept. `tests/loom` lets real threads meet.

use crate::{
    atomic::AtomicU32,
    inbox::{self, Inbox},
};
use proptest::prelude::*;
use std::collections::VecDeque;

type Lease<'i> = inbox::Lease<'i, Vec<AtomicU32>>;

fn inbox(slots: u32) -> Inbox<Vec<AtomicU32>> {
    Inbox::new((0..slots).map(|_| AtomicU32::new(0)).collect())
}

/// Reserves as many slots as there are, up to `most`; returns the first and how many.
fn reserve(inbox: &Inbox<Vec<AtomicU32>>, most: u32) -> Option<Lease<'_>> {
    inbox.reserve(|free| free.min(most))
}

fn span(lease: &Lease<'_>) -> (u32, u32) {
    (lease.first(), lease.count())
}

/// How many slots a sender is told of.
fn free(inbox: &Inbox<Vec<AtomicU32>>) -> u32 {
    let told = core::cell::Cell::new(0);
    let none = inbox.reserve(|free| {
        told.set(free);
        0
    });
    assert!(none.is_none(), "nothing was wanted");
    told.get()
}

#[test]
fn one_slot_of_a_ring_stays_unused() {
    for (slots, room) in [(0, 0), (1, 0), (2, 1), (3, 2), (1024, 1023)] {
        let inbox = inbox(slots);
        assert_eq!(free(&inbox), room, "{slots} slots");
        match reserve(&inbox, u32::MAX) {
            Some(lease) => assert_eq!(span(&lease), (0, room), "{slots} slots"),
            None => assert_eq!(room, 0, "{slots} slots"),
        }
        assert_eq!(free(&inbox), 0, "{slots} slots, all reserved");
        assert!(reserve(&inbox, 1).is_none());
    }
}

#[test]
fn nobody_gets_more_than_there_is() {
    let inbox = inbox(8);
    let lease = inbox.reserve(|_| u32::MAX).unwrap();
    assert_eq!(span(&lease), (0, 7));
}

#[test]
fn nothing_is_collected_before_it_is_committed() {
    let inbox = inbox(8);
    let (a, b) = (reserve(&inbox, 2).unwrap(), reserve(&inbox, 3).unwrap());
    assert_eq!((span(&a), span(&b)), ((0, 2), (2, 3)));
    assert_eq!(inbox.collect(0), 0);
    drop(b);
    assert_eq!(inbox.collect(0), 0, "the first is still missing");
    drop(a);
    assert_eq!(inbox.collect(0), 5);
    assert_eq!(inbox.collect(5), 0, "each is counted once");
}

#[test]
fn runs_wrap_around_the_end_and_come_out_whole() {
    let inbox = inbox(4);
    let mut at = 0;
    for round in 0..20 {
        let lease = reserve(&inbox, 3).unwrap();
        assert_eq!(span(&lease), (at, 3), "round {round}");
        drop(lease);
        assert_eq!(inbox.collect(at), 3, "round {round}");
        at = (at + 3) % 4;
        assert!(
            reserve(&inbox, 1).is_none(),
            "collected, but not given back"
        );
        inbox.release(3);
    }
}

#[test]
fn slots_are_free_again_when_they_are_released_and_not_before() {
    let inbox = inbox(5);
    let lease = reserve(&inbox, 4).unwrap();
    drop(lease);
    assert_eq!((inbox.collect(0), free(&inbox)), (4, 0));
    inbox.release(1);
    assert_eq!(free(&inbox), 1);
    let lease = reserve(&inbox, 4).unwrap();
    assert_eq!(span(&lease), (4, 1));
    inbox.release(3);
    assert_eq!(free(&inbox), 3);
    let other = reserve(&inbox, 4).unwrap();
    assert_eq!(span(&other), (0, 3));
    drop(other);
    assert_eq!(inbox.collect(4), 0);
    drop(lease);
    assert_eq!(inbox.collect(4), 4);
}

#[test]
fn a_place_outside_the_ring_has_nothing_to_collect() {
    let inbox = inbox(4);
    drop(reserve(&inbox, 2).unwrap());
    assert_eq!((inbox.collect(4), inbox.collect(u32::MAX)), (0, 0));
    assert_eq!(inbox.collect(0), 2);
}

/// What happened to a ring, in counts that never wrap.
#[derive(Default)]
struct Model {
    slots: u64,
    reserved: u64,
    collected: u64,
    released: u64,
    /// Runs that are not collected yet: how long, and whether committed.
    runs: VecDeque<(u32, bool)>,
}

impl Model {
    fn free(&self) -> u32 {
        (self.slots.saturating_sub(1) - (self.reserved - self.released)) as u32
    }

    fn slot(&self, count: u64) -> u32 {
        (count % self.slots) as u32
    }

    fn commit(&mut self, number: u64) {
        let mut start = self.collected;
        for (count, committed) in &mut self.runs {
            *committed |= start == number;
            start += u64::from(*count);
        }
    }

    fn collect(&mut self) -> u32 {
        let mut total = 0;
        while let Some(&(count, true)) = self.runs.front() {
            self.runs.pop_front();
            total += count;
        }
        self.collected += u64::from(total);
        total
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve(u32),
    /// One of the open leases.
    Commit(usize),
    Collect,
    Release(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6u32).prop_map(Step::Reserve),
        1 => any::<u32>().prop_map(Step::Reserve),
        5 => any::<usize>().prop_map(Step::Commit),
        3 => Just(Step::Collect),
        3 => (0..9u32).prop_map(Step::Release),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn any_order_of_steps_leaves_every_slot_in_its_place(slots in 0..12u32, steps in steps()) {
        let inbox = inbox(slots);
        let mut model = Model { slots: slots.into(), ..Model::default() };
        // Open leases, each with the count at which it starts.
        let mut open: Vec<(u64, Lease<'_>)> = Vec::new();
        for step in steps {
            prop_assert_eq!(free(&inbox), model.free());
            match step {
                Step::Reserve(want) => {
                    let lease = inbox.reserve(|_| want);
                    let count = want.min(model.free());
                    prop_assert_eq!(lease.as_ref().map_or(0, Lease::count), count);
                    if let Some(lease) = lease {
                        prop_assert_eq!(lease.first(), model.slot(model.reserved));
                        open.push((model.reserved, lease));
                        model.reserved += u64::from(count);
                        model.runs.push_back((count, false));
                    }
                }
                Step::Commit(which) if !open.is_empty() => {
                    let (start, lease) = open.swap_remove(which % open.len());
                    drop(lease);
                    model.commit(start);
                }
                Step::Collect if slots > 0 => {
                    let from = model.slot(model.collected);
                    prop_assert_eq!(inbox.collect(from), model.collect());
                }
                Step::Release(count) => {
                    let count = u64::from(count).min(model.collected - model.released);
                    inbox.release(count as u32);
                    model.released += count;
                }
                Step::Commit(_) | Step::Collect => {}
            }
        }
    }
}
