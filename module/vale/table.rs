// SPDX-License-Identifier: GPL-2.0

//! The learning table of a switch: which station was last seen behind which port.
//!
//! 1024 entries, one address each, found by a hash; collisions overwrite and nothing ages (section
//! 9 of the interface). An entry is one 64-bit word, so it is read and written whole, without a
//! lock: address (48 bits), port (8 bits), and a bit that tells it from an empty one. It is written
//! only when it would change, so a steady flow writes no shared memory here.
//!
//! Pure: the parent module says what an atomic is, so that loom can try all interleavings.

use super::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use core::ops::Deref;

/// A station's address: 48 bits, first byte on the wire lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mac(u64);

impl Mac {
    /// The low 48 bits.
    pub(crate) const fn new(word: u64) -> Self {
        Mac(word & ((1 << 48) - 1))
    }

    /// Broadcast and multicast addresses, which name no station: the lowest bit of the first byte.
    pub(crate) const fn is_group(self) -> bool {
        self.0 & 1 != 0
    }

    /// An entry of the table. The multiplier is 2^64 divided by the golden ratio (Knuth, The Art of
    /// Computer Programming, 6.4): it spreads addresses that differ in any byte.
    const fn hash(self) -> usize {
        (self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize
    }
}

/// Set in every entry that is not empty.
const USED: u64 = 1;

/// Number of entries.
pub(crate) const SIZE: usize = 1 << BITS;
const BITS: u32 = 10;

/// The table, over [`SIZE`] entries that the caller provides. With fewer, it remembers nobody whose
/// entry is missing.
pub(crate) struct Table<D> {
    entries: D,
    /// How many ports were forgotten so far.
    forgotten: AtomicU64,
}

/// A moment in the life of a table. A number that was found after it means the port that had that
/// number then: those that come later under a number that was given back are of a later moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

const fn entry(mac: Mac, port: u8) -> u64 {
    (mac.0 << 16) | ((port as u64) << 8) | USED
}

impl<D: Deref<Target = [AtomicU64]>> Table<D> {
    /// All entries must be 0.
    pub(crate) fn new(entries: D) -> Self {
        Table {
            entries,
            forgotten: AtomicU64::new(0),
        }
    }

    /// Whether there is nothing to [`learn`](Self::learn): it is remembered, or never will be.
    #[inline]
    pub(crate) fn knows(&self, mac: Mac, port: u8) -> bool {
        let slot = self.entries.get(mac.hash());
        mac.is_group() || slot.is_none_or(|slot| slot.load(Relaxed) == entry(mac, port))
    }

    /// Remembers that `mac` is behind `port`. Group addresses are not remembered.
    #[inline]
    pub(crate) fn learn(&self, mac: Mac, port: u8) {
        if self.knows(mac, port) {
            return;
        }
        if let Some(slot) = self.entries.get(mac.hash()) {
            slot.store(entry(mac, port), Relaxed);
        }
    }

    /// The port behind which `mac` was last seen, if it is remembered.
    #[inline]
    pub(crate) fn find(&self, mac: Mac) -> Option<u8> {
        let seen = self.entries.get(mac.hash())?.load(Relaxed);
        (seen & USED != 0 && seen >> 16 == mac.0).then_some((seen >> 8) as u8)
    }

    /// Now. Acquire: who knows that a port was forgotten does not find its stations any more.
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        Moment(self.forgotten.load(Acquire))
    }

    /// Forgets every station behind `port`: whoever gets its number next must not get its frames.
    /// He is of the moment when this returns.
    pub(crate) fn forget(&self, port: u8) {
        for slot in self.entries.iter() {
            let seen = slot.load(Relaxed);
            if seen & USED != 0 && (seen >> 8) as u8 == port {
                // If it changed meanwhile, somebody has learned anew.
                let _ = slot.compare_exchange(seen, 0, Relaxed, Relaxed);
            }
        }
        // Release pairs with the Acquire in `now`.
        self.forgotten.fetch_add(1, Release);
    }
}
