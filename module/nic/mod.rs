// SPDX-License-Identifier: GPL-2.0

//! Network interfaces.
//!
//! - [`interface`]: what an open interface is.
//! - [`emulated`]: a way to run one: with its ordinary driver below, and rings in front of it.
//! - [`nics`]: which interfaces are open, and what happens when one goes away.
//! - [`port`]: a file's view of one.
//!
//! Emulated mode is the only way. Another one is a folder beside `emulated`, with two such
//! types: one that says how many rings an interface has and makes their queues, and one that lives
//! while the interface is in netmap mode. Which way it is, [`nics`] chooses when it opens the
//! interface; an enum of both then stands where it names the types of `emulated` today.

mod emulated;
mod interface;
mod nics;
mod port;

pub(crate) use nics::{NicNotifier, Nics};
pub(crate) use port::NicPort;
