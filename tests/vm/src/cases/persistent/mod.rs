// SPDX-License-Identifier: MIT OR Apache-2.0

//! Persistent ports: made and deleted, plugged in and pulled out; frames between rings and the
//! stack behind the interface; and what others do to the interface meanwhile.

mod frames;
mod life;
mod moves;
mod regions;
mod requests;
mod together;
mod unrest;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    requests::CASES,
    regions::CASES,
    frames::CASES,
    together::CASES,
    life::CASES,
    moves::CASES,
    unrest::CASES,
];
