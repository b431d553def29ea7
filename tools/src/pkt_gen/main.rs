// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pkt-gen`: sends and receives packets through the netmap API.
//!
//! `main` reads the command line ([`args`]), opens the port ([`open`]), gives each thread a ring or
//! all of them ([`worker`]), and then reports once a second until the threads end or ^C comes. The
//! threads run [`tx`], [`rx`] or [`ping`]. What is sent is a matter of [`source`], and when of
//! [`pace`].

mod args;
mod banner;
mod capture;
mod dump;
mod fit;
mod flow;
mod frame;
mod layers;
mod look;
mod open;
mod pace;
mod ping;
mod report;
mod rx;
mod sizes;
mod source;
mod tx;
mod worker;

use args::Args;
use capture::Capture;
use common::{
    cli,
    pcap::Recording,
    ports,
    run::{End, Run},
    signals,
    signals::Signals,
};
use ferromap::PortSpec;
use flow::Range;
use frame::Template;
use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags},
};
use report::{Reporter, Totals};
use std::{
    error::Error,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    process::ExitCode,
    time::{Duration, Instant},
};
use worker::{Job, Lost, Outcome, Shared};

const TOOL: &str = "pkt-gen";

fn main() -> ExitCode {
    cli::main(TOOL, |args: &Args| args.generate, |args| args.check(), run)
}

fn run(args: &Args, spec: &PortSpec) -> Result<(), Box<dyn Error>> {
    let signals = Signals::block()?;
    let recording = args.replay.pcap.as_deref();
    let times_count = args.replay.speed.is_some();
    let recording = recording.map(|path| Recording::load(TOOL, path, times_count));
    let recording = recording.transpose()?;
    let opened = open::open(args, spec, recording.as_ref())?;
    let capture = args.capture.as_deref().map(Capture::create).transpose()?;
    ports::tell_sizes(TOOL, opened.ports.first());
    if !args.run.json {
        ports::tell_emulated(TOOL, opened.ports.iter());
    }
    // The kernel may be pointed to its frames (-I), so it stays for good.
    let recording = recording.map(|r| &*Box::leak(Box::new(r.with_room(opened.vnet))));
    let (src, dst) = ends(args);
    let src_mac = args.frame.src_mac;
    let src_mac = src_mac.unwrap_or_else(|| open::mac(&opened.ports[0]));
    let template = Template::new(
        (src_mac, args.frame.dst_mac),
        &args.frame.layers(),
        src.first,
        dst.first,
        args.frame.longest(),
        opened.vnet,
    )
    .ok_or("the addresses and the length do not make a frame")?;
    if !args.run.json && !args.quiet {
        banner::banner(args, &opened);
        match recording {
            Some(recording) => banner::recording(recording),
            None => banner::ends(args, src, dst, src_mac),
        }
    }
    let link = &opened.ports[..1];
    // With -q a wait is as silent as with --json.
    let run = Run {
        json: args.run.json || args.quiet,
        ..args.run.clone()
    };
    let end = run.begin(TOOL, link, signals);

    let shared = Shared::new(args.threads)?;
    if end.has_come() {
        shared.stop();
    }
    let job = |index: u16| Job {
        args,
        template: &template,
        src,
        dst,
        vnet: opened.vnet,
        recording,
        capture: capture.as_ref(),
        count: match recording {
            Some(recording) => args.replay.count(recording.len(), args.count),
            None => args.count,
        },
        index,
        threads: args.threads,
        rate: args.rate.map(|rate| rate as f64 / f64::from(args.threads)),
        counters: &shared.counters[usize::from(index)],
        shared: &shared,
    };
    let mut reporter = Reporter::new(args);
    let outcomes = std::thread::scope(|scope| -> Result<Vec<Outcome>, Box<dyn Error>> {
        let threads: Vec<_> = (0..)
            .zip(opened.ports)
            .map(|(index, port)| {
                let job = job(index);
                scope.spawn(move || job.run(port))
            })
            .collect();
        let watched = {
            // Also if it panics: the scope waits for the threads.
            let _stop = Stop(&shared);
            watch(args, &shared, &end, &mut reporter)
        };
        let mut outcomes = Vec::new();
        for thread in threads {
            outcomes.push(thread.join().map_err(|_| "a thread panicked")??);
        }
        watched.map(|()| outcomes)
    });
    let ended = outcomes.and_then(|outcomes| finish(args, &reporter, &shared, outcomes));
    // Whatever happened, what came is to be kept.
    if let (Some(capture), Some(path)) = (capture, &args.capture) {
        let (frames, bytes) = capture.end()?;
        reporter.capture(path, frames, bytes);
    }
    ended
}

