// SPDX-License-Identifier: GPL-2.0

//! Pipes: two ends, `BASE{ID` and `BASE}ID`, in the memory of the port that they are built on
//! (section 8.6 of the interface).
//!
//! - [`pipes`]: all pipes there are, by base and id.
//! - [`pair`]: a pipe: both ends' rings, which exist for as long as one of them is open.
//! - [`strand`]: one direction of one ring, between a transmit ring and the receive ring at the
//!   other end. No frame is copied: slots exchange what is in them.
//! - [`port`]: a file's view of one end.

mod pair;
mod pipes;
mod port;
mod strand;

pub(crate) use pair::PipeName;
pub(crate) use pipes::Pipes;
pub(crate) use port::PipePort;
