// SPDX-License-Identifier: GPL-2.0

//! The kernel's side of a ring: check head and cur, reserve, publish, wake.
//!
//! - [`tx`] and [`rx`]: a ring of each direction, and what a port makes for it: a [`TxQueue`] or an
//!   [`RxQueue`]. A sync begins by checking what the program wrote (one of the three borders where
//!   values are checked) and ends by publishing `tail`.
//! - [`delivery`]: bringing frames into a receive ring; [`inbox`]: how senders share one.
//! - [`append`], [`arrived`]: the kernel adds and takes frames as a program would.
//! - [`set`]: all rings of a port, which of them exist, and [`seats`]: who has them;
//!   [`shape`]: how many.
//! - [`mem`]: the part of the region that a ring owns; [`indexes`]: what the kernel believes of it;
//!   [`offsets`]: where in their buffers its frames start.
//! - [`walk`]: the way through consecutive slots; [`frames`]: frame by frame; [`chain`]: the slots
//!   of a frame, gathered.
//! - [`watch`]: showing monitors what passes; [`watching`]: how that begins and ends.
//! - [`contention`]: threads that come to sync one ring at the same time.
//! - [`count`]: what went through and what was dropped.

mod append;
mod arrived;
mod chain;
mod contention;
pub(crate) mod count;
mod delivery;
mod frames;
mod inbox;
mod indexes;
mod mem;
mod offsets;
mod rx;
mod seats;
mod set;
mod shape;
mod tx;
mod walk;
mod watch;
mod watching;

/// What [`inbox`] and [`contention`] are built on; their tests use loom's.
mod atomic {
    pub(crate) use core::sync::atomic::{fence, AtomicBool, AtomicU32, AtomicU64, Ordering};
}

pub(crate) use append::Append;
pub(crate) use chain::Chain;
pub(crate) use contention::Synced;
pub(crate) use delivery::{AfterBatch, Delivery, Soon};
pub(crate) use frames::{BadChain, Frames};
pub(crate) use indexes::Indexes;
pub(crate) use offsets::{Offsets, Unfit};
pub(crate) use rx::{Collect, RxQueue, RxRing, RxSync};
pub(crate) use set::{Held, Queues, RingSet, TxBufs, WantedOffsets};
pub(crate) use shape::{Operator, Selection, Shape};
pub(crate) use tx::{TxQueue, TxRing, TxSync};
pub(crate) use walk::Walk;
pub(crate) use watch::{Place, Sight, Watcher};
