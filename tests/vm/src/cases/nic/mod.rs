// SPDX-License-Identifier: MIT OR Apache-2.0

//! Network interfaces in emulated mode: what leaves and what arrives, their host rings, every kind
//! of interface the kernel has, and what may happen to one while it is open.
//! With a switch behind it, it is in [`attach`](super::attach).

mod chains;
mod context;
mod forward;
mod frames;
mod host;
mod kinds;
mod life;
mod lists;
mod memory;
mod tap;
mod vlan;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    frames::CASES,
    context::CASES,
    host::CASES,
    forward::CASES,
    chains::CASES,
    lists::CASES,
    kinds::CASES,
    life::CASES,
    tap::CASES,
    vlan::CASES,
    memory::CASES,
];
