// SPDX-License-Identifier: GPL-2.0

//! Which objects of a pool are free. Pure: the map's storage is the caller's.

use crate::sys::nospec::confine32;
use core::ops::DerefMut;

/// A pool's free map over `count` objects, of which the first `reserved` are never handed out.
///
/// Bit `i` of the map is set while object `i` is free.
pub(crate) struct FreeMap<S> {
    words: S,
    count: u32,
    reserved: u32,
    free: u32,
    /// The word that searches begin with. They go on to the end and then from the first one.
    start: usize,
    /// How many words from `start` on have no free object, for certain.
    full: usize,
}

/// Words that a map of `count` objects needs.
pub(crate) const fn words(count: u32) -> usize {
    count.div_ceil(64) as usize
}

impl<S: DerefMut<Target = [u64]>> FreeMap<S> {
    /// A map with everything free but the reserved objects. `storage` must have [`words`] of
    /// `count`; objects beyond it do not exist.
    pub(crate) fn new(mut storage: S, count: u32, reserved: u32) -> Self {
        storage.fill(0);
        let room = u32::try_from(storage.len().saturating_mul(64)).unwrap_or(u32::MAX);
        let mut map = FreeMap {
            words: storage,
            count: count.min(room),
            reserved,
            free: 0,
            start: 0,
            full: 0,
        };
        for index in map.reserved..map.count {
            map.words[index as usize / 64] |= 1 << (index % 64);
            map.free += 1;
        }
        map
    }

    /// The same map, handing out objects from about number `first` on, and those before it last.
    pub(crate) fn starting_at(mut self, first: u32) -> Self {
        let word = first as usize / 64;
        self.start = word.checked_rem(self.words.len()).unwrap_or(0);
        self.full = 0;
        self
    }

    /// Objects left.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Takes the first free object.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let count = self.words.len();
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
        if index < self.reserved || index >= self.count {
            return false;
        }
        let index = confine32(index, self.count);
        let (at, bit) = (index as usize / 64, 1u64 << (index % 64));
        let word = &mut self.words[at];
        if *word & bit != 0 {
            return false;
        }
        *word |= bit;
        self.free += 1;
        let count = self.words.len();
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
