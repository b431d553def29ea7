// SPDX-License-Identifier: MIT OR Apache-2.0

use crate::checksum::Sum;
use proptest::prelude::*;

/// The checksum after RFC 1071, word by word.
fn plainly(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u64 = 0;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    (!(sum as u16)).to_be_bytes()
}

#[test]
fn the_example_of_the_rfc_comes_out() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Sum::of(&bytes).field(), (!0xddf2u16).to_be_bytes());
}

#[test]
fn a_field_of_zero_can_be_avoided() {
    let sum = Sum::of(&[0xff, 0xff]);
    assert_eq!((sum.field(), sum.field_not_zero()), ([0, 0], [0xff, 0xff]));
    let sum = Sum::of(&[1, 2]);
    assert_eq!(sum.field(), sum.field_not_zero());
}

proptest! {
    #[test]
    fn any_bytes_sum_up(bytes: Vec<u8>) {
        prop_assert_eq!(Sum::of(&bytes).field(), plainly(&bytes));
    }

    #[test]
    fn parts_sum_up_wherever_they_are_cut(bytes: Vec<u8>, cut: prop::sample::Index) {
        let (one, other) = bytes.split_at(cut.index(bytes.len() + 1));
        let sum = Sum::of(one).and(Sum::of(other).at(one.len() as u32));
        prop_assert_eq!(sum.field(), plainly(&bytes));
    }

    #[test]
    fn sums_of_32_bits_are_folded(words: Vec<u16>) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let sum: u32 = words.iter().map(|&word| u32::from(word)).sum();
        prop_assert_eq!(Sum::of_words(sum).field(), plainly(&bytes));
    }
}
