// SPDX-License-Identifier: MIT OR Apache-2.0

//! Options that tell what to send of a file.

use super::values::speed;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub struct Replay {
    /// Sending: the frames of this file, pcap or pcapng, one after the other, and not those of our
    /// own making. As fast as it goes, or at the rate of -R or --speed; once, or -n frames, over
    /// and over as far as needed. The file is read into memory first
    #[arg(
        short = 'P',
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "lengths", "imix", "v4", "v6", "tcp", "vlan", "dst", "src", "random_src", "random_dst",
            "dst_mac", "src_mac", "rubbish"
        ]
    )]
    pub pcap: Option<PathBuf>,

    /// With -P: send each frame as long after the first one as it was recorded; 2 is twice as fast,
    /// 0.5 half as fast
    #[arg(long, value_name = "FACTOR", requires = "pcap", value_parser = speed)]
    pub speed: Option<f64>,

    /// With -P: how often to send the file; 0 for no end
    #[arg(
        long,
        value_name = "TIMES",
        requires = "pcap",
        conflicts_with = "count"
    )]
    loops: Option<u64>,
}

impl Replay {
    /// Frames to send of a file that has `frames`, where -n says `count`; 0 for no end.
    pub fn count(&self, frames: usize, count: u64) -> u64 {
        match (count, self.loops) {
            (0, None) => frames as u64,
            (0, Some(loops)) => loops.saturating_mul(frames as u64),
            (count, _) => count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_once_or_as_often_as_said() {
        let mut replay = Replay {
            pcap: None,
            speed: None,
            loops: None,
        };
        assert_eq!(replay.count(7, 0), 7);
        assert_eq!(replay.count(7, 10), 10);
        replay.loops = Some(3);
        assert_eq!(replay.count(7, 0), 21);
        replay.loops = Some(0);
        assert_eq!(replay.count(7, 0), 0);
    }
}
