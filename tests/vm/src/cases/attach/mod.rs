// SPDX-License-Identifier: MIT OR Apache-2.0

//! Interfaces that are plugged into a switch: whose they are, what their ports are called, whose
//! memory they are in, what passes between them and other ports, polling, and going away under
//! traffic. A switch alone is in [`vale`](super::vale), an interface alone in [`nic`](super::nic).

mod frames;
mod names;
mod offload;
mod owner;
mod regions;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    owner::CASES,
    frames::CASES,
    names::CASES,
    regions::CASES,
    offload::CASES,
];
