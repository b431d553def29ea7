// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames whose virtio-net header asks for something, on their way to ports without: item 137. What
//! is hard or cannot be done is in `offload_edges.rs`.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::packets::*;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use etherparse::TcpHeader;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_137_long_frames_arrive_as_segments,
    item_137_the_headers_may_be_in_any_slots,
    item_137_checksums_are_finished,
    item_137_frames_longer_than_a_buffer,
    item_137_every_port_gets_what_it_understands
];

/// A port with many slots, and frames in them that may have 64 KiB in all.
pub fn large<const N: usize>(switch: &str, headers: [u32; N]) -> Result<[Bound; N], Errno> {
    let mut bound = Vec::new();
    for (name, header) in ["a", "b", "c", "d"].iter().zip(headers) {
        let name = format!("{switch}:{name}");
        bound.push(vale(&name).slots(1024, 1024).bind()?);
        set_vnet_hdr(&name, header)?;
    }
    bound.try_into().map_err(|_| Errno::EINVAL)
}

pub fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// A header of `len` bytes that starts with these.
pub fn long_header(header: [u8; 10], len: usize) -> Vec<u8> {
    let mut header = header.to_vec();
    header.resize(len, 0xee);
    header
}

/// Puts a frame into as many slots as it needs, the first of which hold so many bytes.
pub fn put_cut(ring: &Ring, frame: &[u8], first: &[usize]) {
    let mut rest = frame;
    let mut pieces = Vec::new();
    for &len in first.iter().chain(std::iter::repeat(&2048)) {
        let (piece, behind) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    ring.put_fragments(&pieces);
}

/// Sends one frame, and gives back what came at `to`: flags of the slots, and bytes.
pub fn through(
    from: &Bound,
    to: &Bound,
    frame: &[u8],
    first: &[usize],
) -> Outcome<Vec<(u16, Vec<u8>)>> {
    put_cut(&from.tx(0), frame, first);
    from.device.txsync()?;
    Ok(to.recv_slots()?)
}

/// The makes of frames that are tried, with the kind of segments that they are cut into.
pub fn makes() -> Vec<(Make, u8)> {
    let of = |v6, tcp: bool, tags| Make {
        v6,
        tcp: tcp.then(|| TcpHeader {
            fin: true,
            psh: true,
            cwr: true,
            ..self::tcp(u32::MAX - 2000, &[1; 12])
        }),
        tags,
        ..Make::default()
    };
    let mut makes = Vec::new();
    for tags in 0..3 {
        makes.push((of(false, true, tags), TCPV4));
        makes.push((of(true, true, tags), TCPV6));
        for v6 in [false, true] {
            makes.push((of(v6, false, tags), FRAGMENTS));
            makes.push((of(v6, false, tags), DATAGRAMS));
        }
    }
    makes
}

/// Frames without a header, which are segments of `make` and have this payload.
pub fn are_segments(
    make: &Make,
    gso: u8,
    size: usize,
    sent: &[u8],
    came: &[(u16, Vec<u8>)],
) -> Outcome {
    let frames: Vec<_> = came.iter().map(|(_, frame)| frame.clone()).collect();
    // The interface has the number of slots among them.
    let one_slot = 1 << NS_RFRAGS_SHIFT;
    that("no flags", came.iter().all(|(flags, _)| *flags == one_slot))?;
    that(
        "short enough",
        frames.iter().all(|frame| frame.len() <= 1514),
    )?;
    if gso == FRAGMENTS {
        let whole = make.frame(BROADCAST, station(1), sent);
        let datagram = &whole[make.headers() - 8..];
        return that("the datagram", reassemble(&frames) == datagram);
    }
    let segments: Vec<_> = frames.iter().map(|frame| read(frame)).collect();
    let last = segments.len() - 1;
    for (i, segment) in segments.iter().enumerate() {
        if let Some(tcp) = &segment.tcp {
            let at = (i * size) as u32;
            same(
                "sequence",
                tcp.sequence_number,
                (u32::MAX - 2000).wrapping_add(at),
            )?;
            let want = (i == last, i == last, i == 0);
            same("flags", (tcp.fin, tcp.psh, tcp.cwr), want)?;
        }
        same("id", segment.id, (!make.v6).then(|| 4000 + i as u16))?;
    }
    let came: Vec<_> = segments.into_iter().map(|s| s.payload).collect();
    let want: Vec<_> = sent.chunks(size).map(|c| c.to_vec()).collect();
    that("payload", came == want)
}

fn item_137_long_frames_arrive_as_segments() -> Outcome {
    for header in [10, 12] {
        let [a, b] = large("vale137", [header, 0])?;
        for (make, gso) in makes() {
            for len in [1, 1400, 1401, 5000, 65_000] {
                let (size, sent) = (1400, payload(len));
                let frame = make.frame(BROADCAST, station(1), &sent);
                let asks = long_header(make.asks(gso, size as u16), header as usize);
                let came = through(&a, &b, &[asks, frame].concat(), &[])?;
                if gso == FRAGMENTS && came.len() == 1 {
                    same("whole", read(&came[0].1).payload, sent)?;
                    continue;
                }
                are_segments(&make, gso, size, &sent, &came)?;
            }
        }
        let dropped = counter(&a, "tx0-drop_bad_header")?;
        same("dropped", dropped, 0)?;
    }
    Ok(())
}

fn item_137_the_headers_may_be_in_any_slots() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let make = Make {
        v6: true,
        tcp: Some(tcp(u32::MAX - 2000, &[1; 12])),
        hop_by_hop: vec![1, 4, 0, 0, 0, 0],
        destination: vec![1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ..Make::default()
    };
    let sent = payload(5000);
    let frame = make.frame(BROADCAST, station(1), &sent);
    let asks = long_header(make.asks(TCPV6, 1000), 12);
    let whole = [asks, frame].concat();
    let one_by_one: Vec<_> = [26].into_iter().chain([1; 40]).collect();
    for first in [
        &[12][..],
        &[26],
        &[12, 14],
        &[12, 14, 40, 8],
        &[12, 60, 0, 3],
        &[100, 77],
        &one_by_one,
    ] {
        let came = through(&a, &b, &whole, first)?;
        let segments: Vec<_> = came.iter().map(|(_, frame)| read(frame).payload).collect();
        let want: Vec<_> = sent.chunks(1000).collect();
        that(format!("payload, cut at {first:?}"), segments == want)?;
    }
    Ok(())
}

fn item_137_checksums_are_finished() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    for (make, _) in makes() {
        for len in [1, 2, 37, 1400] {
            let whole = make.frame(BROADCAST, station(1), &payload(len));
            let mut frame = whole.clone();
            // As the sender's stack leaves it: the sum of what is around, which the rest is to be
            // added to.
            let asks = make.asks(0, 0);
            let start = usize::from(u16::from_le_bytes([asks[6], asks[7]]));
            let at = start + usize::from(asks[8]);
            frame[at..at + 2].copy_from_slice(&around(&whole[start..], at - start));
            let frame = [long_header(asks, 12), frame].concat();
            for first in [&[][..], &[12], &[12, 33, 1]] {
                // In one slot, so that an interface can take it.
                let came = through(&a, &b, &frame, first)?;
                same("came", came, vec![(0x100, whole.clone())])?;
            }
        }
    }
    // What is asked is done, whatever it is of: here of the last three bytes, behind an odd number.
    let frame = frame_of(61, BROADCAST, station(1), 1);
    let mut want = frame.clone();
    want[40..42].fill(0);
    want[58..61].copy_from_slice(&[0, 1, 2]);
    let mut sent = want.clone();
    sent[58] = 0;
    let asks = header(1, 0, 0, 0, 57, 2);
    let came = through(&a, &b, &[long_header(asks, 12), sent.clone()].concat(), &[])?;
    let mut sum = 0u32;
    for pair in sent[57..].chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sent[59..61].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    same("any bytes", came, vec![(0x100, sent)])?;
    // Somebody found it right already.
    let sent = frame_of(60, BROADCAST, station(1), 2);
    let valid = long_header(header(2, 0, 0, 0, 0, 0), 12);
    let came = through(&a, &b, &[valid, sent.clone()].concat(), &[])?;
    same("valid", came, vec![(0x100, sent)])
}

