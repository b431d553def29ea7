// SPDX-License-Identifier: MIT OR Apache-2.0

//! Positions in a ring, and when a program's `head` and `cur` are acceptable.
//!
//! A ring of `n` slots is walked by indexes `0..n`, modulo `n`. `head..tail` belongs to the
//! program, the rest to the kernel, and one slot always stays unused, so that `head == tail`
//! means "nothing here".
//!
//! The arithmetic is right for rings of any size, and never panics: an index outside the ring,
//! which no caller should pass, gives a wrong number and nothing worse.

/// Slots from `from` forward to `to`, in a ring of `n`. Both must be below `n`.
#[inline]
pub const fn dist(from: u32, to: u32, n: u32) -> u32 {
    if to >= from {
        to - from
    } else {
        to.wrapping_add(n).wrapping_sub(from)
    }
}

/// The slot `by` places after `from`, in a ring of `n`. `from` must be below `n`, `by` at most `n`.
#[inline]
pub const fn add(from: u32, by: u32, n: u32) -> u32 {
    let to_end = n.wrapping_sub(from);
    if by >= to_end {
        by - to_end
    } else {
        from.wrapping_add(by)
    }
}

/// The slot after `at`, in a ring of `n`. `at` must be below `n`.
#[inline]
pub const fn next(at: u32, n: u32) -> u32 {
    let next = at.wrapping_add(1);
    if next < n {
        next
    } else {
        0
    }
}

/// The slot before `at`, in a ring of `n`.
#[inline]
pub const fn prev(at: u32, n: u32) -> u32 {
    if at == 0 {
        n.saturating_sub(1)
    } else {
        at - 1
    }
}

/// `head` and `cur` as a program left them: any value at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub head: u32,
    pub cur: u32,
}

/// `head` and `cur` that passed [`Claimed::check`]: both are below the ring's size and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    head: u32,
    cur: u32,
}

impl Checked {
    /// First slot that the program keeps.
    #[inline]
    pub const fn head(self) -> u32 {
        self.head
    }

    /// Where the program wants to be woken.
    #[inline]
    pub const fn cur(self) -> u32 {
        self.cur
    }
}

impl Claimed {
    /// Accepts the pair if, going forward from `from`, `head` comes first, then `cur`, and neither
    /// is past `tail`. A transmit ring is checked from its last accepted head to the published
    /// tail, a receive ring from `hwcur` to `hwtail` (section 4.3 of the interface).
    #[inline]
    pub const fn check(self, n: u32, from: u32, tail: u32) -> Option<Checked> {
        if self.head >= n || self.cur >= n {
            return None;
        }
        let to_head = dist(from, self.head, n);
        let to_cur = dist(from, self.cur, n);
        if to_head <= to_cur && to_cur <= dist(from, tail, n) {
            Some(Checked {
                head: self.head,
                cur: self.cur,
            })
        } else {
            None
        }
    }
}
