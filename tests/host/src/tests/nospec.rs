// SPDX-License-Identifier: MIT OR Apache-2.0

//! An index that a program chose is itself inside, and 0 outside, without a jump.

use crate::sys::{
    arch::{generic, mask},
    nospec::*,
};

/// The largest count for which both ways of computing the mask hold, less one.
const TOP: usize = isize::MAX as usize;

#[test]
fn an_index_is_itself_inside_and_0_outside() {
    for count in [1, 2, 3, 64, 164_000, u32::MAX as usize, TOP, TOP + 1] {
        let near = [
            0,
            1,
            count / 2,
            count - 1,
            count,
            count + 1,
            2 * (count - 1),
        ];
        for index in near.into_iter().chain([TOP, TOP + 1, TOP + 2, usize::MAX]) {
            let all = if index < count { usize::MAX } else { 0 };
            assert_eq!(mask(index, count), all, "{index:#x} of {count:#x}");
            assert_eq!(generic::mask(index, count), all, "{index:#x} of {count:#x}");
            assert_eq!(confine(index, count), index & all);
        }
    }
}

#[test]
fn nothing_is_inside_where_nothing_is() {
    for index in [0, 1, TOP, usize::MAX] {
        assert_eq!(mask(index, 0), 0);
    }
}

#[test]
fn numbers_of_32_bits_are_confined_as_others() {
    assert_eq!(confine32(u32::MAX - 1, u32::MAX), u32::MAX - 1);
    assert_eq!(confine32(u32::MAX, u32::MAX), 0);
    assert_eq!(confine32(6, 7), 6);
    assert_eq!(confine32(7, 7), 0);
}

#[test]
fn a_range_is_itself_inside_and_empty_outside() {
    for count in [0, 1, 4, u16::MAX - 1, u16::MAX] {
        let near = [0, 1, count / 2, count.saturating_sub(1), count];
        let past = [count.saturating_add(1), u16::MAX];
        for start in near.into_iter().chain(past) {
            for end in near.into_iter().chain(past) {
                let inside = start <= count && end <= count;
                let expected = if inside { start..end } else { 0..0 };
                let got = confine_range(start..end, count);
                assert_eq!(got, expected, "{start}..{end} of {count}");
            }
        }
    }
}
