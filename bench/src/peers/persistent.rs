// SPDX-License-Identifier: MIT OR Apache-2.0

//! A persistent port: the stack behind its interface, by AF_PACKET, against rings of another port
//! of the switch that it is plugged into.

use super::{
    af_packet, net,
    pair::{self, demand, Role, Side, Task},
    Flow, Job, Peer,
};
use crate::frame::{self, frame, is_sound};
use anyhow::Result;
use ferromap::{Port, SlotFlags};

/// What the stack sends comes into rings.
pub struct ToRings;

impl Peer for ToRings {
    fn name(&self) -> &'static str {
        "stack to rings"
    }

    fn scenario(&self) -> &'static str {
        "persistent port"
    }

    fn measure(&mut self, job: &Job) -> Result<Flow> {
        let network = net::persistent_sender;
        pair::run(job, Role::PacketSender, Role::RingReceiver, network)
    }
}

/// What rings send goes up.
pub struct ToStack;

impl Peer for ToStack {
    fn name(&self) -> &'static str {
        "rings to stack"
    }

    fn scenario(&self) -> &'static str {
        "persistent port"
    }

    fn measure(&mut self, job: &Job) -> Result<Flow> {
        let network = net::persistent_receiver;
        pair::run(job, Role::RingSender, Role::StackReceiver, network)
    }
}

/// Sends the same frame again and again.
pub struct RingSender {
    port: Port,
    frame: Vec<u8>,
    batch: usize,
    /// Slots whose buffers have the frame.
    filled: usize,
}

impl RingSender {
    pub fn open(task: &Task) -> Result<RingSender> {
        Ok(RingSender {
            port: Port::open(&task.interface)?,
            frame: frame(frame::receiver(0), frame::sender(0), task.bytes),
            batch: task.batch,
            filled: 0,
        })
    }
}

impl Side for RingSender {
    fn turn(&mut self, _check: bool) -> Result<u64> {
        let ring = &mut self.port.tx_rings()[0];
        let slots = ring.slots();
        let mut batch = ring.reserve(self.batch);
        let frames = batch.len();
        batch.for_each(|mut slot| {
            if self.filled < slots {
                slot.fill(&self.frame);
                self.filled += 1;
            }
            slot.set(self.frame.len(), SlotFlags::NONE);
        });
        batch.commit(frames);
        ring.sync()?;
        Ok(frames as u64)
    }
}

/// Takes all that has come. It does not sleep: the CPU is its own.
pub struct RingReceiver {
    port: Port,
    bytes: usize,
}

impl RingReceiver {
    pub fn open(task: &Task) -> Result<RingReceiver> {
        let mut port = Port::open(&task.interface)?;
        crate::worker::announce(&mut port, frame::receiver(0))?;
        Ok(RingReceiver {
            port,
            bytes: task.bytes,
        })
    }
}

impl Side for RingReceiver {
    fn turn(&mut self, check: bool) -> Result<u64> {
        let ring = &mut self.port.rx_rings()[0];
        ring.sync()?;
        let batch = ring.recv(usize::MAX);
        let sound = |bytes: &[u8]| bytes.len() == self.bytes && (!check || is_sound(bytes));
        demand(batch.iter().all(|slot| sound(slot.bytes())))?;
        Ok(batch.len() as u64)
    }
}

/// As any AF_PACKET receiver; but the switch knows where it is.
pub fn stack_receiver(task: &Task) -> Result<af_packet::Receiver> {
    af_packet::announce(&task.interface)?;
    af_packet::Receiver::open(task)
}
