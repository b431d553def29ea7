// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is told while frames go and at the end: lines for people, or JSON.

use crate::way::{Counts, Way};
use common::{
    say,
    units::{escape, human, ratio, wall_clock},
};
use std::time::Instant;

pub struct Reporter {
    json: bool,
    zero_copy: bool,
    /// From and to, for each way.
    ends: [[String; 2]; 2],
    there: [bool; 2],
    before: [Counts; 2],
    start: Instant,
    last: Instant,
}

/// What went one way in some time.
struct Flow<'a> {
    ends: &'a [String; 2],
    counts: Counts,
    pps: f64,
    bps: f64,
}

impl Reporter {
    pub fn new(json: bool, names: &[String; 2], ways: &[Way; 2], zero_copy: bool) -> Self {
        let [a, b] = names.clone();
        Reporter {
            json,
            zero_copy,
            ends: [[a.clone(), b.clone()], [b, a]],
            there: [ways[0].is_there(), ways[1].is_there()],
            before: [Counts::default(); 2],
            start: Instant::now(),
            last: Instant::now(),
        }
    }

    /// The lines of one interval.
    pub fn interval(&mut self, ways: &[Way; 2], now: Instant) {
        let seconds = (now - self.last).as_secs_f64();
        let counts = [0, 1].map(|i| ways[i].counts().since(self.before[i]));
        let flows = self.flows(counts, seconds);
        if self.json {
            say!(
                "{{\"type\":\"interval\",\"time\":{:.6},\"seconds\":{seconds:.6},\"ways\":[{}]}}",
                wall_clock().as_secs_f64(),
                json(&flows)
            );
        } else {
            for flow in flows {
                eprintln!("{flow}");
            }
        }
        self.before = [ways[0].counts(), ways[1].counts()];
        self.last = now;
    }

    /// The closing lines.
    pub fn summary(&self, ways: &[Way; 2]) {
        let seconds = self.start.elapsed().as_secs_f64();
        let flows = self.flows([ways[0].counts(), ways[1].counts()], seconds);
        if self.json {
            say!(
                "{{\"type\":\"summary\",\"seconds\":{seconds:.6},\"zero_copy\":{},\"ways\":[{}]}}",
                self.zero_copy,
                json(&flows)
            );
            return;
        }
        for flow in flows {
            let Counts { frames, bytes, .. } = flow.counts;
            say!("{flow}, in all {frames} packets {bytes} bytes in {seconds:.2} seconds.");
        }
    }

    fn flows(&self, counts: [Counts; 2], seconds: f64) -> Vec<Flow<'_>> {
        let there = (0..2).filter(|&i| self.there[i]);
        there
            .map(|i| Flow {
                ends: &self.ends[i],
                counts: counts[i],
                pps: ratio(counts[i].frames as f64, seconds),
                bps: ratio(counts[i].bytes as f64 * 8.0, seconds),
            })
            .collect()
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

impl std::fmt::Display for Flow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} -> {}: {}pps {}bps {} dropped",
            self.ends[0],
            self.ends[1],
            human(self.pps),
            human(self.bps),
            self.counts.dropped
        )
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
            "{{\"from\":\"{}\",\"to\":\"{}\",\"frames\":{frames},\"bytes\":{bytes},\"dropped\":{dropped},\"pps\":{:.1},\"bps\":{:.1}}}",
            escape(&flow.ends[0]),
            escape(&flow.ends[1]),
            flow.pps,
            flow.bps
        )
    };
    flows.iter().map(one).collect::<Vec<_>>().join(",")
}
