// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is told while frames go and at the end: lines for people, or JSON.

use crate::{
    args::Args,
    balance::{Balancer, Received},
    group::far_end,
    pipe::Counts,
};
use common::{
    drops::Drops,
    json::Object,
    note, say,
    table::{lay_out, Column},
    units::{human, ratio, wall_clock},
};
use ferromap::{Counters, Port};
use std::time::Instant;

pub struct Reporter {
    json: bool,
    verbose: bool,
    port: String,
    /// Where each pipe is read.
    pipes: Vec<String>,
    began: (Instant, State),
    last: (Instant, State),
}

/// What has been counted up to a moment.
#[derive(Clone)]
struct State {
    received: Received,
    pipes: Vec<Counts>,
    waiting: Vec<(usize, usize)>,
    /// Of the port's rings. Netmap's own module does not count.
    port: Counters,
}

/// What went in some time.
struct Flow {
    seconds: f64,
    received: Received,
    pipes: Vec<Counts>,
    waiting: Vec<(usize, usize)>,
    /// By the port's rings, before it came to us.
    missed: Drops,
}

impl Reporter {
    pub fn new(args: &Args, name: &str, balancer: &Balancer, port: &Port) -> Self {
        let now = (Instant::now(), State::now(balancer, port));
        Reporter {
            json: args.run.json,
            verbose: args.verbose > 0,
            port: name.to_owned(),
            pipes: balancer.pipes().iter().map(|p| far_end(&p.name)).collect(),
            began: now.clone(),
            last: now,
        }
    }

    /// What is told of one interval.
    pub fn interval(&mut self, balancer: &Balancer, port: &Port, now: Instant) {
        let now = (now, State::now(balancer, port));
        let flow = Flow::between(&self.last, &now);
        self.last = now;
        if self.json {
            let time = format!("{:.6}", wall_clock().as_secs_f64());
            say!("{}", self.object("interval", &flow).plain("time", time));
            return;
        }
        note!("{}", self.line(&flow));
        if self.verbose {
            self.table(&flow).iter().for_each(|line| note!("{line}"));
        }
    }

    /// The closing lines. How much was dropped, if nothing else came of all that came.
    pub fn summary(&self, balancer: &Balancer, port: &Port) -> Option<u64> {
        let now = (Instant::now(), State::now(balancer, port));
        let flow = Flow::between(&self.began, &now);
        if self.json {
            say!("{}", self.object("summary", &flow));
        } else {
            self.table(&flow).iter().for_each(|line| say!("{line}"));
            let Received { frames, bytes } = flow.received;
            say!(
                "{}, in all {frames} packets {bytes} bytes in {:.2} seconds.",
                self.line(&flow),
                flow.seconds
            );
        }
        let sent: u64 = flow.pipes.iter().map(|pipe| pipe.frames).sum();
        (flow.received.frames > 0 && sent == 0).then(|| flow.dropped())
    }

    fn line(&self, flow: &Flow) -> String {
        let mut line = format!(
            "{}: {}pps {}bps {} dropped",
            self.port,
            human(ratio(flow.received.frames as f64, flow.seconds)),
            human(ratio(flow.received.bytes as f64 * 8.0, flow.seconds)),
            flow.missed.total() + flow.dropped()
        );
        let mut causes = Vec::new();
        if !flow.missed.is_empty() {
            causes.push(format!("at {}: {}", self.port, flow.missed.words()));
        }
        for (name, pipe) in self.pipes.iter().zip(&flow.pipes) {
            if pipe.dropped > 0 {
                causes.push(format!("at {name}: {} pipe full", pipe.dropped));
            }
        }
        if !causes.is_empty() {
            line.push_str(&format!(" ({})", causes.join("; ")));
        }
        let waiting: usize = flow.waiting.iter().map(|(now, _)| now).sum();
        if waiting > 0 {
            line.push_str(&format!(", {waiting} waiting"));
        }
        line
    }

    fn table(&self, flow: &Flow) -> Vec<String> {
        let columns = [
            Column::Text("PIPE"),
            Column::Number("SENT"),
            Column::Number("BYTES"),
            Column::Number("DROPPED"),
            Column::Number("MOST WAITING"),
        ];
        let row = |i: usize| {
            let counts = flow.pipes[i];
            let numbers = [counts.frames, counts.bytes, counts.dropped];
            let numbers = numbers.into_iter().chain([flow.waiting[i].1 as u64]);
            let name = std::iter::once(self.pipes[i].clone());
            name.chain(numbers.map(|n| n.to_string())).collect()
        };
        let rows: Vec<Vec<String>> = (0..self.pipes.len()).map(row).collect();
        lay_out(&columns, &rows)
    }

    fn object(&self, kind: &str, flow: &Flow) -> Object {
        let pipe = |i: usize| {
            let Counts {
                frames,
                bytes,
                dropped,
            } = flow.pipes[i];
            let (waiting, most) = flow.waiting[i];
            Object::default()
                .text("pipe", &self.pipes[i])
                .plain("sent", frames)
                .plain("bytes", bytes)
                .plain("dropped", dropped)
                .plain("waiting", waiting)
                .plain("most_waiting", most)
        };
        let Received { frames, bytes } = flow.received;
        Object::new(kind)
            .text("port", &self.port)
            .plain("seconds", format!("{:.6}", flow.seconds))
            .plain("received", frames)
            .plain("bytes", bytes)
            .plain("pps", format!("{:.1}", ratio(frames as f64, flow.seconds)))
            .plain(
                "bps",
                format!("{:.1}", ratio(bytes as f64 * 8.0, flow.seconds)),
            )
            .plain("missed", flow.missed.json())
            .list("pipes", (0..self.pipes.len()).map(pipe))
    }
}

impl State {
    fn now(balancer: &Balancer, port: &Port) -> Self {
        let pipes = balancer.pipes();
        State {
            received: balancer.received(),
            pipes: pipes.iter().map(|pipe| pipe.counts).collect(),
            waiting: (0..pipes.len()).map(|i| balancer.waiting(i)).collect(),
            port: port.counters().unwrap_or_default(),
        }
    }
}

impl Flow {
    fn between(before: &(Instant, State), now: &(Instant, State)) -> Self {
        let (old, new) = (&before.1, &now.1);
        let pipes = new.pipes.iter().zip(&old.pipes);
        let since = pipes.map(|(new, old)| Counts {
            frames: new.frames - old.frames,
            bytes: new.bytes - old.bytes,
            dropped: new.dropped - old.dropped,
        });
        Flow {
            seconds: (now.0 - before.0).as_secs_f64(),
            received: Received {
                frames: new.received.frames - old.received.frames,
                bytes: new.received.bytes - old.received.bytes,
            },
            pipes: since.collect(),
            waiting: new.waiting.clone(),
            missed: Drops::of(&new.port.since(&old.port).rings),
        }
    }

    fn dropped(&self) -> u64 {
        self.pipes.iter().map(|pipe| pipe.dropped).sum()
    }
}
