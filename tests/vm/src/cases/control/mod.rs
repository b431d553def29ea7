// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests and what comes back: REGISTER and its options, questions about ports, the calls of old
//! programs, who may ask for what, and the reason of a refusal in words. What the ports that they
//! open then do is in the room of that kind of port.

mod info;
pub mod kinds;
mod legacy;
mod legacy_commands;
mod options;
mod options_at_most;
mod probe;
mod register;
mod rights;
mod sequences;
mod why;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    options::CASES,
    options_at_most::CASES,
    register::CASES,
    kinds::CASES,
    rights::CASES,
    info::CASES,
    legacy::CASES,
    legacy_commands::CASES,
    why::CASES,
    probe::CASES,
    sequences::CASES,
];
