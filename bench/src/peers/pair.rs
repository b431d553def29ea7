// SPDX-License-Identifier: MIT OR Apache-2.0

//! A sender and a receiver, each a process on a CPU of its own, in a network that is
//! gone with them.
//!
//! They are processes because User Mode Linux runs the threads of one process on one CPU. The
//! network is a namespace that only this module's thread and its children are in, so nothing is
//! left of it however they end.

use super::{af_packet, af_xdp, net, persistent, Flow, Job};
use crate::{
    child::{self, Child, PATIENCE},
    clock::{ticks, Rate},
};
use anyhow::{bail, Context, Result};
use nix::sched::{unshare, CloneFlags};
use serde::{Deserialize, Serialize};
use std::{sync::OnceLock, time::Duration};

/// From the first frame on until it counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// What a worker does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Role {
    PacketSender,
    PacketReceiver,
    XdpSender,
    XdpReceiver,
    StackReceiver,
    RingSender,
    RingReceiver,
}

/// All that a worker needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    role: Role,
    /// Where to send or receive.
    pub interface: String,
    /// Bytes of each frame.
    pub bytes: usize,
    /// Frames handed over at a time.
    pub batch: usize,
}

/// The two interfaces at the ends of a network.
pub struct Ends {
    pub sender: String,
    pub receiver: String,
}

/// One side of the flow.
pub trait Side {
    /// Sends or receives a batch and returns how many frames that were, perhaps none. Receivers
    /// look into each frame if `check` is set, and at its length always.
    fn turn(&mut self, check: bool) -> Result<u64>;
}

/// An error unless all frames of a turn were `sound`: as they were sent.
pub fn demand(sound: bool) -> Result<()> {
    if !sound {
        bail!("a frame arrived that is not as it was sent");
    }
    Ok(())
}

/// When frames count, in ticks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Window {
    start: u64,
    end: u64,
}

/// Lets `sender` send to `receiver` through what `network` makes in an empty network namespace.
pub fn run(job: &Job, sender: Role, receiver: Role, network: fn() -> Result<Ends>) -> Result<Flow> {
    if job.bytes > net::LONGEST {
        bail!(
            "frames of {} bytes are too long for interfaces with an MTU of 1500",
            job.bytes
        );
    }
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .context("no network namespace to measure in; this needs root")?;
            let ends = network()?;
            let task = |role, interface| Task {
                role,
                interface,
                bytes: job.bytes,
                batch: job.batch,
            };
            flow(
                &task(sender, ends.sender),
                &task(receiver, ends.receiver),
                job.time,
            )
        });
        measured
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn flow(sender: &Task, receiver: &Task, time: Duration) -> Result<Flow> {
    static RATE: OnceLock<Rate> = OnceLock::new();
    let rate = *RATE.get_or_init(Rate::measure);

    let start =
        |task: &Task, cpu| Child::start(format!("{:?}", task.role), cpu, "peer-worker", task);
    let mut receiver = start(receiver, 1)?;
    let mut sender = start(sender, 0)?;
    let start = ticks() + rate.ticks(WARM_UP);
    let window = Window {
        start,
        end: start + rate.ticks(time),
    };
    receiver.tell(&window)?;
    sender.tell(&window)?;
    let patience = WARM_UP + time + PATIENCE;
    let flow = Flow {
        sent: sender.receive(patience)?,
        received: receiver.receive(patience)?,
        seconds: time.as_secs_f64(),
    };
    if flow.received == 0 {
        bail!("{} frames were sent and none arrived", flow.sent);
    }
    Ok(flow)
}

/// The life of a worker.
pub fn worker() -> Result<()> {
    let task: Task = child::task()?;
    let mut side: Box<dyn Side> = match task.role {
        Role::PacketSender => Box::new(af_packet::Sender::open(&task)?),
        Role::PacketReceiver => Box::new(af_packet::Receiver::open(&task)?),
        Role::XdpSender => Box::new(af_xdp::Sender::open(&task)?),
        Role::XdpReceiver => Box::new(af_xdp::Receiver::open(&task)?),
        Role::StackReceiver => Box::new(persistent::stack_receiver(&task)?),
        Role::RingSender => Box::new(persistent::RingSender::open(&task)?),
        Role::RingReceiver => Box::new(persistent::RingReceiver::open(&task)?),
    };
    let window: Window = child::ready()?;
    let (mut now, mut count) = (ticks(), 0);
    while now < window.end {
        let frames = side.turn(now < window.start)?;
        now = ticks();
        if (window.start..window.end).contains(&now) {
            count += frames;
        }
    }
    child::say(&count)
}
