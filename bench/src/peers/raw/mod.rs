// SPDX-License-Identifier: MIT OR Apache-2.0

//! The unsafe part of the peers: sockets that no safe crate knows, and memory shared
//! with the kernel.
#![allow(unsafe_code)]

mod packet;
mod socket;
mod umem;

pub use packet::{RxRing, TxRing};
pub use socket::send_at_once;
pub use umem::Frames;
