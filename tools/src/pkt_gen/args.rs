// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line. Letters and meanings are those of netmap's pkt-gen.

use crate::{flow::Range, frame};
use clap::{ArgAction, Parser, ValueEnum};
use common::{
    cli::{seconds, Generate},
    ports,
};
use ferromap::PortSpec;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Function {
    /// Send as fast as it goes, or at the rate of -R
    Tx,
    /// Receive and count
    Rx,
    /// Send a frame, wait for its answer, measure the time
    Ping,
    /// Send every received frame back
    Pong,
    /// As tx, with a sequence number in each frame
    TxSeq,
    /// As rx, checking the sequence numbers
    RxSeq,
}

/// Sends and receives packets through the netmap API, as fast as they go.
#[derive(Parser, Debug)]
#[command(
    name = "pkt-gen",
    version,
    max_term_width = 100,
    after_help = "Examples:
  pkt-gen -i eth0 -f rx                       count what comes
  pkt-gen -i eth0 -f tx -n 1000 -l 1500       send 1000 frames
  pkt-gen -i vale0:a -f pong                  answer ...
  pkt-gen -i vale0:b -f ping -n 1000          ... and measure how long that takes

^C prints totals, with what was dropped and why; a second ^C ends it at once. The status is 0; or \
1 if something failed, or if all that was sent was dropped; or 2 if the options make no sense."
)]
pub struct Args {
    /// Port: an interface (eth0), a switch port (vale0:a), or such a name with suffixes: -N for
    /// ring pair N, ^ or ^N for host rings, * for both, /x exclusive, /R or /T receive or transmit
    /// only, @N memory region N. An interface of exactly that name wins over suffixes
    #[arg(
        short,
        long,
        value_name = "PORT",
        required = true,
        default_value = "",
        hide_default_value = true
    )]
    pub interface: String,

    /// What to do
    #[arg(short, long, value_name = "FUNCTION", default_value = "rx")]
    pub function: Function,

    /// Frames to send or receive, or ping-pong rounds; 0 for no end
    #[arg(short = 'n', long, value_name = "COUNT", default_value = "0", value_parser = number)]
    pub count: u64,

    /// Bytes of a frame without its CRC; given twice, sizes vary at random between the two
    #[arg(short = 'l', long = "length", value_name = "BYTES", action = ArgAction::Append)]
    pub lengths: Vec<usize>,

    /// Frames to handle at a time
    #[arg(short, long, value_name = "FRAMES", default_value_t = 512)]
    pub burst: usize,

    /// Use IPv4 (this is so anyhow)
    #[arg(short = '4', conflicts_with = "v6")]
    pub v4: bool,

    /// Use IPv6
    #[arg(short = '6')]
    pub v6: bool,

    /// Destination address, or a range of them that the frames walk through
    #[arg(short, long, value_name = "IP[:PORT[-IP:PORT]]")]
    pub dst: Option<Range>,

    /// Source address, or a range of them that the frames walk through
    #[arg(short, long, value_name = "IP[:PORT[-IP:PORT]]")]
    pub src: Option<Range>,

    /// Destination MAC address
    #[arg(
        short = 'D',
        long,
        value_name = "MAC",
        default_value = "ff:ff:ff:ff:ff:ff",
        value_parser = mac
    )]
    pub dst_mac: [u8; 6],

    /// Source MAC address; by default that of the interface
    #[arg(short = 'S', long, value_name = "MAC", value_parser = mac)]
    pub src_mac: Option<[u8; 6]>,

    /// Pin the first thread to this CPU, the others to the following ones
    #[arg(short = 'a', long, value_name = "CPU")]
    pub affinity: Option<usize>,

    /// Use at most this many CPUs; 0 for all
    #[arg(short, long, value_name = "CPUS", default_value_t = 0)]
    pub cpus: usize,

    /// Threads, each with a ring, or a pair of rings, of its own
    #[arg(short = 'p', long, value_name = "THREADS", default_value_t = 1)]
    pub threads: u16,

    /// Milliseconds between reports
    #[arg(
        short = 'T',
        long,
        value_name = "MS",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub report_ms: u64,

    /// Seconds to wait for the link; by default 2, and 0 where there is no wire
    #[arg(short, long, value_name = "SECONDS")]
    pub wait_link: Option<u64>,

    /// Frames per second to send, as in 1000, 50k, 1.5M; by default as fast as it goes
    #[arg(short = 'R', long, value_name = "PPS", value_parser = number)]
    pub rate: Option<u64>,

    /// Dump every frame that is sent or received
    #[arg(short = 'X', long)]
    pub dump: bool,

    /// Put a virtio-net header of this many zero bytes before each frame: 0, 10 or 12
    #[arg(short = 'H', long, value_name = "BYTES", value_parser = vnet)]
    pub vnet_header: Option<u32>,

    /// Use random source addresses and ports
    #[arg(short = 'z')]
    pub random_src: bool,

    /// Use random destination addresses and ports
    #[arg(short = 'Z')]
    pub random_dst: bool,

    /// Print plain numbers: 1234567 pps, not 1.23 Mpps
    #[arg(short = 'N')]
    pub plain_units: bool,

    /// Spread each frame over this many slots
    #[arg(
        short = 'F',
        long,
        value_name = "SLOTS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub fragments: u16,

    /// With -F, bytes of each fragment but the last
    #[arg(short = 'M', long, value_name = "BYTES")]
    pub fragment_size: Option<usize>,

    /// Have the kernel take frames from outside the buffers (switch ports only)
    #[arg(short = 'I')]
    pub indirect: bool,

    /// Receiving: exit at once if nothing is there
    #[arg(short = 'W')]
    pub no_wait: bool,

    /// Sending: do not fill the buffers, send what is in them
    #[arg(short = 'r')]
    pub rubbish: bool,

    /// At the end, print mean and standard deviation of the reported rates
    #[arg(short = 'A')]
    pub statistics: bool,

    /// Count 24 bytes of CRC, preamble and gap for each frame in the bit rates
    #[arg(short = 'B')]
    pub framing: bool,

    /// Slots and rings of a port that is created: TX_SLOTS[,RX_SLOTS[,TX_RINGS[,RX_RINGS]]]
    #[arg(
        short = 'C',
        long = "config",
        value_name = "NUMBERS",
        value_delimiter = ',',
        num_args = 1..=4
    )]
    pub config: Vec<u32>,

    /// Say more; may be repeated
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,

    /// One JSON object a line: a report for each interval, and a summary
    #[arg(long)]
    pub json: bool,

    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<Duration>,

    /// (refused) Send packets from a pcap file
    #[arg(short = 'P', hide = true)]
    pub pcap: Option<String>,

    /// (refused) Experimental options of the C tool
    #[arg(short = 'o', hide = true)]
    pub options: Option<String>,

    /// (refused) Extra buffers
    #[arg(short = 'e', hide = true)]
    pub extra_buffers: Option<u32>,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

