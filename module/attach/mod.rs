// SPDX-License-Identifier: GPL-2.0

//! Interfaces that are plugged into a switch. The kernel does for them what a program could do: it binds the rings
//! of the interface and those of a port of the switch, and carries frames between the two by exchanging buffers.
//!
//! - [`attachments`]: which there are.
//! - [`carrier`]: the threads that carry, asleep between frames or polling.
//! - [`lane`]: the way from one ring to another.

mod attachments;
mod carrier;
mod lane;

pub(crate) use attachments::{Attachments, Polling};
