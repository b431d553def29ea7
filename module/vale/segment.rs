// SPDX-License-Identifier: GPL-2.0

//! Cutting a long TCP or UDP frame into frames as a wire would have them. Pure.
//!
//! What is decided is decided once, on a private copy of the frame's headers ([`Segments::read`]);
//! the payload is not looked at. Then for each segment, in order, the headers are written anew
//! ([`Segments::head`]), given the sum of its payload.

use super::{
    checksum::Sum,
    headers::{Headers, Stack, IPV6_HEADER},
    virtio::{Asked, Cut},
};
use core::ops::Range;

/// TCP's flags that are not on all segments: the last of them, data to be handed over, and a window
/// that was reduced.
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Where fields are in their headers.
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const UDP_LENGTH: usize = 4;
const UDP_CHECKSUM: usize = 6;
const IPV4_LENGTH: usize = 2;
const IPV4_ID: usize = 4;
const IPV4_FRAGMENT: usize = 6;
const IPV4_CHECKSUM: usize = 10;
const IPV6_LENGTH: usize = 4;

/// The header of an IPv6 fragment: its number, its length, and where the offset is.
const FRAGMENT: u8 = 44;
const FRAGMENT_HEADER: usize = 8;
const FRAGMENT_OFFSET: usize = 2;
/// More fragments follow: in IPv4's field, which counts units of 8 bytes, and in IPv6's.
const IPV4_MORE: u16 = 0x2000;
const IPV6_MORE: u16 = 1;
/// Fragments are cut at multiples of so many bytes.
const UNIT: u32 = 8;

/// Least payload of a TCP segment or a fragment, whatever was asked for: what fits an IPv4 packet
/// of 68 bytes, which every link can carry (RFC 791). A byte a segment would be hours of work in
/// one ring.
const LEAST: u32 = 48;
/// Most datagrams that a frame is cut into: `UDP_MAX_SEGMENTS` of linux/udp.h.
const MOST_DATAGRAMS: u32 = 128;

/// A frame that is to be cut, and how.
///
/// Each segment has the first `every` bytes of the headers, and `each` of what is behind these: the
/// rest of the headers, which only fragments have, and the payload.
pub(crate) struct Segments {
    /// As they are in the segment whose headers were written last.
    headers: Headers,
    stack: Stack,
    cut: Cut,
    every: usize,
    each: u32,
    count: u32,
    /// Where the payload is in the frame.
    payload: Range<u32>,
    /// TCP's sequence number and flags, and IPv4's identification, before it was cut.
    sequence: u32,
    flags: u8,
    id: u16,
    /// Whether a datagram in fragments is to have a checksum, and what came together for it.
    wants_checksum: bool,
    sum: Sum,
}

/// What becomes of the payload of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Where it is in the frame.
    pub(crate) from: Range<u32>,
    /// Where it goes in the segment: behind the headers.
    pub(crate) to: u32,
}

impl Body {
    /// Where it ends in the segment.
    pub(crate) fn end(&self) -> u32 {
        self.to + (self.from.end - self.from.start)
    }
}

impl Segments {
    /// Finds out how to cut a frame of `len` bytes that starts with `headers` into frames of at
    /// most `longest` bytes, where a buffer has `size`. `id` is for fragments that have no
    /// identification yet. `None` if the frame is not what it is said to be, or cannot be cut so.
    pub(crate) fn read(
        asked: &Asked,
        cut: Cut,
        mut headers: Headers,
        len: u32,
        (longest, size): (u32, u32),
        id: u32,
    ) -> Option<Self> {
        let stack = Stack::read(&headers, len, cut)?;
        headers.truncate(stack.body);
        let longest = longest.min(size);
        let wanted = match asked.size {
            0 => u32::MAX,
            size if cut == Cut::Datagrams => size.into(),
            size => u32::from(size).max(LEAST),
        };
        let mut segments = Segments {
            sequence: u32::from_be_bytes(headers.get(stack.l4 + TCP_SEQUENCE)?),
            flags: headers.byte(stack.l4 + TCP_FLAGS).unwrap_or(0),
            id: headers.word(stack.l3 + IPV4_ID)?,
            headers,
            stack,
            cut,
            every: stack.body,
            each: wanted.min(longest.checked_sub(stack.body as u32)?),
            count: 1,
            payload: stack.body as u32..stack.end,
            wants_checksum: asked.checksum.is_some(),
            sum: Sum::default(),
        };
        match cut {
            // Where datagrams end is their sender's business: without the offload they would be as
            // long.
            Cut::Datagrams if asked.size != 0 => segments.each = wanted,
            Cut::Fragments => segments.fragment(wanted, longest, id)?,
            _ => {}
        }
        let rest = segments.rest();
        let each = segments.each.min(rest);
        if rest != 0 {
            segments.count = rest.div_ceil(each.max(1));
        }
        if cut == Cut::Datagrams && segments.count > MOST_DATAGRAMS {
            return None;
        }
        let fits = segments.every as u32 + each <= size;
        (fits && (rest == 0 || each != 0)).then_some(segments)
    }

