// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line. Letters and meanings are those of netmap's vale-ctl: `-h` attaches, so help is
//! `--help` only.

use clap::{ArgAction, ArgGroup, Parser};
use common::generate::Generate;
use ferromap::{Attach, Persistent, Polling, PortSpec};

/// Shows switches (VALE) and their ports, and changes what is plugged into them.
///
/// Without an option it lists all ports. What is changed stays when this program has ended.
#[derive(Parser, Debug)]
#[command(
    name = "vale-ctl",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    group = ArgGroup::new("action"),
    after_help = "Examples:
  vale-ctl                          list all switches and their ports
  vale-ctl -l vale0 --json          the ports of one switch, one JSON object a line
  vale-ctl -g vale0:a               the numbers, rings and memory region of one port
  vale-ctl -h vale0:eth0            plug eth0 in; the machine keeps its network, through the switch
  vale-ctl -a vale0:eth0            plug eth0 in; the machine has eth0 no more
  vale-ctl -d vale0:eth0            take it out again
  vale-ctl -n p0                    make a persistent port, to be plugged in by -a vale0:p0
  vale-ctl -r p0                    remove it
  vale-ctl -p vale0:eth0 -C 1       have CPU 1 poll eth0
  vale-ctl -p vale0:eth0 -C 0,2     have CPUs 0 and 1 poll rings 0 and 1
  vale-ctl -P vale0:eth0            leave it to interrupts again

The status is 0, or 1 if the kernel refused, with its reason, or 2 if the options make no sense."
)]
pub struct Args {
    /// Plug an interface into a switch; the host stack loses it
    #[arg(short, long, value_name = "valeX:IF", group = "action")]
    pub attach: Option<String>,

    /// Plug an interface into a switch, and its host stack as a second port, named valeX:IF^
    #[arg(
        short = 'h',
        long = "attach-host",
        value_name = "valeX:IF",
        group = "action"
    )]
    pub attach_host: Option<String>,

    /// Take an interface out of a switch
    #[arg(short, long, value_name = "valeX:IF", group = "action")]
    pub detach: Option<String>,

    /// Show the numbers of one port: a port of a switch, or an interface by its name alone
    #[arg(short = 'g', long = "show", value_name = "PORT", group = "action")]
    pub show: Option<String>,

    /// List the ports of all switches, or of one; this is done also where no option is given
    #[arg(short, long, value_name = "valeX", num_args = 0..=1, group = "action")]
    pub list: Option<Option<String>>,

    /// Make a persistent port: a network interface that can be plugged into switches, with the
    /// machine's own stack behind it
    #[arg(short = 'n', long = "create", value_name = "IF", group = "action")]
    pub create: Option<String>,

    /// Remove a persistent port
    #[arg(short, long, value_name = "IF", group = "action")]
    pub remove: Option<String>,

    /// Have CPUs poll an interface that is plugged into a switch, instead of waiting for its
    /// interrupts
    #[arg(short = 'p', long = "poll", value_name = "valeX:IF", group = "action")]
    pub poll: Option<String>,

    /// End what -p began: leave the interface to its interrupts
    #[arg(
        short = 'P',
        long = "no-poll",
        value_name = "valeX:IF",
        group = "action"
    )]
    pub no_poll: Option<String>,

    /// With -p: CPU, which then polls all rings (by default CPU 0), or FIRST,COUNT: each of these
    /// CPUs polls the ring of its own number. With -n: SLOTS, or
    /// TX-SLOTS[,RX-SLOTS[,TX-RINGS[,RX-RINGS]]]
    #[arg(
        short = 'C',
        long = "config",
        value_name = "NUMBERS",
        value_delimiter = ','
    )]
    pub config: Vec<u32>,

    /// With -a, -h and -n: the memory region to use, by its number
    #[arg(short, long, value_name = "REGION")]
    pub mem_id: Option<u16>,

    /// List more columns: the number of the switch, host rings, bytes of the region
    #[arg(short, long)]
    pub verbose: bool,

    /// With -l and -g: one JSON object a line, for each port
    #[arg(long)]
    pub json: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// All ports, or those of one switch.
    List(Option<String>),
    Show(String),
    Attach(String, Attach),
    Detach(String),
    Create(String, Persistent),
    Remove(String),
    Poll(String, Polling),
    StopPolling(String),
}

