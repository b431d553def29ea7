// SPDX-License-Identifier: GPL-2.0

//! The VALE switch: a learning Ethernet bridge between ports.
//!
//! - [`port`]: a file's view of a port of one.
//! - [`switch`]: a switch and its members, found under RCU by senders.
//! - [`switches`]: all switches, by network namespace and name; who joins and leaves.
//! - [`table`]: which station is behind which port.
//! - [`forward`]: a batch on its way, in bursts of two halves: [`collect`] reads slots, [`deliver`]
//!   finds the receivers' rings, [`fill`] fills them.
//! - [`frame`], [`scratch`]: the frames of a burst; [`runs`]: sorted by destination; [`sender`]:
//!   who sends them; [`ports`]: sets of ports.
//! - [`origin`]: where the frames lie; [`virtio`]: virtio-net headers in front of them.
//! - [`xdp`]: programs that decide about frames first; [`inspect`] copies these, [`verdict`] runs
//!   programs on them, [`ahead`] brings in what they need.
//! - [`persistent`]: ports that are interfaces of the kernel, too; [`stack`]: what its stack sends
//!   into a switch by one; [`up`]: what it gets from there.
//! - [`offload`]: what virtio-net headers ask for, done for receivers without: [`checksum`], and
//!   [`segment`] with [`headers`].

mod ahead;
mod checksum;
mod collect;
mod deliver;
mod extent;
mod fill;
mod forward;
mod frame;
mod headers;
mod inspect;
mod offload;
mod origin;
mod persistent;
mod port;
mod ports;
mod runs;
mod scratch;
mod segment;
mod sender;
mod stack;
mod switch;
mod switches;
mod table;
mod up;
mod verdict;
mod virtio;
mod xdp;

/// What [`table`] is built on; its tests use loom's.
mod atomic {
    pub(crate) use core::sync::atomic::{AtomicU64, Ordering};
}

pub(crate) use persistent::{Life, Persistent, Persistents};
pub(crate) use port::ValePort;
pub(crate) use switch::{Member, Occupant};
pub(crate) use switches::{Joined, Spot, Switches};
pub(crate) use xdp::Installed;
