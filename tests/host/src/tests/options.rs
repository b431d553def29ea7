// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists of options in memory of all kinds, after section 7.2 of the interface.

use crate::{
    abi::{
        consts::*,
        ext::{NmreqOptRegion, FERROMAP_OPT_REGION},
        wire::NmreqOption,
    },
    option_list::{length, walk, Bad, Entry, Length, Status, HEAD, MOST},
};
use std::collections::BTreeMap;

mod any;

/// A program's memory: option heads by address, and where a body cannot be read.
#[derive(Clone, Debug, Default)]
struct Memory {
    heads: BTreeMap<u64, NmreqOption>,
    no_body: Vec<u64>,
}

/// What became of a walk.
#[derive(Debug)]
struct Walked {
    answer: Result<usize, Bad>,
    /// What is to be written back.
    entries: Vec<Entry>,
}

/// The place of option `i`.
fn place(i: usize) -> u64 {
    0x1000 + 0x100 * i as u64
}

impl Memory {
    /// A list of options of these types and sizes, the first at `place(0)`.
    fn list(options: &[(u32, u64)]) -> Self {
        let mut memory = Memory::default();
        for (i, &(kind, size)) in options.iter().enumerate() {
            let last = i + 1 == options.len();
            memory.put(i, kind, size, if last { 0 } else { place(i + 1) });
        }
        memory
    }

    fn put(&mut self, i: usize, kind: u32, size: u64, next: u64) {
        let head = NmreqOption {
            nro_next: next,
            nro_reqtype: kind,
            nro_status: 0x5555,
            nro_size: size,
        };
        self.heads.insert(place(i), head);
    }

    fn walk(&self, start: u64, body: usize) -> Walked {
        walked(
            start,
            body,
            |addr| self.heads.get(&addr).copied(),
            |addr, _| !self.no_body.contains(&addr.wrapping_sub(24)),
        )
    }
}

/// Walks, and checks what every walk must keep to.
fn walked(
    start: u64,
    body: usize,
    read: impl Fn(u64) -> Option<NmreqOption>,
    probe: impl Fn(u64, usize) -> bool,
) -> Walked {
    let mut reads = 0;
    let mut entries = [None; MOST];
    let answer = walk(
        start,
        body,
        &mut entries,
        |addr| {
            reads += 1;
            read(addr)
        },
        |addr, len| {
            assert!(
                (1..=NETMAP_REQ_MAXSIZE).contains(&len),
                "{len} bytes to probe"
            );
            probe(addr, len)
        },
    );
    assert!(reads <= MOST, "{reads} reads");
    let (count, answer) = match answer {
        Ok(count) => (count, Ok(count)),
        Err((bad, count)) => (count, Err(bad)),
    };
    let entries: Vec<_> = entries.into_iter().take(count).flatten().collect();
    assert_eq!(entries.len(), count, "all that is counted is there");
    Walked { answer, entries }
}

fn status_of(walked: &Walked) -> Vec<Status> {
    walked.entries.iter().map(|entry| entry.status).collect()
}

#[test]
fn the_option_that_names_a_region_is_known_and_found() {
    let region = (FERROMAP_OPT_REGION, 0);
    let walked = Memory::list(&[(77, 0), region]).walk(place(0), 0);
    let [unknown, found] = walked.entries[..] else {
        panic!("{walked:?}");
    };
    assert_eq!((found.addr, found.status), (place(1), Status::Unsupported));
    assert_eq!((unknown.body, found.body), (None, Some(8)));
    // Its body must be there, and it must be there once.
    let mut memory = Memory::list(&[region]);
    memory.no_body.push(place(0));
    assert_eq!(memory.walk(place(0), 0).answer, Err(Bad::Unreadable));
    let twice = Memory::list(&[region, region]).walk(place(0), 0);
    assert_eq!(twice.answer, Err(Bad::Twice(FERROMAP_OPT_REGION)));
}

#[test]
fn only_an_honoured_option_of_a_request_that_succeeds_returns_its_body() {
    let Entry { addr, head, .. } = Memory::list(&[(5, 0)]).walk(place(0), 0).entries[0];
    for status in [
        Status::Zero,
        Status::Invalid,
        Status::Refused(16),
        Status::Unsupported,
    ] {
        for body in [Some(32), None] {
            let entry = Entry {
                addr,
                head,
                status,
                body,
            };
            let returns = status == Status::Zero && body.is_some();
            assert_eq!(entry.returns_body(true), returns, "{entry:?}");
            assert!(!entry.returns_body(false), "{entry:?}");
        }
    }
}