impl Args {
    /// What clap cannot check by itself. The error is for people.
    pub fn action(&self) -> Result<Action, String> {
        let action = self.chosen()?;
        let looks = matches!(action, Action::List(_) | Action::Show(_));
        let sized = matches!(action, Action::Create(..) | Action::Poll(..));
        let placed = matches!(action, Action::Create(..) | Action::Attach(..));
        for (given, fits, option, goes_with) in [
            (!self.config.is_empty(), sized, "-C", "-p and -n"),
            (self.mem_id.is_some(), placed, "-m", "-a, -h and -n"),
            (self.json, looks, "--json", "-l and -g"),
        ] {
            if given && !fits {
                return Err(format!("{option} goes with {goes_with} only"));
            }
        }
        Ok(action)
    }

    fn chosen(&self) -> Result<Action, String> {
        let mem_id = self.mem_id.unwrap_or(0);
        let attach =
            |port: &str, host| Ok(Action::Attach(switch_port(port)?, Attach { host, mem_id }));
        if let Some(port) = &self.attach {
            attach(port, false)
        } else if let Some(port) = &self.attach_host {
            attach(port, true)
        } else if let Some(port) = &self.detach {
            Ok(Action::Detach(switch_port(port)?))
        } else if let Some(port) = &self.show {
            Ok(Action::Show(port.clone()))
        } else if let Some(name) = &self.create {
            Ok(Action::Create(interface(name), self.sizes()?))
        } else if let Some(name) = &self.remove {
            Ok(Action::Remove(interface(name)))
        } else if let Some(port) = &self.poll {
            Ok(Action::Poll(switch_port(port)?, self.polling()?))
        } else if let Some(port) = &self.no_poll {
            Ok(Action::StopPolling(switch_port(port)?))
        } else {
            let switch = self.list.clone().flatten();
            switch
                .map(|name| switch_name(&name))
                .transpose()
                .map(Action::List)
        }
    }

    /// -C of a port that is made.
    fn sizes(&self) -> Result<Persistent, String> {
        if self.config.len() > 4 {
            return Err("-C: a port has at most four numbers".into());
        }
        let number = |i: usize| self.config.get(i).copied();
        let tx_slots = number(0).unwrap_or(0);
        let rings = |n: Option<u32>| match u16::try_from(n.unwrap_or(0)) {
            Ok(n) => Ok(n),
            Err(_) => Err("-C: that many rings cannot be had".to_owned()),
        };
        let tx_rings = number(2);
        Ok(Persistent {
            tx_slots,
            rx_slots: number(1).unwrap_or(tx_slots),
            tx_rings: rings(tx_rings)?,
            rx_rings: rings(number(3).or(tx_rings))?,
            mem_id: self.mem_id.unwrap_or(0),
        })
    }

    /// -C of polling.
    fn polling(&self) -> Result<Polling, String> {
        match self.config[..] {
            [] => Ok(Polling::OneCpu(0)),
            [cpu] | [cpu, 1] => Ok(Polling::OneCpu(cpu)),
            [first, count] if count > 0 => Ok(Polling::Cpus { first, count }),
            _ => Err("-C: polling wants a CPU, or the first one and how many".into()),
        }
    }
}

fn switch_port(name: &str) -> Result<String, String> {
    match name.split_once(':') {
        Some((switch, port)) if switch.starts_with("vale") && !port.is_empty() => {
            PortSpec::check_length(name).map_err(|e| e.to_string())?;
            Ok(name.to_owned())
        }
        _ => Err(format!(
            "`{name}` is not a port of a switch, like vale0:eth0"
        )),
    }
}

