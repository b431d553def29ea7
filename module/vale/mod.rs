// SPDX-License-Identifier: GPL-2.0

//! The VALE switch: a learning Ethernet bridge between ports.
//!
//! - [`switch`]: a switch and its members, found under RCU by senders.
//! - [`switches`]: all switches, by network namespace and name; who joins and leaves.
//! - [`table`]: which station is behind which port.
//! - [`forward`]: a batch on its way, in passes of two halves: [`collect`] reads slots, [`deliver`] finds the
//!   receivers' rings, [`fill`] fills them.
//! - [`xdp`]: programs that decide about frames first; [`inspect`] runs them, [`ahead`] brings in what they need.
//! - [`chain`]: the frames of a pass, sorted by destination; [`ports`]: sets of ports.
//! - [`source`], [`header`]: where bytes come from, and virtio-net headers in front of them.
//! - [`offload`]: what such headers ask for, done for receivers without: [`checksum`], and [`segment`] with [`headers`].

mod ahead;
mod chain;
mod checksum;
mod collect;
mod deliver;
mod fill;
mod forward;
mod headers;
mod inspect;
mod offload;
mod ports;
mod segment;
mod source;
mod switch;
mod switches;
mod table;
mod virtio;
mod xdp;

/// What [`table`] is built on; its tests use loom's.
mod atomic {
    pub(crate) use core::sync::atomic::{AtomicU64, Ordering};
}

pub(crate) use forward::{forward, Scratch};
pub(crate) use switch::Member;
pub(crate) use switches::{Joined, Spot, Switches};
pub(crate) use xdp::Hook;
