// SPDX-License-Identifier: MIT OR Apache-2.0

//! Command lines: reading them, and the status at the end.

use crate::{generate::Generate, note, out};
use clap::{Command, Parser};
use nix::errno::Errno;
use std::{fmt::Display, process::ExitCode, time::Duration};

/// Lines of help, of the tool and of all its subcommands, that are too wide for people's terminals,
/// or that were broken by hand: clap breaks them itself, and both together leave lines of a word or
/// two. For tests.
pub fn bad_help(command: Command) -> Vec<String> {
    let at = |width| bad_lines(command.clone().term_width(width), width);
    [at(80), at(100)].concat()
}

fn bad_lines(mut command: Command, width: usize) -> Vec<String> {
    command.build();
    let mut bad = Vec::new();
    for help in [command.render_help(), command.render_long_help()] {
        let text = help.to_string();
        let lines: Vec<&str> = text.lines().collect();
        let wide = lines.iter().filter(|line| line.chars().count() > width);
        bad.extend(wide.map(|line| (*line).to_owned()));
        for two in lines.windows(2) {
            // What is indented is a list.
            if two
                .iter()
                .any(|line| line.is_empty() || line.starts_with(' '))
            {
                continue;
            }
            let next = two[1].split(' ').next().unwrap_or_default();
            if two[0].chars().count() + 1 + next.chars().count() <= width {
                bad.push(two[0].to_owned());
            }
        }
    }
    let inner = command.get_subcommands().cloned();
    bad.extend(inner.flat_map(|sub| bad_lines(sub, width)));
    bad
}

/// The command line, or the status to end with: help was asked for, or something was wrong, which
/// has been said.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|e| {
        if !e.use_stderr() {
            // Help goes to the terminal as it is; what is wrong is said in our own voice.
            let done = e.print();
            out::told(done.map_err(|e| e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)));
            return out::status(ExitCode::SUCCESS);
        }
        let text = e.to_string();
        let tool = A::command().get_name().to_owned();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        out::lines(&format!("{tool}: {text}"));
        ExitCode::from(2)
    })
}

/// Says what is wrong with the command line; the result is the program's status.
pub fn misused(tool: &str, why: impl Display) -> ExitCode {
    note!("{tool}: {why}");
    ExitCode::from(2)
}

/// All of a program's `main`: reads its command line, prints what is asked for of that alone, or
/// does what `check` finds to be meant.
pub fn main<A: Parser, P, E: Display>(
    tool: &str,
    generate: impl FnOnce(&A) -> Option<Generate>,
    check: impl FnOnce(&mut A) -> Result<P, String>,
    run: impl FnOnce(&A, &P) -> Result<(), E>,
) -> ExitCode {
    let mut args: A = match parse() {
        Ok(args) => args,
        Err(status) => return status,
    };
    if let Some(what) = generate(&args) {
        return what.print::<A>();
    }
    match check(&mut args) {
        Ok(meant) => finish(tool, run(&args, &meant)),
        Err(why) => misused(tool, why),
    }
}

/// Says what went wrong, if something did; the result is the program's status.
pub fn finish(tool: &str, done: Result<(), impl Display>) -> ExitCode {
    match done {
        Ok(()) => out::status(ExitCode::SUCCESS),
        Err(why) => {
            note!("{tool}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A time in seconds, as in `0.5`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(s) if s > 0.0 && s < 1e9 => Ok(Duration::from_secs_f64(s)),
        _ => Err("seconds are expected, more than 0".into()),
    }
}

/// A count, perhaps with a unit and a fraction: `1000`, `50k`, `1.5M`.
pub fn number(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text[..at], 1e9),
        _ => {
            return text
                .parse()
                .map_err(|_| format!("`{text}` is not a number, like 1000 or 1.5M"))
        }
    };
    match digits.parse::<f64>() {
        Ok(n) if n.is_finite() && n >= 0.0 && n * unit < 1e18 => Ok((n * unit).round() as u64),
        _ => Err(format!("`{text}` is not a number, like 1000 or 1.5M")),
    }
}
