// SPDX-License-Identifier: MIT OR Apache-2.0

//! `xdp`: loads XDP programs onto interfaces and switch ports ([`load`]), shows what they decide
//! ([`status`]), takes them off ([`unload`]), and changes the rules of the program `filter`
//! ([`filter`]).
//!
//! Nothing is pinned or recorded: the kernel is asked which programs are where ([`place`]), and
//! what we loaded bears a mark ([`programs::MARK`]).

mod args;
mod calls;
mod choice;
mod counts;
mod elf;
mod filter;
mod links;
mod load;
mod messages;
mod object;
mod place;
mod programs;
mod rules;
mod status;
mod unload;
mod watch;

use args::{Args, Command};
use common::cli;
use std::process::ExitCode;

const TOOL: &str = "xdp";

fn main() -> ExitCode {
    let args: Args = match cli::parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    if let Some(what) = args.generate {
        return what.print::<Args>();
    }
    let Some(command) = args.command else {
        return cli::misused(TOOL, "load, status, unload or filter? See xdp --help");
    };
    if let Err(why) = command.check() {
        return cli::misused(TOOL, why);
    }
    messages::keep();
    let done = match &command {
        Command::Load(args) => load::run(args),
        Command::Status(args) => status::run(args),
        Command::Unload(args) => unload::run(args),
        Command::Filter(args) => filter::run(args),
    };
    cli::finish(TOOL, done)
}
