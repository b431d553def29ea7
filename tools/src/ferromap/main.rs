// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ferromap`: tells what is open and who has it ([`info`]), what went through it ([`stat`]), and
//! what stands in the way of opening an interface or makes it slow ([`doctor`]).
//!
//! All three take what they know from [`facts`]. It changes nothing.

mod about;
mod args;
mod counters;
mod doctor;
mod facts;
mod holders;
mod info;
mod names;
mod parameters;
mod stat;

use args::{Args, Command};
use common::{causes, cli, out};
use facts::Facts;
use std::process::ExitCode;

const TOOL: &str = "ferromap";

fn main() -> ExitCode {
    let args: Args = match cli::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    if let Some(what) = args.generate {
        return what.print::<Args>();
    }
    let facts = Facts::here();
    out::status(match args.command {
        None => cli::misused(TOOL, "info, stat or doctor? See ferromap --help"),
        Some(Command::Info(args)) => cli::finish(TOOL, info::run(&facts, &args)),
        Some(Command::Stat(args)) if args.explain => {
            causes::explain();
            ExitCode::SUCCESS
        }
        Some(Command::Stat(args)) => cli::finish(TOOL, stat::run(&facts, &args)),
        Some(Command::Doctor(args)) => match args.interface() {
            Ok(interface) => doctor::run(&facts, interface, args.json),
            Err(why) => cli::misused(TOOL, why),
        },
    })
}
