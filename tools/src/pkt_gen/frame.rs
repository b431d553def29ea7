// SPDX-License-Identifier: MIT OR Apache-2.0

//! The frames that are sent: Ethernet, IPv4 or IPv6, UDP, and a payload that starts with a sequence
//! number and a time stamp. The rest of the payload is zero, so that the checksum can follow any
//! change of length or address without reading the payload again.

use crate::flow::Endpoint;
use etherparse::PacketBuilder;
use std::net::IpAddr;

/// Bytes of an Ethernet header.
const ETH: usize = 14;
/// Sequence number and time stamp.
pub const PAYLOAD_MIN: usize = 16;

/// A frame to be copied into buffers and then changed in place.
pub struct Template {
    bytes: Vec<u8>,
    /// Room for a virtio-net header in front.
    vnet: usize,
    v6: bool,
}

/// What differs from frame to frame.
#[derive(Clone, Copy)]
pub struct Fields {
    pub src: Endpoint,
    pub dst: Endpoint,
    /// Bytes of the frame from the Ethernet header on.
    pub len: usize,
    pub sequence: u64,
    /// Nanoseconds; whose clock is the sender's business.
    pub stamp: u64,
}

/// The shortest frame: all headers, no payload.
pub fn min_len(v6: bool) -> usize {
    ETH + if v6 { 40 } else { 20 } + 8
}

impl Template {
    /// A frame of `len` bytes, and `vnet` zero bytes before it. `len` is at least [`min_len`].
    pub fn new(
        macs: ([u8; 6], [u8; 6]),
        src: Endpoint,
        dst: Endpoint,
        len: usize,
        vnet: usize,
    ) -> Option<Self> {
        let v6 = src.ip.is_ipv6();
        let builder = PacketBuilder::ethernet2(macs.0, macs.1);
        let builder = match (src.ip, dst.ip) {
            (IpAddr::V4(s), IpAddr::V4(d)) => builder.ipv4(s.octets(), d.octets(), 64),
            (IpAddr::V6(s), IpAddr::V6(d)) => builder.ipv6(s.octets(), d.octets(), 64),
            _ => return None,
        };
        let mut bytes = vec![0; vnet];
        builder
            .udp(src.port, dst.port)
            .write(&mut bytes, &vec![0; len.checked_sub(min_len(v6))?])
            .ok()?;
        Some(Template { bytes, vnet, v6 })
    }

    /// The frame with its virtio-net header.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of bytes to send for a frame of `len`.
    pub fn total(&self, len: usize) -> usize {
        self.vnet + len
    }

    /// Makes a copy of the template say `fields`. Nothing happens if `buffer` is too short for it.
    pub fn patch(&self, buffer: &mut [u8], fields: &Fields) {
        let ip_len = if self.v6 { 40 } else { 20 };
        let end = self.vnet + fields.len;
        let Some(frame) = buffer.get_mut(self.vnet..end) else {
            return;
        };
        if fields.len < ETH + ip_len + 8 {
            return;
        }
        let (ip, rest) = frame[ETH..].split_at_mut(ip_len);
        let (udp, payload) = rest.split_at_mut(8);
        let udp_len = (fields.len - ETH - ip_len) as u16;
        // The pseudo header: addresses, protocol 17, length.
        let mut sum = 17 + u64::from(udp_len);
        match (fields.src.ip, fields.dst.ip) {
            (IpAddr::V4(src), IpAddr::V4(dst)) if !self.v6 => {
                ip[2..4].copy_from_slice(&(udp_len + 20).to_be_bytes());
                ip[10..12].fill(0);
                ip[12..16].copy_from_slice(&src.octets());
                ip[16..20].copy_from_slice(&dst.octets());
                let check = finish(add(0, ip));
                ip[10..12].copy_from_slice(&check.to_be_bytes());
                sum = add(sum, &ip[12..20]);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) if self.v6 => {
                ip[4..6].copy_from_slice(&udp_len.to_be_bytes());
                ip[8..24].copy_from_slice(&src.octets());
                ip[24..40].copy_from_slice(&dst.octets());
                sum = add(sum, &ip[8..40]);
            }
            _ => return,
        }
        udp[0..2].copy_from_slice(&fields.src.port.to_be_bytes());
        udp[2..4].copy_from_slice(&fields.dst.port.to_be_bytes());
        udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
        udp[6..8].fill(0);
        if let Some(head) = payload.get_mut(..PAYLOAD_MIN) {
            head[..8].copy_from_slice(&fields.sequence.to_be_bytes());
            head[8..].copy_from_slice(&fields.stamp.to_be_bytes());
            sum = add(sum, head);
        }
        let check = match finish(add(sum, udp)) {
            // 0 would say that there is no checksum.
            0 => 0xffff,
            check => check,
        };
        udp[6..8].copy_from_slice(&check.to_be_bytes());
    }
}

