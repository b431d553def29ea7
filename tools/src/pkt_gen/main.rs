// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pkt-gen`: sends and receives packets through the netmap API.
//!
//! `main` reads the command line ([`args`]), opens the port ([`open`]), gives each thread a ring or
//! all of them ([`worker`]), and then reports once a second until the threads end or ^C comes. The
//! threads run [`tx`], [`rx`] or [`ping`].

mod args;
mod dump;
mod flow;
mod frame;
mod open;
mod pace;
mod ping;
mod report;
mod rx;
mod tx;
mod worker;

use args::{Args, Function};
use common::{cli, ports, say, signals, signals::Signals};
use ferromap::{Port, PortSpec};
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
    let mut args: Args = match cli::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    if let Some(what) = args.generate {
        return what.print::<Args>();
    }
    match args.check() {
        Ok(spec) => cli::finish(TOOL, run(&args, &spec)),
        Err(why) => cli::misused(TOOL, why),
    }
}

fn run(args: &Args, spec: &PortSpec) -> Result<(), Box<dyn Error>> {
    let signals = Signals::block()?;
    let opened = open::open(args, spec)?;
    ports::tell_sizes(TOOL, opened.ports.first());
    if !args.json {
        ports::tell_emulated(TOOL, opened.ports.iter());
    }
    let (src, dst) = ends(args);
    let src_mac = args.src_mac.unwrap_or_else(|| open::mac(&opened.ports[0]));
    let template = Template::new(
        (src_mac, args.dst_mac),
        src.first,
        dst.first,
        args.longest(),
        opened.vnet,
    )
    .ok_or("the addresses and the length do not make a frame")?;
    banner(args, &opened.ports, src, dst, src_mac);
    let link = &opened.ports[..1];
    ports::wait_for_links(TOOL, link, args.wait_link, args.json, &signals);

    let shared = Shared::new(args.threads)?;
    let job = |index: u16| Job {
        args,
        template: &template,
        src,
        dst,
        vnet: opened.vnet,
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
            watch(args, &shared, &signals, &mut reporter)
        };
        let mut outcomes = Vec::new();
        for thread in threads {
            outcomes.push(thread.join().map_err(|_| "a thread panicked")??);
        }
        watched.map(|()| outcomes)
    });
    finish(args, reporter, &shared, outcomes?)
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
    signals: &Signals,
    reporter: &mut Reporter,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let end = args.duration.map(|d| start + d);
    let every = Duration::from_millis(args.report_ms);
    let mut last = start;
    let mut running = u64::from(args.threads);
    let mut stopping = false;
    while running > 0 {
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            shared.stop();
        }
        let mut next = last + every;
        if let Some(end) = end.filter(|&end| end > now) {
            next = next.min(end);
        }
        let wait = signals::timeout(next.saturating_duration_since(now));
        // Once a signal has come there is always one.
        let until = if stopping {
            PollFlags::empty()
        } else {
            PollFlags::POLLIN
        };
        let mut fds = [
            PollFd::new(shared.ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), until),
        ];
        match poll(&mut fds, wait) {
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
    reporter: Reporter,
    shared: &Shared,
    outcomes: Vec<Outcome>,
) -> Result<(), Box<dyn Error>> {
    let began = outcomes.iter().filter_map(|o| o.span).map(|s| s.0).min();
    let ended = outcomes.iter().filter_map(|o| o.span).map(|s| s.1).max();
    let seconds = match (began, ended) {
        (Some(began), Some(ended)) => (ended - began).as_secs_f64(),
        _ => 0.0,
    };
    let sender = matches!(args.function, Function::Tx | Function::TxSeq);
    let length = if sender && args.lengths.len() == 1 {
        args.longest()
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
    let (src, dst) = if args.v6 {
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
        args.src.unwrap_or(Range::one(src)),
        args.dst.unwrap_or(Range::one(dst)),
    )
}

fn banner(args: &Args, ports: &[Port], src: Range, dst: Range, src_mac: [u8; 6]) {
    if args.json {
        return;
    }
    let what = match args.function {
        Function::Tx | Function::TxSeq => "Sending on",
        Function::Rx | Function::RxSeq => "Receiving from",
        Function::Ping | Function::Pong => "Ping-pong on",
    };
    let info = ports.first().map(Port::info).unwrap_or_default();
    let queues = match args.function {
        Function::Rx | Function::RxSeq => info.rx_rings,
        _ => info.tx_rings,
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cpus = if args.cpus == 0 {
        cpus
    } else {
        args.cpus.min(cpus)
    };
    say!(
        "{what} {}: {queues} queues, {} threads and {cpus} cpus.",
        args.interface,
        args.threads
    );
    if matches!(
        args.function,
        Function::Tx | Function::TxSeq | Function::Ping
    ) {
        let mac = |m: [u8; 6]| m.map(|b| format!("{b:02x}")).join(":");
        say!("{src} -> {dst} ({} -> {})", mac(src_mac), mac(args.dst_mac));
    }
    if args.verbose > 0 {
        say!(
            "memory region {} of {} bytes, {} and {} slots per ring",
            info.mem_id,
            info.memory_size,
            info.tx_slots,
            info.rx_slots
        );
    }
}
