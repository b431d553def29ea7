// SPDX-License-Identifier: MIT OR Apache-2.0

//! Command lines: reading them, what is made from their definitions, and the status at the end.

use clap::{CommandFactory, Parser, ValueEnum};
use clap_complete::Shell;
use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

/// What is made from the definitions of the options, for packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    Man,
    Bash,
    Fish,
    Zsh,
}

impl Generate {
    /// Prints it; the result is the program's status.
    pub fn print<A: CommandFactory>(self) -> ExitCode {
        match self.to::<A>(&mut io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }

    pub fn to<A: CommandFactory>(self, out: &mut dyn Write) -> io::Result<()> {
        let mut command = A::command();
        let shell = match self {
            Generate::Man => return clap_mangen::Man::new(command).render(&mut &mut *out),
            Generate::Bash => Shell::Bash,
            Generate::Fish => Shell::Fish,
            Generate::Zsh => Shell::Zsh,
        };
        let tool = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, tool, &mut text);
        out.write_all(&text)
    }
}

/// The command line, or the status to end with: help was asked for, or something was wrong, which has been
/// said.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|e| {
        if !e.use_stderr() {
            // Help goes to the terminal as it is; what is wrong is said in our own voice.
            let _ = e.print();
            return ExitCode::SUCCESS;
        }
        let text = e.to_string();
        let tool = A::command().get_name().to_owned();
        eprint!("{tool}: {}", text.strip_prefix("error: ").unwrap_or(&text));
        ExitCode::from(2)
    })
}

/// Says what is wrong with the command line; the result is the program's status.
pub fn misused(tool: &str, why: impl Display) -> ExitCode {
    eprintln!("{tool}: {why}");
    ExitCode::from(2)
}

/// Says what went wrong, if something did; the result is the program's status.
pub fn finish(tool: &str, done: Result<(), impl Display>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{tool}: {why}");
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
