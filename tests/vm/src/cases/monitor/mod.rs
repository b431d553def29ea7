// SPDX-License-Identifier: MIT OR Apache-2.0

//! Monitors: what they are called and who may have one, what they see of each kind of port and when
//! there is nothing more to see, and that they cost who is watched nothing.

mod beside;
mod copies;
mod ends;
mod exchanged;
mod host;
mod hostile;
mod kinds;
mod names;
mod rings;
mod slow;

use crate::harness::check::*;
use crate::harness::frame::number;
use crate::harness::raw::request::free_buffers as free;
use crate::harness::raw::{vale, Bound};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const FILES: &[&[Case]] = &[
    names::CASES,
    copies::CASES,
    exchanged::CASES,
    kinds::CASES,
    host::CASES,
    rings::CASES,
    slow::CASES,
    beside::CASES,
    ends::CASES,
    hostile::CASES,
];

const BOTH: u64 = NR_MONITOR_TX | NR_MONITOR_RX;

/// A monitor of the port of that name.
fn monitor(name: &str, flags: u64) -> Result<Bound, Errno> {
    vale(name).flags(flags).bind()
}

/// What a monitor sees on ring `ring`: the numbers of frames, and whether they were sent.
fn seen_on(monitor: &Bound, ring: u32) -> Outcome<Vec<(u32, bool)>> {
    monitor.device.rxsync()?;
    let slots = monitor.rx(ring).take();
    monitor.device.rxsync()?;
    let what = slots.iter();
    Ok(what
        .map(|(slot, bytes)| (number(bytes), slot.flags & NS_TXMON != 0))
        .collect())
}

fn seen(monitor: &Bound) -> Outcome<Vec<(u32, bool)>> {
    seen_on(monitor, 0)
}

/// Frames with these numbers that were sent.
fn sent(numbers: std::ops::Range<u32>) -> Vec<(u32, bool)> {
    numbers.map(|number| (number, true)).collect()
}

/// The same for frames that were received.
fn received(numbers: std::ops::Range<u32>) -> Vec<(u32, bool)> {
    numbers.map(|number| (number, false)).collect()
}
