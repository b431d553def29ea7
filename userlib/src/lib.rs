// SPDX-License-Identifier: MIT OR Apache-2.0

//! Fast packet I/O on Linux with the netmap API.
//!
//! A program opens a *port*, maps its memory, and from then on moves whole batches of packets with one
//! system call, or none. A port is a network interface, a port of an in-kernel switch (VALE), or one end
//! of a pipe; all are used alike.

mod binding;
mod builder;
mod control;
mod device;
mod error;
mod extra;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod port;
mod raw;
mod rx;
mod slot;
mod spec;
mod tx;

pub use builder::PortBuilder;
pub use control::{Control, PoolInfo, PoolsInfo, ValePort};
pub use error::{Error, RequestError, Result};
pub use extra::ExtraBuffers;
pub use nix::errno::Errno;
pub use port::{Interest, Port, PortInfo, Ready};
pub use rx::{RxBatch, RxPacket, RxRing, RxSlot, RxSlotMut};
pub use slot::SlotFlags;
pub use spec::{Config, PortSpec, Rings};
pub use tx::{TxBatch, TxRing, TxSlot};
