// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the threads count, and how it is told: lines for people, or JSON.

use crate::{
    args::{Args, Function},
    worker::Lost,
};
use common::{
    json::Object,
    note, say,
    units::{escape, human, ratio, wall_clock, FRAMING},
};
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What one thread has done. Only that thread writes, so a plain load and store will do.
#[derive(Default)]
#[repr(align(128))]
pub struct Counters {
    frames: AtomicU64,
    bytes: AtomicU64,
    batches: AtomicU64,
    errors: AtomicU64,
}

/// The sum over all threads at one moment.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Totals {
    pub frames: u64,
    pub bytes: u64,
    pub batches: u64,
    /// rxseq: frames that are missing or out of order. ping: rounds without an answer.
    pub errors: u64,
}

impl Counters {
    #[inline]
    pub fn add(&self, frames: u64, bytes: u64) {
        let add = |to: &AtomicU64, n| to.store(to.load(Ordering::Relaxed) + n, Ordering::Relaxed);
        add(&self.frames, frames);
        add(&self.bytes, bytes);
        add(&self.batches, 1);
    }

    pub fn add_errors(&self, n: u64) {
        self.errors.fetch_add(n, Ordering::Relaxed);
    }

    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

impl Totals {
    pub fn of<'a>(counters: impl Iterator<Item = &'a Counters>) -> Self {
        counters.fold(Totals::default(), |sum, c| Totals {
            frames: sum.frames + c.frames.load(Ordering::Relaxed),
            bytes: sum.bytes + c.bytes.load(Ordering::Relaxed),
            batches: sum.batches + c.batches.load(Ordering::Relaxed),
            errors: sum.errors + c.errors.load(Ordering::Relaxed),
        })
    }

    fn since(self, before: Totals) -> Totals {
        Totals {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
            batches: self.batches - before.batches,
            errors: self.errors - before.errors,
        }
    }

    fn avg_batch(self) -> f64 {
        ratio(self.frames as f64, self.batches as f64)
    }
}

/// Prints what the user asked for, in the way the user asked for.
pub struct Reporter {
    json: bool,
    quiet: bool,
    plain: bool,
    framing: bool,
    statistics: bool,
    function: Function,
    port: String,
    before: Totals,
    /// Rates of the intervals, for -A.
    rates: Vec<f64>,
}

impl Reporter {
    pub fn new(args: &Args) -> Self {
        Reporter {
            json: args.run.json,
            quiet: args.quiet,
            plain: args.plain_units,
            framing: args.framing,
            statistics: args.statistics,
            function: args.function,
            port: args.interface.clone(),
            before: Totals::default(),
            rates: Vec::new(),
        }
    }

    fn bits(&self, t: Totals) -> f64 {
        let framing = if self.framing { FRAMING * t.frames } else { 0 };
        (t.bytes + framing) as f64 * 8.0
    }

    /// The line of one interval.
    pub fn interval(&mut self, now: Totals, took: Duration) {
        let t = now.since(self.before);
        self.before = now;
        let seconds = took.as_secs_f64();
        let pps = ratio(t.frames as f64, seconds);
        let bps = ratio(self.bits(t), seconds);
        self.rates.push(pps);
        if self.quiet {
            return;
        }
        if self.json {
            say!(
                "{{\"type\":\"interval\",\"time\":{:.6},\"seconds\":{seconds:.6},\"frames\":{},\
                 \"bytes\":{},\"batches\":{},\"errors\":{},\"pps\":{pps:.1},\"bps\":{bps:.1},\
                 \"avg_batch\":{:.2}}}",
                wall_clock().as_secs_f64(),
                t.frames,
                t.bytes,
                t.batches,
                t.errors,
                t.avg_batch(),
            );
            return;
        }
        let clock = wall_clock();
        note!(
            "{:03}.{:06} main_thread [{}] {}pps ({}pkts {}bps in {} usec) {:.2} avg_batch",
            clock.as_secs() % 1000,
            clock.subsec_micros(),
            std::process::id(),
            self.unit(pps),
            self.unit(t.frames as f64),
            self.unit(bps),
            took.as_micros(),
            t.avg_batch(),
        );
    }

