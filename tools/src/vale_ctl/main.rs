// SPDX-License-Identifier: MIT OR Apache-2.0

//! `vale-ctl`: shows switches (VALE) and their ports, plugs interfaces in and out, has CPUs poll
//! interfaces, and makes and removes persistent ports.
//!
//! [`args`] turns the command line into one [`Action`]; those that only look are in [`list`], and
//! what the others do is a request of the crate each.

mod args;
mod list;

use args::{Action, Args};
use common::{cli, say};
use ferromap::{Attach, Control, Persistent, Polling};
use std::{error::Error, process::ExitCode};

const TOOL: &str = "vale-ctl";

fn main() -> ExitCode {
    cli::main(TOOL, |args: &Args| args.generate, |args| args.action(), run)
}

fn run(args: &Args, action: &Action) -> Result<(), Box<dyn Error>> {
    let control = Control::open()?;
    match action {
        Action::List(switch) => list::list(&control, switch.as_deref(), args)?,
        Action::Show(port) => list::show(&control, port, args)?,
        Action::Attach(port, how) => attach(&control, port, *how)?,
        Action::Detach(port) => detach(&control, port)?,
        Action::Create(name, want) => create(&control, name, *want)?,
        Action::Remove(name) => {
            control.delete_interface(name)?;
            say!("{name} is removed.");
        }
        Action::Poll(port, polling) => {
            control.enable_polling(port, *polling)?;
            match polling {
                Polling::OneCpu(cpu) => say!("{port} is polled by CPU {cpu}."),
                Polling::Cpus { first, count } => {
                    say!("{port} is polled by {count} CPUs from {first} on.");
                }
            }
        }
        Action::StopPolling(port) => {
            control.disable_polling(port)?;
            say!("{port} is no longer polled.");
        }
    }
    Ok(())
}

fn attach(control: &Control, port: &str, how: Attach) -> ferromap::Result<()> {
    let number = control.attach(port, how)?;
    let host = if how.host {
        ", with its host stack"
    } else {
        ""
    };
    say!("{port} is port {number}{host}.");
    Ok(())
}

/// Of a port that is not an interface's the kernel says that it is detached, and does nothing.
fn detach(control: &Control, port: &str) -> Result<(), Box<dyn Error>> {
    let number = control.detach(port)?;
    let left = control.vale_port(port)?;
    if left.is_none_or(|left| left.port != number) {
        say!("{port} was port {number}, and is detached.");
        return Ok(());
    }
    Err(match port.strip_suffix('^') {
        Some(interface) if control.vale_port(interface)?.is_some() => {
            format!(
                "{port} is the host stack of {interface}, and leaves with it: vale-ctl -d \
                {interface}"
            )
        }
        _ => format!(
            "{port} stays: it is a port of programs, and goes when they close it. ferromap info \
             {port} tells who has it"
        ),
    }
    .into())
}

fn create(control: &Control, name: &str, want: Persistent) -> ferromap::Result<()> {
    let got = control.create_interface(name, want)?;
    say!(
        "{name} is made: {}x{} transmit and {}x{} receive slots, region {}.",
        got.tx_rings,
        got.tx_slots,
        got.rx_rings,
        got.rx_slots,
        got.mem_id
    );
    Ok(())
}
