// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line. Letters and meanings are those of netmap's pkt-gen; what that does not have
//! has no letter but `-q`.

mod frame;
mod replay;
#[cfg(test)]
mod tests;
mod values;

use clap::{ArgAction, Parser, ValueEnum};
use common::{cli::number, generate::Generate, ports, run::Run};
use ferromap::PortSpec;
use frame::FrameArgs;
use replay::Replay;
use std::path::PathBuf;
pub use values::mac;
use values::RingSizes;

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

impl Function {
    /// Whether it sends frames of its own, and nothing else.
    pub fn sends(self) -> bool {
        matches!(self, Function::Tx | Function::TxSeq)
    }

    /// Whether it receives, and nothing else.
    pub fn receives(self) -> bool {
        matches!(self, Function::Rx | Function::RxSeq)
    }
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
  pkt-gen -i eth0 -f tx --imix --vlan 100 --tcp S -s 10.0.0.1:1024-10.0.0.9:65535
                                              many flows of TCP SYNs, of mixed sizes, tagged
  pkt-gen -i eth0 -f rx --capture new.pcap    keep what comes
  pkt-gen -i eth0 -f tx -P old.pcap --speed 1
                                              send what was recorded, as it came
  pkt-gen -i eth0 -f tx -P old.pcap --loops 0
                                              ... over and over, as fast as it goes
  pkt-gen -i vale0:a -f pong                  answer ...
  pkt-gen -i vale0:b -f ping -n 1000          ... and measure how long that takes
  pkt-gen -i vale0:c -f rx -p 4 -C 1024,1024,4,4
                                              four rings, a thread each

^C prints totals, with what was dropped and why; a second ^C ends it at once. The status is 0; or \
1 if something failed, or if all that was sent was dropped; or 2 if the options make no sense."
)]
pub struct Args {
    /// Port: an interface (eth0), a switch port (vale0:a), or such a name with suffixes: {ID or
    /// }ID for an end of pipe ID, -N for ring pair N, ^ or ^N for host rings, * for both, /x
    /// exclusive, /R or /T receive or transmit only, /t, /r or /z to watch the port, @N memory
    /// region N, @share=PORT that of another port, @extmem=FILE memory of a file (/dev/shm/x),
    /// @conf:slots=N,rings=N its rings, @offset=N frames N bytes into their buffers. An interface
    /// of exactly that name wins over suffixes
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

    /// Frames to handle at a time
    #[arg(short, long, value_name = "FRAMES", default_value_t = 512)]
    pub burst: usize,

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

    /// Frames per second to send, as in 1000, 50k, 1.5M; by default as fast as it goes
    #[arg(short = 'R', long, value_name = "PPS", value_parser = number)]
    pub rate: Option<u64>,

    /// Dump every frame that is sent or received
    #[arg(short = 'X', long)]
    pub dump: bool,

    /// Print plain numbers: 1234567 pps, not 1.235 Mpps
    #[arg(short = 'N')]
    pub plain_units: bool,

    /// Receiving: exit at once if nothing is there
    #[arg(short = 'W')]
    pub no_wait: bool,

    /// At the end, print mean and standard deviation of the reported rates
    #[arg(short = 'A')]
    pub statistics: bool,

    /// Count 24 bytes of CRC, preamble and gap for each frame in the bit rates
    #[arg(short = 'B')]
    pub framing: bool,

    /// Slots and rings of a port that is created: TX_SLOTS[,RX_SLOTS[,TX_RINGS[,RX_RINGS]]]. What
    /// is 0 is as the port has it by itself
    #[arg(short = 'C', long = "config", value_name = "NUMBERS")]
    pub config: Option<RingSizes>,

    /// Ask for so many buffers beside those of the rings, and say how many came
    #[arg(short = 'e', long, value_name = "BUFFERS", default_value_t = 0)]
    pub extra_buffers: u32,

    /// Say more; may be repeated
    #[arg(short, action = ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing before the totals
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    #[command(flatten)]
    pub run: Run,

    #[command(flatten)]
    pub frame: FrameArgs,

    #[command(flatten)]
    pub replay: Replay,

    /// Receiving: keep all frames in this pcap file, with nanoseconds. They have the time at which
    /// they were taken from the ring, which all frames of a batch have in common
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub capture: Option<PathBuf>,

    /// (refused) Experimental options of the C tool
    #[arg(short = 'o', hide = true)]
    pub options: Option<String>,

    /// Print the manual page, or the completion script of a shell, and exit
    #[arg(long, value_name = "WHAT", hide = true, exclusive = true)]
    pub generate: Option<Generate>,
}

impl Args {
    /// What clap cannot check by itself, and names made complete. The error is for people.
    pub fn check(&mut self) -> Result<PortSpec, String> {
        if self.options.is_some() {
            return Err("-o is not supported by this pkt-gen".into());
        }
        self.interface = ports::full_name(&self.interface);
        let spec = ports::spec(&self.interface).map_err(|e| e.to_string())?;
        if self.burst == 0 || self.threads == 0 {
            return Err("-b and -p want at least 1".into());
        }
        if self.rate == Some(0) {
            self.rate = None;
        }
        if self.capture.is_some() && !self.function.receives() {
            return Err("--capture keeps what is received: it goes with -f rx or rxseq".into());
        }
        if self.replay.pcap.is_some() && self.function != Function::Tx {
            return Err("-P sends what was recorded: it goes with -f tx".into());
        }
        if self.replay.speed.is_some() && self.rate.is_some() {
            return Err("--speed keeps the file's times, -R sets a rate: give one of them".into());
        }
        let marked = matches!(self.function, Function::Ping | Function::TxSeq);
        self.frame.check(marked)?;
        if self.frame.indirect && self.varies() {
            return Err(
                "-I sends frames from where they lie: it does not go with -z, -Z, ranges, txseq, \
                --imix or random sizes, which make each frame anew"
                    .into(),
            );
        }
        Ok(spec)
    }

    /// Whether frames differ from each other, and are made by us.
    pub fn varies(&self) -> bool {
        self.function == Function::TxSeq || self.frame.varies()
    }
}