fn switch_name(name: &str) -> Result<String, String> {
    let switch = name.strip_suffix(':').unwrap_or(name);
    PortSpec::check_length(&format!("{switch}:")).map_err(|e| e.to_string())?;
    if switch.starts_with("vale") && !switch.contains(':') {
        Ok(switch.to_owned())
    } else {
        Err(format!("`{name}` is not a switch, like vale0"))
    }
}

/// Interfaces may be given as programs name them when they open one.
fn interface(name: &str) -> String {
    name.strip_prefix("netmap:").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn action(line: &str) -> Result<Action, String> {
        let words = "vale-ctl".split(' ').chain(line.split_whitespace());
        let args = Args::try_parse_from(words).map_err(|e| e.to_string())?;
        args.action()
    }

    #[test]
    fn help_fits_a_terminal() {
        assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_manual_names_the_options() {
        let page = common::generate::page::<Args>();
        for option in ["attach", "list", "config"] {
            assert!(page.contains(option), "{option}");
        }
    }

    #[test]
    fn help_is_a_long_option_only() {
        assert!(action("--help").unwrap_err().contains("Examples"));
        assert!(matches!(
            action("-h vale0:eth0"),
            Ok(Action::Attach(_, Attach { host: true, .. }))
        ));
    }

    #[test]
    fn each_letter_is_one_action() {
        let port = || "vale0:eth0".to_owned();
        let attach = |host, mem_id| Action::Attach(port(), Attach { host, mem_id });
        let made = |tx_slots, rx_slots, tx_rings, rx_rings, mem_id| {
            let sizes = Persistent {
                tx_slots,
                rx_slots,
                tx_rings,
                rx_rings,
                mem_id,
            };
            Action::Create("v0".into(), sizes)
        };
        for (line, wanted) in [
            ("", Action::List(None)),
            ("-l", Action::List(None)),
            ("-l vale0 -v --json", Action::List(Some("vale0".into()))),
            ("-l vale0:", Action::List(Some("vale0".into()))),
            ("--json", Action::List(None)),
            ("-g vale0:eth0", Action::Show(port())),
            ("-a vale0:eth0", attach(false, 0)),
            ("-h vale0:eth0 -m 3", attach(true, 3)),
            ("-d vale0:eth0", Action::Detach(port())),
            ("-n v0", made(0, 0, 0, 0, 0)),
            ("-n v0 -C 512", made(512, 512, 0, 0, 0)),
            ("-n netmap:v0 -C 512,256,2 -m 7", made(512, 256, 2, 2, 7)),
            ("-n v0 -C 512,256,2,1", made(512, 256, 2, 1, 0)),
            ("-r v0", Action::Remove("v0".into())),
            ("-p vale0:eth0", Action::Poll(port(), Polling::OneCpu(0))),
            (
                "-p vale0:eth0 -C 1",
                Action::Poll(port(), Polling::OneCpu(1)),
            ),
            (
                "-p vale0:eth0 -C 1,1",
                Action::Poll(port(), Polling::OneCpu(1)),
            ),
            (
                "-p vale0:eth0 -C 1,2",
                Action::Poll(port(), Polling::Cpus { first: 1, count: 2 }),
            ),
            ("-P vale0:eth0", Action::StopPolling(port())),
        ] {
            assert_eq!(action(line), Ok(wanted), "{line}");
        }
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "-a eth0",
            "-a vale0:",
            "-d netmap:eth0",
            "-l eth0",
            "-l vale0:a",
            "-l vale0123456789abc",
            "-a vale0:interface9012345x",
            "-a vale0:eth0 -d vale0:eth0",
            "-a vale0:eth0 -C 1",
            "-d vale0:eth0 -m 1",
            "-a vale0:eth0 --json",
            "-n v0 -C 1,2,3,4,5",
            "-n v0 -C 1,2,65536",
            "-n v0 -C x",
            "-p vale0:eth0 -C 0,0",
            "-p vale0:eth0 -C 0,1,2",
            "-C 512",
            "vale0",
            "-x",
        ] {
            assert!(action(line).is_err(), "{line}");
        }
    }
}
