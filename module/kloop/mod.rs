// SPDX-License-Identifier: GPL-2.0

//! CSB mode, and the loop that syncs the rings of a file until it is told to stop (section 10 of
//! the interface).
//!
//! In CSB mode `head` and `cur` of a ring are not in the ring, but in memory of the process, and so
//! is what the program is told. A program starts the loop with a system call that ends when it
//! stops the loop: from then on frames move without any.
//!
//! - [`csb`]: that memory, in which each access may fail. [`lane`]: a ring with its part of it.
//! - [`run`]: going round the lanes, and sleeping in between.
//! - [`state`]: whether a file is in CSB mode, and whether its loop runs.

mod csb;
mod lane;
mod run;
mod state;

pub(crate) use csb::check;
pub(crate) use run::{Eventfds, Wishes};
pub(crate) use state::KernelLoop;

use crate::{ring::Held, sys::user::Caller};

/// What has rings to be synced.
pub(crate) trait Rings {
    /// Which they are.
    fn held(&self) -> &Held;

    /// The process that asks for a sync, if it is the one whose memory addresses in slots mean.
    fn caller(&self) -> Option<Caller<'_>>;

    /// False once what they belong to has gone away.
    fn is_there(&self) -> bool;
}