impl Args {
    /// What clap cannot check by itself, and names made complete. The error is for people.
    pub fn check(&mut self) -> Result<PortSpec, String> {
        for (given, letter) in [
            (self.pcap.is_some(), "-P"),
            (self.options.is_some(), "-o"),
            (self.extra_buffers.is_some(), "-e"),
        ] {
            if given {
                return Err(format!("{letter} is not supported by this pkt-gen"));
            }
        }
        self.interface = ports::full_name(&self.interface);
        let spec = ports::spec(&self.interface).map_err(|e| e.to_string())?;
        if self.lengths.len() > 2 {
            return Err("-l may be given once, or twice for random sizes".into());
        }
        self.v6 |= [self.src, self.dst]
            .iter()
            .flatten()
            .any(|r| r.first.ip.is_ipv6());
        let least = frame::min_len(self.v6);
        if self.lengths.is_empty() {
            self.lengths.push(if self.v6 {
                least + frame::PAYLOAD_MIN
            } else {
                60
            });
        }
        self.lengths.sort_unstable();
        if self.lengths[0] < least {
            return Err(format!("-l: the headers alone take {least} bytes"));
        }
        let marked = matches!(self.function, Function::Ping | Function::TxSeq);
        if marked && self.lengths[0] < least + frame::PAYLOAD_MIN {
            return Err(format!(
                "-l: with the sequence number and time stamp a frame has at least {} bytes",
                least + frame::PAYLOAD_MIN
            ));
        }
        if self.lengths.last() > Some(&65_000) {
            return Err("-l: at most 65000 bytes".into());
        }
        for range in [self.src, self.dst].iter().flatten() {
            if range.first.ip.is_ipv6() != self.v6 {
                return Err("-s and -d must both be IPv4, or both IPv6".into());
            }
        }
        if self.burst == 0 || self.threads == 0 {
            return Err("-b and -p want at least 1".into());
        }
        if self.rate == Some(0) {
            self.rate = None;
        }
        if self.indirect && (self.fragments > 1 || self.varies()) {
            return Err(
                "-I sends one frame over and over: it does not go with -F, -z, -Z, ranges, \
                txseq or random sizes"
                    .into(),
            );
        }
        Ok(spec)
    }

