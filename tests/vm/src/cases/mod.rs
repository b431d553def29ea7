// SPDX-License-Identifier: MIT OR Apache-2.0

//! The cases, in rooms as the module has them. The head of each room says which belong there.
//!
//! A new case is a function that returns [`Outcome`](crate::harness::check::Outcome), and its name
//! in the [`cases!`](crate::cases) of its file. A new file is named in the `mod.rs` of its room,
//! twice. What is forgotten is dead code, and that does not compile.

mod attach;
mod control;
mod device;
mod hostile;
mod kloop;
mod memory;
mod monitor;
mod nic;
mod persistent;
mod pipe;
mod ring;
mod vale;
mod xdp;

use crate::harness::Case;

const ROOMS: &[&[&[Case]]] = &[
    device::FILES,
    control::FILES,
    memory::FILES,
    ring::FILES,
    vale::FILES,
    nic::FILES,
    pipe::FILES,
    monitor::FILES,
    attach::FILES,
    persistent::FILES,
    xdp::FILES,
    kloop::FILES,
    hostile::FILES,
];

/// All of them, room by room.
pub fn all() -> impl Iterator<Item = &'static Case> {
    ROOMS.iter().copied().flatten().copied().flatten()
}