    /// Goes on in [`read`](Self::read) with a datagram that is to be in fragments, if it does not
    /// fit one frame.
    fn fragment(&mut self, wanted: u32, longest: u32, id: u32) -> Option<()> {
        let stack = &mut self.stack;
        let len = (stack.end - stack.l4 as u32) as u16;
        self.headers.put(stack.l4 + UDP_LENGTH, len.to_be_bytes());
        self.each = self.payload.end - self.payload.start;
        if stack.end <= longest && stack.end - stack.split as u32 <= wanted {
            return Some(());
        }
        self.every = stack.split;
        if stack.v6 {
            let next = self.headers.byte(stack.link)?;
            let [a, b, c, d] = id.to_be_bytes();
            let header = [next, 0, 0, 0, a, b, c, d];
            self.headers.insert(stack.split, header)?;
            self.headers.put(stack.link, [FRAGMENT]);
            self.every += FRAGMENT_HEADER;
            stack.l4 += FRAGMENT_HEADER;
            stack.body += FRAGMENT_HEADER;
        } else if self.id == 0 {
            // It is 0 where nobody expects fragments.
            self.id = id as u16;
        }
        self.each = wanted.min(longest.checked_sub(self.every as u32)?) / UNIT * UNIT;
        // The first has UDP's header.
        (self.each >= (stack.body - self.every) as u32).then_some(())
    }

    /// Bytes that are shared out among the segments.
    fn rest(&self) -> u32 {
        (self.stack.body - self.every) as u32 + self.payload.end - self.payload.start
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// What becomes of the payload of segment `i`.
    pub(crate) fn body(&self, i: u32) -> Body {
        let own = (self.stack.body - self.every) as u32;
        let start = i.saturating_mul(self.each).min(self.rest());
        let end = start.saturating_add(self.each).min(self.rest());
        let offset = |at: u32| self.payload.start + at.saturating_sub(own);
        Body {
            from: offset(start)..offset(end),
            to: self.every as u32 + if i == 0 { own } else { 0 },
        }
    }

    /// The headers of segment `i`, whose payload sums up to `payload`.
    pub(crate) fn head(&mut self, i: u32, payload: Sum) -> &[u8] {
        let body = self.body(i);
        let (start, end) = (body.to as usize, body.end() as usize);
        let last = i + 1 == self.count;
        let offset = i.saturating_mul(self.each);
        if self.cut == Cut::Fragments {
            self.sum = self.sum.and(payload);
            self.head_fragment(offset, last);
        }
        self.head_ip(i, end);
        match self.cut {
            Cut::TcpV4 | Cut::TcpV6 => self.head_tcp(i, offset, last, end, payload),
            Cut::Datagrams => {
                let len = ((end - self.stack.l4) as u16).to_be_bytes();
                self.headers.put(self.stack.l4 + UDP_LENGTH, len);
                let sum = self.checksum_of(UDP_CHECKSUM, len, payload);
                let field = sum.field_not_zero();
                self.headers.put(self.stack.l4 + UDP_CHECKSUM, field);
            }
            Cut::Fragments => {}
        }
        self.headers.first(start)
    }

    /// What goes into the first segment when all are there: where, and which bytes.
    pub(crate) fn late(&mut self) -> Option<(u32, [u8; 2])> {
        if self.cut != Cut::Fragments || !self.wants_checksum {
            return None;
        }
        let len = self.headers.get(self.stack.l4 + UDP_LENGTH)?;
        let sum = self.checksum_of(UDP_CHECKSUM, len, self.sum);
        let at = self.stack.l4 + UDP_CHECKSUM;
        Some((at as u32, sum.field_not_zero()))
    }

    /// What the checksum is of that is `at` in the header of TCP or UDP, with `len` for both. The
    /// field is put to 0 for it.
    fn checksum_of(&mut self, at: usize, len: [u8; 2], payload: Sum) -> Sum {
        let (l4, body) = (self.stack.l4, self.stack.body);
        self.headers.put(l4 + at, [0; 2]);
        let header = self.headers.sum(l4..body);
        self.stack
            .pseudo
            .and(Sum::of(&len))
            .and(header)
            .and(payload)
    }

    fn head_ip(&mut self, i: u32, end: usize) {
        let l3 = self.stack.l3;
        if self.stack.v6 {
            let len = (end - l3 - IPV6_HEADER) as u16;
            self.headers.put(l3 + IPV6_LENGTH, len.to_be_bytes());
            return;
        }
        // Fragments are known by having one.
        let id = match self.cut {
            Cut::Fragments => self.id,
            _ => self.id.wrapping_add(i as u16),
        };
        let len = ((end - l3) as u16).to_be_bytes();
        self.headers.put(l3 + IPV4_LENGTH, len);
        self.headers.put(l3 + IPV4_ID, id.to_be_bytes());
        self.headers.put(l3 + IPV4_CHECKSUM, [0; 2]);
        let sum = self.headers.sum(l3..self.stack.split);
        self.headers.put(l3 + IPV4_CHECKSUM, sum.field());
    }

    fn head_tcp(&mut self, i: u32, offset: u32, last: bool, end: usize, payload: Sum) {
        let l4 = self.stack.l4;
        let mut flags = self.flags;
        if i != 0 {
            flags &= !CWR;
        }
        if !last {
            flags &= !(FIN | PSH);
        }
        self.headers.put(l4 + TCP_FLAGS, [flags]);
        let sequence = self.sequence.wrapping_add(offset);
        self.headers.put(l4 + TCP_SEQUENCE, sequence.to_be_bytes());
        let len = ((end - l4) as u16).to_be_bytes();
        let sum = self.checksum_of(TCP_CHECKSUM, len, payload);
        self.headers.put(l4 + TCP_CHECKSUM, sum.field());
    }

    fn head_fragment(&mut self, offset: u32, last: bool) {
        if self.count == 1 {
            return;
        }
        let (l3, split) = (self.stack.l3, self.stack.split);
        if self.stack.v6 {
            let more = if last { 0 } else { IPV6_MORE };
            let field = (offset as u16 | more).to_be_bytes();
            self.headers.put(split + FRAGMENT_OFFSET, field);
        } else {
            let more = if last { 0 } else { IPV4_MORE };
            let field = ((offset / UNIT) as u16 | more).to_be_bytes();
            self.headers.put(l3 + IPV4_FRAGMENT, field);
        }
    }
}
