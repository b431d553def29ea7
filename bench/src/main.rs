// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures Ferromap, and what a person would pick instead, side by side.
//!
//! `make bench` runs it: `guest` in a User Mode Linux kernel, `native` outside on the same CPUs,
//! and then `report`.

mod child;
mod clock;
mod cpu;
mod frame;
// What the tools go by, who end quietly where their reader has gone.
#[path = "../../tools/src/common/out.rs"]
mod out;
mod peers;
mod record;
mod report;
mod scenarios;
mod suite;
mod worker;
mod yardstick;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Measure what runs in a kernel with netmap.ko
    Guest(suite::Options),
    /// Measure what runs on this machine as it is
    Native(suite::Options),
    /// Print a table of what was measured, and draw pictures
    Report(report::Options),
    #[command(hide = true)]
    Worker,
    #[command(hide = true)]
    PeerWorker,
    #[command(hide = true)]
    Flood,
    #[command(hide = true)]
    Stream,
}

fn main() -> ExitCode {
    out::status(match run(Args::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            note!("error: {why:#}");
            ExitCode::FAILURE
        }
    })
}

/// Whether everything was measured.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Guest(options) => suite::run(scenarios::guest(), &options),
        Command::Native(options) => suite::run(scenarios::native(), &options),
        Command::Report(options) => report::run(&options).map(|()| true),
        Command::Worker => worker::main().map(|()| true),
        Command::Flood => scenarios::ports::flood().map(|()| true),
        Command::Stream => scenarios::stream::worker().map(|()| true),
        Command::PeerWorker => peers::worker().map(|()| true),
    }
}