#[test]
fn lists_are_accepted_or_refused_for_the_documented_reasons() {
    use Status::{Invalid, Unsupported, Zero};
    let known = NETMAP_REQ_OPT_OFFSETS;
    let eventfds = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS;
    type Row<'a> = (
        &'a str,
        &'a [(u32, u64)],
        usize,
        Result<usize, Bad>,
        &'a [Status],
    );
    let table: [Row<'_>; 21] = [
        ("no options", &[], 56, Ok(0), &[]),
        ("an unknown one", &[(99, 0)], 56, Ok(1), &[Unsupported]),
        (
            "unknown ones twice",
            &[(99, 0), (99, 0)],
            0,
            Ok(2),
            &[Unsupported; 2],
        ),
        (
            "the first unknown type",
            &[(6, u64::MAX)],
            0,
            Ok(1),
            &[Unsupported],
        ),
        (
            "the largest type",
            &[(u32::MAX, u64::MAX)],
            0,
            Ok(1),
            &[Unsupported],
        ),
        (
            "every known type",
            &[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)],
            56,
            Ok(5),
            &[Unsupported; 5],
        ),
        ("type 0", &[(0, 0)], 56, Err(Bad::TypeZero), &[Invalid]),
        (
            "type 0 last",
            &[(99, 0), (3, 0), (0, 0)],
            0,
            Err(Bad::TypeZero),
            &[Zero, Zero, Invalid],
        ),
        (
            "a known one twice",
            &[(99, 0), (known, 0), (3, 0), (known, 0), (0, 0)],
            0,
            Err(Bad::Twice(known)),
            &[Zero, Invalid, Zero, Invalid],
        ),
        (
            "a known one of 4096 bytes",
            &[(known, 4096)],
            56,
            Ok(1),
            &[Unsupported],
        ),
        (
            "a known one of 4097 bytes",
            &[(known, 4097)],
            0,
            Err(Bad::TooLarge(known)),
            &[Zero],
        ),
        (
            "a huge one",
            &[(eventfds, u64::MAX)],
            0,
            Err(Bad::TooLarge(eventfds)),
            &[Zero],
        ),
        (
            "eventfds without any",
            &[(eventfds, 24)],
            8,
            Ok(1),
            &[Unsupported],
        ),
        (
            "eventfds of no size",
            &[(eventfds, 0)],
            8,
            Ok(1),
            &[Unsupported],
        ),
        (
            "eventfds up to the limit",
            &[(eventfds, 4096 - 8)],
            8,
            Ok(1),
            &[Unsupported],
        ),
        (
            "eventfds past it",
            &[(eventfds, 4096 - 7)],
            8,
            Err(Bad::TooLarge(eventfds)),
            &[Zero],
        ),
        (
            "a body that leaves no room for the third",
            &[(eventfds, 4096 - 40), (99, 0), (5, 0)],
            0,
            Err(Bad::TooLong),
            &[],
        ),
        ("a request as large as may be", &[], 4096, Ok(0), &[]),
        ("and an option", &[(99, 0)], 4096, Err(Bad::TooLong), &[]),
        ("a request larger than may be", &[], usize::MAX, Ok(0), &[]),
        (
            "and another option",
            &[(99, 0)],
            usize::MAX,
            Err(Bad::TooLong),
            &[],
        ),
    ];
    for (what, options, body, answer, statuses) in table {
        let start = if options.is_empty() { 0 } else { place(0) };
        let walked = Memory::list(options).walk(start, body);
        assert_eq!(walked.answer, answer, "{what}");
        assert_eq!(status_of(&walked), statuses, "{what}");
    }
}

#[test]
fn types_of_the_interface_and_ours_are_known_with_their_lengths() {
    for kind in 0..0x2000 {
        let known = (1..NETMAP_REQ_OPT_MAX).contains(&kind) || kind == FERROMAP_OPT_REGION;
        assert_eq!(length(kind).is_some(), known, "type {kind}");
    }
    let region = size_of::<NmreqOptRegion>() - HEAD;
    assert!(matches!(length(FERROMAP_OPT_REGION), Some(Length::Fixed(len)) if len == region));
}

#[test]
fn bodies_are_probed_in_full_and_right_behind_their_heads() {
    // (type, size that the program gives, bytes of the body)
    let table = [
        (NETMAP_REQ_OPT_EXTMEM, 0, Some(72)),
        (NETMAP_REQ_OPT_CSB, 4096, Some(16)),
        (NETMAP_REQ_OPT_SYNC_KLOOP_MODE, 1, Some(8)),
        (NETMAP_REQ_OPT_OFFSETS, 56, Some(32)),
        (NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, 23, None),
        (NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, 24, None),
        (NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, 40, Some(16)),
        (NETMAP_REQ_OPT_MAX, 40, None),
    ];
    for (kind, size, bytes) in table {
        let memory = Memory::list(&[(kind, size)]);
        let probed = core::cell::Cell::new(None);
        let read = |addr: u64| memory.heads.get(&addr).copied();
        let walk = |body| {
            walked(place(0), body, read, |addr, len| {
                probed.set(Some((addr, len)));
                true
            })
        };
        assert_eq!(walk(0).answer, Ok(1));
        assert_eq!(
            probed.get(),
            bytes.map(|len| (place(0) + 24, len)),
            "type {kind}"
        );
        // It fits into a request to the last byte.
        let room = 4096 - 24 - bytes.unwrap_or(0);
        assert_eq!(walk(room).answer, Ok(1), "type {kind}");
        assert!(walk(room + 1).answer.is_err(), "type {kind}");
    }
}

