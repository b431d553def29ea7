// SPDX-License-Identifier: MIT OR Apache-2.0

//! The frames that are sent: Ethernet, VLAN tags, IPv4 or IPv6, UDP or TCP, and a payload that
//! starts with a sequence number and a time stamp. The rest of the payload is zero, so that the
//! checksum can follow any change of length or address without reading the payload again.

use crate::{flow::Endpoint, layers::Layers};
use etherparse::PacketBuilder;
use std::net::IpAddr;

/// Sequence number and time stamp.
pub const PAYLOAD_MIN: usize = 16;

/// A frame to be copied into buffers and then changed in place.
pub struct Template {
    bytes: Vec<u8>,
    /// Room for a virtio-net header in front.
    vnet: usize,
    at: Places,
    /// Unfinished checksums of what never changes: of the IPv4 header, and of the transport's with
    /// its pseudo header.
    fixed: (u64, u64),
}

/// Where things are, from the Ethernet header on.
#[derive(Clone, Copy)]
struct Places {
    ip: usize,
    transport: usize,
    /// The transport's checksum.
    check: usize,
    payload: usize,
    v6: bool,
    udp: bool,
}

impl Places {
    fn of(layers: &Layers) -> Self {
        let transport = layers.ethernet() + layers.ip();
        let udp = layers.tcp.is_none();
        Places {
            ip: layers.ethernet(),
            transport,
            check: transport + if udp { 6 } else { 16 },
            payload: layers.headers(),
            v6: layers.v6,
            udp,
        }
    }

    /// The sums of a frame that says nothing yet.
    fn sums(&self, frame: &[u8], protocol: u8) -> (u64, u64) {
        let mut frame = frame[..self.payload].to_vec();
        let mut clear = |at: usize, len: usize| frame[at..at + len].fill(0);
        clear(self.transport, 4);
        clear(self.check, 2);
        if self.udp {
            clear(self.transport + 4, 2);
        }
        if !self.v6 {
            clear(self.ip + 2, 2);
            clear(self.ip + 10, 10);
        }
        let ip = add(0, &frame[self.ip..self.transport]);
        let transport = add(protocol.into(), &frame[self.transport..]);
        (ip, transport)
    }
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

impl Template {
    /// A frame of `len` bytes, and `vnet` zero bytes before it. `len` is at least that of all
    /// headers.
    pub fn new(
        macs: ([u8; 6], [u8; 6]),
        layers: &Layers,
        src: Endpoint,
        dst: Endpoint,
        len: usize,
        vnet: usize,
    ) -> Option<Self> {
        let payload = vec![0; len.checked_sub(layers.headers())?];
        let mut bytes = vec![0; vnet];
        let builder = PacketBuilder::ethernet2(macs.0, macs.1);
        let ip = match (src.ip, dst.ip) {
            (IpAddr::V4(s), IpAddr::V4(d)) => Layers::ipv4(s, d),
            (IpAddr::V6(s), IpAddr::V6(d)) => Layers::ipv6(s, d),
            _ => return None,
        };
        let builder = match layers.vlan() {
            Some(tags) => builder.vlan(tags).ip(ip),
            None => builder.ip(ip),
        };
        let built = match layers.tcp {
            Some(flags) => builder
                .tcp_header(flags.header(src.port, dst.port))
                .write(&mut bytes, &payload),
            None => builder.udp(src.port, dst.port).write(&mut bytes, &payload),
        };
        built.ok()?;
        let at = Places::of(layers);
        Some(Template {
            fixed: at.sums(&bytes[vnet..], layers.protocol()),
            bytes,
            vnet,
            at,
        })
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
        let end = self.vnet + fields.len;
        let frame = buffer.get_mut(self.vnet + self.at.ip..end);
        let Some(frame) = frame.filter(|_| fields.len >= self.at.payload) else {
            return;
        };
        // Addresses, ports and lengths, of which the pseudo header has one more.
        let (ip, sum) = self.fixed;
        // Parts of lengths that are known here: then nothing is checked but these.
        match (fields.src.ip, fields.dst.ip) {
            (IpAddr::V4(src), IpAddr::V4(dst)) if !self.at.v6 => {
                let len = frame.len() as u16;
                let Some((head, rest)) = frame.split_first_chunk_mut::<20>() else {
                    return;
                };
                let addresses = add(add(0, &src.octets()), &dst.octets());
                let check = finish(ip + addresses + u64::from(len));
                head[2..4].copy_from_slice(&len.to_be_bytes());
                head[10..12].copy_from_slice(&check.to_be_bytes());
                head[12..16].copy_from_slice(&src.octets());
                head[16..20].copy_from_slice(&dst.octets());
                self.patch_transport(rest, sum + addresses, fields);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) if self.at.v6 => {
                let Some((head, rest)) = frame.split_first_chunk_mut::<40>() else {
                    return;
                };
                head[4..6].copy_from_slice(&(rest.len() as u16).to_be_bytes());
                head[8..24].copy_from_slice(&src.octets());
                head[24..40].copy_from_slice(&dst.octets());
                let addresses = add(add(0, &src.octets()), &dst.octets());
                self.patch_transport(rest, sum + addresses, fields);
            }
            _ => {}
        }
    }

