// SPDX-License-Identifier: MIT OR Apache-2.0

//! `nmreplay`: replays recorded frames as if they came over a link.
//!
//! `main` reads the command line ([`args`], [`values`]), the files, and opens the ports ([`open`]).
//! What comes out of a link, and when, is [`link`]'s to say; a [`way`] puts it into a ring when it
//! is due. Both ways have one clock and one thread, which sleeps until the next frame.

mod args;
mod link;
mod open;
mod report;
mod values;
mod way;

use args::{Args, Plan};
use common::{
    cli,
    pace::{toward, NAP},
    pcap::Recording,
    run::End,
    signals::Signals,
};
use ferromap::Port;
use link::Link;
use report::Reporter;
use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};
use values::Bandwidth;
use way::Way;

const TOOL: &str = "nmreplay";

/// Between reports.
const EVERY: Duration = Duration::from_secs(1);

/// Between two looks for a signal, each a system call.
const LOOK: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    cli::main(
        TOOL,
        |args: &Args| args.generate,
        |args| args.check(),
        |args, plans: &Vec<Plan>| run(args, plans),
    )
}

fn run(args: &Args, plans: &[Plan]) -> Result<(), Box<dyn Error>> {
    let signals = Signals::block()?;
    let recordings = plans.iter().map(|plan| {
        let times_count = matches!(plan.nature.bandwidth, Bandwidth::Real(_));
        Recording::load(TOOL, &plan.file, times_count)
    });
    let recordings = recordings.collect::<Result<Vec<Recording>, String>>()?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let both = plans.iter().zip(&recordings);
    let ports = both.map(|(plan, recording)| open::port(plan, recording));
    let ports = ports.collect::<Result<Vec<Port>, _>>()?;
    open::banner(args, plans, &recordings, &ports, seed);
    let end = args.run.begin(TOOL, &ports, signals);

    let link = |way: usize| {
        let (plan, recording) = (&plans[way], &recordings[way]);
        let count = args.count(recording.len());
        Link::new(recording, plan.nature, count, seed, way as u64)
    };
    let ways = ports.into_iter().enumerate();
    let mut ways: Vec<Way<'_>> = ways.map(|(i, port)| Way::new(port, link(i))).collect();
    let mut reporter = Reporter::new(args.run.json, seed, plans, &ways);
    let done = replay(args, &mut ways, &end, &mut reporter);
    let stopped = done.as_ref().map_or(true, |stopped| *stopped);
    let ended: Result<(), _> = ways.iter_mut().try_for_each(|way| way.end(stopped));
    let in_vain = reporter.summary(&ways);
    done?;
    ended?;
    match in_vain {
        Some(drops) => Err(format!(
            "nothing got through: all that was sent was dropped ({drops}); `ferromap stat \
             --explain` tells what to do"
        )
        .into()),
        None => Ok(()),
    }
}

/// Sends each frame when it is due, until there are no more, a signal comes, or the time is over;
/// says whether it was one of these.
fn replay(
    args: &Args,
    ways: &mut [Way<'_>],
    end: &End,
    reporter: &mut Reporter,
) -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    let (mut look, mut report) = (Duration::ZERO, EVERY);
    loop {
        let now = began.elapsed();
        if now >= look {
            look = now + end.left(began + now + LOOK);
            if end.has_come() {
                return Ok(true);
            }
        }
        for way in &mut *ways {
            way.send(began.elapsed(), args.batch)?;
        }
        let Some(due) = ways.iter().filter_map(Way::due).min() else {
            return Ok(false);
        };
        let now = began.elapsed();
        if now >= report {
            report = now + EVERY;
            reporter.interval(ways, Instant::now());
        }
        let until = now + end.left(began + report);
        match ways.iter().position(Way::is_blocked) {
            // The other way's frames are due by their own times.
            Some(i) => {
                let others = ways.iter().filter(|way| !way.is_blocked());
                let next = others
                    .filter_map(Way::due)
                    .min()
                    .unwrap_or(until)
                    .min(until);
                ways[i].wait_for_room(next.saturating_sub(now).min(NAP))?;
            }
            None => toward(due.min(until).saturating_sub(now)),
        }
    }
}
