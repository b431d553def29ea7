// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line.

use crate::group::{self, Group};
use clap::{ArgAction, Parser};
use common::{cli::seconds, generate::Generate, ports, run::Run};
use ferromap::PortSpec;
use std::time::Duration;

/// Spreads what a port receives over many pipes, flow by flow, without a copy.
///
/// All frames of a flow, in both directions, go to the same pipe: of IPv4 and IPv6 by addresses and
/// the ports of TCP, UDP and SCTP, whatever the VLAN tags; of fragments and of other protocols by
/// addresses; of what is not IP by type and MAC addresses.
#[derive(Parser, Debug)]
#[command(
    name = "lb",
    version,
    max_term_width = 100,
    after_help = "Examples:
  lb -i netmap:eth0 -p 4                  what eth0 receives, over netmap:eth0{0 to netmap:eth0{3
  pkt-gen -i 'netmap:eth0}0' -f rx        one of the four that read it: note the other brace
  lb -i vale0:in -p ids:8 -p rec:1        8 pipes ids{0 to ids{7, and a pipe that gets all of it
  lb -i netmap:eth0 -p 2 -B 100000        a consumer may sleep for 100000 frames

Each group of pipes gets all frames: the first without a copy, each further one a copy of its \
own, so that no consumer sees what another one does. A frame whose pipe is full waits in that \
pipe's queue, of extra buffers (-B), and goes before later ones as soon as there is room. When no \
buffer is left the longest queue loses its oldest frame. Nobody else waits for a slow consumer.

Consumers come and go as they like. While nobody reads a pipe, its ring keeps the first frames, \
its queue the latest; who comes finds both. When the last end of a pipe is closed, it goes, with \
what is in it.

A line each interval tells what came, waits and was dropped. ^C prints totals, pipe by pipe, and \
ends with status 0; a second ^C ends it at once. The status is 1 if the port goes away, or if all \
that came was dropped."
)]
pub struct Args {
    /// Port to read: an interface, a switch port, or such a name with suffixes, as for pkt-gen. A
    /// switch port that is made by this lies in memory region 1, which has room for many pipes,
    /// unless @N or @extmem says otherwise
    #[arg(
        short,
        long,
        value_name = "PORT",
        required = true,
        default_value = "",
        hide_default_value = true
    )]
    pub interface: String,

    /// A group of N pipes, NAME{0 to NAME{N-1, on the port unless a NAME is given: another port, or
    /// a name that is nobody's. Options tell their sizes: 4@conf:slots=256. A port bears 64. May be
    /// repeated
    #[arg(
        short = 'p',
        long = "pipes",
        value_name = "[NAME:]N[@OPTION]",
        required = true
    )]
    pub groups: Vec<Group>,

    /// Extra buffers for frames whose pipe is full, for all pipes together; 0 drops such frames
    #[arg(short = 'B', long, value_name = "BUFFERS", default_value_t = 8192)]
    pub buffers: u32,

    /// Slots to take at a time, from each ring
    #[arg(short, long, value_name = "SLOTS", default_value_t = 1024)]
    pub batch: usize,

    /// Seconds between reports
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub statistics: Duration,

    /// Report pipe by pipe
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,

    #[command(flatten)]
    pub run: Run,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

/// The port and the pipes' names, group by group.
pub struct Plan {
    pub name: String,
    pub spec: PortSpec,
    pub pipes: Vec<Vec<String>>,
}

impl Args {
    /// What clap cannot check by itself. The error is for people.
    pub fn check(&self) -> Result<Plan, String> {
        if self.batch == 0 {
            return Err("-b wants at least 1".into());
        }
        let name = ports::full_name(&self.interface);
        let spec = ports::spec(&name).map_err(|e| e.to_string())?;
        if spec.is_null() {
            return Err(format!("-i {name}: nothing ever comes to a null port"));
        }
        let pipes = group::names(&self.groups, &spec)?;
        Ok(Plan { name, spec, pipes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(line: &str) -> Result<Plan, String> {
        let words = format!("lb {line}");
        let args = Args::try_parse_from(words.trim().split(' ')).map_err(|e| e.to_string())?;
        args.check()
    }

    #[test]
    fn help_fits_a_terminal() {
        assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
        let page = common::generate::page::<Args>();
        for option in ["interface", "pipes", "buffers", "statistics"] {
            assert!(page.contains(option), "{option}");
        }
        assert!(Args::try_parse_from(["lb", "--generate", "man"]).is_ok());
    }

    #[test]
    fn usual_lines_are_understood() {
        for line in [
            "-i eth0 -p 4",
            "-i netmap:eth0-1 -p a:4 -p b:2 -B 100000 -b 64 -w 3 -s 0.5",
            "-i vale0:in@1 -p 2@conf:slots=64 --json --duration 1 -v",
        ] {
            check(line)
                .map(|_| ())
                .unwrap_or_else(|e| panic!("{line}: {e}"));
        }
        assert_eq!(
            check("-i eth0 -p 2").map(|plan| plan.name),
            Ok("netmap:eth0".into())
        );
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "",
            "-i eth0",
            "-p 4",
            "-i null:x -p 4",
            "-i eth0 -p 0",
            "-i eth0 -p 4 -b 0",
            "-i eth0 -p 4 -B x",
            "-i eth0 -p 4 -s 0",
            "-i nonsense:a -p 4",
            "-i eth0 -p 4 -x",
        ] {
            assert!(check(line).is_err(), "{line}");
        }
    }
}