    /// `sum` is the unfinished checksum of what is fixed and of the addresses.
    fn patch_transport(&self, segment: &mut [u8], mut sum: u64, fields: &Fields) {
        let len = segment.len() as u16;
        let (from, to) = (fields.src.port, fields.dst.port);
        sum += u64::from(from) + u64::from(to) + u64::from(len);
        if self.at.udp {
            let Some((head, payload)) = segment.split_first_chunk_mut::<8>() else {
                return;
            };
            head[0..2].copy_from_slice(&from.to_be_bytes());
            head[2..4].copy_from_slice(&to.to_be_bytes());
            head[4..6].copy_from_slice(&len.to_be_bytes());
            let check = match finish(mark(payload, sum + u64::from(len), fields)) {
                // That would say that there is no checksum.
                0 => 0xffff,
                check => check,
            };
            head[6..8].copy_from_slice(&check.to_be_bytes());
        } else if let Some((head, payload)) = segment.split_first_chunk_mut::<20>() {
            head[0..2].copy_from_slice(&from.to_be_bytes());
            head[2..4].copy_from_slice(&to.to_be_bytes());
            let check = finish(mark(payload, sum, fields));
            head[16..18].copy_from_slice(&check.to_be_bytes());
        }
    }
}

/// Puts the marks where they fit, and adds them to the checksum.
fn mark(payload: &mut [u8], sum: u64, fields: &Fields) -> u64 {
    let Some(marks) = payload.first_chunk_mut::<PAYLOAD_MIN>() else {
        return sum;
    };
    *marks = ((u128::from(fields.sequence) << 64) | u128::from(fields.stamp)).to_be_bytes();
    add(sum, marks)
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
    use crate::look::{marks, turn_round};
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    fn end(text: &str, port: u16) -> Endpoint {
        Endpoint {
            ip: text.parse().unwrap(),
            port,
        }
    }

    /// Checks a frame with etherparse's own arithmetic.
    fn check(frame: &[u8], layers: &Layers) {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let ids: Vec<u16> = packet.vlan_ids().iter().map(|id| id.value()).collect();
        let tags: Vec<u16> = layers.tags.iter().map(|tag| tag.id).collect();
        assert_eq!(ids, tags);
        let (sum, right) = match (packet.transport.unwrap(), packet.net.unwrap()) {
            (TransportSlice::Udp(udp), NetSlice::Ipv4(ip)) => {
                let (udp, payload) = (udp.to_header(), udp.payload());
                let ip = ip.header().to_header();
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                (udp.checksum, udp.calc_checksum_ipv4(&ip, payload))
            }
            (TransportSlice::Udp(udp), NetSlice::Ipv6(ip)) => {
                let (udp, payload) = (udp.to_header(), udp.payload());
                let ip = ip.header().to_header();
                (udp.checksum, udp.calc_checksum_ipv6(&ip, payload))
            }
            (TransportSlice::Tcp(tcp), NetSlice::Ipv4(ip)) => {
                let (tcp, payload) = (tcp.to_header(), tcp.payload());
                let ip = ip.header().to_header();
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                (tcp.checksum, tcp.calc_checksum_ipv4(&ip, payload))
            }
            (TransportSlice::Tcp(tcp), NetSlice::Ipv6(ip)) => {
                let (tcp, payload) = (tcp.to_header(), tcp.payload());
                let ip = ip.header().to_header();
                (tcp.checksum, tcp.calc_checksum_ipv6(&ip, payload))
            }
            _ => panic!("no UDP and no TCP"),
        };
        assert_eq!(sum, right.unwrap());
    }

    /// All combinations of layers, with addresses for them.
    fn all_layers() -> impl Iterator<Item = (Layers, &'static str, &'static str)> {
        let tags: [&[&str]; 3] = [&[], &["100"], &["7:3", "4094"]];
        tags.into_iter().flat_map(|tags| {
            let tags: Vec<_> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
            [
                (false, "10.0.0.1", "10.1.0.1"),
                (true, "fd00::1", "fd00::2"),
            ]
            .into_iter()
            .flat_map(move |(v6, a, b)| {
                let tags = tags.clone();
                [None, Some("SP")].into_iter().map(move |tcp| {
                    let tcp = tcp.map(|flags| flags.parse().unwrap());
                    let tags = tags.clone();
                    (Layers { tags, v6, tcp }, a, b)
                })
            })
        })
    }

    #[test]
    fn patched_frames_have_right_lengths_and_checksums() {
        for (layers, a, b) in all_layers() {
            let (src, dst) = (end(a, 1234), end(b, 1234));
            let macs = ([2; 6], [0xff; 6]);
            let frame = Template::new(macs, &layers, src, dst, 1500, 12).unwrap();
            check(&frame.bytes()[12..], &layers);
            for len in [layers.headers(), 110, 111, 1499, 1500] {
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
                check(whole, &layers);
                if len >= layers.headers() + PAYLOAD_MIN {
                    assert_eq!(marks(whole), Some((fields.sequence, fields.stamp)));
                }
                turn_round(whole);
                check(whole, &layers);
                assert_eq!(whole[..6], [2; 6]);
            }
        }
    }

    #[test]
    fn a_template_has_room_for_its_headers() {
        for (layers, a, b) in all_layers() {
            let (src, dst) = (end(a, 1), end(b, 1));
            let make = |len| Template::new(([2; 6], [3; 6]), &layers, src, dst, len, 0);
            assert!(make(layers.headers() - 1).is_none());
            let least = make(layers.headers()).unwrap();
            assert_eq!(least.bytes().len(), layers.headers());
        }
    }
}
