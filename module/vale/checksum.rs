// SPDX-License-Identifier: GPL-2.0

//! The checksum of the Internet (RFC 1071). Pure.

/// A one's complement sum of 16-bit words, as they lie in memory: in which order a machine reads
/// them makes no difference, if it writes the result in the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(u16);

impl Sum {
    /// Of bytes, from an even offset on. Behind an odd number of them a zero is added.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let words = bytes.chunks(2).map(|pair| match *pair {
            [a, b] => u16::from_ne_bytes([a, b]),
            [a] => u16::from_ne_bytes([a, 0]),
            _ => 0,
        });
        words.fold(Sum(0), |sum, word| sum.and(Sum(word)))
    }

    /// The kernel's, which has 32 bits.
    pub(crate) fn of_words(sum: u32) -> Self {
        Sum(sum as u16).and(Sum((sum >> 16) as u16))
    }

    /// Of both.
    pub(crate) fn and(self, other: Sum) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        // With a carry the sum is below 0xffff.
        Sum(sum + u16::from(carry))
    }

    /// The same bytes, from offset `at` on.
    pub(crate) fn at(self, at: u32) -> Self {
        if at % 2 == 0 {
            self
        } else {
            Sum(self.0.swap_bytes())
        }
    }

    /// What makes the sum come out right in the field that was 0 in it.
    pub(crate) fn field(self) -> [u8; 2] {
        (!self.0).to_ne_bytes()
    }

    /// The same where a field of 0 means that there is no checksum.
    pub(crate) fn field_not_zero(self) -> [u8; 2] {
        match self.field() {
            [0, 0] => [0xff; 2],
            field => field,
        }
    }
}
