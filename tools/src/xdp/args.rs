// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line.

use crate::{place::is_port, rules::Rule};
use clap::{Parser, Subcommand, ValueEnum};
use common::{generate::Generate, watch::Watch};

/// Loads XDP programs onto network interfaces and switch ports, shows what they decide, and takes
/// them off.
#[derive(Parser, Debug)]
#[command(
    name = "xdp",
    version,
    // A subcommand that clap required would be so with --generate, too.
    override_usage = "xdp <COMMAND>",
    max_term_width = 100,
    after_help = "Examples:
  xdp load -d eth0 count                       count what comes in
  xdp load -d eth0 filter 10.0.0.0/8 udp:53    drop what matches
  xdp load -d eth0 -m native program.o         a program of yours, run by the driver itself
  xdp load -d vale0:a drop                     on a port of a switch; vale0: is the whole switch
  xdp status                                   all programs, with what they decided
  xdp status -d eth0 --watch                   frames and bits a second
  xdp unload -d eth0                           take it off again

Programs stay when this tool has ended. ip link, bpftool prog and bpftool net show them as any \
other. It needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN. \
The status is 0, or 1 if something was refused, with the reason, or 2 if the options make no sense."
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
    Load(Load),
    Status(Status),
    Unload(Unload),
    Filter(Filter),
}

/// Load a program onto an interface, a port of a switch, or a whole switch.
#[derive(clap::Args, Debug)]
#[command(after_help = "Programs that are built in:
  drop     drops every frame
  pass     leaves every frame to the stack, or to the switch
  count    the same, to see what comes
  reflect  swaps the MAC addresses and sends the frame back
  filter   drops frames that match one of the rules, see xdp filter --help

Examples:
  xdp load -d eth0 drop
  xdp load -d eth0 -m generic count
  xdp load -d eth0 filter 10.0.0.0/8 tcp:22 0x86dd
  xdp load -d eth0 program.o             the only XDP program of an object file
  xdp load -d eth0 program.o:xdp/first   that of a section, or a function, where there are several
  xdp load -d vale0:a drop

A program that this tool loaded before is replaced; one of somebody else only with --force, also \
if a BPF link holds it.")]
pub struct Load {
    /// An interface (eth0), a port of a switch (vale0:a), or a whole switch (vale0:)
    #[arg(short, long, value_name = "DEVICE")]
    pub device: String,

    /// Who runs it: the stack, which any interface can do, or the driver; by default (auto) the
    /// driver if it does
    #[arg(short, long)]
    pub mode: Option<WantedMode>,

    /// Replace a program that this tool did not load
    #[arg(long)]
    pub force: bool,

    /// If it is refused, print all that the verifier and libbpf say
    #[arg(short, long)]
    pub verbose: bool,

    /// A built-in program, or an object file with a section: FILE.o[:SECTION]
    pub program: String,

    /// Rules for filter
    #[arg(value_name = "RULE")]
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WantedMode {
    Generic,
    Native,
    Auto,
}

/// Show programs, with what they decided: all of them, or those of one device.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  xdp status                            all, since they were loaded
  xdp status -d eth0 --watch            rates each second
  xdp status --watch=0.5 -n 4           every half second, four times
  xdp status --json                     one JSON object a line

Programs on switch ports are counted by the switch, and those that are built in count themselves, \
as does any program that uses tools/bpf/counts.h. All others are counted with --watch only, for as \
long as it runs.")]
pub struct Status {
    /// An interface (eth0), a port of a switch (vale0:a), or a whole switch (vale0:)
    #[arg(short, long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub watch: Watch,
}

/// Take a program off.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  xdp unload -d eth0              what this tool loaded
  xdp unload -d eth0 --id 12      that program, whoever loaded it
  xdp unload -d vale0:a --force   whatever is there

What somebody holds by a BPF link is detached from it, and who holds it is told.")]
pub struct Unload {
    /// An interface (eth0), a port of a switch (vale0:a), or a whole switch (vale0:)
    #[arg(short, long, value_name = "DEVICE")]
    pub device: String,

    /// Only the program with this id, and that even if this tool did not load it
    #[arg(long, value_name = "N")]
    pub id: Option<u32>,

