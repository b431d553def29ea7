// SPDX-License-Identifier: MIT OR Apache-2.0

//! Options that tell what frames are like.

use super::values::{mac, vnet};
use crate::{
    flow::Range,
    frame::PAYLOAD_MIN,
    layers::{Layers, Tag, TcpFlags},
    sizes::{Mix, IMIX},
};
use clap::{ArgAction, Args};

#[derive(Args, Debug)]
#[command(next_help_heading = "Frames")]
pub struct FrameArgs {
    /// Bytes of a frame without its CRC; given twice, sizes vary at random between the two
    #[arg(short = 'l', long = "length", value_name = "BYTES", action = ArgAction::Append)]
    lengths: Vec<usize>,

    /// Frames of mixed sizes: BYTES:FRAMES,BYTES:FRAMES,... over and over, without CRC. By itself
    /// 60:7,590:4,1514:1, the "simple IMIX" of many testers: with their CRC 7 frames of 64 bytes, 4
    /// of 594 and 1 of 1518. RFC 6985 tells what such a mix is for
    #[arg(
        long,
        value_name = "MIX",
        num_args = 0..=1,
        default_missing_value = IMIX,
        conflicts_with = "lengths"
    )]
    pub imix: Option<Mix>,

    /// Use IPv4 (this is so anyhow)
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,

    /// Use IPv6
    #[arg(short = '6')]
    pub v6: bool,

    /// Send TCP segments with these flags, letters of FSRPAU, by itself A, and not UDP
    #[arg(long, value_name = "FLAGS", num_args = 0..=1, default_missing_value = "A")]
    pub tcp: Option<TcpFlags>,

    /// Put a VLAN tag into each frame: ID or ID:PRIORITY. Given twice (QinQ), the first is the
    /// outer one, of type 0x88a8. Its 4 bytes count in the frame's length
    #[arg(long, value_name = "TAG", action = ArgAction::Append)]
    vlan: Vec<Tag>,

    /// Destination address, or a range of them that the frames walk through, port by port, then
    /// address by address
    #[arg(short, long, value_name = "IP[:PORT[-IP:PORT]]")]
    pub dst: Option<Range>,

    /// Source address, or a range of them that the frames walk through
    #[arg(short, long, value_name = "IP[:PORT[-IP:PORT]]")]
    pub src: Option<Range>,

    /// Use random source addresses and ports: of the range of -s, or else of the address's /16 or,
    /// with IPv6, /64
    #[arg(short = 'z')]
    pub random_src: bool,

    /// Use random destination addresses and ports, likewise
    #[arg(short = 'Z')]
    pub random_dst: bool,

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

    /// Put a virtio-net header of this many zero bytes before each frame: 0, 10 or 12. A switch
    /// port is set to it
    #[arg(short = 'H', long, value_name = "BYTES", value_parser = vnet)]
    pub vnet_header: Option<u32>,

    /// Spread each frame over this many slots
    #[arg(
        short = 'F',
        long,
        value_name = "SLOTS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub fragments: u16,

    /// With -F, bytes of each fragment but the last, if that is less than an even share
    #[arg(short = 'M', long, value_name = "BYTES")]
    pub fragment_size: Option<usize>,

    /// Have the kernel take frames from outside the buffers (switch ports only)
    #[arg(short = 'I')]
    pub indirect: bool,

    /// Sending: do not fill the buffers, send what is in them
    #[arg(short = 'r')]
    pub rubbish: bool,
}

/// The most that a frame may have.
const MOST: usize = 65_000;
/// What a frame has, if nobody says otherwise and its headers leave room.
const USUAL: usize = 60;

impl FrameArgs {
    /// `marked`: each frame is to have a sequence number and a time stamp.
    pub fn check(&mut self, marked: bool) -> Result<(), String> {
        if self.lengths.len() > 2 {
            return Err("-l may be given once, or twice for random sizes".into());
        }
        if self.vlan.len() > 2 {
            return Err("--vlan may be given once, or twice for a tag within a tag".into());
        }
        let ranges = [self.src, self.dst];
        let ranges = ranges.iter().flatten();
        self.v6 |= ranges.clone().any(|r| r.first.ip.is_ipv6());
        for range in ranges {
            if range.first.ip.is_ipv6() != self.v6 {
                return Err("-s and -d must both be IPv4, or both IPv6".into());
            }
        }
        let headers = self.layers().headers();
        if self.lengths.is_empty() {
            self.lengths.push(USUAL.max(headers + PAYLOAD_MIN));
        }
        let (option, shortest) = match &self.imix {
            Some(_) => ("--imix", self.shortest()),
            None => ("-l", self.shortest()),
        };
        if shortest < headers {
            return Err(format!(
                "{option}: the headers alone take {headers} bytes, more than {shortest}"
            ));
        }
        if marked && shortest < headers + PAYLOAD_MIN {
            return Err(format!(
                "{option}: with the sequence number and time stamp a frame has at least {} bytes",
                headers + PAYLOAD_MIN
            ));
        }
        if self.longest() > MOST {
            return Err(format!("{option}: at most {MOST} bytes"));
        }
        Ok(())
    }

    pub fn layers(&self) -> Layers {
        Layers {
            tags: self.vlan.clone(),
            v6: self.v6,
            tcp: self.tcp,
        }
    }

    /// Whether frames are to differ from each other.
    pub fn varies(&self) -> bool {
        let walks = |range: Option<Range>| range.is_some_and(|r| !r.is_single());
        self.random_src
            || self.random_dst
            || self.shortest() < self.longest()
            || walks(self.src)
            || walks(self.dst)
    }

    pub fn shortest(&self) -> usize {
        match &self.imix {
            Some(mix) => mix.shortest(),
            None => self.lengths.iter().copied().min().unwrap_or(USUAL),
        }
    }

    pub fn longest(&self) -> usize {
        match &self.imix {
            Some(mix) => mix.longest(),
            None => self.lengths.iter().copied().max().unwrap_or(USUAL),
        }
    }
}