/// What is in the checksum's field, `at` in this, before the rest is summed up, so that the result
/// is what is there now.
fn around(bytes: &[u8], at: usize) -> [u8; 2] {
    let mut blank = bytes.to_vec();
    blank[at..at + 2].fill(0);
    let word = |pair: &[u8]| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    };
    let rest: u32 = blank.chunks(2).map(word).sum();
    let mut want = u32::from(!u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let mut rest = (rest & 0xffff) + (rest >> 16);
    rest = (rest & 0xffff) + (rest >> 16);
    want += u32::from(!(rest as u16));
    (((want & 0xffff) + (want >> 16)) as u16).to_be_bytes()
}

fn item_137_frames_longer_than_a_buffer() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let make = Make {
        tcp: Some(tcp(1, &[])),
        ..Make::default()
    };
    let whole = make.frame(BROADCAST, station(1), &payload(6000));
    let mut frame = whole.clone();
    frame[50..52].copy_from_slice(&around(&whole[34..], 16));
    let sent = [long_header(make.asks(0, 0), 12), frame].concat();
    let came = through(&a, &b, &sent, &[])?;
    let flags: Vec<_> = came.iter().map(|(flags, _)| *flags).collect();
    same("flags", flags, [0x320, 0x320, 0x300])?;
    let bytes: Vec<_> = came.into_iter().flat_map(|(_, bytes)| bytes).collect();
    that("bytes", bytes == whole)?;
    // The checksum's own bytes are in two of the receiver's slots.
    let mut sent = vec![0; 5000];
    sent[..6].fill(0xff);
    sent[2500] = 7;
    let asks = long_header(header(1, 0, 0, 0, 15, 2032), 12);
    let came = through(&a, &b, &[asks, sent.clone()].concat(), &[])?;
    sent[2047..2049].copy_from_slice(&[0xff, 0xf8]);
    let bytes: Vec<_> = came.into_iter().flat_map(|(_, bytes)| bytes).collect();
    that("bytes", bytes == sent)
}

