// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory in which a program says `head` and `cur` of its rings in CSB mode, and is told theirs.

use ferromap_abi::options::{NmCsbAtok, NmCsbKtoa};
use std::{
    mem::offset_of,
    sync::atomic::{fence, AtomicU32, Ordering},
};

/// An entry of either array; all sides access its words whole.
#[repr(C, align(64))]
struct Entry([AtomicU32; 16]);

impl Entry {
    fn array(len: usize) -> Box<[Entry]> {
        let entry = |_| Entry([const { AtomicU32::new(0) }; 16]);
        (0..len).map(entry).collect()
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        &self.0[offset / size_of::<u32>()]
    }
}

/// The two arrays, with an entry for each ring: transmit rings first.
pub(crate) struct Csb {
    atok: Box<[Entry]>,
    ktoa: Box<[Entry]>,
}

impl Csb {
    pub(crate) fn new(rings: usize) -> Self {
        Csb {
            atok: Entry::array(rings),
            ktoa: Entry::array(rings),
        }
    }

    /// Where the arrays are.
    pub(crate) fn addresses(&self) -> (u64, u64) {
        (self.atok.as_ptr() as u64, self.ktoa.as_ptr() as u64)
    }

    pub(crate) fn len(&self) -> usize {
        self.atok.len()
    }

    pub(crate) fn head(&self, ring: usize) -> &AtomicU32 {
        self.atok[ring].word(offset_of!(NmCsbAtok, head))
    }

    pub(crate) fn cur(&self, ring: usize) -> &AtomicU32 {
        self.atok[ring].word(offset_of!(NmCsbAtok, cur))
    }

    pub(crate) fn tail(&self, ring: usize) -> &AtomicU32 {
        self.ktoa[ring].word(offset_of!(NmCsbKtoa, hwtail))
    }

    /// Whether ring `ring` has slots for the program.
    pub(crate) fn is_ready(&self, ring: usize) -> bool {
        self.head(ring).load(Ordering::Relaxed) != self.tail(ring).load(Ordering::Acquire)
    }

    /// Has the loop signal news of ring `ring`, or not. Look for news after this.
    pub(crate) fn want_signal(&self, ring: usize, yes: bool) {
        let word = self.atok[ring].word(offset_of!(NmCsbAtok, appl_need_kick));
        word.store(yes.into(), Ordering::Relaxed);
        // The loop shows its news before it looks at this.
        fence(Ordering::SeqCst);
    }

    /// Whether the loop wants to be kicked for what was published before this.
    pub(crate) fn wants_kick(&self) -> bool {
        // The loop says so before it looks at what was published.
        fence(Ordering::SeqCst);
        self.ktoa.iter().any(|entry| {
            let word = entry.word(offset_of!(NmCsbKtoa, kern_need_kick));
            word.load(Ordering::Relaxed) != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_their_own() {
        let csb = Csb::new(3);
        let (atok, ktoa) = csb.addresses();
        assert_eq!((atok % 64, ktoa % 64, csb.len()), (0, 0, 3));
        csb.head(1).store(5, Ordering::Relaxed);
        csb.tail(2).store(7, Ordering::Relaxed);
        assert_eq!(
            [0, 1, 2].map(|ring| csb.is_ready(ring)),
            [false, true, true]
        );
        assert_eq!(csb.head(1).as_ptr() as u64, atok + 64);
        assert_eq!(csb.tail(2).as_ptr() as u64, ktoa + 2 * 64 + 4);
    }

    #[test]
    fn one_ring_that_wants_a_kick_is_enough() {
        let csb = Csb::new(2);
        assert!(!csb.wants_kick());
        csb.ktoa[1].0[2].store(1, Ordering::Relaxed);
        assert!(csb.wants_kick());
    }
}
