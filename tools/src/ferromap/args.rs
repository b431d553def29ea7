// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line.

use clap::{Parser, Subcommand};
use common::{generate::Generate, watch::Watch};
use ferromap::PortSpec;

/// Tells what is open and who has it, what went through it, and what is wrong with an interface.
#[derive(Parser, Debug)]
#[command(
    name = "ferromap",
    version,
    // A subcommand that clap required would be so with --generate, too.
    override_usage = "ferromap <COMMAND>",
    max_term_width = 100,
    after_help = "Examples:
  ferromap info                     the module, and all open ports with the processes that have them
  ferromap info eth0                one interface: its rings, memory region, link, and who has it
  ferromap info vale0:a             the same of a switch port
  ferromap stat                     frames and drops of each ring since it was opened
  ferromap stat vale0:a --watch     rates a second, each second, until ^C
  ferromap stat --json -n 10        ten seconds of them for programs
  ferromap stat --explain           each cause of drops, and what to do about it
  ferromap doctor eth0              what is wrong with eth0, with the commands that mend it

It changes nothing. Root sees all; others see the ports and counters of their own processes. \
The status is 0, or 1 if something cannot be told (doctor: if there are problems), or 2 if the \
options make no sense."
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Info(Info),
    Stat(Stat),
    Doctor(Doctor),
}

/// Show the module, or a port: rings, memory, link, and the processes that have it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  ferromap info
  ferromap info netmap:eth0 --json
  ferromap info vale0:a")]
pub struct Info {
    /// An interface or a switch port: eth0, netmap:eth0, vale0:a; by default the module and all
    /// open ports
    pub port: Option<String>,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Show how many frames went through each ring, and why others were dropped.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  ferromap stat                     all ports, once, since they were opened
  ferromap stat eth0 --watch        rates each second
  ferromap stat --watch=0.5 -n 4    every half second, four times
  ferromap stat --json --watch      one JSON object for each port and interval
  ferromap stat --explain           what each cause of drops means")]
pub struct Stat {
    /// An open port: eth0, netmap:eth0, vale0:a; by default all of them
    pub port: Option<String>,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub watch: Watch,

    /// Show what each cause of drops means and what to do about it
    #[arg(long, conflicts_with_all = ["port", "json", "watch", "count"])]
    pub explain: bool,
}

/// Find what keeps an interface from being opened or makes it slow, with the command that mends it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  ferromap doctor eth0
  ferromap doctor eth0 --json

The status is 0 if there is no problem; notes are none.")]
pub struct Doctor {
    /// A network interface: eth0, netmap:eth0
    #[arg(value_name = "IF")]
    pub interface: String,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

impl Doctor {
    /// The error is for people.
    pub fn interface(&self) -> Result<&str, String> {
        let name = bare(&self.interface);
        if name.is_empty() || name.contains([':', '/']) {
            return Err(format!(
                "`{}` is not a network interface, like eth0",
                self.interface
            ));
        }
        PortSpec::check_length(name).map_err(|e| e.to_string())?;
        Ok(name)
    }
}

/// The name of a port as the kernel has it.
pub fn bare(name: &str) -> &str {
    name.strip_prefix("netmap:").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn stat(line: &str) -> Result<Stat, String> {
        let words = ["ferromap", "stat"]
            .into_iter()
            .chain(line.split_whitespace());
        match Args::try_parse_from(words) {
            Ok(Args {
                command: Some(Command::Stat(stat)),
                ..
            }) => Ok(stat),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    /// It was `ferromap [COMMAND]`, and in the manual a list of letters.
    #[test]
    fn usage_tells_what_is_needed() {
        let help = Args::command().render_help().to_string();
        assert!(help.contains("Usage: ferromap <COMMAND>\n"));
        let page = common::generate::page::<Args>();
        assert!(page.contains(".SH SYNOPSIS\n\\fBferromap\\fR <COMMAND>\n"));
        assert!(
            page.contains(".SS SYNOPSIS\n\\fBferromap doctor\\fR [OPTIONS] <IF>\n"),
            "{page}"
        );
    }

    #[test]
    fn help_has_examples() {
        for words in [
            &["ferromap", "--help"][..],
            &["ferromap", "info", "--help"],
            &["ferromap", "stat", "--help"],
            &["ferromap", "doctor", "--help"],
        ] {
            let help = Args::try_parse_from(words).unwrap_err().to_string();
            assert!(help.contains("Examples:\n  ferromap "), "{help}");
        }
    }

    #[test]
    fn watching_takes_seconds_and_a_count() {
        let every = |line: &str| stat(line).unwrap().watch.every().map(|d| d.as_millis());
        assert_eq!(every(""), None);
        assert_eq!(every("--watch vale0:a"), Some(1000));
        assert_eq!(every("--watch=0.5"), Some(500));
        assert_eq!(every("-n 3"), Some(1000));
        for line in ["--watch=0", "-n 0", "-n x", "--explain --json", "a b"] {
            assert!(stat(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_doctor_wants_an_interface() {
        let named = |name: &str| {
            let doctor = Doctor {
                interface: name.to_owned(),
                json: false,
            };
            doctor.interface().map(str::to_owned)
        };
        assert_eq!(named("netmap:eth0").as_deref(), Ok("eth0"));
        for wrong in ["vale0:a", "", "netmap:", "../eth0"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
