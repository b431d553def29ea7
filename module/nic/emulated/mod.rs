// SPDX-License-Identifier: GPL-2.0

//! Emulated mode: any driver, unchanged. Frames are copied between the rings and the kernel's own.
//!
//! - [`receive`]: from the driver into receive rings, and from the stack into host receive rings.
//! - [`send`]: from transmit rings to the driver.
//! - [`host`]: from host transmit rings to the stack.
//! - [`forward`]: from ring to ring without the program.

mod forward;
mod host;
mod receive;
mod send;

pub(super) use forward::{ForwardDown, ForwardUp};
pub(super) use host::ToHost;
pub(super) use send::ToDriver;