    /// The closing lines. `length` is the length of each frame, if they are all alike.
    pub fn summary(&self, t: Totals, seconds: f64, length: usize, unsent: u64, lost: &Lost) {
        let pps = ratio(t.frames as f64, seconds);
        let bps = ratio(self.bits(t), seconds);
        let sender = matches!(self.function, Function::Tx | Function::TxSeq);
        if self.json {
            let (sent, received) = match self.function {
                Function::Tx | Function::TxSeq => (t.frames, 0),
                Function::Rx | Function::RxSeq => (0, t.frames),
                Function::Ping | Function::Pong => (t.frames + t.errors, t.frames),
            };
            say!(
                "{{\"type\":\"summary\",\"port\":\"{}\",\"function\":\"{:?}\",\"sent\":{sent},\
                 \"received\":{received},\"bytes\":{},\"seconds\":{seconds:.6},\"pps\":{pps:.1},\
                 \"bps\":{bps:.1},\"batches\":{},\"avg_batch\":{:.2},\"errors\":{},\
                 \"unsent\":{unsent},\"dropped\":{},\"drops\":{{\"tx\":{},\"rx\":{}}}}}",
                escape(&self.port),
                self.function,
                t.bytes,
                t.batches,
                t.avg_batch(),
                t.errors,
                lost.tx.total() + lost.rx.total(),
                lost.tx.json(),
                lost.rx.json(),
            );
            return;
        }
        let done = if sender { "Sent" } else { "Received" };
        if t.frames == 0 {
            say!("{done} nothing.");
        } else {
            let each = if self.function == Function::TxSeq || length == 0 {
                ratio(t.bytes as f64, t.frames as f64).round() as usize
            } else {
                length
            };
            say!(
                "{done} {} packets {} bytes {} events {each} bytes each in {seconds:.2} seconds.",
                t.frames,
                t.bytes,
                t.batches,
            );
            let raw = ratio((t.bytes + FRAMING * t.frames) as f64 * 8.0, seconds);
            say!(
                "Speed: {}pps Bandwidth: {}bps (raw {}bps). Average batch: {:.2} pkts",
                self.unit(pps),
                self.unit(bps),
                self.unit(raw),
                t.avg_batch(),
            );
        }
        if self.function == Function::RxSeq {
            say!("{} frames are missing or came out of order.", t.errors);
        }
        if unsent > 0 {
            say!("{unsent} packets were not taken from the ring and are not counted.");
        }
        if !lost.tx.is_empty() {
            let others = if lost.tx.total() > t.frames {
                " More than this sent: other programs have these rings, too."
            } else {
                ""
            };
            say!("Dropped of what was sent: {}.{others}", lost.tx.words());
        }
        if !lost.rx.is_empty() {
            say!("Dropped of what came: {}.", lost.rx.words());
        }
        if self.statistics && !self.rates.is_empty() {
            let n = self.rates.len() as f64;
            let mean = self.rates.iter().sum::<f64>() / n;
            let variance = self.rates.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
            say!(
                "Mean: {}pps Std deviation: {}pps",
                self.unit(mean),
                self.unit(variance.sqrt())
            );
        }
    }

    /// What was kept in a file.
    pub fn capture(&self, path: &Path, frames: u64, bytes: u64) {
        if self.json {
            let object = Object::new("capture").text("file", &path.to_string_lossy());
            say!("{}", object.plain("frames", frames).plain("bytes", bytes));
        } else {
            say!("Kept {frames} packets {bytes} bytes in {}.", path.display());
        }
    }

    /// Round-trip times, in nanoseconds.
    pub fn latency(&self, mut times: Vec<u64>) {
        if times.is_empty() {
            return;
        }
        times.sort_unstable();
        let at = |share: f64| {
            let i = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
            times[i] as f64 / 1000.0
        };
        let mean = times.iter().sum::<u64>() as f64 / times.len() as f64 / 1000.0;
        let (min, max) = (at(0.0), at(1.0));
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        if self.json {
            say!(
                "{{\"type\":\"latency\",\"rounds\":{},\"unit\":\"us\",\"min\":{min:.3},\
                 \"mean\":{mean:.3},\"p50\":{p50:.3},\"p90\":{p90:.3},\"p99\":{p99:.3},\
                 \"p99.9\":{p999:.3},\"max\":{max:.3}}}",
                times.len()
            );
        } else {
            say!(
                "RTT of {} rounds: min {min:.3} av {mean:.3} max {max:.3} us",
                times.len()
            );
            say!("RTT percentiles: 50% {p50:.3} 90% {p90:.3} 99% {p99:.3} 99.9% {p999:.3} us");
        }
    }

    fn unit(&self, n: f64) -> String {
        if self.plain {
            return format!("{n:.0} ");
        }
        human(n)
    }
}
