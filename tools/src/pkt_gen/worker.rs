// SPDX-License-Identifier: MIT OR Apache-2.0

//! One thread's share of the work, and how the threads and the main one hear of each other.

use crate::{
    args::{Args, Function},
    capture::Capture,
    flow::Range,
    frame::Template,
    ping,
    report::Counters,
    rx, tx,
};
use common::{drops::Drops, note, pcap::Recording};
use ferromap::{Port, Result};
use nix::{
    sched::{sched_setaffinity, CpuSet},
    sys::eventfd::EventFd,
    unistd::Pid,
};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        OnceLock,
    },
    thread,
    time::Instant,
};

/// What all threads share.
pub struct Shared {
    stop: AtomicBool,
    began: OnceLock<Instant>,
    /// Tells the main thread that a thread has ended.
    pub ended: EventFd,
    /// One for each thread.
    pub counters: Vec<Counters>,
}

impl Shared {
    pub fn new(threads: u16) -> nix::Result<Self> {
        Ok(Shared {
            stop: AtomicBool::new(false),
            began: OnceLock::new(),
            ended: EventFd::new()?,
            counters: (0..threads).map(|_| Counters::default()).collect(),
        })
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// When the first thread asked.
    pub fn began(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }
}

/// Tells the main thread that this one has ended.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
        // The counter of an eventfd does not overflow from a few threads.
        let _ = self.0.ended.write(1);
    }
}

/// What one thread is to do.
pub struct Job<'a> {
    pub args: &'a Args,
    pub template: &'a Template,
    pub src: Range,
    pub dst: Range,
    /// Bytes of the virtio-net header before each frame.
    pub vnet: usize,
    /// What to send in place of frames of our own.
    pub recording: Option<&'static Recording>,
    /// Where to keep what comes.
    pub capture: Option<&'a Capture>,
    /// Frames to send or receive by all threads together, or rounds; 0 for no end.
    pub count: u64,
    pub index: u16,
    pub threads: u16,
    /// This thread's share of the rate, in frames per second.
    pub rate: Option<f64>,
    pub counters: &'a Counters,
    pub shared: &'a Shared,
}

/// What one thread has to tell beside its counters.
#[derive(Default)]
pub struct Outcome {
    /// From the first frame to the last.
    pub span: Option<(Instant, Instant)>,
    /// Frames that were put into rings and did not leave.
    pub unsent: u64,
    /// Round-trip times in nanoseconds.
    pub times: Vec<u64>,
    pub lost: Lost,
}

/// What the rings dropped meanwhile.
#[derive(Clone, Default)]
pub struct Lost {
    /// Of what was sent.
    pub tx: Drops,
    /// Of what came.
    pub rx: Drops,
}

impl Lost {
    /// Netmap's own module does not count.
    fn between(before: Result<ferromap::Counters>, after: Result<ferromap::Counters>) -> Self {
        let (Ok(before), Ok(after)) = (before, after) else {
            return Lost::default();
        };
        let since = after.since(&before);
        let (tx, rx): (Vec<_>, Vec<_>) = since.rings.iter().partition(|ring| ring.is_tx());
        Lost {
            tx: Drops::of(tx),
            rx: Drops::of(rx),
        }
    }

    pub fn add(&mut self, other: &Lost) {
        self.tx.add(&other.tx);
        self.rx.add(&other.rx);
    }
}

impl Outcome {
    pub fn over(began: Instant, ended: Instant) -> Self {
        Outcome {
            span: Some((began, ended)),
            ..Outcome::default()
        }
    }
}

impl Job<'_> {
    #[inline]
    pub fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Ends the work of all threads.
    pub fn stop(&self) {
        self.shared.stop();
    }

    pub fn checks_sequence(&self) -> bool {
        self.args.function == Function::RxSeq
    }

    /// Frames of all threads together.
    pub fn all_frames(&self) -> u64 {
        self.shared.counters.iter().map(Counters::frames).sum()
    }

    /// Does the work. `port` is this thread's own.
    pub fn run(&self, mut port: Port) -> Result<Outcome> {
        // Also after a panic, of which the others would else not hear.
        let _end = End(self.shared);
        self.pin();
        let before = port.counters();
        let mut outcome = self.work(&mut port);
        match &mut outcome {
            Ok(outcome) => outcome.lost = Lost::between(before, port.counters()),
            Err(_) => self.stop(),
        }
        outcome
    }

    fn work(&self, port: &mut Port) -> Result<Outcome> {
        match self.args.function {
            Function::Tx | Function::TxSeq => {
                let (index, threads) = (u64::from(self.index), u64::from(self.threads));
                // The first threads take what is left over.
                let share = self.count / threads + u64::from(index < self.count % threads);
                if self.count > 0 && share == 0 {
                    return Ok(Outcome::default());
                }
                tx::send(self, port.tx_rings(), share)
            }
            Function::Rx | Function::RxSeq => rx::receive(self, port.rx_rings(), self.count),
            Function::Ping => ping::ping(self, port, self.count),
            Function::Pong => ping::pong(self, port, self.count),
        }
    }

    fn pin(&self) {
        let Some(first) = self.args.affinity else {
            return;
        };
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let cpus = if self.args.cpus == 0 {
            all
        } else {
            self.args.cpus.min(all)
        };
        let cpu = first + usize::from(self.index) % cpus;
        let mut set = CpuSet::new();
        let pinned = set
            .set(cpu)
            .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
        if let Err(e) = pinned {
            note!(
                "pkt-gen: thread {} stays unpinned: CPU {cpu}: {}",
                self.index,
                e.desc()
            );
        }
    }
}
