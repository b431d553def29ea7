// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which flow a frame belongs to, as a number.

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The same for all frames of a flow, in both directions, and spread evenly over the flows. It is
/// the same in each run.
///
/// - IPv4 and IPv6 with TCP, UDP or SCTP: protocol, addresses and ports.
/// - Fragments, of which but the first have ports, and other protocols: protocol and addresses.
/// - What is not IP: MAC addresses, and the type, as which the first VLAN tag counts.
///
/// With IP, VLAN tags make no difference: the two directions of a connection may have different
/// ones.
pub fn hash(frame: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok();
    match sliced.and_then(|sliced| sliced.net) {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let ends = [header.source(), header.destination()];
            of_ip(ends, ip.payload(), &mut hasher);
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let ends = [header.source(), header.destination()];
            of_ip(ends, ip.payload(), &mut hasher);
        }
        _ => of_ethernet(frame, &mut hasher),
    }
    hasher.finish()
}

fn of_ip<A: Ord + Hash>(
    [source, destination]: [A; 2],
    payload: &etherparse::LaxIpPayloadSlice<'_>,
    hasher: &mut DefaultHasher,
) {
    payload.ip_number.0.hash(hasher);
    let ports = match payload.ip_number {
        _ if payload.fragmented => None,
        // All three begin with the ports.
        IpNumber::TCP | IpNumber::UDP | IpNumber::SCTP => payload.payload.first_chunk::<4>(),
        _ => None,
    };
    let [from, to] = match ports {
        Some(&[a, b, c, d]) => [[a, b], [c, d]],
        None => [[0; 2]; 2],
    };
    in_order((source, from), (destination, to)).hash(hasher);
}

fn of_ethernet(frame: &[u8], hasher: &mut DefaultHasher) {
    let part = |from: usize, to: usize| frame.get(from..to).unwrap_or_default();
    in_order(part(0, 6), part(6, 12)).hash(hasher);
    part(12, 14).hash(hasher);
}

