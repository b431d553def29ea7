// SPDX-License-Identifier: MIT OR Apache-2.0

//! TCP and UDP frames of every make, with and without work left to do, and what is in those that
//! come of them. Also for the host's tests. etherparse builds and reads them.

use etherparse::*;

/// `VIRTIO_NET_HDR_GSO_*`.
pub const TCPV4: u8 = 1;
pub const FRAGMENTS: u8 = 3;
pub const TCPV6: u8 = 4;
pub const DATAGRAMS: u8 = 5;

pub const V4: [[u8; 4]; 2] = [[10, 9, 0, 1], [10, 9, 0, 2]];
pub const V6: [[u8; 16]; 2] = [
    [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
];

/// What a frame has beside its payload.
#[derive(Clone, Debug, Default)]
pub struct Make {
    pub v6: bool,
    /// `None` is UDP.
    pub tcp: Option<TcpHeader>,
    /// Up to two VLAN tags.
    pub tags: usize,
    /// Options of IPv4: up to 40 bytes, a multiple of 4.
    pub options: Vec<u8>,
    /// Headers of IPv6, without their first two bytes: 6 bytes, 14, and so on; none if empty.
    pub hop_by_hop: Vec<u8>,
    pub routing: Vec<u8>,
    pub destination: Vec<u8>,
}

/// A TCP header with these flags on.
pub fn tcp(sequence: u32, options: &[u8]) -> TcpHeader {
    let mut header = TcpHeader::new(4660, 22136, sequence, 512);
    (header.ack, header.acknowledgment_number) = (true, 77);
    header.set_options_raw(options).unwrap();
    header
}

impl Make {
    /// A whole frame from a station to another, with right lengths and checksums.
    pub fn frame(&self, to: [u8; 6], from: [u8; 6], payload: &[u8]) -> Vec<u8> {
        let id = |id| VlanId::try_new(id).unwrap();
        let ethernet = PacketBuilder::ethernet2(from, to);
        let ip = self.ip();
        let ip = match self.tags {
            0 => ethernet.ip(ip),
            1 => ethernet.single_vlan(id(100)).ip(ip),
            _ => ethernet.double_vlan(id(100), id(200)).ip(ip),
        };
        let mut frame = Vec::new();
        match &self.tcp {
            Some(tcp) => ip.tcp_header(tcp.clone()).write(&mut frame, payload),
            None => ip.udp(4660, 22136).write(&mut frame, payload),
        }
        .unwrap();
        frame
    }

    fn ip(&self) -> IpHeaders {
        if self.v6 {
            let raw = |bytes: &Vec<u8>| {
                let header = || Ipv6RawExtHeader::new_raw(IpNumber(0), bytes).unwrap();
                (!bytes.is_empty()).then(header)
            };
            let header = Ipv6Header {
                hop_limit: 64,
                source: V6[0],
                destination: V6[1],
                ..Ipv6Header::default()
            };
            let routing = raw(&self.routing);
            let (before, behind) = match routing {
                Some(_) => (None, raw(&self.destination)),
                None => (raw(&self.destination), None),
            };
            let extensions = Ipv6Extensions {
                hop_by_hop_options: raw(&self.hop_by_hop),
                destination_options: before,
                routing: routing.map(|routing| Ipv6RoutingExtensions {
                    routing,
                    final_destination_options: behind,
                }),
                ..Ipv6Extensions::default()
            };
            IpHeaders::Ipv6(header, extensions)
        } else {
            let mut header = Ipv4Header::new(0, 64, ip_number::TCP, V4[0], V4[1]).unwrap();
            header.identification = 4000;
            header.options = self.options[..].try_into().unwrap();
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        }
    }

    /// Bytes up to the payload.
    pub fn headers(&self) -> usize {
        self.frame([0; 6], [0; 6], &[]).len()
    }

    /// A header that asks for this frame to be segmented, `size` bytes of payload each.
    pub fn asks(&self, gso: u8, size: u16) -> [u8; 10] {
        let own = self.tcp.as_ref().map_or(8, |tcp| tcp.header_len());
        let at = if self.tcp.is_some() { 16 } else { 6 };
        header(1, gso, self.headers(), size, self.headers() - own, at)
    }
}

/// A virtio-net header of 10 bytes.
pub fn header(flags: u8, gso: u8, len: usize, size: u16, start: usize, at: usize) -> [u8; 10] {
    let mut header = [flags, gso, 0, 0, 0, 0, 0, 0, 0, 0];
    let words = [len as u16, size, start as u16, at as u16];
    for (to, word) in header[2..].chunks_mut(2).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    header
}

/// What is in a frame whose lengths and checksums are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// IPv4's identification.
    pub id: Option<u16>,
    /// Of UDP there is none.
    pub tcp: Option<TcpHeader>,
    pub payload: Vec<u8>,
}

