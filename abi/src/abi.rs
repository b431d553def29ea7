// SPDX-License-Identifier: MIT OR Apache-2.0

//! Both sides of `/dev/netmap`.
//!
//! - [`wire`]: structures that cross the border, field by field, with their sizes asserted.
//! - [`options`]: the same of the options of requests, and of CSB mode.
//! - [`consts`]: ioctl numbers, request types, modes and flags.
//! - [`cursor`]: positions in a ring, and when a program's `head` and `cur` are acceptable.
//! - [`layout`]: where the three pools of a memory region lie, and how big they come out.
//! - [`name`]: what the kernel reads in a port name.
//! - [`select`]: which rings of a port a request selects.
//! - [`ext`]: requests that netmap does not have; their numbers start at 0x1000.
//!
//! The kernel module includes this file by path, the crate through `lib.rs`. Nothing here may use
//! anything outside `core`.

pub mod consts;
pub mod cursor;
pub mod ext;
pub mod layout;
pub mod name;
pub mod options;
pub mod select;
pub mod wire;
