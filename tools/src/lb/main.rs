// SPDX-License-Identifier: MIT OR Apache-2.0

//! `lb`: spreads what a port receives over pipes, flow by flow.
//!
//! `main` reads the command line ([`args`], [`group`]) and opens port and pipes ([`open`]). Then it
//! takes frames from the port, finds the flow of each ([`flow`]) and puts it into that flow's pipe
//! ([`pipe`]), or into a queue of extra buffers where that is full ([`queues`]); [`balance`] brings
//! these together. It sleeps in one poll of the port and of the pipes that frames wait for.

mod args;
mod balance;
mod flow;
mod group;
mod open;
mod pipe;
mod queues;
mod report;

use args::{Args, Plan};
use balance::Balancer;
use common::{cli, ports, run::End, signals, signals::Signals};
use ferromap::Port;
use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags},
};
use report::Reporter;
use std::{
    error::Error,
    os::fd::AsFd,
    process::ExitCode,
    slice,
    time::{Duration, Instant},
};

const TOOL: &str = "lb";

fn main() -> ExitCode {
    cli::main(TOOL, |args: &Args| args.generate, |args| args.check(), run)
}

fn run(args: &Args, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let signals = Signals::block()?;
    let opened = open::open(args, plan)?;
    open::banner(args, plan, &opened);
    let mut port = opened.port;
    let mut balancer = Balancer::new(opened.groups, opened.extra);
    let link = slice::from_ref(&port);
    let end = args.run.begin(TOOL, link, signals);
    let mut reporter = Reporter::new(args, &plan.name, &balancer, &port);
    let done = balance(args, &mut port, &mut balancer, &end, &mut reporter);
    let ended = balancer.end();
    let in_vain = reporter.summary(&balancer, &port);
    done?;
    ended?;
    match in_vain {
        Some(frames) => Err(format!(
            "nothing got through: all that came was dropped ({frames}), as nobody reads the pipes"
        )
        .into()),
        None => Ok(()),
    }
}

/// Balances until a signal comes, the time is over, or a port is gone.
fn balance(
    args: &Args,
    port: &mut Port,
    balancer: &mut Balancer,
    end: &End,
    reporter: &mut Reporter,
) -> Result<(), Box<dyn Error>> {
    let mut next = Instant::now() + args.statistics;
    loop {
        balancer.turn(port.rx_rings(), args.batch)?;
        let stopped = sleep(port, balancer, &end.signals, end.left(next))?;
        let now = Instant::now();
        if stopped || end.is_over() {
            return Ok(());
        }
        if now >= next {
            reporter.interval(balancer, port, now);
            next = now + args.statistics;
        }
    }
}

/// Sleeps until something comes, or there is room in a pipe that frames wait for, but no longer
/// than `most`. What was taken is given back in this call. Says whether a signal came.
fn sleep(
    port: &mut Port,
    balancer: &mut Balancer,
    signals: &Signals,
    most: Duration,
) -> Result<bool, Box<dyn Error>> {
    let count = balancer.pipes().len();
    let full: Vec<usize> = (0..count).filter(|&i| balancer.next(i) > 0).collect();
    for &i in &full {
        // Poll is to wake up when the whole frame finds room, not for its first slot over and over.
        let slots = balancer.next(i);
        balancer.pipes_mut()[i].ring().wake_after(slots - 1);
    }
    let mut fds = vec![
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        PollFd::new(port.as_fd(), PollFlags::POLLIN),
    ];
    let pipe = |i: &usize| PollFd::new(balancer.pipes()[*i].port.as_fd(), PollFlags::POLLOUT);
    fds.extend(full.iter().map(pipe));
    match poll(&mut fds, signals::timeout(most)) {
        // A stop and a continue is no end.
        Ok(_) | Err(Errno::EINTR) => {}
        Err(e) => return Err(e.into()),
    }
    let got: Vec<PollFlags> = fds
        .iter()
        .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
        .collect();
    if got[1].contains(PollFlags::POLLERR) {
        return Err(ports::gone(port).into());
    }
    for (&i, got) in full.iter().zip(&got[2..]) {
        if got.contains(PollFlags::POLLERR) {
            return Err(ports::gone(&mut balancer.pipes_mut()[i].port).into());
        }
    }
    Ok(!got[0].is_empty())
}
