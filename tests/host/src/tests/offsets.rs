// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where in their buffers frames start.

use crate::offsets::{OfRing, Offsets, Unfit};

const SIZE: u32 = 2048;

fn of(bits: u32, max: u64, gap: u64) -> Offsets {
    Offsets::new((bits, max, 0), gap, SIZE).expect("offsets that will do")
}

#[test]
fn bits_are_a_mask() {
    for (bits, mask) in [
        (0, u64::MAX),
        (64, u64::MAX),
        (63, u64::MAX >> 1),
        (11, 0x7ff),
        (1, 1),
    ] {
        assert_eq!(of(bits, 1, 0).mask, mask, "{bits}");
    }
}

#[test]
fn what_will_not_do_is_refused() {
    for (asked, unfit) in [
        ((65, 0, 0), Unfit::Bits),
        ((u32::MAX, 0, 0), Unfit::Bits),
        ((0, 2049, 0), Unfit::Max),
        ((0, u64::MAX, 0), Unfit::Max),
        ((0, 1 << 32, 0), Unfit::Max),
        ((9, 512, 0), Unfit::MaxBits),
        ((0, 512, 513), Unfit::Initial),
        ((0, 0, u64::MAX), Unfit::Initial),
    ] {
        assert_eq!(Offsets::new(asked, 0, SIZE), Err(unfit), "{asked:?}");
    }
    for asked in [(9, 511, 511), (0, 2048, 2048), (12, 2048, 0), (1, 0, 0)] {
        assert!(Offsets::new(asked, 0, SIZE).is_ok(), "{asked:?}");
    }
}

#[test]
fn an_offset_is_never_above_the_largest() {
    let offsets = of(16, 512, 0);
    for (ptr, at) in [
        (0, 0),
        (512, 512),
        (513, 512),
        (0xffff, 512),
        (0x1_0000, 0),
        (0xdead_0000_0064, 100),
        (u64::MAX, 512),
    ] {
        assert_eq!(offsets.at(ptr), at, "{ptr:#x}");
    }
    assert_eq!(of(0, 512, 0).at(1 << 32), 512);
}

#[test]
fn what_can_be_written_ends_with_the_buffer() {
    for gap in [0, 1, 64, 2048, 5000, 1 << 32, u64::MAX] {
        let offsets = of(0, 512, gap);
        for at in 0..=512 {
            let room = offsets.room_at(at, SIZE);
            assert!(at + room <= SIZE, "{gap} {at}");
            assert!(u64::from(room) <= gap || gap == 0);
            assert!(room >= offsets.room(SIZE) || gap != 0, "{gap} {at}");
        }
    }
    assert_eq!(of(0, 512, 0).room(SIZE), 1536);
    assert_eq!(of(0, 2048, 0).room(SIZE), 0);
    assert_eq!(of(0, 512, 64).room(SIZE), 64);
    assert_eq!(of(0, 512, 5000).room(SIZE), 2048);
    assert_eq!(of(0, 512, 0).room_at(3000, SIZE), 0);
}

#[test]
fn a_ring_that_has_as_much_is_what_is_wanted() {
    let there = of(16, 512, 0);
    for (bits, max, does) in [
        (16, 512, true),
        (8, 100, true),
        (16, 513, false),
        (17, 512, false),
        (0, 0, false),
    ] {
        assert_eq!(there.satisfy(&of(bits, max, 0)), does, "{bits} {max}");
    }
}

#[test]
fn a_ring_has_none_until_it_gets_some() {
    let ring = OfRing::default();
    assert_eq!(ring.get(), None);
    ring.set(&of(16, 512, 64));
    assert_eq!(ring.get(), Some(of(16, 512, 64)));
}
