// SPDX-License-Identifier: MIT OR Apache-2.0

//! Processes that send and receive. Each is a program of its own on a CPU of its own: User Mode
//! Linux runs the threads of one program in turn.
//!
//! A worker is told what it is to do (a [`Task`]), opens its port, says that it is ready, is told
//! when to begin (a [`Schedule`]), and at the end tells its [`Outcome`].

mod flow;
pub mod group;
mod pingpong;

pub use flow::announce;

use crate::{child, clock::Rate, cpu};
use anyhow::Result;
use ferromap::{Pace, Port};
use serde::{Deserialize, Serialize};

/// What a worker is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The port it opens, which nobody else has open.
    pub port: String,
    /// Slots to ask for in each ring.
    pub slots: u32,
    /// The CPU it runs on.
    pub cpu: usize,
    pub role: Role,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Sends frames as fast as it can.
    Send {
        /// Its address.
        from: [u8; 6],
        /// The addresses that frames go to, in turn; as many as divide the ring evenly.
        to: Vec<[u8; 6]>,
        /// Bytes of a frame.
        bytes: usize,
        /// Slots of a frame.
        fragments: usize,
        /// Frames handed over at a time, or as many as the ring has room for.
        batch: usize,
        /// Whether buffers may be exchanged with the receiver's.
        hand_over: bool,
        /// The CPU of a loop in the kernel that syncs for it.
        kernel_loop: Option<usize>,
    },
    /// Receives whatever comes.
    Receive { address: [u8; 6], wait: Wait },
    /// Reads what a monitor is shown of the port of another, which is there.
    Watch { wait: Wait },
    /// Sends a frame and waits until it comes back, again and again.
    Ping {
        from: [u8; 6],
        to: [u8; 6],
        bytes: usize,
        wait: Wait,
    },
    /// Sends back what comes, to `to`.
    Pong {
        address: [u8; 6],
        to: [u8; 6],
        wait: Wait,
    },
}

/// How a receiver waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// It syncs again and again.
    Busy,
    /// It sleeps in `poll`.
    Poll,
}

/// When to measure: after the warm-up, `windows` times, each for three times `length`, one for each
/// [`Phase`]. All times are ticks, on a counter that is the same for all processes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// The end of the warm-up.
    pub start: u64,
    pub length: u64,
    pub windows: usize,
    pub rate: Rate,
}

/// What is measured in a part of a window. They take turns, so that what else the machine does is
/// the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// How many frames go through.
    Rate,
    /// How long syncs take, and in turn with them, syncs with nothing to send.
    Syncs,
    /// How long senders take to copy such frames by themselves.
    Copies,
}

const PHASES: [Phase; 3] = [Phase::Rate, Phase::Syncs, Phase::Copies];

impl Schedule {
    /// The window that `now` is in, and its phase.
    fn window(&self, now: u64) -> Option<(usize, Phase)> {
        let n = usize::try_from(now.checked_sub(self.start)? / self.length).ok()?;
        let window = n / PHASES.len();
        (window < self.windows).then_some((window, PHASES[n % PHASES.len()]))
    }

    fn end(&self) -> u64 {
        self.start + self.length * (PHASES.len() * self.windows) as u64
    }
}

/// What a worker did in one window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    /// Frames sent, or received.
    pub frames: u64,
    /// The same while syncs were timed.
    pub timed_frames: u64,
    /// Nanoseconds of a sync of a whole batch, less those of one with nothing to send;
    /// both are medians.
    pub sync_ns: Option<f64>,
    /// Nanoseconds of copying one such frame; the median.
    pub copy_ns: Option<f64>,
}

/// What came of a task.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub windows: Vec<Window>,
    /// Slots of the ring, as the kernel made it.
    pub slots: usize,
    /// Frames of a whole batch.
    pub batch: usize,
    /// Frames that arrived damaged, of those looked at.
    pub damaged: u64,
    /// Frames that were looked at.
    pub checked: u64,
    /// Round trips: 50th and 99th percentile in microseconds, and how many.
    pub round_trips: Option<(f64, f64, u64)>,
}

/// The life of a worker.
pub fn main() -> Result<()> {
    let task: Task = child::task()?;
    let kernel_loop = match task.role {
        Role::Send { kernel_loop, .. } => kernel_loop,
        _ => None,
    };
    let builder = Port::builder(&task.port).slots(task.slots);
    let mut port = builder.exclusive(kernel_loop.is_some()).open()?;
    // It ends when this goes.
    let _running = match kernel_loop {
        Some(cpu) => Some(cpu::on(cpu, || port.kernel_loop(Pace::Busy))??),
        None => None,
    };
    let outcome = match &task.role {
        Role::Send { .. } => flow::send(&mut port, &task.role),
        Role::Receive { address, wait } => flow::receive(&mut port, *address, *wait),
        Role::Watch { wait } => flow::watch(&mut port, *wait),
        Role::Ping {
            from,
            to,
            bytes,
            wait,
        } => pingpong::ping(&mut port, *from, *to, *bytes, *wait),
        Role::Pong { address, to, wait } => pingpong::pong(&mut port, *address, *to, *wait),
    };
    child::say(&outcome?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_take_turns() {
        let schedule = Schedule {
            start: 1000,
            length: 10,
            windows: 2,
            rate: Rate::measure(),
        };
        assert_eq!(schedule.window(999), None);
        assert_eq!(schedule.window(1000), Some((0, Phase::Rate)));
        assert_eq!(schedule.window(1019), Some((0, Phase::Syncs)));
        assert_eq!(schedule.window(1020), Some((0, Phase::Copies)));
        assert_eq!(schedule.window(1030), Some((1, Phase::Rate)));
        assert_eq!(schedule.window(1059), Some((1, Phase::Copies)));
        assert_eq!(schedule.window(schedule.end()), None);
    }
}
