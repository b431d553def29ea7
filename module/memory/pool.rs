// SPDX-License-Identifier: GPL-2.0

//! Which objects of a pool are free. Pure: the map's storage is the caller's.

use crate::sys::nospec::confine32;
use core::ops::DerefMut;

/// A pool's free map over `count` objects. Only those that are there are handed out, which are the
/// first; and of them not those that are withheld.
///
/// Bit `i` of the first half of the words is set while object `i` is free, and of the second half
/// if it is withheld.
pub(crate) struct FreeMap<S> {
    words: S,
    /// How many words each half has.
    half: usize,
    count: u32,
    there: u32,
    free: u32,
    /// How many words from the first on have no free object, for certain.
    full: usize,
}

/// Words that a map of `count` objects needs.
pub(crate) const fn words(count: u32) -> usize {
    count.div_ceil(64) as usize * 2
}

impl<S: DerefMut<Target = [u64]>> FreeMap<S> {
    /// A map of objects none of which is there. `storage` must have [`words`] of `count`; objects
    /// beyond it do not exist.
    pub(crate) fn new(mut storage: S, count: u32) -> Self {
        storage.fill(0);
        let half = storage.len() / 2;
        let room = u32::try_from(half.saturating_mul(64)).unwrap_or(u32::MAX);
        FreeMap {
            words: storage,
            half,
            count: count.min(room),
            there: 0,
            free: 0,
            full: 0,
        }
    }

    /// From now on the first `there` objects are there, unless there were more. Those that have
    /// come are free, but for what is `withheld`.
    pub(crate) fn grow_to(&mut self, there: u32, withheld: impl Fn(u32) -> bool) {
        let first = self.there;
        self.there = there.min(self.count).max(first);
        for index in first..self.there {
            let (word, bit) = (index as usize / 64, 1 << (index % 64));
            if withheld(index) {
                self.words[self.half + word] |= bit;
            } else {
                self.words[word] |= bit;
                self.free += 1;
            }
        }
        self.full = self.full.min(first as usize / 64);
    }

    /// How many have to be there for `count` to be free, as far as there can be as many. `None` if
    /// as many are.
    pub(crate) fn there_for(&self, count: u32) -> Option<u32> {
        let there = self
            .count
            .min(self.there.saturating_add(count.saturating_sub(self.free)));
        (there > self.there).then_some(there)
    }

    /// How many are there, free or not.
    pub(crate) fn there(&self) -> u32 {
        self.there
    }

    /// Objects that are there and free.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Objects that nobody has, those that are still to come included.
    pub(crate) fn left(&self) -> u32 {
        self.free + (self.count - self.there)
    }

    /// Takes the first free object.
    pub(crate) fn take(&mut self) -> Option<u32> {
        while self.full < self.half {
            let word = &mut self.words[self.full];
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                self.free -= 1;
                return Some(self.full as u32 * 64 + bit);
            }
            self.full += 1;
        }
        None
    }

    /// Gives an object back. False, and nothing done, for one that cannot have been handed out or
    /// that is free already: programs can leave any index anywhere.
    pub(crate) fn give(&mut self, index: u32) -> bool {
        if index >= self.there {
            return false;
        }
        let index = confine32(index, self.there);
        let (at, bit) = (index as usize / 64, 1u64 << (index % 64));
        if (self.words[at] | self.words[self.half + at]) & bit != 0 {
            return false;
        }
        self.words[at] |= bit;
        self.free += 1;
        self.full = self.full.min(at);
        true
    }
}
