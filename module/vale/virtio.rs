// SPDX-License-Identifier: GPL-2.0

//! virtio-net headers in front of frames, where sender and receiver differ in their length. Pure.
//!
//! A header has 10 bytes, or 12 with the count of merged buffers (virtio 1.2, section 5.1.6). Its
//! numbers are little-endian: guests that have them in their own order (before virtio 1.0, on a
//! big-endian machine) are not known from others. It says whether a checksum is still to be
//! computed, and whether the frame is to be segmented. For receivers without headers that is done
//! here ([`offload`](super::offload)).

use crate::abi::consts::ETH_HLEN;

/// What becomes of the header of a frame on its way from a port to another. Lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reheader {
    /// Left out at the start of the frame.
    pub(crate) skip: u32,
    /// Of those, copied all the same.
    pub(crate) keep: u32,
    /// Zeros put behind them.
    pub(crate) zeros: u32,
}

impl Reheader {
    /// Header and frame go through as they are.
    pub(crate) const NONE: Reheader = Reheader {
        skip: 0,
        keep: 0,
        zeros: 0,
    };

    /// For a frame from a port with headers of `from` bytes to one with `to`.
    pub(crate) const fn between(from: u32, to: u32) -> Self {
        if from == to {
            return Self::NONE;
        }
        let keep = if from < to { from } else { to };
        Reheader {
            skip: from,
            keep,
            zeros: to - keep,
        }
    }

    /// Bytes that stand before the frame at the receiver.
    pub(crate) const fn len(&self) -> u32 {
        self.keep + self.zeros
    }

    /// Whether headers are taken off for good, so that what they ask for has to be done here.
    pub(crate) const fn strips(&self) -> bool {
        self.skip != 0 && self.len() == 0
    }
}

/// `VIRTIO_NET_HDR_F_*`.
const NEEDS_CSUM: u8 = 1;
/// Somebody found the checksum right: nothing to be done.
const DATA_VALID: u8 = 2;

/// `VIRTIO_NET_HDR_GSO_*`.
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_UDP: u8 = 3;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// Whether the header that starts with `word` (first byte lowest) asks for nothing: no checksum, no
/// segmentation.
pub(crate) const fn is_plain(word: u64) -> bool {
    word & 0xffff & !(DATA_VALID as u64) == 0
}

/// What a header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) checksum: Option<Field>,
    pub(crate) cut: Option<Cut>,
    /// Bytes of payload in a segment; 0 if the header does not say.
    pub(crate) size: u16,
}

/// Where a checksum is to be written, and the first byte that it is of, counted from the Ethernet
/// header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) start: u32,
    pub(crate) at: u32,
}

/// What a frame is to be segmented into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    TcpV4,
    TcpV6,
    /// UDP datagrams of their own.
    Datagrams,
    /// IP fragments of one UDP datagram.
    Fragments,
}

impl Cut {
    pub(crate) fn is_tcp(self) -> bool {
        matches!(self, Cut::TcpV4 | Cut::TcpV6)
    }
}

/// Bytes of a header that are looked at.
pub(crate) const LOOKED_AT: usize = 10;

impl Asked {
    /// What is asked for a frame of `len` bytes. `None` if nobody can tell.
    pub(crate) fn read(header: &[u8; LOOKED_AT], len: u32) -> Option<Self> {
        let &[flags, gso, h0, h1, s0, s1, start0, start1, at0, at1] = header;
        let word = |low, high| u16::from_le_bytes([low, high]);
        let cut = match gso {
            GSO_NONE => None,
            _ if gso & !GSO_ECN == GSO_TCPV4 => Some(Cut::TcpV4),
            _ if gso & !GSO_ECN == GSO_TCPV6 => Some(Cut::TcpV6),
            GSO_UDP => Some(Cut::Fragments),
            GSO_UDP_L4 => Some(Cut::Datagrams),
            _ => return None,
        };
        // How long the frame's headers are is a hint, but they cannot be longer than the frame.
        if flags & !(NEEDS_CSUM | DATA_VALID) != 0 || u32::from(word(h0, h1)) > len {
            return None;
        }
        let start = u32::from(word(start0, start1));
        let field = Field {
            start,
            at: start + u32::from(word(at0, at1)),
        };
        let wanted = flags & NEEDS_CSUM != 0;
        // The switch has gone by the addresses: they stay.
        if wanted && (start < ETH_HLEN as u32 || field.at + 2 > len) {
            return None;
        }
        Some(Asked {
            checksum: wanted.then_some(field),
            cut,
            size: word(s0, s1),
        })
    }
}
