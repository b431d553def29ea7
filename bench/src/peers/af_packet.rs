// SPDX-License-Identifier: MIT OR Apache-2.0

//! AF_PACKET: sockets that share rings of frames with the kernel (TPACKET_V3), over a veth pair.

use super::{
    net,
    pair::{self, demand, Role, Side, Task},
    raw::{RxRing, TxRing},
    Flow, Job, Peer,
};
use crate::frame::{self, frame};
use anyhow::Result;

/// AF_PACKET over a veth pair.
pub struct AfPacket;

impl Peer for AfPacket {
    fn name(&self) -> &'static str {
        "AF_PACKET"
    }

    fn measure(&mut self, job: &Job) -> Result<Flow> {
        pair::run(
            job,
            Role::PacketSender,
            Role::PacketReceiver,
            net::napi_veth,
        )
    }
}

/// Sends the same frame again and again.
pub struct Sender {
    ring: TxRing,
    batch: usize,
}

impl Sender {
    pub fn open(task: &Task) -> Result<Sender> {
        let frame = frame(frame::receiver(0), frame::sender(0), task.bytes);
        Ok(Sender {
            ring: TxRing::open(&task.interface, &frame)?,
            batch: task.batch,
        })
    }
}

impl Side for Sender {
    fn turn(&mut self, _check: bool) -> Result<u64> {
        let frames = self.ring.queue(self.batch)?;
        self.ring.send()?;
        Ok(frames as u64)
    }
}

/// Sends one frame to everybody, so that a switch learns where the receiver is.
pub fn announce(interface: &str) -> Result<()> {
    let frame = frame(frame::BROADCAST, frame::receiver(0), 60);
    let mut ring = TxRing::open(interface, &frame)?;
    ring.queue(1)?;
    ring.send()
}

/// Takes all that has come. It does not sleep: the CPU is its own.
pub struct Receiver {
    ring: RxRing,
    bytes: usize,
}

impl Receiver {
    pub fn open(task: &Task) -> Result<Receiver> {
        let frame = frame(frame::receiver(0), frame::sender(0), task.bytes);
        let ethertype = u16::from_be_bytes([frame[12], frame[13]]);
        Ok(Receiver {
            ring: RxRing::open(&task.interface, ethertype)?,
            bytes: task.bytes,
        })
    }
}

impl Side for Receiver {
    fn turn(&mut self, check: bool) -> Result<u64> {
        let (mut frames, mut sound) = (0, true);
        self.ring.take(|part, bytes| {
            frames += 1;
            sound &= bytes == self.bytes && (!check || frame::is_sound(part));
        })?;
        demand(sound)?;
        Ok(frames)
    }
}
