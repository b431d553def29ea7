// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line. Letters and meanings are those of netmap's bridge.

use clap::{ArgAction, Parser};
use common::{generate::Generate, ports, run::Run};
use ferromap::{PortSpec, Rings};

/// Forwards frames between two ports of the netmap API, in both directions.
///
/// Where both ports lie in one memory region, frames change ports without a copy; the second port
/// is opened in the region of the first for that.
#[derive(Parser, Debug)]
#[command(
    name = "bridge",
    version,
    max_term_width = 100,
    after_help = "Examples:
  bridge -i netmap:eth0                   give the machine its network back: eth0 and its host stack
  bridge -i netmap:eth0 -i netmap:eth1    a cable between two interfaces
  bridge -i vale0:up -i vale1:down        a cable between two switches
  bridge -i netmap:eth0/R -i vale0:tap    one direction only: what eth0 receives, into the switch

Suffixes of a port: -N ring pair N, ^ or ^N host rings, * both, /x exclusive, /R or /T receive or \
transmit only, @N memory region N, @share=PORT that of another port, @extmem=FILE memory of a \
file (/dev/shm/x), @conf:slots=N,rings=N its rings, @offset=N frames N bytes into their buffers. \
An interface of exactly that name, as br-lan, wins over suffixes.

A line a second tells of each direction, with what was dropped and why: before it could be \
forwarded, \
by the ring that it came to, or behind it, by the ring that it was sent on. ^C prints totals and \
ends \
with status 0; a second ^C ends it at once. The status is 1 if a port goes away, or if all that \
was to be forwarded was dropped."
)]
pub struct Args {
    /// Port, given twice; given once, or the same twice, the other port is the host stack of the
    /// interface
    #[arg(short, long = "interface", value_name = "PORT", required = true)]
    pub interfaces: Vec<String>,

    /// Slots to move at a time, from each ring
    #[arg(short, long, value_name = "SLOTS", default_value_t = 1024)]
    pub batch: usize,

    /// Say more: memory regions, rings, slots
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,

    /// Copy frames even where they could change ports without
    #[arg(short, long)]
    pub copy: bool,

    #[command(flatten)]
    pub run: Run,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

impl Args {
    /// What clap cannot check by itself: the two ports. The error is for people.
    pub fn check(&self) -> Result<[PortSpec; 2], String> {
        if self.interfaces.len() > 2 {
            return Err("-i is given twice at most: there are two ports".into());
        }
        if self.batch == 0 {
            return Err("-b wants at least 1".into());
        }
        let spec = |name: &str| ports::spec(name).map_err(|e| e.to_string());
        let [first, second] = self.names();
        let one = spec(&first)?;
        if self.only_one() && (one.is_virtual() || one.rings != Rings::Nic) {
            return Err(format!(
                "-i {first} alone does not do: only an interface has a host stack to be the other \
                 port"
            ));
        }
        Ok([one, spec(&second)?])
    }

    /// The names of both ports in full.
    pub fn names(&self) -> [String; 2] {
        let full = |i: usize| ports::full_name(self.interfaces.get(i).map_or("", |name| name));
        let first = full(0);
        let second = if self.only_one() {
            let port = ports::spec(&first).map_or(String::new(), |spec| spec.name);
            format!("netmap:{port}^")
        } else {
            full(1)
        };
        [first, second]
    }

    fn only_one(&self) -> bool {
        match &self.interfaces[..] {
            [first, second] => ports::full_name(first) == ports::full_name(second),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn names(line: &str) -> Result<[String; 2], String> {
        let args =
            Args::try_parse_from(format!("bridge {line}").split(' ')).map_err(|e| e.to_string())?;
        args.check().map(|_| args.names())
    }

    #[test]
    fn help_fits_a_terminal() {
        assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    /// Usage was `bridge [OPTIONS]`, and in the manual a list of letters.
    #[test]
    fn usage_tells_what_is_needed() {
        let help = Args::command().render_help().to_string();
        assert!(help.contains("Usage: bridge [OPTIONS] --interface <PORT>\n"));
        let page = common::generate::page::<Args>();
        assert!(page.contains(".SH SYNOPSIS\n\\fBbridge\\fR [OPTIONS] \\-\\-interface <PORT>\n"));
        assert!(Args::try_parse_from(["bridge", "--generate", "man"]).is_ok());
    }

    #[test]
    fn the_manual_names_the_options() {
        let page = common::generate::page::<Args>();
        for option in ["interface", "batch", "duration"] {
            assert!(page.contains(option), "{option}");
        }
    }

    #[test]
    fn one_interface_is_bridged_to_its_host_stack() {
        for line in [
            "-i netmap:eth0",
            "-i eth0",
            "-i eth0 -i netmap:eth0",
            "-i netmap:eth0 -i netmap:eth0^",
        ] {
            let two = ["netmap:eth0".to_owned(), "netmap:eth0^".to_owned()];
            assert_eq!(names(line), Ok(two), "{line}");
        }
    }

    #[test]
    fn usual_lines_are_understood() {
        for line in [
            "-i vale0:a -i vale1:b -b 256 -v -w 3 -c",
            "-i eth0 -i eth1 --json --duration 0.5",
            "-i netmap:eth0-1/R -i vale0:x@conf:rings=2",
        ] {
            names(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "-v",
            "-i vale0:a",
            "-i vale0:a -i vale0:a",
            "-i netmap:eth0^",
            "-i netmap:eth0-1",
            "-i a -i b -i c",
            "-i nonsense:a -i b",
            "-i a -i b -b 0",
            "-i a -i b --duration 0",
            "-i a -i b -x",
        ] {
            assert!(names(line).is_err(), "{line}");
        }
    }
}
