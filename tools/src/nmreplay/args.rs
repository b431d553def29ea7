// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line.

use crate::{
    link::Nature,
    values::{Bandwidth, Delay, Loss},
};
use clap::{ArgAction, Parser};
use common::{generate::Generate, ports, run::Run};
use std::{path::PathBuf, time::Duration};

/// Replays what was recorded as if it came over a link of given bandwidth, delay and loss.
#[derive(Parser, Debug)]
#[command(
    name = "nmreplay",
    version,
    max_term_width = 100,
    after_help = "Examples:
  nmreplay -f old.pcap -i vale0:a                      as it was recorded
  nmreplay -f old.pcap -i eth0 -B 100M -D 10ms         over 100 Mbit/s, 10 ms away
  nmreplay -f old.pcap -i eth0 -B real,2 -L 0.01       twice as fast, and every 100th is lost
  nmreplay -f old.pcap -i eth0 -D exp,1ms,5ms --loops 0
                                                       1 ms away or more, 5 on average, for ever
  nmreplay -f up.pcap -i vale0:a -f down.pcap -i vale1:b -D 10ms -D 20ms
                                                       two ways, begun at the same moment

Bandwidth says when a frame enters the link. It comes out after its delay, or is lost. Frames keep \
their order unless --reorder. Bandwidth is -B const,RATE or RATE in bits a second of the frames \
alone, ether,RATE with the 24 bytes of CRC, preamble and gap, real,FACTOR by the file's own \
times, or 0 for none. Delay is -D TIME, uniform,LEAST,MOST, exp,LEAST,MEAN or \
normal,MEAN,DEVIATION. Loss is -L RATE or plr,RATE of frames, ber,RATE of bits.

A line a second tells what was sent, and what the port dropped; the totals tell also what the \
link lost. What is late, as the port had no room, goes as \
soon as it can, and the end tells how late that was at most. ^C prints totals and ends with \
status 0; a second ^C ends it at once. The status is 1 if a port goes away, or if all that was \
sent was dropped."
)]
pub struct Args {
    /// File to replay, pcap or pcapng of Ethernet frames; given twice, the second is for the second
    /// port. Files are read into memory first
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Port to send through: an interface, a switch port, or such a name with suffixes, as for
    /// pkt-gen; one for each file
    #[arg(short, long = "interface", value_name = "PORT", required = true)]
    pub interfaces: Vec<String>,

    /// Bandwidth; given twice, of each way. By default real, as it was recorded
    #[arg(short = 'B', long = "bandwidth", value_name = "BANDWIDTH")]
    pub bandwidths: Vec<Bandwidth>,

    /// Delay; given twice, of each way. By default none
    #[arg(short = 'D', long = "delay", value_name = "DELAY")]
    pub delays: Vec<Delay>,

    /// Loss; given twice, of each way. By default none
    #[arg(short = 'L', long = "loss", value_name = "LOSS")]
    pub losses: Vec<Loss>,

    /// What random delays and losses are made of; the same brings the same. By default another each
    /// time, which is told
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Let frames with a short delay overtake others
    #[arg(long)]
    pub reorder: bool,

    /// How often to replay each file; 0 for no end
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    pub loops: usize,

    /// Frames to send at a time, where several are due
    #[arg(short, long, value_name = "FRAMES", default_value_t = 512)]
    pub batch: usize,

    /// Say more: the files, and what the links are like
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,

    #[command(flatten)]
    pub run: Run,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

/// One way.
pub struct Plan {
    pub file: PathBuf,
    pub port: String,
    pub nature: Nature,
}

impl Args {
    /// What clap cannot check by itself. The error is for people.
    pub fn check(&self) -> Result<Vec<Plan>, String> {
        let ways = self.files.len();
        if ways > 2 || self.interfaces.len() != ways {
            return Err(format!(
                "{ways} files for {} ports: give one of each, or two for the two ways",
                self.interfaces.len()
            ));
        }
        let given = [self.bandwidths.len(), self.delays.len(), self.losses.len()];
        if given.into_iter().any(|n| n > ways) {
            return Err("-B, -D and -L are given once for each way at most".into());
        }
        if self.batch == 0 {
            return Err("-b wants at least 1".into());
        }
        let names: Vec<String> = self
            .interfaces
            .iter()
            .map(|name| ports::full_name(name))
            .collect();
        if ways == 2 && names[0] == names[1] {
            return Err(format!("-i {}: the two ways need a port each", names[0]));
        }
        let plan = |way: usize| {
            let nature = Nature {
                bandwidth: of_way(&self.bandwidths, way).unwrap_or(Bandwidth::Real(1.0)),
                delay: of_way(&self.delays, way).unwrap_or(Delay::Const(Duration::ZERO)),
                loss: of_way(&self.losses, way).unwrap_or(Loss::Packets(0.0)),
                reorder: self.reorder,
            };
            if self.reorder && nature.bandwidth == Bandwidth::Free {
                return Err(
                    "--reorder: with -B 0 all frames are on the way at once: give a \
                            bandwidth"
                        .to_owned(),
                );
            }
            ports::spec(&names[way]).map_err(|e| e.to_string())?;
            Ok(Plan {
                file: self.files[way].clone(),
                port: names[way].clone(),
                nature,
            })
        };
        (0..ways).map(plan).collect()
    }

    /// Frames to replay of a recording that has so many.
    pub fn count(&self, frames: usize) -> usize {
        match self.loops {
            0 => usize::MAX,
            loops => loops.saturating_mul(frames),
        }
    }
}

/// What was given once is for both ways.
fn of_way<T: Copy>(given: &[T], way: usize) -> Option<T> {
    given.get(way).or(given.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(line: &str) -> Result<Vec<Plan>, String> {
        let words = format!("nmreplay {line}");
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
        for option in ["bandwidth", "delay", "loss", "seed", "loops"] {
            assert!(page.contains(option), "{option}");
        }
        assert!(Args::try_parse_from(["nmreplay", "--generate", "man"]).is_ok());
    }

    #[test]
    fn what_is_said_once_is_for_both_ways() {
        let plans = check("-f a -i vale0:a -f b -i eth0 -B 1M -D 1ms -D 2ms").unwrap_or_default();
        let [there, back] = &plans[..] else {
            panic!("two ways")
        };
        assert_eq!(
            (there.port.as_str(), back.port.as_str()),
            ("vale0:a", "netmap:eth0")
        );
        assert_eq!(there.nature.bandwidth, back.nature.bandwidth);
        assert_eq!(there.nature.delay, Delay::Const(Duration::from_millis(1)));
        assert_eq!(back.nature.delay, Delay::Const(Duration::from_millis(2)));
        assert_eq!(
            check("-f a -i b").unwrap_or_default()[0].nature.bandwidth,
            Bandwidth::Real(1.0)
        );
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "",
            "-f a",
            "-i a",
            "-f a -i a -i b",
            "-f a -f b -f c -i a -i b -i c",
            "-f a -f b -i eth0 -i netmap:eth0",
            "-f a -i a -B 1M -B 2M",
            "-f a -i a -B much",
            "-f a -i a -D 10",
            "-f a -i a -L 2",
            "-f a -i a -b 0",
            "-f a -i nonsense:a",
            "-f a -i a -B 0 --reorder",
            "-f a -i a --seed x",
            "-f a -i a -x",
        ] {
            assert!(check(line).is_err(), "{line}");
        }
    }
}
