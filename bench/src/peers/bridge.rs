// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's bridge between two veth pairs, with AF_PACKET at the outer ends.

use super::{
    net,
    pair::{self, Role},
    Flow, Job, Peer,
};
use anyhow::Result;

/// The kernel's bridge.
pub struct Bridge;

impl Peer for Bridge {
    fn name(&self) -> &'static str {
        "Linux bridge"
    }

    fn measure(&mut self, job: &Job) -> Result<Flow> {
        pair::run(job, Role::PacketSender, Role::PacketReceiver, net::bridge)
    }
}
