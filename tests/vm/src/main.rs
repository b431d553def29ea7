// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests of netmap.ko as a program sees it. They run as root in a VM with the module loaded:
//!
//! ```text
//! vm-tests [--list] [--only SUBSTRING] [--skip SUBSTRING] [--module PATH]
//! ```
//!
//! Each case runs in a process of its own, with a time limit. A case fails when it says so, when it
//! does not end, when the kernel complains in its log, or when it leaves references to the module
//! or live objects behind. Its processes are ended, its changes of parameters undone. See
//! [`harness`].
//!
//! A case is named by the item of the interface's checklist that it tests, or by its subject. Where
//! it goes and how it is listed is told in [`cases`](mod@cases).

mod cases;
mod harness;
// What the tools go by, who end quietly where their reader has gone.
#[path = "../../../tools/src/common/out.rs"]
mod out;

use harness::{module, run, traces, Case};
use std::process::ExitCode;

/// What the command line asks for.
struct Args {
    list: bool,
    only: Vec<String>,
    skip: Vec<String>,
    module: Option<String>,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(e) => return stop(&e),
    };
    let chosen: Vec<&Case> = cases::all()
        .filter(|case| args.only.is_empty() || args.only.iter().any(|s| case.name.contains(s)))
        .filter(|case| !args.skip.iter().any(|s| case.name.contains(s)))
        .collect();
    if args.list {
        for case in chosen {
            say!("{}", case.name);
        }
        return out::status(ExitCode::SUCCESS);
    }
    if let Err(e) = prepare(args.module) {
        return stop(&e);
    }
    out::status(run_all(&chosen))
}

fn stop(reason: &str) -> ExitCode {
    note!("vm-tests: {reason}");
    ExitCode::from(2)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args {
        list: false,
        only: Vec::new(),
        skip: Vec::new(),
        module: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--list" => args.list = true,
            "--only" => args.only.push(value()?),
            "--skip" => args.skip.push(value()?),
            "--module" => args.module = Some(value()?),
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(args)
}

/// Brings the module into the state that every case starts from.
fn prepare(module: Option<String>) -> Result<(), String> {
    module::set_path(module);
    if traces::references().is_none() {
        module::load("").map_err(|e| format!("cannot load the module: {e}"))?;
    }
    if !module::is_loaded()? {
        return Err(
            "another module is loaded than --module names: rig/vm loads build/netmap.ko, \
                    unless it is told --no-module"
                .to_string(),
        );
    }
    if !traces::counts_objects() {
        return Err("the module does not count its objects in debugfs".to_string());
    }
    module::warm_up().map_err(|e| format!("the shared region cannot be used: {e}"))?;
    nix::sys::prctl::set_child_subreaper(true).map_err(|e| format!("subreaper: {e}"))
}

fn run_all(cases: &[&Case]) -> ExitCode {
    let mut log = match traces::KernelLog::open() {
        Ok(log) => log,
        Err(e) => return stop(&format!("cannot read the kernel log: {e}")),
    };
    let mut failed = Vec::new();
    for case in cases {
        match run::run(case, &mut log) {
            Ok(()) => say!("test {} ... ok", case.name),
            Err(reason) => {
                say!("test {} ... FAILED", case.name);
                for line in reason.lines() {
                    say!("    {line}");
                }
                failed.push(case.name);
            }
        }
    }
    if !failed.is_empty() {
        say!("");
        say!("failed:");
        for name in &failed {
            say!("    {name}");
        }
    }
    say!(
        "{} passed, {} failed",
        cases.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() && !cases.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
