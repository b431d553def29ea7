// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pipes: what they are called and what rings they have, what they are built on, and the frames
//! that go through.

pub mod bases;
mod buffers;
mod frames;
mod names;
mod slots;

use crate::harness::raw::{vale, Bound};
use crate::harness::Case;
use nix::errno::Errno;

pub const FILES: &[&[Case]] = &[
    names::CASES,
    bases::CASES,
    buffers::CASES,
    slots::CASES,
    frames::CASES,
];

/// Both ends of a pipe with rings of 64 slots, the master's first.
pub fn pipe(base: &str, id: &str) -> Result<(Bound, Bound), Errno> {
    let end = |mark| vale(&format!("{base}{mark}{id}")).slots(64, 64).bind();
    Ok((end('{')?, end('}')?))
}
