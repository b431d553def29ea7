// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is told while frames go and at the end: lines for people, or JSON.

use crate::way::{Counts, Way};
use common::{
    drops::Drops,
    note, say,
    units::{escape, human, ratio, wall_clock},
};
use ferromap::{Counters, Port};
use std::time::Instant;

pub struct Reporter {
    json: bool,
    zero_copy: bool,
    /// From and to, for each way.
    ends: [[String; 2]; 2],
    there: [bool; 2],
    began: (Instant, State),
    last: (Instant, State),
}

/// What has been counted up to a moment.
#[derive(Clone)]
struct State {
    ways: [Counts; 2],
    /// Of each port, for the rings that it was opened with. Netmap's own module does not count.
    ports: [Counters; 2],
}

/// What went one way in some time.
struct Flow<'a> {
    ends: &'a [String; 2],
    counts: Counts,
    /// By the receive rings that they came to, before they could be forwarded.
    missed: Drops,
    /// By the transmit rings that they were forwarded to.
    lost: Drops,
    pps: f64,
    bps: f64,
}

impl Reporter {
    pub fn new(
        json: bool,
        names: &[String; 2],
        ways: &[Way; 2],
        ports: &[Port; 2],
        zero_copy: bool,
    ) -> Self {
        let [a, b] = names.clone();
        let now = (Instant::now(), State::now(ways, ports));
        Reporter {
            json,
            zero_copy,
            ends: [[a.clone(), b.clone()], [b, a]],
            there: [ways[0].is_there(), ways[1].is_there()],
            began: now.clone(),
            last: now,
        }
    }

    /// The lines of one interval.
    pub fn interval(&mut self, ways: &[Way; 2], ports: &[Port; 2], now: Instant) {
        let before = std::mem::replace(&mut self.last, (now, State::now(ways, ports)));
        let (flows, seconds) = self.flows(&before, &self.last);
        if self.json {
            say!(
                "{{\"type\":\"interval\",\"time\":{:.6},\"seconds\":{seconds:.6},\"ways\":[{}]}}",
                wall_clock().as_secs_f64(),
                json(&flows)
            );
        } else {
            for flow in flows {
                note!("{flow}");
            }
        }
    }

    /// The closing lines. What was dropped, in words, if nothing else came of all that was to be
    /// forwarded.
    pub fn summary(&self, ways: &[Way; 2], ports: &[Port; 2]) -> Option<String> {
        let now = (Instant::now(), State::now(ways, ports));
        let (flows, seconds) = self.flows(&self.began, &now);
        if self.json {
            say!(
                "{{\"type\":\"summary\",\"seconds\":{seconds:.6},\"zero_copy\":{},\"ways\":[{}]}}",
                self.zero_copy,
                json(&flows)
            );
        } else {
            for flow in &flows {
                let Counts { frames, bytes, .. } = flow.counts;
                say!("{flow}, in all {frames} packets {bytes} bytes in {seconds:.2} seconds.");
            }
        }
        let mut lost = Drops::default();
        flows.iter().for_each(|flow| lost.add(&flow.lost));
        let forwarded: u64 = flows.iter().map(|flow| flow.counts.frames).sum();
        let unfit: u64 = flows.iter().map(|flow| flow.counts.dropped).sum();
        let mut causes = Vec::new();
        if unfit > 0 {
            causes.push(format!("{unfit} that do not fit"));
        }
        if !lost.is_empty() {
            causes.push(lost.words());
        }
        if lost.total() > forwarded && !self.json {
            say!("More was dropped than was forwarded: other programs have these rings, too.");
        }
        (!causes.is_empty() && lost.total() == forwarded).then(|| causes.join(", "))
    }

    /// What went each way that there is, and in how many seconds.
    fn flows(&self, before: &(Instant, State), now: &(Instant, State)) -> (Vec<Flow<'_>>, f64) {
        let seconds = (now.0 - before.0).as_secs_f64();
        let ports = [0, 1].map(|i| now.1.ports[i].since(&before.1.ports[i]));
        let drops = |port: usize, tx: bool| {
            let rings = ports[port].rings.iter();
            Drops::of(rings.filter(|ring| ring.is_tx() == tx))
        };
        let there = (0..2).filter(|&i| self.there[i]);
        let flow = |i: usize| {
            let counts = now.1.ways[i].since(before.1.ways[i]);
            Flow {
                ends: &self.ends[i],
                counts,
                missed: drops(i, false),
                lost: drops(1 - i, true),
                pps: ratio(counts.frames as f64, seconds),
                bps: ratio(counts.bytes as f64 * 8.0, seconds),
            }
        };
        (there.map(flow).collect(), seconds)
    }
}

impl State {
    fn now(ways: &[Way; 2], ports: &[Port; 2]) -> Self {
        State {
            ways: [ways[0].counts(), ways[1].counts()],
            ports: [0, 1].map(|i| ports[i].counters().unwrap_or_default()),
        }
    }
}

impl Counts {
    fn since(self, before: Counts) -> Counts {
        Counts {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
            dropped: self.dropped - before.dropped,
        }
    }
}

impl Flow<'_> {
    fn dropped(&self) -> u64 {
        self.counts.dropped + self.missed.total() + self.lost.total()
    }
}

impl std::fmt::Display for Flow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} -> {}: {}pps {}bps {} dropped",
            self.ends[0],
            self.ends[1],
            human(self.pps),
            human(self.bps),
            self.dropped()
        )?;
        let mut causes = Vec::new();
        if !self.missed.is_empty() {
            causes.push(format!("at {}: {}", self.ends[0], self.missed.words()));
        }
        if self.counts.dropped > 0 {
            causes.push(format!(
                "{} that do not fit {}",
                self.counts.dropped, self.ends[1]
            ));
        }
        if !self.lost.is_empty() {
            causes.push(format!("at {}: {}", self.ends[1], self.lost.words()));
        }
        if causes.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", causes.join("; "))
    }
}

fn json(flows: &[Flow<'_>]) -> String {
    let one = |flow: &Flow| {
        let Counts {
            frames,
            bytes,
            dropped,
        } = flow.counts;
        format!(
            "{{\"from\":\"{}\",\"to\":\"{}\",\"frames\":{frames},\"bytes\":{bytes},\"dropped\":{},\
             \"drops\":{{\"unfit\":{dropped},\"rx\":{},\"tx\":{}}},\"pps\":{:.1},\"bps\":{:.1}}}",
            escape(&flow.ends[0]),
            escape(&flow.ends[1]),
            flow.dropped(),
            flow.missed.json(),
            flow.lost.json(),
            flow.pps,
            flow.bps
        )
    };
    flows.iter().map(one).collect::<Vec<_>>().join(",")
}
