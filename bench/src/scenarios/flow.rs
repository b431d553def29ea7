// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames from senders to receivers, through a VALE switch, through a pipe or over a veth pair.

use crate::{
    frame::{receiver, sender, BROADCAST},
    record::{Record, Spread},
    suite::{Bench, Scenario},
    worker::{group, Outcome, Role, Task, Wait, Window},
    yardstick::BUFFER,
};
use anyhow::{Context, Result};

/// If more of the frames are lost, the time of a sync says little.
const MOST_LOST: f64 = 0.05;

/// Below that many frames a sync is mostly a system call.
const LEAST_BATCH: usize = 200;

/// What frames go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    Switch,
    /// One sender and one receiver, each with an end of the pair, in emulated mode.
    Veth,
    /// One sender and one receiver, at the ends of a pipe that is built on a port of a switch.
    Pipe,
}

impl Through {
    fn system(self) -> &'static str {
        match self {
            Through::Switch => "vale",
            Through::Veth => "netmap on veth",
            Through::Pipe => "pipe",
        }
    }

    /// The port of a sender or a receiver.
    fn port(self, role: &str, n: usize) -> String {
        match self {
            Through::Switch => format!("vale0:{role}{n}"),
            Through::Veth => format!("netmap:{role}"),
            Through::Pipe if role == "sender" => "vale0:pipe{x".to_owned(),
            Through::Pipe => "vale0:pipe}x".to_owned(),
        }
    }
}

/// One way of using it.
#[derive(Clone, Debug)]
pub struct Flow {
    pub through: Through,
    pub scenario: &'static str,
    /// Bytes of a frame.
    pub bytes: usize,
    /// Slots to ask for.
    pub slots: u32,
    /// Frames handed over at a time, where the ring has room for as many.
    pub batch: usize,
    /// The CPU of each sender.
    pub senders: &'static [usize],
    /// The CPU of each receiver.
    pub receivers: &'static [usize],
    /// Frames go to everybody, not to one receiver after the other.
    pub flood: bool,
    /// Receivers are zero-copy monitors of the first sender.
    pub watch: bool,
    /// Ports share a region, and exchange buffers instead of copying.
    pub hand_over: bool,
    /// The CPU of a loop in the kernel that syncs for the sender, which makes no system calls.
    pub kernel_loop: Option<usize>,
    pub wait: Wait,
    pub note: &'static str,
}

impl Flow {
    /// One sender, one receiver, and rings and batches large enough that system calls
    /// do not matter.
    pub const KERNEL: Flow = Flow {
        through: Through::Switch,
        scenario: "1 to 1",
        bytes: 60,
        slots: 8192,
        batch: 4096,
        senders: &[0],
        receivers: &[1],
        flood: false,
        watch: false,
        hand_over: false,
        kernel_loop: None,
        wait: Wait::Busy,
        note: "",
    };

    /// What a default user gets.
    pub const USER: Flow = Flow {
        slots: 1024,
        batch: 512,
        wait: Wait::Poll,
        ..Flow::KERNEL
    };

    fn title(&self) -> String {
        let Flow {
            scenario,
            bytes,
            slots,
            batch,
            ..
        } = self;
        let system = self.through.system();
        format!("{system} {scenario}, {bytes} bytes, batch {batch}, rings {slots}")
    }

    /// As a scenario of its own.
    pub fn scenario(self) -> Scenario {
        Scenario::new(self.title(), move |bench| Ok(vec![self.measure(bench)?]))
    }

    /// As a scenario for which `prepare` brings about what else is there; what it returns
    /// is kept meanwhile.
    pub fn scenario_with<T>(self, prepare: impl FnOnce() -> Result<T> + 'static) -> Scenario {
        Scenario::new(self.title(), move |bench| {
            let _kept = prepare()?;
            Ok(vec![self.measure(bench)?])
        })
    }

