// SPDX-License-Identifier: GPL-2.0

//! The headers of a frame that is to be segmented, Ethernet to TCP or UDP. Pure.

use super::{checksum::Sum, virtio::Cut};
use crate::abi::consts::ETH_HLEN;
use core::ops::Range;

/// Most bytes of headers. Ethernet with two tags, IPv4 and TCP with all their options have 142.
pub(crate) const MOST: usize = 256;

/// VLAN tags that are looked behind, as their Ethernet types, and their length.
const TAGS: [u16; 2] = [0x8100, 0x88a8];
const TAG: usize = 4;
const MOST_TAGS: usize = 2;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const IPV4_HEADER: usize = 20;
pub(crate) const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// Protocols, and those that are headers of IPv6.
const TCP: u8 = 6;
const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;

/// Kinds of routing headers: those with one address after the other (RFC 2460, RFC 6275), and
/// segment routing (RFC 8754), whose last comes first.
const IN_ORDER: [u8; 2] = [0, 2];
const SEGMENT_ROUTING: u8 = 4;
const ADDRESS: usize = 16;

/// A private copy of the start of a frame.
pub(crate) struct Headers {
    bytes: [u8; MOST],
    len: usize,
}

impl Headers {
    /// The first `len` of these bytes.
    pub(crate) fn new(bytes: [u8; MOST], len: usize) -> Self {
        let len = len.min(MOST);
        Headers { bytes, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Leaves out what is behind the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The first `len` bytes.
    pub(crate) fn first(&self, len: usize) -> &[u8] {
        self.bytes.get(..len.min(self.len)).unwrap_or(&[])
    }

    /// `N` bytes at `at`.
    pub(crate) fn get<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let bytes = self.first(self.len).get(at..at.checked_add(N)?)?;
        bytes.try_into().ok()
    }

    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.get(at).map(|[byte]| byte)
    }

    pub(crate) fn word(&self, at: usize) -> Option<u16> {
        self.get(at).map(u16::from_be_bytes)
    }

    /// The sum of some bytes, or of none if they are not all there.
    pub(crate) fn sum(&self, bytes: Range<usize>) -> Sum {
        let bytes = self.first(self.len).get(bytes);
        bytes.map_or(Sum::default(), Sum::of)
    }

    /// Writes bytes at `at`, if there is room for all of them.
    pub(crate) fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        let field = self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut());
        if let Some(field) = field {
            *field = bytes;
        }
    }

    /// Makes room for bytes at `at`, and writes them there. `None` if there is none.
    pub(crate) fn insert<const N: usize>(&mut self, at: usize, bytes: [u8; N]) -> Option<()> {
        let len = self.len + N;
        if at > self.len || len > MOST {
            return None;
        }
        self.bytes.copy_within(at..self.len, at + N);
        self.len = len;
        self.put(at, bytes);
        Some(())
    }
}

/// What lies where in a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pub(crate) v6: bool,
    /// Where IP's header starts, and TCP's or UDP's.
    pub(crate) l3: usize,
    pub(crate) l4: usize,
    protocol: u8,
    /// Where the payload starts.
    pub(crate) body: usize,
    /// Where the datagram ends. What is behind pads the frame.
    pub(crate) end: u32,
    /// Where that begins which is shared out among fragments, and for IPv6 the byte in front that
    /// tells what it is.
    pub(crate) split: usize,
    pub(crate) link: usize,
    /// The sum of both addresses and the protocol, which the checksum is of, too.
    pub(crate) pseudo: Sum,
}

impl Stack {
    /// Reads the headers of a frame of `len` bytes. `None` if it is not one that can be cut so.
    pub(crate) fn read(headers: &Headers, len: u32, cut: Cut) -> Option<Self> {
        let mut l3 = ETH_HLEN;
        for _ in 0..MOST_TAGS {
            if TAGS.contains(&headers.word(l3 - 2)?) {
                l3 += TAG;
            }
        }
        let mut stack = match (headers.word(l3 - 2)?, cut) {
            (IPV4, Cut::TcpV4 | Cut::Fragments | Cut::Datagrams) => Self::v4(headers, l3)?,
            (IPV6, Cut::TcpV6 | Cut::Fragments | Cut::Datagrams) => Self::v6(headers, l3)?,
            _ => return None,
        };
        let (protocol, least, own) = if cut.is_tcp() {
            let words = headers.byte(stack.l4 + 12)? >> 4;
            (TCP, TCP_HEADER, usize::from(words) * 4)
        } else {
            (UDP, UDP_HEADER, UDP_HEADER)
        };
        stack.body = stack.l4 + own;
        stack.pseudo = stack.pseudo.and(Sum::of(&[0, protocol]));
        let there = stack.body <= headers.len() && stack.body as u32 <= stack.end;
        (stack.protocol == protocol && own >= least && there && stack.end <= len).then_some(stack)
    }

    fn v4(headers: &Headers, l3: usize) -> Option<Self> {
        let [first, _, len @ ..] = headers.get::<4>(l3)?;
        let own = usize::from(first & 15) * 4;
        // A fragment is not cut again.
        let fragment = headers.word(l3 + 6)? & 0x3fff;
        if first >> 4 != 4 || own < IPV4_HEADER || fragment != 0 {
            return None;
        }
        let l4 = l3 + own;
        Some(Stack {
            v6: false,
            l3,
            l4,
            protocol: headers.byte(l3 + 9)?,
            body: l4,
            end: l3 as u32 + u32::from(u16::from_be_bytes(len)),
            split: l4,
            link: 0,
            pseudo: headers.sum(l3 + 12..l3 + IPV4_HEADER),
        })
    }

    fn v6(headers: &Headers, l3: usize) -> Option<Self> {
        let fixed = l3 + IPV6_HEADER;
        if headers.byte(l3)? >> 4 != 6 {
            return None;
        }
        let mut to = fixed - ADDRESS..fixed;
        // Of the headers behind it, each tells what the next is. Those up to the last that routers
        // look at are in every fragment.
        let (mut at, mut link) = (fixed, l3 + 6);
        let (mut split, mut split_link) = (at, link);
        let protocol = loop {
            let kind = headers.byte(link)?;
            if !matches!(kind, HOP_BY_HOP | ROUTING | DESTINATION) {
                break kind;
            }
            let end = at + (usize::from(headers.byte(at + 1)?) + 1) * 8;
            if kind == ROUTING && headers.byte(at + 3)? != 0 {
                // The checksum is of the address where it ends up.
                let last = match headers.byte(at + 2)? {
                    SEGMENT_ROUTING => at + 8,
                    kind if IN_ORDER.contains(&kind) => end - ADDRESS,
                    _ => return None,
                };
                to = last..last + ADDRESS;
                if last < at + 8 || to.end > end {
                    return None;
                }
            }
            (link, at) = (at, end);
            if kind != DESTINATION {
                (split, split_link) = (at, link);
            }
        };
        Some(Stack {
            v6: true,
            l3,
            l4: at,
            protocol,
            body: at,
            end: fixed as u32 + u32::from(headers.word(l3 + 4)?),
            split,
            link: split_link,
            pseudo: headers.sum(l3 + 8..l3 + 8 + ADDRESS).and(headers.sum(to)),
        })
    }
}
