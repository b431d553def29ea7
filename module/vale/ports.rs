// SPDX-License-Identifier: GPL-2.0

//! Sets of ports of a switch. Pure.

use crate::abi::consts::VALE_MAX_PORTS;
use core::cell::Cell;

/// A bit for each port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortSet([u64; WORDS]);

/// Words of 64 bits that this takes.
pub(crate) const WORDS: usize = VALE_MAX_PORTS.div_ceil(64);

/// The word of a port, and its bit there.
#[inline]
pub(crate) const fn bit_of(port: u8) -> (usize, u64) {
    (port as usize / 64, 1 << (port % 64))
}

impl PortSet {
    /// The set that has these bits.
    #[inline]
    pub(crate) fn of(words: [u64; WORDS]) -> Self {
        PortSet(words)
    }
}

/// A set that is filled bit by bit and then emptied at once, in place.
#[derive(Default)]
pub(crate) struct Marks([Cell<u64>; WORDS]);

impl Marks {
    #[inline]
    pub(crate) fn insert(&self, port: u8) {
        let (word, bit) = bit_of(port);
        if let Some(word) = self.0.get(word) {
            word.set(word.get() | bit);
        }
    }

    /// Takes all out, in ascending order.
    #[inline]
    pub(crate) fn drain(&self, mut each: impl FnMut(u8)) {
        for (number, word) in (0u8..).zip(&self.0) {
            let mut bits = word.take();
            while bits != 0 {
                each(number * 64 + bits.trailing_zeros() as u8);
                bits &= bits - 1;
            }
        }
    }
}

/// In ascending order.
impl Iterator for PortSet {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        for (number, word) in (0u8..).zip(&mut self.0) {
            if *word != 0 {
                let bit = word.trailing_zeros() as u8;
                *word &= *word - 1;
                return Some(number * 64 + bit);
            }
        }
        None
    }
}