/// Reads a frame that is whole. Panics where it is not, or something in it is wrong.
pub fn read(frame: &[u8]) -> Read {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let net = sliced.net.as_ref().unwrap();
    let (id, checksum) = match net {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(
                header.calc_header_checksum(),
                header.header_checksum,
                "IPv4"
            );
            let rest = frame.len() - sliced.link_exts.len() * 4 - 14;
            assert_eq!(usize::from(header.total_len), rest, "IPv4's length");
            let (from, to) = (header.source, header.destination);
            let checksum = match sliced.transport.as_ref().unwrap() {
                TransportSlice::Tcp(tcp) => tcp.calc_checksum_ipv4(from, to),
                TransportSlice::Udp(udp) => {
                    let header = udp.to_header();
                    header.calc_checksum_ipv4_raw(from, to, udp.payload())
                }
                other => panic!("{other:?}"),
            };
            (Some(header.identification), checksum)
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header().to_header();
            let rest = frame.len() - sliced.link_exts.len() * 4 - 14 - 40;
            assert_eq!(usize::from(header.payload_length), rest, "IPv6's length");
            let (from, to) = (header.source, header.destination);
            let checksum = match sliced.transport.as_ref().unwrap() {
                TransportSlice::Tcp(tcp) => tcp.calc_checksum_ipv6(from, to),
                TransportSlice::Udp(udp) => {
                    let header = udp.to_header();
                    header.calc_checksum_ipv6_raw(from, to, udp.payload())
                }
                other => panic!("{other:?}"),
            };
            (None, checksum)
        }
        other => panic!("{other:?}"),
    };
    let (tcp, found, payload) = match sliced.transport.as_ref().unwrap() {
        TransportSlice::Tcp(tcp) => (Some(tcp.to_header()), tcp.checksum(), tcp.payload()),
        TransportSlice::Udp(udp) => {
            let whole = usize::from(udp.length());
            assert_eq!(whole, 8 + udp.payload().len(), "UDP's length");
            (None, udp.checksum(), udp.payload())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(found, checksum.unwrap(), "TCP's or UDP's checksum");
    Read {
        id,
        tcp,
        payload: payload.to_vec(),
    }
}

/// Puts IP fragments together. Returns the datagram: from UDP's header on, where nothing is
/// between.
pub fn reassemble(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = defrag::IpDefragBuf::new(ip_number::UDP, vec![], vec![]);
    for (i, frame) in frames.iter().enumerate() {
        let (offset, more, from) = fragment(frame);
        assert_eq!(offset % 8, 0);
        let units = IpFragOffset::try_new(offset / 8).unwrap();
        whole.add(units, more, &frame[from..]).unwrap();
        let last = i + 1 == frames.len();
        assert_eq!((more, whole.is_complete()), (!last, last), "fragment {i}");
    }
    whole.take_bufs().0
}

/// The offset of a fragment, whether more follow, and where what it is of starts in the frame. By
/// hand: etherparse 0.19 looks for these in the wrong bits of an IPv6 header.
fn fragment(frame: &[u8]) -> (u16, bool, usize) {
    let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let mut ip = 14;
    while matches!(word(ip - 2), 0x8100 | 0x88a8) {
        ip += 4;
    }
    if word(ip - 2) == 0x0800 {
        let (header, _) = Ipv4Header::from_slice(&frame[ip..]).unwrap();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
        assert_eq!(usize::from(header.total_len), frame.len() - ip);
        assert!(!header.dont_fragment);
        let offset = header.fragment_offset.byte_offset();
        return (offset, header.more_fragments, ip + header.header_len());
    }
    assert_eq!(usize::from(word(ip + 4)), frame.len() - ip - 40);
    let (mut kind, mut at) = (frame[ip + 6], ip + 40);
    while kind != 44 {
        (kind, at) = (frame[at], at + (usize::from(frame[at + 1]) + 1) * 8);
    }
    (word(at + 2) & !7, word(at + 2) & 1 == 1, at + 8)
}
