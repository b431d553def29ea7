// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs on ports of switches: what they decide and what becomes of it, what they see and
//! write, how they come and go, and the memory they work in.
//! Their source is `bpf/programs.c`; how one is put on a port is in `harness/programs.rs`.

mod actions;
mod frames;
mod life;
mod staging;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[actions::CASES, frames::CASES, life::CASES, staging::CASES];