/// Each option's address is kept beside it: the limit for that is met sooner than the one for
/// what is sent.
#[test]
fn many_small_options_are_counted_as_they_are_kept() {
    let eventfds = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS;
    // (unknown options, bytes of one with a body behind them, body of the request)
    let table = [
        (127, None, 56, Ok(127)),
        (128, None, 56, Err(Bad::TooLong)),
        (128, None, 48, Ok(128)),
        (MOST, None, 0, Ok(MOST)),
        (MOST + 1, None, 0, Err(Bad::TooLong)),
        (99, Some(24 + 888), 56, Ok(100)),
        (99, Some(24 + 889), 56, Err(Bad::TooLarge(eventfds))),
        (99, Some(1000), 56, Err(Bad::TooLarge(eventfds))),
        // Of few options what is sent is the limit.
        (5, Some(4096 - 56 - 5 * 24), 56, Ok(6)),
        (
            5,
            Some(4096 - 55 - 5 * 24),
            56,
            Err(Bad::TooLarge(eventfds)),
        ),
    ];
    for (count, size, body, answer) in table {
        let mut options = vec![(99, 0); count];
        options.extend(size.map(|size| (eventfds, size)));
        let walked = Memory::list(&options).walk(place(0), body);
        assert_eq!(walked.answer, answer, "{count} options and one of {size:?}");
        let written = match answer {
            Ok(count) => count,
            Err(Bad::TooLong) => 0,
            Err(_) => options.len(),
        };
        assert_eq!(walked.entries.len(), written);
    }
}

#[test]
fn a_list_that_bites_its_tail_ends() {
    let mut unknown = Memory::default();
    unknown.put(0, 99, 0, place(0));
    let walked = unknown.walk(place(0), 56);
    assert_eq!(
        (walked.answer, walked.entries.len()),
        (Err(Bad::TooLong), 0)
    );

    let mut known = Memory::default();
    known.put(0, 99, 0, place(1));
    known.put(1, NETMAP_REQ_OPT_CSB, 0, place(0));
    let walked = known.walk(place(0), 56);
    assert_eq!(walked.answer, Err(Bad::Twice(NETMAP_REQ_OPT_CSB)));
    let addrs: Vec<_> = walked.entries.iter().map(|entry| entry.addr).collect();
    assert_eq!(addrs, [place(0), place(1), place(0), place(1)]);
}

#[test]
fn memory_that_cannot_be_read_is_told_from_a_bad_list() {
    let mut memory = Memory::list(&[(99, 0), (5, 0), (3, 0)]);
    memory.heads.remove(&place(2));
    let walked = memory.walk(place(0), 56);
    assert_eq!(walked.answer, Err(Bad::Unreadable));
    assert_eq!(status_of(&walked), [Status::Zero; 2]);

    let mut memory = Memory::list(&[(99, 0), (5, 0), (3, 0)]);
    memory.no_body = vec![place(0), place(1)];
    let walked = memory.walk(place(0), 56);
    assert_eq!(
        walked.answer,
        Err(Bad::Unreadable),
        "an unknown option has no body to read"
    );
    assert_eq!(status_of(&walked), [Status::Zero; 2]);

    assert_eq!(memory.walk(u64::MAX, 56).answer, Err(Bad::Unreadable));
}

#[test]
fn an_option_at_the_end_of_the_address_space_does_no_harm() {
    let head = NmreqOption {
        nro_reqtype: NETMAP_REQ_OPT_EXTMEM,
        ..NmreqOption::default()
    };
    for start in [u64::MAX, u64::MAX - 23, u64::MAX - 24] {
        let body = core::cell::Cell::new(1);
        let walked = walked(
            start,
            56,
            |_| Some(head),
            |addr, len| {
                body.set(addr);
                len == 72
            },
        );
        assert_eq!(walked.answer, Ok(1));
        assert_eq!(body.get(), start.wrapping_add(24));
    }
}

#[test]
fn a_caller_with_room_for_fewer_is_told_that_the_list_is_too_long() {
    let memory = Memory::list(&[(99, 0); 3]);
    let read = |addr: u64| memory.heads.get(&addr).copied();
    for room in 0..5 {
        let mut entries = vec![None; room];
        let answer = walk(place(0), 0, &mut entries, read, |_, _| true);
        assert_eq!(
            answer,
            if room < 3 {
                Err((Bad::TooLong, 0))
            } else {
                Ok(3)
            }
        );
    }
}