    /// Whether frames differ from each other.
    pub fn varies(&self) -> bool {
        let walks = |range: Option<Range>| range.is_some_and(|r| !r.is_single());
        self.function == Function::TxSeq
            || self.random_src
            || self.random_dst
            || self.lengths.len() > 1
            || walks(self.src)
            || walks(self.dst)
    }

    pub fn shortest(&self) -> usize {
        self.lengths.first().copied().unwrap_or(60)
    }

    pub fn longest(&self) -> usize {
        self.lengths.last().copied().unwrap_or(60)
    }
}

/// A count, perhaps with a unit and a fraction: `1000`, `50k`, `1.5M`.
fn number(text: &str) -> Result<u64, String> {
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

fn vnet(text: &str) -> Result<u32, String> {
    match text {
        "0" => Ok(0),
        "10" => Ok(10),
        "12" => Ok(12),
        _ => Err("a virtio-net header has 0, 10 or 12 bytes".into()),
    }
}

pub fn mac(text: &str) -> Result<[u8; 6], String> {
    let wrong = || format!("`{text}` is not a MAC address, like 02:00:00:00:00:01");
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts
            .next()
            .filter(|p| (1..=2).contains(&p.len()))
            .ok_or_else(wrong)?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
    }
    parts.next().is_none().then_some(mac).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn args(line: &str) -> Result<Args, String> {
        let mut args = Args::try_parse_from(format!("pkt-gen {line}").split(' '))
            .map_err(|e| e.to_string())?;
        args.check().map(|_| args)
    }

    #[test]
    fn help_fits_a_terminal() {
        assert_eq!(common::cli::bad_help(Args::command()), [""; 0]);
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    /// It was `pkt-gen [OPTIONS]`.
    #[test]
    fn usage_tells_what_is_needed() {
        let help = Args::command().render_help().to_string();
        assert!(help.contains("Usage: pkt-gen [OPTIONS] --interface <PORT>\n"));
    }

    #[test]
    fn the_manual_names_the_options() {
        let page = common::cli::page::<Args>();
        for option in ["interface", "burst", "duration"] {
            assert!(page.contains(option), "{option}");
        }
        assert!(Args::try_parse_from(["pkt-gen", "--generate", "bash"]).is_ok());
    }

    #[test]
    fn usual_lines_are_understood() {
        for line in [
            "-i vale0:a",
            "-i eth0 -f tx -n 1000 -l 60 -b 512 -d 10.0.0.1:80-10.0.0.9:90 -s 10.1.0.1",
            "-i vale0:a -f ping -l 60",
            "-i vale0:a -f txseq -R 1.5M -p 2 -a 0 -c 2",
            "-i vale0:a -f tx -l 1500 -l 64 -z -Z -N -B -A",
            "-i vale0:a -f tx -6",
            "-i vale0:a -f tx -F 3 -l 4000 -M 1400",
            "-i vale0:a{1 -f rx -C 512,512,2,2 -W -X --json --duration 0.5",
        ] {
            args(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "-f tx",
            "-i vale0:a -f send",
            "-i nonsense:a",
            "-i vale0:a -l 20",
            "-i vale0:a -f ping -l 50",
            "-i vale0:a -l 60 -l 70 -l 80",
            "-i vale0:a -s 10.0.0.1 -d fd00::1",
            "-i vale0:a -H 11",
            "-i vale0:a -R x",
            "-i vale0:a -D 1:2:3",
            "-i vale0:a -b 0",
            "-i vale0:a -P file.pcap",
            "-i vale0:a -4 -6",
            "-i vale0:a --duration 0",
        ] {
            assert!(args(line).is_err(), "{line}");
        }
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(number("1500"), Ok(1500));
        assert_eq!(number("1.5k"), Ok(1500));
        assert_eq!(number("14.88M"), Ok(14_880_000));
        for bad in ["", "k", "-1", "1x", "nanM", "infG"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