/// Has the threads end when it goes.
struct Stop<'a>(&'a Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Reports until all threads have ended; has them end on a signal and after --duration.
fn watch(
    args: &Args,
    shared: &Shared,
    end: &End,
    reporter: &mut Reporter,
) -> Result<(), Box<dyn Error>> {
    let every = Duration::from_millis(args.report_ms);
    let mut last = Instant::now();
    let mut running = u64::from(args.threads);
    let mut stopping = false;
    while running > 0 {
        if end.is_over() {
            stopping = true;
            shared.stop();
        }
        let next = last + every;
        // Once a signal has come there is always one, and once the time is over nothing is left.
        let (wait, until) = if stopping {
            let left = next.saturating_duration_since(Instant::now());
            (left, PollFlags::empty())
        } else {
            (end.left(next), PollFlags::POLLIN)
        };
        let mut fds = [
            PollFd::new(shared.ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(end.signals.as_fd(), until),
        ];
        match poll(&mut fds, signals::timeout(wait)) {
            // A stop and a continue is no end.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let ready = |fd: &PollFd| fd.any() == Some(true);
        if ready(&fds[1]) {
            stopping = true;
            shared.stop();
        }
        if ready(&fds[0]) {
            running -= shared.ended.read()?;
        }
        let took = last.elapsed();
        if took >= every {
            reporter.interval(Totals::of(shared.counters.iter()), took);
            last += took;
        }
    }
    Ok(())
}

fn finish(
    args: &Args,
    reporter: &Reporter,
    shared: &Shared,
    outcomes: Vec<Outcome>,
) -> Result<(), Box<dyn Error>> {
    let began = outcomes.iter().filter_map(|o| o.span).map(|s| s.0).min();
    let ended = outcomes.iter().filter_map(|o| o.span).map(|s| s.1).max();
    let seconds = match (began, ended) {
        (Some(began), Some(ended)) => (ended - began).as_secs_f64(),
        _ => 0.0,
    };
    let sender = args.function.sends();
    let (shortest, longest) = (args.frame.shortest(), args.frame.longest());
    let length = if sender && shortest == longest && args.replay.pcap.is_none() {
        longest
    } else {
        0
    };
    let unsent: u64 = outcomes.iter().map(|o| o.unsent).sum();
    let mut lost = Lost::default();
    outcomes.iter().for_each(|o| lost.add(&o.lost));
    let mut totals = Totals::of(shared.counters.iter());
    totals.frames = totals.frames.saturating_sub(unsent);
    reporter.summary(totals, seconds, length, unsent, &lost);
    reporter.latency(outcomes.into_iter().flat_map(|o| o.times).collect());
    // Where more was dropped than was sent, other programs have these rings, too.
    if sender && lost.tx.total() > 0 && lost.tx.total() == totals.frames {
        return Err(format!(
            "nothing got through: all that was sent was dropped ({}); `ferromap stat --explain` \
             tells what to do",
            lost.tx.words()
        )
        .into());
    }
    if sender && unsent > 0 && totals.frames == 0 {
        return Err("nothing was sent: nobody takes it from the ring".into());
    }
    Ok(())
}

/// Where frames come from and go to, if nobody said otherwise.
fn ends(args: &Args) -> (Range, Range) {
    let (src, dst) = if args.frame.v6 {
        (
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 1).into(),
        )
    } else {
        (
            Ipv4Addr::new(10, 0, 0, 1).into(),
            Ipv4Addr::new(10, 1, 0, 1).into(),
        )
    };
    (
        args.frame.src.unwrap_or(Range::one(src)),
        args.frame.dst.unwrap_or(Range::one(dst)),
    )
}
