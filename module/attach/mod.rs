// SPDX-License-Identifier: GPL-2.0

//! Interfaces that are plugged into a switch. The kernel does for them what a program could do: it
//! binds the rings of the interface and those of a port of the switch, and carries frames between
//! the two by exchanging buffers.
//!
//! - [`attachments`]: which there are.
//! - [`worker`]: the threads that carry, asleep between frames or polling.
//! - [`transfer`]: the way from one ring to another.

mod attachments;
mod transfer;
mod worker;

pub(crate) use attachments::Attachments;
pub(crate) use worker::Polling;