fn item_137_every_port_gets_what_it_understands() -> Outcome {
    let [a, b, c, d] = large("vale137", [12, 0, 10, 12])?;
    let make = &makes()[0].0;
    let sent = payload(5000);
    let frame = make.frame(BROADCAST, station(1), &sent);
    let asks = long_header(make.asks(TCPV4, 1400), 12);
    let whole = [&asks[..], &frame].concat();
    // Frames that ask for nothing are before it and behind it.
    let plain = |n| [vec![0; 12], self::frame(BROADCAST, station(1), n)].concat();
    a.tx(0).put(&plain(1));
    put_cut(&a.tx(0), &whole, &[]);
    a.tx(0).put(&plain(2));
    a.device.txsync()?;
    for to in [&b, &c, &d] {
        to.device.rxsync()?;
    }
    let mut came = b.recv_slots()?;
    same(
        "behind it",
        came.pop(),
        Some((0x100, self::frame(BROADCAST, station(1), 2))),
    )?;
    same(
        "before it",
        came.remove(0),
        (0x100, self::frame(BROADCAST, station(1), 1)),
    )?;
    are_segments(make, TCPV4, 1400, &sent, &came)?;
    for (to, len) in [(&c, 10), (&d, 12)] {
        let frames = to.rx(0).take_frames();
        let bytes = frames[1..frames.len() - 1].concat();
        let want = [&asks[..len], &frame].concat();
        that(format!("as it was, with {len} bytes"), bytes == want)?;
    }
    same("frames of b", counter(&b, "rx0-frames")?, 2 + 4)?;
    let bytes = counter(&b, "rx0-bytes")?;
    same("frames of d", counter(&d, "rx0-frames")?, 3)?;
    let headers = make.headers() as u64;
    same("bytes of b", bytes, 2 * 60 + 4 * headers + 5000)
}
