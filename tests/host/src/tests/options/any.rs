// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any list at all, against the rules written down as a list of faults.

use super::{place, status_of, walked, Memory};
use crate::{
    abi::{consts::*, wire::NmreqOption},
    option_list::{Bad, Entry, Status, MOST},
};
use proptest::prelude::*;

fn is_known(kind: u32) -> bool {
    (1..NETMAP_REQ_OPT_MAX).contains(&kind)
}

/// Bytes behind an option's head, by the table in section 2.11.
fn body_of(head: &NmreqOption) -> u64 {
    match head.nro_reqtype {
        NETMAP_REQ_OPT_EXTMEM => 72,
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS => head.nro_size.saturating_sub(24),
        NETMAP_REQ_OPT_CSB => 16,
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE => 8,
        NETMAP_REQ_OPT_OFFSETS => 32,
        _ => 0,
    }
}

/// Whether a request with these options, and so many heads more, is too large: as it is sent, or as
/// it is kept, with an address an option.
fn is_too_large(body: usize, entries: &[Entry], more: u128) -> bool {
    let bodies = entries.iter().map(|entry| u128::from(body_of(&entry.head)));
    let bytes = body as u128 + bodies.sum::<u128>();
    let count = entries.len() as u128 + more;
    bytes + 24 * count > 4096 || bytes + 32 * count > 4144
}

/// Why these options cannot be part of a request that is accepted, if so.
fn fault(body: usize, entries: &[Entry], readable: impl Fn(&Entry) -> bool) -> Option<Bad> {
    let (mut seen, mut so_far) = (Vec::new(), 0);
    for entry in entries {
        so_far += 1;
        let kind = entry.head.nro_reqtype;
        if kind == 0 {
            return Some(Bad::TypeZero);
        }
        if is_known(kind) {
            if seen.contains(&kind) {
                return Some(Bad::Twice(kind));
            }
            if entry.head.nro_size > 4096 || is_too_large(body, &entries[..so_far], 0) {
                return Some(Bad::TooLarge(kind));
            }
            if body_of(&entry.head) > 0 && !readable(entry) {
                return Some(Bad::Unreadable);
            }
        }
        seen.push(kind);
    }
    None
}

/// The statuses that the rules give these options, where that is returned.
fn statuses(answer: &Result<usize, Bad>, entries: &[Entry]) -> Vec<Status> {
    let last = entries.len().wrapping_sub(1);
    let each = entries.iter().enumerate().map(|(i, entry)| match answer {
        Ok(_) => Status::Unsupported,
        Err(Bad::TypeZero) if i == last => Status::Invalid,
        Err(Bad::Twice(kind)) if entry.head.nro_reqtype == *kind => Status::Invalid,
        Err(_) => Status::Zero,
    });
    each.collect()
}

fn kind() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0u32), 10 => 1..9u32, 5 => 6..12u32, 1 => any::<u32>()]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..100u64, 2 => 3500..4200u64, 1 => any::<u64>()]
}

fn body() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..100usize, 2 => 3000..4200usize, 1 => any::<usize>()]
}

/// Some options, each pointing to any other, to nothing, or to where nothing is. Mostly each points
/// to the one behind it: a list.
fn memory() -> impl Strategy<Value = Memory> {
    let next = prop_oneof![6 => Just(None), 1 => (0..14usize).prop_map(Some)];
    let option = (kind(), size(), next, prop::bool::weighted(0.05));
    prop::collection::vec(option, 1..12).prop_map(|options| {
        let (mut memory, count) = (Memory::default(), options.len());
        for (i, (kind, size, next, no_body)) in options.into_iter().enumerate() {
            let next = match next {
                None if i + 1 == count => 0,
                None => place(i + 1),
                Some(to) => place(to),
            };
            memory.put(i, kind, size, next);
            if no_body {
                memory.no_body.push(place(i));
            }
        }
        memory
    })
}

proptest! {
    #[test]
    fn what_is_accepted_and_what_is_refused_follows_the_rules(memory in memory(), body in body()) {
        let walked = memory.walk(place(0), body);
        let readable = |entry: &Entry| !memory.no_body.contains(&entry.addr);
        let (entries, answer) = (&walked.entries, walked.answer);
        let fault_of = |entries: &[Entry]| fault(body, entries, readable);

        // The entries are the list, as far as it was read.
        let mut at = place(0);
        for entry in entries {
            prop_assert_eq!(entry.addr, at);
            prop_assert_eq!(Some(&entry.head), memory.heads.get(&at));
            at = entry.head.nro_next;
        }
        prop_assert_eq!(status_of(&walked), statuses(&answer, entries));
        match answer {
            Ok(count) => {
                prop_assert_eq!((count, at), (entries.len(), 0));
                prop_assert_eq!(fault_of(entries), None);
                prop_assert!(count == 0 || !is_too_large(body, entries, 0));
            }
            // The next head was not there, or the last body.
            Err(Bad::Unreadable) if fault_of(entries).is_none() => {
                prop_assert!(at != 0 && !memory.heads.contains_key(&at));
            }
            Err(Bad::TooLong) => prop_assert!(entries.is_empty()),
            Err(bad) => {
                prop_assert_eq!(fault_of(entries), Some(bad));
                prop_assert_eq!(fault_of(&entries[..entries.len() - 1]), None);
            }
        }
        if answer == Err(Bad::TooLong) {
            // Follow it again: without a fault, it leads past the limits.
            let (mut seen, mut at) = (Vec::new(), place(0));
            while at != 0 && seen.len() < MOST && !is_too_large(body, &seen, 1) {
                let head = memory.heads[&at];
                seen.push(Entry { addr: at, head, status: Status::Zero, body: None });
                at = head.nro_next;
            }
            prop_assert_ne!(at, 0);
            prop_assert_eq!(fault_of(&seen), None);
        }
    }

    #[test]
    fn memory_that_changes_with_every_look_ends_the_walk_too(
        heads in prop::collection::vec((kind(), size(), any::<u64>()), 1..200),
        unread in prop::option::of(0..200usize), no_body in prop::option::of(0..20usize),
        body in body()
    ) {
        let looks = core::cell::Cell::new(0);
        let probes = core::cell::Cell::new(0);
        let walked = walked(
            1,
            body,
            |_| {
                let look = looks.replace(looks.get() + 1);
                let (kind, size, next) = heads[look % heads.len()];
                let head = NmreqOption {
                    nro_next: next,
                    nro_reqtype: kind,
                    nro_status: 0,
                    nro_size: size,
                };
                (Some(look) != unread).then_some(head)
            },
            |_, _| Some(probes.replace(probes.get() + 1)) != no_body,
        );
        prop_assert_eq!(status_of(&walked), statuses(&walked.answer, &walked.entries));
    }
}