    /// Also what this tool did not load
    #[arg(long)]
    pub force: bool,
}

/// Show and change the rules of the program filter while it runs.
#[derive(clap::Args, Debug)]
#[command(after_help = "A rule is one of
  10.0.0.0/8, 2001:db8::/32   the source address of an IP packet begins so
  tcp:22, udp:53              a packet of TCP or UDP goes to that port
  0x86dd                      the frame has this EtherType
A frame that matches any rule is dropped; all others pass. It looks behind two VLAN tags, IPv4 \
options, and six extension headers of IPv6. Of a fragmented packet the first fragment alone has a \
port; the others are not dropped by a rule for ports, and are of no use to the receiver. A tag \
that the hardware took off is not seen.

Examples:
  xdp filter -d eth0 add 10.0.0.0/8 udp:53
  xdp filter -d eth0 del udp:53
  xdp filter -d eth0 list")]
pub struct Filter {
    /// An interface (eth0), a port of a switch (vale0:a), or a whole switch (vale0:)
    #[arg(short, long, value_name = "DEVICE")]
    pub device: String,

    /// With list: one JSON object a line
    #[arg(long)]
    pub json: bool,

    pub what: Change,

    #[arg(value_name = "RULE")]
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Change {
    /// Drop what matches these, too
    Add,
    /// Drop it no longer
    Del,
    /// Show all rules
    List,
}

impl Command {
    /// What clap cannot check by itself. The error is for people.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Command::Load(load) => load.check(),
            Command::Status(_) | Command::Unload(_) => Ok(()),
            Command::Filter(filter) => match (filter.what, filter.rules.is_empty()) {
                (Change::List, false) => Err("list takes no rules".into()),
                (Change::Add | Change::Del, true) => {
                    Err("which rules? As in: xdp filter -d eth0 add udp:53".into())
                }
                (Change::Add | Change::Del, _) if filter.json => {
                    Err("--json goes with list only".into())
                }
                _ => Ok(()),
            },
        }
    }
}

impl Load {
    fn check(&self) -> Result<(), String> {
        if !self.rules.is_empty() && self.program != "filter" {
            return Err("rules go with the program filter only".into());
        }
        let named = !matches!(self.mode, None | Some(WantedMode::Auto));
        if named && is_port(&self.device) {
            return Err("-m is for interfaces: on a port, the switch runs the program".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(line: &str) -> Result<Command, String> {
        let words = "xdp".split(' ').chain(line.split_whitespace());
        let args = Args::try_parse_from(words).map_err(|e| e.to_string())?;
        let command = args.command.ok_or("nothing")?;
        command.check().map(|()| command)
    }

    #[test]
    fn help_fits_a_terminal() {
        assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    /// It was `xdp [COMMAND]`, and in the manual a list of letters.
    #[test]
    fn usage_tells_what_is_needed() {
        let help = Args::command().render_help().to_string();
        assert!(help.contains("Usage: xdp <COMMAND>\n"));
        let page = common::generate::page::<Args>();
        assert!(page.contains(".SH SYNOPSIS\n\\fBxdp\\fR <COMMAND>\n"));
        assert!(
            page.contains(
                ".SS SYNOPSIS\n\\fBxdp load\\fR [OPTIONS] \\-\\-device <DEVICE> \
            <PROGRAM> [RULE]...\n"
            ),
            "{page}"
        );
    }

    #[test]
    fn help_has_examples() {
        for line in ["", "load ", "status ", "unload ", "filter "] {
            let help = read(&format!("{line}--help")).unwrap_err();
            assert!(help.contains("Examples:\n  xdp "), "{help}");
        }
    }

    #[test]
    fn lines_that_make_sense_are_taken() {
        for line in [
            "load -d eth0 drop",
            "load -d eth0 -m generic drop",
            "load -d eth0 -m auto /tmp/a.o:xdp",
            "load -d eth0 filter 10.0.0.0/8 udp:53",
            "load -d vale0:a -m auto drop",
            "load -d vale0: drop --force",
            "status",
            "status -d eth0 --json --watch=0.5 -n 3",
            "unload -d eth0 --id 12",
            "unload -d vale0:a --force",
            "filter -d eth0 add tcp:22",
            "filter -d eth0 list --json",
        ] {
            read(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        }
    }

    #[test]
    fn others_are_refused() {
        for line in [
            "",
            "load drop",
            "load -d eth0",
            "load -d eth0 -m sideways drop",
            "load -d vale0:a -m generic drop",
            "load -d vale0: -m native drop",
            "load -d eth0 drop udp:53",
            "load -d eth0 filter udp:x",
            "status --watch=0",
            "status -n 0",
            "unload",
            "unload -d eth0 --id x",
            "filter -d eth0",
            "filter -d eth0 add",
            "filter -d eth0 list udp:53",
            "filter -d eth0 add udp:53 --json",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
