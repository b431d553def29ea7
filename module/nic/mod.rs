// SPDX-License-Identifier: GPL-2.0

//! Network interfaces.
//!
//! - [`nics`]: which interfaces are open, and what happens when one goes away.
//! - [`port`]: a file's view of one.
//! - [`emulated`]: running one with its ordinary driver below, and rings in front of it.

mod emulated;
mod nics;
mod port;

pub(crate) use nics::{NicNotifier, Nics};
pub(crate) use port::NicPort;
