// SPDX-License-Identifier: GPL-2.0

//! Monitors: ports that see what passes through another one, and send nothing (section 8.7 of the
//! interface).
//!
//! - [`monitors`]: all monitors there are, and what each of them watches.
//! - [`audience`]: the monitors of one port. It is what the port's rings show their frames to.
//! - [`watcher`]: which of them is shown what, and when.
//! - [`show`]: bringing frames into a monitor's ring, by copying them or by exchanging buffers;
//!   [`whole`]: which slots these are.
//! - [`port`]: a file's view of a monitor.

mod audience;
mod monitors;
mod port;
mod show;
mod watcher;
mod whole;

pub(crate) use monitors::Monitors;
pub(crate) use port::{MonitorPort, Wish};
