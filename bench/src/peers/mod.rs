// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a person would pick instead of Ferromap, measured through its real interface.

mod af_packet;
mod af_xdp;
mod bridge;
mod memif;
pub mod net;
mod pair;
mod persistent;
mod raw;
mod telemetry;

pub use pair::worker;

use anyhow::Result;
use std::time::Duration;

/// What a peer moved.
pub struct Flow {
    /// Frames handed over for sending.
    pub sent: u64,
    /// Frames that arrived.
    pub received: u64,
    /// How long that took.
    pub seconds: f64,
}

/// What a peer is to move.
pub struct Job {
    /// Bytes of each frame.
    pub bytes: usize,
    /// Frames handed over at a time.
    pub batch: usize,
    /// How long to measure.
    pub time: Duration,
}

/// One system that moves frames from a sender to a receiver.
pub trait Peer {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// What it does, as a group of the table.
    fn scenario(&self) -> &'static str {
        "1 to 1"
    }
    /// Moves frames for the time that `job` gives.
    fn measure(&mut self, job: &Job) -> Result<Flow>;
}

/// The peers that run in the same kernel as Ferromap.
pub fn in_guest() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(af_packet::AfPacket),
        Box::new(af_xdp::AfXdp),
        Box::new(bridge::Bridge),
    ]
}

/// Not what one would pick instead, but the stack at one end and Ferromap at the other.
pub fn persistent() -> Vec<Box<dyn Peer>> {
    vec![Box::new(persistent::ToRings), Box::new(persistent::ToStack)]
}

/// The peers that run outside the VM, on the same CPUs.
pub fn native() -> Vec<Box<dyn Peer>> {
    vec![Box::new(memif::Memif)]
}
