// SPDX-License-Identifier: MIT OR Apache-2.0

#![no_std]
#![doc = include_str!("../README.md")]

// By path, so that its modules lie beside it: the kernel module includes `abi.rs` the same way.
#[path = "abi.rs"]
mod abi;
pub use abi::*;
