// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rings and slots in one sync, on whatever port shows it best: cursors, right and wrong ones,
//! timestamps, two threads at one ring, and rings that go while they are asked for.
//! Where frames go is in the room of the port: [`vale`](super::vale), [`nic`](super::nic).

mod bad;
mod leaving;
mod offsets;
mod starts;
mod sync;
mod together;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    sync::CASES,
    bad::CASES,
    together::CASES,
    leaving::CASES,
    offsets::kinds::CASES,
    offsets::ways::CASES,
    offsets::switches::CASES,
    offsets::interfaces::CASES,
    offsets::pipes::CASES,
    offsets::monitors::CASES,
    offsets::limits::CASES,
    offsets::hostile::CASES,
    starts::CASES,
];