/// The lower end first, so that a direction does not show.
fn in_order<T: Ord>(a: T, b: T) -> [T; 2] {
    if a <= b {
        [a, b]
    } else {
        [b, a]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{
        ip_number, IpFragOffset, Ipv6FlowLabel, Ipv6FragmentHeader, PacketBuilder, VlanId,
    };
    use std::collections::HashMap;

    const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), tags: &[u16]) -> Vec<u8> {
        let tag = |id: u16| VlanId::try_new(id).unwrap();
        let mut frame = Vec::new();
        let ethernet = PacketBuilder::ethernet2(A, B);
        match tags {
            [] => ethernet.ipv4(from.0, to.0, 64),
            [id] => ethernet.single_vlan(tag(*id)).ipv4(from.0, to.0, 64),
            [a, b, ..] => ethernet
                .double_vlan(tag(*a), tag(*b))
                .ipv4(from.0, to.0, 64),
        }
        .udp(from.1, to.1)
        .write(&mut frame, b"payload")
        .unwrap();
        frame
    }

    fn tcp6(from: (u8, u16), to: (u8, u16)) -> Vec<u8> {
        let ip = |last: u8| {
            let mut ip = [0; 16];
            (ip[0], ip[15]) = (0xfd, last);
            ip
        };
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(A, B)
            .ipv6(ip(from.0), ip(to.0), 64)
            .tcp(from.1, to.1, 1, 1)
            .write(&mut frame, b"")
            .unwrap();
        frame
    }

    const HERE: ([u8; 4], u16) = ([10, 0, 0, 1], 1000);
    const THERE: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

    #[test]
    fn both_directions_are_one_flow_whatever_the_tags() {
        let one = hash(&udp(HERE, THERE, &[]));
        for tags in [&[][..], &[100], &[7, 8]] {
            assert_eq!(hash(&udp(HERE, THERE, tags)), one, "{tags:?}");
            assert_eq!(hash(&udp(THERE, HERE, tags)), one, "{tags:?}");
        }
        let six = hash(&tcp6((1, 1000), (2, 80)));
        assert_eq!(hash(&tcp6((2, 80), (1, 1000))), six);
    }

    /// Who only sorted addresses and ports each for themselves would take these for one.
    #[test]
    fn ports_belong_to_their_addresses() {
        let crossed = (([10, 0, 0, 1], 80), ([10, 0, 0, 2], 1000));
        assert_ne!(
            hash(&udp(HERE, THERE, &[])),
            hash(&udp(crossed.0, crossed.1, &[]))
        );
    }

    #[test]
    fn each_part_of_the_five_counts() {
        let mut seen = vec![hash(&udp(HERE, THERE, &[]))];
        for (from, to) in [
            (([10, 0, 0, 3], 1000), THERE),
            (([10, 0, 0, 1], 1001), THERE),
            (HERE, ([10, 0, 0, 4], 80)),
            (HERE, ([10, 0, 0, 2], 81)),
        ] {
            seen.push(hash(&udp(from, to, &[])));
        }
        // The protocol, in place.
        for protocol in [6, 132] {
            let mut frame = udp(HERE, THERE, &[]);
            frame[23] = protocol;
            seen.push(hash(&frame));
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn sctp_has_its_ports_there_too_and_icmp_has_none() {
        let with = |protocol: u8, port: u16| {
            let mut frame = udp((HERE.0, port), THERE, &[]);
            frame[23] = protocol;
            hash(&frame)
        };
        assert_ne!(with(132, 1), with(132, 2));
        assert_eq!(with(1, 1), with(1, 2));
    }

    /// The first fragment of a datagram has ports, the others have data there.
    #[test]
    fn fragments_of_a_datagram_stay_together() {
        let fragment = |offset: u16, more: bool, port: u16| {
            let mut frame = udp((HERE.0, port), THERE, &[]);
            let word = (offset / 8) | (u16::from(more) << 13);
            frame[20..22].copy_from_slice(&word.to_be_bytes());
            hash(&frame)
        };
        let first = fragment(0, true, 1000);
        assert_eq!(fragment(1480, true, 0xdead), first);
        assert_eq!(fragment(2960, false, 0xbeef), first);
        assert_ne!(fragment(0, false, 1000), first);
    }

    fn six_with(extension: &[u8], next: u8, payload: &[u8]) -> u64 {
        let ip = etherparse::Ipv6Header {
            traffic_class: 0,
            flow_label: Ipv6FlowLabel::ZERO,
            payload_length: (extension.len() + payload.len()) as u16,
            next_header: next.into(),
            hop_limit: 64,
            source: [1; 16],
            destination: [2; 16],
        };
        let ethernet = [&B[..], &A, &[0x86, 0xdd]].concat();
        hash(&[&ethernet, &ip.to_bytes()[..], extension, payload].concat())
    }

    #[test]
    fn headers_between_ipv6_and_the_ports_are_passed_over() {
        let ports = |port: u8| [0, port, 0, 80, 0, 8, 0, 0];
        let plain = |port| six_with(&[], 17, &ports(port));
        // Hop-by-hop options, of one unit of 8 bytes, padded.
        let behind = |port| six_with(&[17, 0, 1, 4, 0, 0, 0, 0], 0, &ports(port));
        assert_eq!(plain(1), behind(1));
        assert_ne!(behind(1), behind(2));
        let fragment = |offset: u16, more, port| {
            let offset = IpFragOffset::try_new(offset).unwrap();
            let header = Ipv6FragmentHeader::new(ip_number::UDP, offset, more, 7);
            six_with(&header.to_bytes(), 44, &ports(port))
        };
        assert_eq!(fragment(0, true, 1), fragment(10, false, 9));
        // One that is whole all the same.
        assert_eq!(fragment(0, false, 1), plain(1));
    }

    #[test]
    fn what_is_not_ip_goes_by_its_stations() {
        let frame = |to: [u8; 6], from: [u8; 6], kind: u8| {
            let mut frame = [&to[..], &from, &[0x88, kind]].concat();
            frame.resize(60, 0);
            hash(&frame)
        };
        assert_eq!(frame(A, B, 0xb5), frame(B, A, 0xb5));
        assert_ne!(frame(A, B, 0xb5), frame(A, B, 0xb6));
        assert_ne!(frame(A, B, 0xb5), frame(A, A, 0xb5));
    }

    /// Also what was cut, by an attacker or a snap length.
    #[test]
    fn no_frame_is_too_short_or_too_odd() {
        let whole = [
            udp(HERE, THERE, &[1, 2]),
            tcp6((1, 2), (3, 4)),
            vec![0xff; 80],
        ];
        for whole in &whole {
            for len in 0..=whole.len() {
                assert_eq!(hash(&whole[..len]), hash(&whole[..len]));
            }
            for at in 0..whole.len() {
                for byte in [0, 1, 0x0f, 0x45, 0x60, 0x81, 0xff] {
                    let mut frame = whole.clone();
                    frame[at] = byte;
                    hash(&frame);
                }
            }
        }
    }

    /// Within a fifth of what is fair, and for the flows that pkt-gen makes of ranges, which change
    /// both ports in step: a hash over the exclusive or of both ends has all of them in one place.
    #[test]
    fn flows_are_spread_evenly() {
        for pipes in [2, 3, 4, 7, 16] {
            let mut counts: HashMap<u64, u32> = HashMap::new();
            for port in 0..16_000 {
                let frame = udp((HERE.0, port), (THERE.0, port), &[]);
                *counts.entry(hash(&frame) % pipes).or_default() += 1;
            }
            let fair = 16_000 / pipes as u32;
            assert_eq!(counts.len() as u64, pipes);
            assert!(
                counts.values().all(|n| n.abs_diff(fair) * 10 < fair * 2),
                "{counts:?}"
            );
        }
    }
}
