// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is told while frames go and at the end: lines for people, or JSON.

use crate::{
    args::Plan,
    way::{Counts, Way},
};
use common::{
    drops::Drops,
    json::Object,
    note, say,
    units::{human, ratio, wall_clock},
};
use ferromap::Counters;
use std::time::{Duration, Instant};

pub struct Reporter {
    json: bool,
    seed: u64,
    /// File and port of each way.
    ends: Vec<(String, String)>,
    began: (Instant, Vec<State>),
    last: (Instant, Vec<State>),
}

/// What has been counted of a way up to a moment.
#[derive(Clone)]
struct State {
    counts: Counts,
    /// Netmap's own module does not count.
    port: Counters,
}

/// What went one way in some time.
struct Flow<'a> {
    ends: &'a (String, String),
    counts: Counts,
    /// By the rings, of what was sent.
    drops: Drops,
    pps: f64,
    bps: f64,
}

impl Reporter {
    pub fn new(json: bool, seed: u64, plans: &[Plan], ways: &[Way<'_>]) -> Self {
        let ends = plans.iter();
        let ends = ends.map(|plan| (plan.file.display().to_string(), plan.port.clone()));
        let now = (Instant::now(), State::now(ways));
        Reporter {
            json,
            seed,
            ends: ends.collect(),
            began: now.clone(),
            last: now,
        }
    }

    /// The lines of one interval.
    pub fn interval(&mut self, ways: &[Way<'_>], now: Instant) {
        let now = (now, State::now(ways));
        let before = std::mem::replace(&mut self.last, now);
        let (flows, seconds) = self.flows(&before, &self.last);
        if self.json {
            let object = Object::new("interval")
                .plain("time", format!("{:.6}", wall_clock().as_secs_f64()))
                .plain("seconds", format!("{:.6}", seconds.as_secs_f64()))
                .list("ways", flows.iter().map(Flow::object));
            say!("{object}");
        } else {
            flows.iter().for_each(|flow| note!("{flow}"));
        }
    }

    /// The closing lines. What was dropped, in words, if nothing else came of all that was sent.
    pub fn summary(&self, ways: &[Way<'_>]) -> Option<String> {
        let ended = ways.iter().filter_map(Way::ended).max();
        let now = (ended.unwrap_or(self.began.0), State::now(ways));
        let (flows, seconds) = self.flows(&self.began, &now);
        let both = || flows.iter().zip(ways);
        if self.json {
            let ways = both().map(|(flow, way)| {
                let late = format!("{:.6}", way.late.as_secs_f64());
                flow.object()
                    .plain("unsent", way.unsent)
                    .plain("late", late)
            });
            let object = Object::new("summary")
                .plain("seconds", format!("{:.6}", seconds.as_secs_f64()))
                .plain("seed", self.seed)
                .list("ways", ways);
            say!("{object}");
        } else {
            for (flow, way) in both() {
                let Counts { sent, bytes, lost } = flow.counts;
                say!(
                    "{flow}, in all {sent} packets {bytes} bytes in {:.6} seconds, {lost} lost, at \
                     most {:.6} seconds late.",
                    seconds.as_secs_f64(),
                    way.late.as_secs_f64()
                );
                if way.unsent > 0 {
                    say!(
                        "{} slots were left in the ring: nobody takes them.",
                        way.unsent
                    );
                }
            }
        }
        let mut drops = Drops::default();
        flows.iter().for_each(|flow| drops.add(&flow.drops));
        let sent: u64 = flows.iter().map(|flow| flow.counts.sent).sum();
        // Where more was dropped than was sent, other programs have these rings, too.
        (sent > 0 && drops.total() == sent).then(|| drops.words())
    }

    fn flows(
        &self,
        before: &(Instant, Vec<State>),
        now: &(Instant, Vec<State>),
    ) -> (Vec<Flow<'_>>, Duration) {
        let took = now.0.saturating_duration_since(before.0);
        let seconds = took.as_secs_f64();
        let states = before.1.iter().zip(&now.1).zip(&self.ends);
        let flows = states.map(|((old, new), ends)| {
            let counts = Counts {
                sent: new.counts.sent - old.counts.sent,
                bytes: new.counts.bytes - old.counts.bytes,
                lost: new.counts.lost - old.counts.lost,
            };
            Flow {
                ends,
                counts,
                drops: Drops::of(&new.port.since(&old.port).rings),
                pps: ratio(counts.sent as f64, seconds),
                bps: ratio(counts.bytes as f64 * 8.0, seconds),
            }
        });
        (flows.collect(), took)
    }
}

impl State {
    fn now(ways: &[Way<'_>]) -> Vec<Self> {
        let one = |way: &Way<'_>| State {
            counts: way.counts,
            port: way.port.counters().unwrap_or_default(),
        };
        ways.iter().map(one).collect()
    }
}

impl Flow<'_> {
    fn object(&self) -> Object {
        let Counts { sent, bytes, lost } = self.counts;
        Object::default()
            .text("file", &self.ends.0)
            .text("port", &self.ends.1)
            .plain("sent", sent)
            .plain("bytes", bytes)
            .plain("lost", lost)
            .plain("dropped", self.drops.total())
            .plain("drops", self.drops.json())
            .plain("pps", format!("{:.1}", self.pps))
            .plain("bps", format!("{:.1}", self.bps))
    }
}

impl std::fmt::Display for Flow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} -> {}: {}pps {}bps {} dropped",
            self.ends.0,
            self.ends.1,
            human(self.pps),
            human(self.bps),
            self.drops.total()
        )?;
        if self.drops.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.drops.words())
    }
}
