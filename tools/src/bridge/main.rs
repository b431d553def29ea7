// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bridge`: forwards frames between two ports of the netmap API, in both directions.
//!
//! `main` reads the command line ([`args`]), opens the ports ([`open`]), and then moves what has
//! come from each port to the other ([`way`]) and sleeps in one poll of both, which also sends.
//! Once a second it reports ([`report`]), until ^C comes or a port goes.

mod args;
mod open;
mod report;
mod way;

use args::Args;
use common::{cli, ports, run::End, signals, signals::Signals};
use ferromap::{Port, PortSpec};
use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags},
};
use report::Reporter;
use std::{
    error::Error,
    os::fd::AsFd,
    process::ExitCode,
    time::{Duration, Instant},
};
use way::Way;

const TOOL: &str = "bridge";

/// Between reports.
const EVERY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    cli::main(TOOL, |args: &Args| args.generate, |args| args.check(), run)
}

fn run(args: &Args, specs: &[PortSpec; 2]) -> Result<(), Box<dyn Error>> {
    let signals = Signals::block()?;
    let names = args.names();
    let mut ports = open::open(args, &names, specs)?;
    let zero_copy = !args.copy && ports[0].shares_memory_with(&ports[1]);
    if !args.copy {
        // Receivers on the switch behind a port may be in its region, too.
        for tx in ports.iter_mut().flat_map(|port| port.tx_rings()) {
            tx.hand_over(true);
        }
    }
    let mut ways = {
        let [a, b] = &mut ports;
        [
            Way::new(a.rx_rings(), b.tx_rings(), zero_copy),
            Way::new(b.rx_rings(), a.tx_rings(), zero_copy),
        ]
    };
    if !ways.iter().any(Way::is_there) {
        return Err("no frame could go either way: each port lacks the rings for it".into());
    }
    open::banner(args, &names, &ports, zero_copy);
    let end = args.run.begin(TOOL, &ports, signals);
    let mut reporter = Reporter::new(args.run.json, &names, &ways, &ports, zero_copy);
    let done = forward(args, &mut ports, &mut ways, &end, &mut reporter);
    let in_vain = reporter.summary(&ways, &ports);
    done?;
    match in_vain {
        Some(drops) => Err(format!(
            "nothing got through: all that was to be forwarded was dropped ({drops}); `ferromap \
             stat --explain` tells what to do"
        )
        .into()),
        None => Ok(()),
    }
}

/// Forwards until a signal comes, the time is over, or a port is gone.
fn forward(
    args: &Args,
    ports: &mut [Port; 2],
    ways: &mut [Way; 2],
    end: &End,
    reporter: &mut Reporter,
) -> Result<(), Box<dyn Error>> {
    let mut next = Instant::now() + EVERY;
    loop {
        let [a, b] = &mut *ports;
        ways[0].pass(a.rx_rings(), b.tx_rings(), args.batch)?;
        ways[1].pass(b.rx_rings(), a.tx_rings(), args.batch)?;
        // What a port has to send leaves in this call, too, whatever it waits for.
        let mut fds = [
            PollFd::new(ports[0].as_fd(), events(&ways[0], &ways[1])),
            PollFd::new(ports[1].as_fd(), events(&ways[1], &ways[0])),
            PollFd::new(end.signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, signals::timeout(end.left(next))) {
            // A stop and a continue is no end.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let got = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        for (port, got) in ports.iter_mut().zip(got) {
            if got.contains(PollFlags::POLLERR) {
                return Err(ports::gone(port).into());
            }
        }
        let now = Instant::now();
        if !got[2].is_empty() || end.is_over() {
            return Ok(());
        }
        if now >= next {
            reporter.interval(ways, ports, now);
            next = now + EVERY;
        }
    }
}

/// What to wait for at a port, given the way that leads from it and the one to it. Frames that find
/// no room stay where they are: then it is room that is waited for.
fn events(from: &Way, to: &Way) -> PollFlags {
    let mut events = PollFlags::empty();
    events.set(PollFlags::POLLIN, from.is_there() && !from.is_blocked());
    events.set(PollFlags::POLLOUT, to.is_blocked());
    events
}
