// SPDX-License-Identifier: GPL-2.0

//! The kernel's side of a ring: check head and cur, reserve, publish, wake.
//!
//! - [`tx`] and [`rx`]: a ring of each direction. A sync begins by checking what the program wrote (one of
//!   the three borders where values are checked) and ends by publishing `tail`.
//! - [`inbox`]: how senders share a receive ring.
//! - [`parts`]: which slots are frames of their own.
//! - [`set`]: all rings of a port, which of them exist, and who has them.
//! - [`mem`]: the part of the region that a ring owns.
//! - [`turns`]: threads that come to sync one ring at the same time.
//! - [`count`]: what went through and what was dropped.

pub(crate) mod count;
mod inbox;
mod mem;
pub(crate) mod parts;
mod rx;
mod set;
mod turns;
mod tx;

/// What [`inbox`] and [`turns`] are built on; their tests use loom's.
mod atomic {
    pub(crate) use core::sync::atomic::{fence, AtomicBool, AtomicU32, AtomicU64, Ordering};
}

pub(crate) use rx::{RxRing, RxSync};
pub(crate) use set::{Held, Owner, RingSet, Selection, Shape};
pub(crate) use turns::Begun;
pub(crate) use tx::{Append, TxRing, TxSync};

/// The kernel's private indexes of a ring. `hwcur..hwtail` of the shared ring mean what the program may
/// believe; these are what the kernel believes.
#[derive(Clone, Copy)]
struct Indexes {
    /// First slot that the program released and the kernel has not processed.
    hwcur: u32,
    /// The `tail` published last.
    hwtail: u32,
}
