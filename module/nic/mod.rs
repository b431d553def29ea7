// SPDX-License-Identifier: GPL-2.0

//! A network interface in emulated mode: its ordinary driver below, and rings in front of it.
//!
//! - [`nics`]: which interfaces are open, and what happens when one goes away.
//! - [`receive`]: from the driver into receive rings, and from the stack into host receive rings.
//! - [`send`]: from transmit rings to the driver.
//! - [`host`]: from host transmit rings to the stack.
//! - [`forward`]: from ring to ring without the program.

mod forward;
mod host;
mod nics;
mod receive;
mod send;

pub(crate) use forward::Forwarding;
pub(crate) use host::inject;
pub(crate) use nics::{Nic, NicRef, Nics, Watch};
pub(crate) use send::send;
