// SPDX-License-Identifier: MIT OR Apache-2.0

//! CSB mode and kernel loops: section 10 of the interface, items 98 and 175 to 179.

mod beside;
mod csb;
mod eventfds;
mod frames;
mod host;
mod memory;
mod run;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    csb::CASES,
    run::CASES,
    frames::CASES,
    host::CASES,
    eventfds::CASES,
    memory::CASES,
    beside::CASES,
];
