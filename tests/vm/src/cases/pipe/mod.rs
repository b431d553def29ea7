// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pipes: what they are called and what rings they have, and the frames that go through.

mod frames;
mod names;
mod slots;

use crate::harness::raw::{vale, Bound};
use crate::harness::Case;
use nix::errno::Errno;

pub const FILES: &[&[Case]] = &[names::CASES, slots::CASES, frames::CASES];

/// Both ends of a pipe with rings of 64 slots, the master's first.
fn pipe(base: &str, id: &str) -> Result<(Bound, Bound), Errno> {
    let end = |mark| vale(&format!("{base}{mark}{id}")).slots(64, 64).bind();
    Ok((end('{')?, end('}')?))
}
