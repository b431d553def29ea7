// SPDX-License-Identifier: GPL-2.0

//! Which objects of a pool are free. Pure: the map's storage is the caller's.

use crate::sys::nospec::confine32;
use core::ops::DerefMut;

/// A pool's free map over `count` objects, some of which may be withheld: they are never handed
/// out.
///
/// Bit `i` of the first half of the words is set while object `i` is free, and of the second half
/// if it is withheld.
pub(crate) struct FreeMap<S> {
    words: S,
    /// How many words each half has.
    half: usize,
    count: u32,
    free: u32,
    /// The word that searches begin with. They go on to the end and then from the first one.
    start: usize,
    /// How many words from `start` on have no free object, for certain.
    full: usize,
}

/// Words that a map of `count` objects needs.
pub(crate) const fn words(count: u32) -> usize {
    count.div_ceil(64) as usize * 2
}

impl<S: DerefMut<Target = [u64]>> FreeMap<S> {
    /// A map with everything free but what is `withheld`. `storage` must have [`words`] of `count`;
    /// objects beyond it do not exist.
    pub(crate) fn new(mut storage: S, count: u32, withheld: impl Fn(u32) -> bool) -> Self {
        storage.fill(0);
        let half = storage.len() / 2;
        let room = u32::try_from(half.saturating_mul(64)).unwrap_or(u32::MAX);
        let mut map = FreeMap {
            words: storage,
            half,
            count: count.min(room),
            free: 0,
            start: 0,
            full: 0,
        };
        for index in 0..map.count {
            let (word, bit) = (index as usize / 64, 1 << (index % 64));
            if withheld(index) {
                map.words[half + word] |= bit;
            } else {
                map.words[word] |= bit;
                map.free += 1;
            }
        }
        map
    }

    /// The same map, handing out objects from about number `first` on, and those before it last.
    pub(crate) fn starting_at(mut self, first: u32) -> Self {
        let word = first as usize / 64;
        self.start = word.checked_rem(self.half).unwrap_or(0);
        self.full = 0;
        self
    }

    /// Objects left.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Takes the first free object.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let count = self.half;
        while self.full < count {
            let at = wrapped(self.start + self.full, count);
            let word = &mut self.words[at];
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                self.free -= 1;
                return Some(at as u32 * 64 + bit);
            }
            self.full += 1;
        }
        None
    }

    /// Gives an object back. False, and nothing done, for one that cannot have been handed out or
    /// that is free already: programs can leave any index anywhere.
    pub(crate) fn give(&mut self, index: u32) -> bool {
        if index >= self.count {
            return false;
        }
        let index = confine32(index, self.count);
        let (at, bit) = (index as usize / 64, 1u64 << (index % 64));
        if (self.words[at] | self.words[self.half + at]) & bit != 0 {
            return false;
        }
        self.words[at] |= bit;
        self.free += 1;
        let count = self.half;
        self.full = self.full.min(wrapped(at + count - self.start, count));
        true
    }
}

/// An index below twice the count, brought below the count.
fn wrapped(index: usize, count: usize) -> usize {
    if index < count {
        index
    } else {
        index - count
    }
}
