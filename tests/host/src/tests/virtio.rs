// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a virtio-net header between ports, after the table in section 9
//! of the interface.

use crate::packets;
use crate::virtio::{is_plain, Asked, Cut, Field, Reheader};
use proptest::prelude::*;

/// Does to the bytes of a frame what the three numbers say.
fn apply(header: Reheader, frame: &[u8]) -> Vec<u8> {
    let mut out = frame[..header.keep as usize].to_vec();
    out.resize(header.len() as usize, 0);
    out.extend_from_slice(&frame[header.skip as usize..]);
    out
}

#[test]
fn headers_are_passed_cut_filled_up_or_taken_off() {
    let frame: Vec<u8> = (1..=40).collect();
    let kept = |n: usize| &frame[..n];
    let zeros = |n: usize| vec![0; n];
    // (sender's header, receiver's header, what stands before the payload)
    let table = [
        (0, 0, vec![]),
        (10, 10, kept(10).to_vec()),
        (12, 12, kept(12).to_vec()),
        (0, 10, zeros(10)),
        (0, 12, zeros(12)),
        (10, 12, [kept(10), &zeros(2)].concat()),
        (12, 10, kept(10).to_vec()),
        (10, 0, vec![]),
        (12, 0, vec![]),
    ];
    for (from, to, before) in table {
        let header = Reheader::between(from, to);
        let want = [&before[..], &frame[from as usize..]].concat();
        assert_eq!(apply(header, &frame), want, "from {from} to {to}");
        assert_eq!(header.strips(), from != 0 && to == 0, "from {from} to {to}");
        assert_eq!(header == Reheader::NONE, from == to, "from {from} to {to}");
    }
}

#[test]
fn a_header_asks_for_nothing_if_its_flags_and_segmentation_are_zero() {
    for (word, plain) in [
        (0, true),
        (0xffff_ffff_ffff_0000, true),
        (0x0001, false),
        // Somebody has looked at the checksum already.
        (0x0002, true),
        (0x0003, false),
        (0x0100, false),
        (u64::MAX, false),
    ] {
        assert_eq!(is_plain(word), plain, "{word:#x}");
    }
}

#[test]
fn what_a_header_asks_for_is_known_or_it_is_refused() {
    let read = |flags, gso, len, start, at| {
        Asked::read(&packets::header(flags, gso, len, 1000, start, at), 100)
    };
    let asked = |checksum, cut| {
        Some(Asked {
            checksum,
            cut,
            size: 1000,
        })
    };
    let field = |start, at| Some(Field { start, at });
    assert_eq!(read(0, 0, 0, 7, 7), asked(None, None));
    assert_eq!(read(1, 0, 0, 34, 16), asked(field(34, 50), None));
    assert_eq!(read(3, 0, 100, 34, 64), asked(field(34, 98), None));
    for (gso, cut) in [
        (1, Cut::TcpV4),
        (4, Cut::TcpV6),
        (0x81, Cut::TcpV4),
        (0x84, Cut::TcpV6),
        (3, Cut::Fragments),
        (5, Cut::Datagrams),
    ] {
        assert_eq!(read(1, gso, 54, 34, 16), asked(field(34, 50), Some(cut)));
    }
    for gso in [2, 6, 0x20, 0x41, 0x80, 0x83, 0x85, 0xff] {
        assert_eq!(read(1, gso, 54, 34, 16), None, "kind {gso:#x}");
    }
    for flags in [4, 5, 8, 0x80] {
        assert_eq!(read(flags, 0, 0, 34, 16), None, "flags {flags:#x}");
    }
    // Headers longer than the frame; a field past its end; one among the addresses.
    assert_eq!(read(1, 1, 101, 34, 16), None);
    assert_eq!(read(1, 0, 0, 34, 65), None);
    assert_eq!(read(1, 0, 0, 0xffff, 0xffff), None);
    assert_eq!(read(1, 0, 0, 13, 50), None);
}

proptest! {
    #[test]
    fn lengths_of_any_size_add_up(from: u32, to: u32) {
        let header = Reheader::between(from, to);
        prop_assert!(header.keep <= header.skip);
        prop_assert_eq!(header.len(), if from == to { 0 } else { to });
        prop_assert_eq!(header.strips(), from != to && to == 0);
    }
}
