// SPDX-License-Identifier: MIT OR Apache-2.0

//! pcapng: sections, each with interfaces of its own and in a byte order of its own.

use super::parse::{only_ethernet, Found};
use pcap_parser::{
    nom, parse_block_be, parse_block_le, parse_option_be, parse_option_le,
    parse_sectionheaderblock, traits::PcapNGPacketBlock, Block, InterfaceDescriptionBlock,
    Linktype, PcapError, PcapNGOption,
};

/// A section's first block, in either byte order.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The block that those with all about a frame were before 2009.
const PACKET_BLOCK: u32 = 2;
/// Options of a block with a frame, and of one about an interface.
const FLAGS: u16 = 2;
const FCS_LENGTH: u16 = 13;

/// Whether the bytes are the begin of such a file.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(&SECTION)
}

/// The error is the rest of a sentence about the file.
pub fn parse(bytes: &[u8]) -> Result<Found, String> {
    let mut found = Found::default();
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut order = Order::Little;
    let mut rest = bytes;
    while !rest.is_empty() {
        if begins(rest) {
            let (_, section) = parse_sectionheaderblock(rest).map_err(|e| found.broken(&e))?;
            order = if section.big_endian() {
                Order::Big
            } else {
                Order::Little
            };
            interfaces.clear();
            found.sections.push(found.frames.len());
        }
        let (after, block) = order.block(rest).map_err(|e| found.broken(&e))?;
        let next = found.frames.len() + 1;
        let from = |id: u32| -> Result<&Interface, String> {
            let one = interfaces.get(id as usize).ok_or_else(|| {
                format!("frame {next} came by interface {id}, of which the file says nothing")
            })?;
            only_ethernet(one.linktype).map(|()| one)
        };
        match &block {
            Block::InterfaceDescription(block) => interfaces.push(Interface::new(block, order)?),
            Block::EnhancedPacket(block) => {
                let one = from(block.if_id)?;
                let time = one.nanos(block.ts_high, block.ts_low);
                let fcs = order.fcs(&block.options).unwrap_or(one.fcs);
                found.add(bytes, block.packet_data(), block.origlen, fcs, Some(time));
            }
            Block::SimplePacket(block) => {
                let one = from(0)?;
                let most = match one.snaplen {
                    0 => usize::MAX,
                    most => most as usize,
                };
                let data = block.packet_data();
                let data = &data[..data.len().min(most)];
                found.add(bytes, data, block.origlen, one.fcs, None);
            }
            Block::Unknown(block) if order.word(block.block_type.to_le_bytes()) == PACKET_BLOCK => {
                let old = OldPacket::read(block.data, order)
                    .ok_or_else(|| found.broken(&nom::Err::Error(PcapError::UnexpectedEof)))?;
                let one = from(old.interface.into())?;
                let time = one.nanos(old.time[0], old.time[1]);
                let fcs = order.fcs(&old.options).unwrap_or(one.fcs);
                found.add(bytes, old.data, old.on_wire, fcs, Some(time));
            }
            _ => {}
        }
        rest = after;
    }
    Ok(found)
}

/// A section's byte order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn block(self, bytes: &[u8]) -> nom::IResult<&[u8], Block<'_>, PcapError<&[u8]>> {
        match self {
            Order::Little => parse_block_le(bytes),
            Order::Big => parse_block_be(bytes),
        }
    }

    fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Takes a word off the begin.
    fn take(self, bytes: &mut &[u8]) -> Option<u32> {
        let (word, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(self.word(*word))
    }

    /// All options that are whole.
    fn options(self, mut bytes: &[u8]) -> Vec<PcapNGOption<'_>> {
        let mut options = Vec::new();
        loop {
            let parsed = match self {
                Order::Little => parse_option_le::<PcapError<&[u8]>>(bytes),
                Order::Big => parse_option_be::<PcapError<&[u8]>>(bytes),
            };
            match parsed {
                Ok((rest, option)) if option.code.0 != 0 => {
                    options.push(option);
                    bytes = rest;
                }
                _ => return options,
            }
        }
    }

    /// Bytes of checksum at the end of a frame, if its options tell.
    fn fcs(self, options: &[PcapNGOption<'_>]) -> Option<usize> {
        let flags = options.iter().find(|option| option.code.0 == FLAGS)?;
        let flags = self.word(*flags.value().first_chunk()?);
        Some(((flags >> 5) & 0xf) as usize).filter(|&bytes| bytes > 0)
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
    /// Bytes of checksum at the end of each frame.
    fcs: usize,
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>, order: Order) -> Result<Self, String> {
        let power = u32::from(block.if_tsresol & 0x7f);
        let units = if block.if_tsresol & 0x80 != 0 {
            2u128.checked_pow(power)
        } else {
            10u128.checked_pow(power)
        };
        let fcs = block.options.iter().find(|it| it.code.0 == FCS_LENGTH);
        let fcs = fcs.and_then(|it| it.value().first()).map_or(0, |&n| n);
        Ok(Interface {
            linktype: block.linktype,
            snaplen: block.snaplen,
            units: units
                .filter(|&units| units <= 1 << 80)
                .ok_or("the file is damaged: nobody counts time in such small units")?,
            // The parser reads it as if all sections were little-endian.
            offset: match order {
                Order::Little => block.if_tsoffset,
                Order::Big => block.if_tsoffset.swap_bytes(),
            },
            // The format's text says bits, and its example, which writers follow, means bytes. No
            // checksum has fewer than 8 bits, nor as many as 8 bytes.
            fcs: usize::from(if fcs < 8 { fcs } else { fcs / 8 }),
        })
    }

    fn nanos(&self, high: u32, low: u32) -> u64 {
        let stamp = (u128::from(high) << 32) | u128::from(low);
        let nanos = stamp * 1_000_000_000 / self.units;
        let offset = i128::from(self.offset) * 1_000_000_000;
        u64::try_from(nanos as i128 + offset).unwrap_or(0)
    }
}

/// A [`PACKET_BLOCK`].
struct OldPacket<'a> {
    interface: u16,
    time: [u32; 2],
    on_wire: u32,
    data: &'a [u8],
    options: Vec<PcapNGOption<'a>>,
}

impl<'a> OldPacket<'a> {
    /// `bytes` is all between the block's two lengths.
    fn read(mut bytes: &'a [u8], order: Order) -> Option<Self> {
        let [a, b, ..] = *bytes else { return None };
        // The other half of this word counts what was dropped before.
        order.take(&mut bytes)?;
        let time = [order.take(&mut bytes)?, order.take(&mut bytes)?];
        let len = order.take(&mut bytes)? as usize;
        let on_wire = order.take(&mut bytes)?;
        let data = bytes.get(..len)?;
        Some(OldPacket {
            interface: match order {
                Order::Little => u16::from_le_bytes([a, b]),
                Order::Big => u16::from_be_bytes([a, b]),
            },
            time,
            on_wire,
            data,
            options: order.options(bytes.get(len.next_multiple_of(4)..).unwrap_or_default()),
        })
    }
}
