// SPDX-License-Identifier: MIT OR Apache-2.0

//! The only room with `unsafe`: system calls with pointers, and memory that others write.
//!
//! - [`ioctl`] — the calls on `/dev/netmap`.
//! - [`region`] — a mapped region: every offset is checked, fields are read
//!   volatile, no references.
//! - [`buffers`] — where the buffers of a region are, and those that are in no ring.
//! - [`ring`] — one ring: head and tail as atomics, slots fetched once, and slices of those buffers
//!   that the ring's rules say are ours.
#![expect(unsafe_code, reason = "this is where it lives")]

pub(crate) mod buffers;
pub(crate) mod csb;
pub(crate) mod ioctl;
pub(crate) mod region;
pub(crate) mod ring;
