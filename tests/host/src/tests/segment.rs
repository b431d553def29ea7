// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames are cut, and what comes is put together again; etherparse, which builds them and reads
//! what comes, is the judge.

use crate::{
    checksum::Sum,
    headers::{Headers, MOST},
    packets::*,
    segment::Segments,
    virtio::{Asked, LOOKED_AT},
};
use etherparse::TcpHeader;
use proptest::{prelude::*, sample::select};

const TO: [u8; 6] = [2, 0xfe, 0, 0, 0, 2];
const FROM: [u8; 6] = [2, 0xfe, 0, 0, 0, 1];
const FRAGMENT_ID: u32 = 0x1234_5678;

/// Does what the module does with a frame, for a receiver that takes `longest` bytes in
/// buffers of `size`.
fn cut(header: &[u8; LOOKED_AT], frame: &[u8], longest: u32, size: u32) -> Option<Vec<Vec<u8>>> {
    let len = frame.len() as u32;
    let asked = Asked::read(header, len)?;
    let mut start = [0; MOST];
    let there = frame.len().min(MOST);
    start[..there].copy_from_slice(&frame[..there]);
    let headers = Headers::new(start, there);
    let limits = (longest, size);
    let mut segments = Segments::read(&asked, asked.cut?, headers, len, limits, FRAGMENT_ID)?;
    let mut frames = Vec::new();
    let mut next = segments.body(0).from.start;
    for i in 0..segments.count() {
        let body = segments.body(i);
        assert_eq!(body.from.start, next, "payload goes on where it ended");
        next = body.from.end;
        let payload = &frame[body.from.start as usize..body.from.end as usize];
        let mut segment = segments.head(i, Sum::of(payload)).to_vec();
        assert_eq!(segment.len(), body.to as usize);
        segment.extend_from_slice(payload);
        assert_eq!(segment.len(), body.end() as usize);
        assert!(segment.len() <= size as usize);
        frames.push(segment);
    }
    if let Some((at, field)) = segments.late() {
        frames[0][at as usize..at as usize + 2].copy_from_slice(&field);
    }
    Some(frames)
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

fn makes(tcp: bool) -> impl Strategy<Value = Make> {
    let options = |most: usize| (0..=most / 4).prop_map(|words| vec![1; words * 4]);
    // Options that pad; a route whose addresses are all used up.
    let header = || {
        select(vec![
            vec![],
            vec![1, 4, 0, 0, 0, 0],
            vec![1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ])
    };
    let routing = select(vec![
        vec![],
        [&[0, 0, 0, 0, 0, 0][..], &[0xfe; 16]].concat(),
    ]);
    let of_v6 = (header(), routing, header());
    (
        any::<bool>(),
        0..=2usize,
        options(40),
        options(40),
        any::<(u32, u8)>(),
        of_v6,
    )
        .prop_map(
            move |(
                v6,
                tags,
                options,
                tcp_options,
                (sequence, flags),
                (hop_by_hop, routing, destination),
            )| {
                let mut header = self::tcp(sequence, &tcp_options);
                header.fin = flags & 1 != 0;
                header.psh = flags & 2 != 0;
                header.cwr = flags & 4 != 0;
                header.ece = flags & 8 != 0;
                header.urg = flags & 16 != 0;
                Make {
                    v6,
                    tcp: tcp.then_some(header),
                    tags,
                    options,
                    hop_by_hop,
                    routing,
                    destination,
                }
            },
        )
}

proptest! {
    /// What TCP cut into segments gives is the stream, each byte at its sequence number.
    #[test]
    fn tcp_segments_give_the_stream(
        make in makes(true), len in 1..20_000usize, gso in 0..3000u16,
        longest in 400..9100u32, size in select(vec![2048u32, 9216]), ecn: bool,
    ) {
        let (sent, tcp) = (payload(len), make.tcp.clone().unwrap());
        let frame = make.frame(TO, FROM, &sent);
        let kind = if make.v6 { TCPV6 } else { TCPV4 };
        let kind = if ecn { kind | 0x80 } else { kind };
        let frames = cut(&make.asks(kind, gso), &frame, longest, size).unwrap();
        let room = (longest.min(size)) as usize - make.headers();
        // However little was asked for, 48 bytes fit everywhere.
        let each = if gso == 0 { room } else { room.min(gso.max(48).into()) };
        prop_assert_eq!(frames.len(), len.div_ceil(each));
        let (mut came, last) = (Vec::new(), frames.len() - 1);
        for (i, frame) in frames.iter().enumerate() {
            prop_assert!(frame.len() <= longest as usize);
            let read = read(frame);
            let mut want = tcp.clone();
            want.sequence_number = want.sequence_number.wrapping_add(came.len() as u32);
            want.cwr &= i == 0;
            want.fin &= i == last;
            want.psh &= i == last;
            let mut got = read.tcp.unwrap();
            got.checksum = 0;
            prop_assert_eq!(got, want);
            prop_assert_eq!(read.id, (!make.v6).then(|| 4000 + i as u16));
            prop_assert_eq!(read.payload.len() == each, i != last || len % each == 0);
            came.extend(read.payload);
        }
        prop_assert_eq!(came, sent);
    }

    /// Datagrams are cut where their sender said, whatever the receiver's longest frame, if its
    /// buffers take them.
    #[test]
    fn datagrams_end_where_they_were_meant_to(
        make in makes(false), len in 1..20_000usize, gso in 1..2100u16,
    ) {
        let sent = payload(len);
        let frame = make.frame(TO, FROM, &sent);
        let frames = cut(&make.asks(DATAGRAMS, gso), &frame, 1514, 2048);
        if make.headers() + len.min(gso.into()) > 2048 || len.div_ceil(gso.into()) > 128 {
            prop_assert_eq!(frames, None);
            return Ok(());
        }
        let read: Vec<_> = frames.unwrap().iter().map(|frame| read(frame)).collect();
        for (i, (read, want)) in read.iter().zip(sent.chunks(gso.into())).enumerate() {
            prop_assert_eq!(&read.payload, want);
            prop_assert_eq!(read.id, (!make.v6).then(|| 4000u16.wrapping_add(i as u16)));
        }
        prop_assert_eq!(read.len(), sent.chunks(gso.into()).len());
    }

    /// A long datagram arrives in fragments that any receiver can put together, with the checksum
    /// of the whole.
    #[test]
    fn fragments_give_the_datagram(
        make in makes(false), len in 1..30_000usize,
        gso in select(vec![0u16, 600, 1479, 1480, 60_000]), longest in 500..9100u32,
    ) {
        // The judge puts together what is behind the header of the fragment, which is not UDP then.
        let make = Make { destination: vec![], ..make };
        let sent = payload(len);
        let frame = make.frame(TO, FROM, &sent);
        let mut blank = frame.clone();
        let at = make.headers() - 2;
        blank[at..at + 2].fill(0xa5);
        let frames = cut(&make.asks(FRAGMENTS, gso), &blank, longest, 9216).unwrap();
        if let [alone] = &frames[..] {
            prop_assert_eq!(alone, &frame);
            return Ok(());
        }
        prop_assert!(frames.iter().all(|frame| frame.len() <= longest as usize));
        let came = reassemble(&frames);
        prop_assert_eq!(&came[..], &frame[make.headers() - 8..]);
    }

    /// Whatever the headers say, nobody gets more than a buffer, and no byte that the frame
    /// does not have.
    #[test]
    fn any_bytes_are_cut_or_refused(
        make in prop_oneof![makes(true), makes(false)], len in 0..400usize, kept in 0..600usize,
        header: [u8; LOOKED_AT], wild in prop::collection::vec((0..200usize, any::<u8>()), 0..4),
        longest in 14..2000u32, gso in select(vec![1u8, 3, 4, 5]),
    ) {
        let mut frame = make.frame(TO, FROM, &payload(len));
        for (at, byte) in wild {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        frame.truncate(kept);
        let mut header = header;
        header[..4].copy_from_slice(&[0, gso, 0, 0]);
        // What it asserts is what is wanted.
        let _ = cut(&header, &frame, longest, 2048);
    }
}

/// A byte a segment was as many segments as a ring has slots, for every receiver of a flood.
#[test]
fn nobody_is_kept_busy_with_tiny_segments() {
    let v4 = |tcp| Make {
        tcp,
        ..Make::default()
    };
    let stream = v4(Some(tcp(5, &[])));
    let frame = stream.frame(TO, FROM, &payload(4800));
    for gso in [1, 8, 48] {
        let frames = cut(&stream.asks(TCPV4, gso), &frame, 1514, 2048).unwrap();
        assert_eq!(frames.len(), 100, "segments of {gso}");
    }
    let datagram = v4(None);
    let count = |len| {
        let frame = datagram.frame(TO, FROM, &payload(len));
        let frames = cut(&datagram.asks(DATAGRAMS, 1), &frame, 1514, 2048)?;
        Some(frames.len())
    };
    assert_eq!((count(128), count(129)), (Some(128), None));
}

#[test]
fn a_frame_of_one_segment_stays_as_it_is() {
    for v6 in [false, true] {
        let make = Make {
            v6,
            tcp: Some(TcpHeader {
                fin: true,
                psh: true,
                cwr: true,
                ..tcp(5, &[])
            }),
            ..Make::default()
        };
        let frame = make.frame(TO, FROM, &payload(100));
        let kind = if v6 { TCPV6 } else { TCPV4 };
        let frames = cut(&make.asks(kind, 1448), &frame, 1514, 2048);
        assert_eq!(frames, Some(vec![frame]), "v6: {v6}");
    }
}

/// The stack of Linux gives such a frame a length of its own and lets the driver pad it.
#[test]
fn padding_is_not_payload() {
    let make = Make {
        tcp: Some(tcp(5, &[])),
        ..Make::default()
    };
    let frame = make.frame(TO, FROM, &payload(3));
    let padded = [&frame[..], &[0; 3]].concat();
    let frames = cut(&make.asks(TCPV4, 1448), &padded, 1514, 2048);
    assert_eq!(frames, Some(vec![frame]));
}

/// With addresses left to visit, the checksum is of the last of them (RFC 8200, section 8.1).
#[test]
fn a_route_decides_whose_checksum_it_is() {
    let last = [0x77; 16];
    let behind = |kind: u8, addresses: &[[u8; 16]]| {
        let left = addresses.len() as u8;
        [&[kind, left, 0, 0, 0, 0][..], &addresses.concat()].concat()
    };
    let routes = [
        behind(0, &[V6[0], last]),
        behind(2, &[last]),
        // Segment routing lists them backwards.
        behind(4, &[last, V6[0]]),
    ];
    for routing in routes {
        let make = Make {
            v6: true,
            tcp: Some(tcp(5, &[])),
            routing,
            ..Make::default()
        };
        let frame = make.frame(TO, FROM, &payload(2000));
        let frames = cut(&make.asks(TCPV6, 1000), &frame, 1514, 2048).unwrap();
        assert_eq!(frames.len(), 2);
        for mut frame in frames {
            // To the judge the address in front counts: put there what is meant.
            frame[14 + 24..14 + 40].copy_from_slice(&last);
            read(&frame);
        }
    }
    let unknown = Make {
        v6: true,
        tcp: Some(tcp(5, &[])),
        routing: behind(9, &[last]),
        ..Make::default()
    };
    let frame = unknown.frame(TO, FROM, &payload(2000));
    let frames = cut(&unknown.asks(TCPV6, 1000), &frame, 1514, 2048);
    assert_eq!(frames, None, "nobody knows where that goes");
}

/// What only the destination reads is shared out among fragments with the rest; what routers read
/// is in all of them.
#[test]
fn options_of_the_destination_are_in_the_first_fragment() {
    let make = Make {
        v6: true,
        hop_by_hop: vec![1, 4, 0, 0, 0, 0],
        destination: vec![1, 4, 9, 9, 9, 9],
        ..Make::default()
    };
    let frame = make.frame(TO, FROM, &payload(3000));
    let frames = cut(&make.asks(FRAGMENTS, 0), &frame, 1514, 2048).unwrap();
    assert_eq!(frames.len(), 3);
    let mut rest = Vec::new();
    for (i, fragment) in frames.iter().enumerate() {
        assert_eq!(fragment[20], 0, "hop by hop comes first");
        assert_eq!(fragment[54], 44, "then the fragment's");
        assert_eq!(fragment[62], 60, "then the options");
        let field = u16::from_be_bytes([fragment[64], fragment[65]]);
        assert_eq!(usize::from(field & !7), rest.len());
        assert_eq!(field & 1 == 1, i < 2, "more follow");
        assert_eq!(fragment[66..70], FRAGMENT_ID.to_be_bytes());
        rest.extend_from_slice(&fragment[70..]);
    }
    assert_eq!(rest, frame[62..], "and its checksum is right");
}

/// IPv4's identification is often 0 where nobody expects fragments; and these must not be told not
/// to be some.
#[test]
fn fragments_have_an_identification() {
    let make = Make::default();
    let mut frame = make.frame(TO, FROM, &payload(3000));
    frame[14 + 4..14 + 8].copy_from_slice(&[0, 0, 0x40, 0]);
    let frames = cut(&make.asks(FRAGMENTS, 0), &frame, 1514, 2048).unwrap();
    for fragment in &frames {
        assert_eq!(fragment[18..20], (FRAGMENT_ID as u16).to_be_bytes());
        assert_eq!(fragment[20] & 0x40, 0, "do not fragment");
    }
    assert_eq!(reassemble(&frames)[8..], payload(3000));
    // Without a request the checksum stays as it is.
    let mut header = make.asks(FRAGMENTS, 0);
    header[0] = 0;
    let frames = cut(&header, &frame, 1514, 2048).unwrap();
    assert_eq!(reassemble(&frames)[..8], frame[34..42]);
}

#[test]
fn what_is_not_as_it_says_is_refused() {
    let v4 = Make {
        tcp: Some(tcp(5, &[])),
        ..Make::default()
    };
    let frame = v4.frame(TO, FROM, &payload(3000));
    let asks = v4.asks(TCPV4, 1448);
    let refused = |what: &str, header: &[u8; 10], edit: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = frame.clone();
        edit(&mut frame);
        assert_eq!(cut(header, &frame, 1514, 2048), None, "{what}");
    };
    assert!(cut(&asks, &frame, 1514, 2048).is_some());
    for kind in [TCPV6, FRAGMENTS, DATAGRAMS] {
        refused("another kind", &v4.asks(kind, 1448), &|_| {});
    }
    refused("no IP", &asks, &|frame| frame[12] = 0x88);
    refused("version 5", &asks, &|frame| frame[14] = 0x55);
    refused("a short IPv4 header", &asks, &|frame| frame[14] = 0x44);
    refused("a fragment", &asks, &|frame| frame[20] = 0x20);
    refused("a later fragment", &asks, &|frame| frame[21] = 1);
    refused("UDP", &asks, &|frame| frame[23] = 17);
    refused("a short TCP header", &asks, &|frame| frame[46] = 0x40);
    refused("longer than the frame", &asks, &|frame| {
        frame.truncate(3000)
    });
    refused("shorter than its headers", &asks, &|frame| {
        frame[16..18].copy_from_slice(&[0, 39])
    });
    refused("nothing", &asks, &Vec::clear);
    refused("three tags", &asks, &|frame| {
        for _ in 0..3 {
            frame.splice(12..12, [0x81, 0, 0, 1]);
        }
    });
    assert_eq!(cut(&asks, &frame, 54, 2048), None, "no room for payload");
    let v6 = Make { v6: true, ..v4 };
    let mut frame = v6.frame(TO, FROM, &payload(3000));
    let asks = v6.asks(TCPV6, 1428);
    assert!(cut(&asks, &frame, 1514, 2048).is_some());
    frame[20] = 44;
    assert_eq!(cut(&asks, &frame, 1514, 2048), None, "an IPv6 fragment");
}
