// SPDX-License-Identifier: GPL-2.0

//! The kernel's side of a ring: check head and cur, reserve, publish, wake.
//!
//! - [`tx`] and [`rx`]: a ring of each direction. A sync begins by checking what the program wrote (one of
//!   the three borders where values are checked) and ends by publishing `tail`.
//! - [`inbox`]: how senders share a receive ring.
//! - [`parts`]: which slots are frames of their own.
//! - [`set`]: all rings of a port, which of them exist, and who has them.
//! - [`mem`]: the part of the region that a ring owns.
//! - [`count`]: what went through and what was dropped.

pub(crate) mod count;
mod inbox;
mod mem;
pub(crate) mod parts;
mod rx;
mod set;
mod tx;

/// What [`inbox`] is built on; its tests use loom's.
mod atomic {
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

pub(crate) use rx::{RxRing, RxSync};
pub(crate) use set::{Held, Owner, RingSet, Selection, Shape};
pub(crate) use tx::{Append, TxRing, TxSync};

/// How a sync begins.
pub(crate) enum Begun<S> {
    /// Another thread is syncing the ring.
    Busy,
    /// The program's indexes made no sense; the ring is back at the kernel's own.
    Bad,
    /// Go on.
    Ready(S),
}

/// The kernel's private indexes of a ring. `hwcur..hwtail` of the shared ring mean what the program may
/// believe; these are what the kernel believes.
#[derive(Clone, Copy)]
struct Indexes {
    /// First slot that the program released and the kernel has not processed.
    hwcur: u32,
    /// The `tail` published last.
    hwtail: u32,
}