    /// One task a process.
    fn tasks(&self) -> Vec<Task> {
        let to: Vec<[u8; 6]> = if self.flood || self.watch || self.receivers.is_empty() {
            vec![BROADCAST]
        } else {
            (0..self.receivers.len()).map(receiver).collect()
        };
        let region = if self.hand_over {
            "@share=vale0:receiver0"
        } else {
            ""
        };
        let sends = self.senders.iter().enumerate().map(|(n, &cpu)| Task {
            port: self.through.port("sender", n) + region,
            slots: self.slots,
            cpu,
            role: Role::Send {
                from: sender(n),
                to: to.clone(),
                bytes: self.bytes,
                fragments: self.bytes.div_ceil(BUFFER),
                batch: self.batch,
                hand_over: self.hand_over,
                kernel_loop: self.kernel_loop,
            },
        });
        let receives = self.receivers.iter().enumerate().map(|(n, &cpu)| {
            let (port, role) = if self.watch {
                let port = self.through.port("sender", 0) + "/z";
                (port, Role::Watch { wait: self.wait })
            } else {
                let role = Role::Receive {
                    address: receiver(n),
                    wait: self.wait,
                };
                (self.through.port("receiver", n), role)
            };
            Task {
                port,
                slots: self.slots,
                cpu,
                role,
            }
        });
        sends.chain(receives).collect()
    }

    pub fn measure(&self, bench: &Bench) -> Result<Record> {
        let outcomes = group::run(&self.tasks(), bench.timing, bench.rate)?;
        let (sent, received) = outcomes.split_at(self.senders.len());
        let first = sent.first().context("there is no sender")?;
        let arrived = if received.is_empty() { sent } else { received };

        let length = bench.timing.window.as_secs_f64();
        let windows = bench.timing.windows;
        let pps = Spread::of((0..windows).map(|n| frames(arrived, n) as f64 / length));
        let lost = self.lost(sent, received, |window| window.frames);
        // What is dropped costs less than what is delivered.
        let mut note = self.note.to_owned();
        let mut cost = cost(sent);
        if self.lost(sent, received, |window| window.timed_frames) > Some(MOST_LOST) {
            cost.clear();
            note = format!("{note}; too many lost to tell kernel time");
        }

        let record = Record {
            frame_bytes: Some(self.bytes as u64),
            batch: Some(first.batch as u64),
            slots: Some(first.slots as u64),
            senders: Some(self.senders.len() as u64),
            receivers: Some(self.receivers.len() as u64),
            lost,
            note: note.trim_start_matches("; ").to_owned(),
            ..Record::new(self.through.system(), self.scenario)
        }
        .rate(pps);
        Ok(record.cost(&cost))
    }
}

impl Flow {
    /// The part of the frames that did not arrive, by what `count` says of each window.
    fn lost(
        &self,
        sent: &[Outcome],
        received: &[Outcome],
        count: impl Fn(&Window) -> u64,
    ) -> Option<f64> {
        let total = |of: &[Outcome]| of.iter().flat_map(|o| &o.windows).map(&count).sum::<u64>();
        let copies = if self.flood { received.len() } else { 1 };
        (!received.is_empty()).then(|| {
            let due = total(sent) * copies as u64;
            (1.0 - total(received) as f64 / due as f64).max(0.0)
        })
    }
}

/// Frames of all workers in a window.
fn frames(outcomes: &[Outcome], window: usize) -> u64 {
    outcomes.iter().map(|o| o.windows[window].frames).sum()
}

/// What a frame costs in a sync, and in a plain copy, window by window. With small batches it is
/// lost in the noise of system calls.
fn cost(senders: &[Outcome]) -> Vec<(f64, Option<f64>)> {
    let whole = senders.iter().filter(|o| o.batch >= LEAST_BATCH);
    let of = |o: &Outcome, w: &Window| Some((w.sync_ns? / o.batch as f64, w.copy_ns));
    whole
        .flat_map(|o| o.windows.iter().filter_map(move |w| of(o, w)))
        .collect()
}