/// Where the payload starts in a frame that [`Template`] made, or that looks like one.
pub fn payload(frame: &[u8]) -> Option<&[u8]> {
    match frame.get(12..14)? {
        [0x08, 0x00] => frame.get(min_len(false)..),
        [0x86, 0xdd] => frame.get(min_len(true)..),
        _ => None,
    }
}

/// The sequence number and time stamp of such a frame.
pub fn marks(frame: &[u8]) -> Option<(u64, u64)> {
    let head: [u8; PAYLOAD_MIN] = payload(frame)?.get(..PAYLOAD_MIN)?.try_into().ok()?;
    let both = u128::from_be_bytes(head);
    Some(((both >> 64) as u64, both as u64))
}

/// Turns a frame round: MAC addresses, IP addresses and ports change places. The checksums stay
/// right, since a sum does not care for the order.
pub fn turn_round(frame: &mut [u8]) {
    fn exchange(frame: &mut [u8], at: usize, len: usize) {
        if let Some(pair) = frame.get_mut(at..at + 2 * len) {
            let (a, b) = pair.split_at_mut(len);
            a.swap_with_slice(b);
        }
    }
    exchange(frame, 0, 6);
    match frame.get(12..14) {
        Some([0x08, 0x00]) => {
            exchange(frame, ETH + 12, 4);
            exchange(frame, ETH + 20, 2);
        }
        Some([0x86, 0xdd]) => {
            exchange(frame, ETH + 8, 16);
            exchange(frame, ETH + 40, 2);
        }
        _ => {}
    }
}

/// Adds 16-bit words to an unfinished checksum. The slices here have even lengths.
fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes.chunks_exact(2).fold(sum, |sum, pair| {
        sum + u64::from(u16::from_be_bytes([pair[0], pair[1]]))
    })
}

fn finish(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::SlicedPacket;

    fn end(text: &str, port: u16) -> Endpoint {
        Endpoint {
            ip: text.parse().unwrap(),
            port,
        }
    }

    /// Checks a frame with etherparse's own arithmetic.
    fn check(frame: &[u8]) {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let etherparse::TransportSlice::Udp(udp) = packet.transport.unwrap() else {
            panic!("no UDP");
        };
        let header = udp.to_header();
        let right = match packet.net.unwrap() {
            etherparse::NetSlice::Ipv4(ip) => {
                let ip = ip.header().to_header();
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                header.calc_checksum_ipv4(&ip, udp.payload()).unwrap()
            }
            etherparse::NetSlice::Ipv6(ip) => header
                .calc_checksum_ipv6(&ip.header().to_header(), udp.payload())
                .unwrap(),
            _ => panic!("no IP"),
        };
        assert_eq!(header.checksum, right);
    }

    #[test]
    fn patched_frames_have_right_lengths_and_checksums() {
        for (a, b) in [("10.0.0.1", "10.1.0.1"), ("fd00::1", "fd00::2")] {
            let (src, dst) = (end(a, 1234), end(b, 1234));
            let frame = Template::new(([2; 6], [0xff; 6]), src, dst, 1500, 12).unwrap();
            check(&frame.bytes()[12..]);
            for len in [min_len(src.ip.is_ipv6()), 100, 101, 1499, 1500] {
                let mut bytes = frame.bytes().to_vec();
                let src = end(a, 60_000 + len as u16);
                let fields = Fields {
                    src,
                    dst,
                    len,
                    sequence: 0xfedc_ba98_7654_3210,
                    stamp: len as u64,
                };
                frame.patch(&mut bytes, &fields);
                let whole = &mut bytes[12..12 + len];
                check(whole);
                if len > 90 {
                    assert_eq!(marks(whole), Some((fields.sequence, fields.stamp)));
                }
                turn_round(whole);
                check(whole);
                assert_eq!(whole[..6], [2; 6]);
            }
        }
    }

    #[test]
    fn rubbish_has_no_marks_and_does_no_harm() {
        for len in 0..80 {
            let mut rubbish = vec![0x08; len];
            turn_round(&mut rubbish);
            assert_eq!(marks(&rubbish), None);
        }
    }
}
