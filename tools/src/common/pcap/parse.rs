// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the frames in a file: pcap with micro- or nanoseconds in both byte orders, and pcapng.

use super::read::Frame;
use pcap_parser::{
    nom, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header, parse_sectionheaderblock,
    traits::PcapNGPacketBlock, Block, InterfaceDescriptionBlock, Linktype, PcapError,
};

/// What is in a file.
#[derive(Default)]
pub struct Found {
    pub frames: Vec<Frame>,
    pub cut: usize,
    /// The first frame's time, in nanoseconds.
    epoch: Option<u64>,
}

/// The error is the rest of a sentence about the file.
pub fn parse(bytes: &[u8]) -> Result<Found, String> {
    if bytes.is_empty() {
        return Err("it is empty. Record some frames first: tcpdump -w FILE".into());
    }
    if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        return sections(bytes);
    }
    match parse_pcap_header(bytes) {
        Ok((rest, header)) => {
            only_ethernet(header.network)?;
            let unit = if header.is_nanosecond_precision() {
                1
            } else {
                1000
            };
            let parse = match (header.is_modified_format(), header.is_bigendian()) {
                (true, _) => parse_pcap_frame_modified,
                (false, true) => parse_pcap_frame_be,
                (false, false) => parse_pcap_frame,
            };
            let (mut found, mut rest) = (Found::default(), rest);
            while !rest.is_empty() {
                let (after, block) = parse(rest).map_err(|e| found.broken(&e))?;
                let time =
                    u64::from(block.ts_sec) * 1_000_000_000 + u64::from(block.ts_usec) * unit;
                found.add(bytes, block.data, block.origlen, time);
                rest = after;
            }
            Ok(found)
        }
        Err(nom::Err::Incomplete(_)) if bytes.len() >= 4 => Err(
            "it ends within its first bytes: what wrote it was stopped, or it was not copied whole"
                .into(),
        ),
        Err(_) => Err(no_pcap(bytes)),
    }
}

fn no_pcap(bytes: &[u8]) -> String {
    let unpack = |by| format!("it is compressed. Unpack it first: {by} FILE");
    match bytes {
        [0x1f, 0x8b, ..] => unpack("gunzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unpack("unzstd"),
        [0xfd, b'7', b'z', ..] => unpack("unxz"),
        _ => {
            "it is neither pcap nor pcapng. tcpdump -w FILE records such files, and editcap turns \
              others into them"
                .into()
        }
    }
}

fn only_ethernet(of: Linktype) -> Result<(), String> {
    if of == Linktype::ETHERNET {
        return Ok(());
    }
    Err(format!(
        "its frames are not Ethernet but of link type {} ({of}): they cannot be sent as they are. \
         Record on an Ethernet interface, not on `any`",
        of.0
    ))
}

impl Found {
    fn add(&mut self, file: &[u8], data: &[u8], on_wire: u32, time: u64) {
        let epoch = *self.epoch.get_or_insert(time);
        let before = self.frames.last().map_or(0, |frame| frame.time);
        self.frames.push(Frame {
            at: data.as_ptr() as usize - file.as_ptr() as usize,
            len: data.len(),
            time: time.saturating_sub(epoch).max(before),
        });
        self.cut += usize::from(data.len() < on_wire as usize);
    }

    fn broken(&self, e: &nom::Err<PcapError<&[u8]>>) -> String {
        let whole = self.frames.len();
        let cure = match whole {
            0 => "Record it anew".into(),
            n => format!("The {n} before it are whole: editcap -r FILE NEW 1-{n}"),
        };
        let what = match e {
            nom::Err::Incomplete(_) => {
                "it ends within it: what wrote it was stopped, or it was not copied whole"
            }
            _ => "the file is damaged there",
        };
        format!("frame {} is not whole; {what}. {cure}", whole + 1)
    }
}

/// An interface of a section, with what its time stamps count.
struct Interface {
    linktype: Linktype,
    snaplen: u32,
    /// Units a second.
    units: u128,
    /// Seconds to add.
    offset: i64,
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock) -> Result<Self, String> {
        let power = u32::from(block.if_tsresol & 0x7f);
        let units = if block.if_tsresol & 0x80 != 0 {
            2u128.checked_pow(power)
        } else {
            10u128.checked_pow(power)
        };
        Ok(Interface {
            linktype: block.linktype,
            snaplen: block.snaplen,
            units: units
                .filter(|&units| units <= 1 << 80)
                .ok_or("the file is damaged: nobody counts time in such small units")?,
            offset: block.if_tsoffset,
        })
    }

    fn nanos(&self, high: u32, low: u32) -> u64 {
        let stamp = (u128::from(high) << 32) | u128::from(low);
        let nanos = stamp * 1_000_000_000 / self.units;
        let offset = i128::from(self.offset) * 1_000_000_000;
        u64::try_from(nanos as i128 + offset).unwrap_or(0)
    }
}

/// pcapng: sections, each with interfaces of its own and in a byte order of its own.
fn sections(bytes: &[u8]) -> Result<Found, String> {
    let mut found = Found::default();
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut big_endian = false;
    let mut rest = bytes;
    while !rest.is_empty() {
        let parse = if rest.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            let (_, section) = parse_sectionheaderblock(rest).map_err(|e| found.broken(&e))?;
            big_endian = section.big_endian();
            interfaces.clear();
            parse_block_le
        } else if big_endian {
            parse_block_be
        } else {
            parse_block_le
        };
        let (after, block) = parse(rest).map_err(|e| found.broken(&e))?;
        let next = found.frames.len() + 1;
        let from = |id: u32| -> Result<&Interface, String> {
            let one = interfaces.get(id as usize).ok_or_else(|| {
                format!("frame {next} came by interface {id}, of which the file says nothing")
            })?;
            only_ethernet(one.linktype).map(|()| one)
        };
        match &block {
            Block::InterfaceDescription(block) => interfaces.push(Interface::new(block)?),
            Block::EnhancedPacket(block) => {
                let time = from(block.if_id)?.nanos(block.ts_high, block.ts_low);
                found.add(bytes, block.packet_data(), block.origlen, time);
            }
            Block::SimplePacket(block) => {
                let most = match from(0)?.snaplen {
                    0 => usize::MAX,
                    most => most as usize,
                };
                let data = block.packet_data();
                // Such a block has no time.
                let last = found.frames.last().map_or(0, |frame| frame.time);
                let time = found.epoch.unwrap_or(0).saturating_add(last);
                found.add(bytes, &data[..data.len().min(most)], block.origlen, time);
            }
            _ => {}
        }
        rest = after;
    }
    Ok(found)
}
