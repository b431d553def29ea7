// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames whose virtio-net header asks for something, on their way to ports without: item 137.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::packets::*;
use crate::harness::programs::Programs;
use crate::harness::random::Random;
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
    item_137_every_port_gets_what_it_understands,
    item_137_what_cannot_be_done_is_dropped_and_counted,
    item_137_segments_come_all_or_none,
    item_137_frames_behind_dropped_ones_are_whole,
    item_137_from_the_programs_own_memory,
    item_137_behind_an_xdp_program,
    item_137_any_header_does_no_harm,
    item_137_payload_that_changes_does_no_harm,
];

/// A port with many slots, and frames in them that may have 64 KiB in all.
fn large<const N: usize>(switch: &str, headers: [u32; N]) -> Result<[Bound; N], Errno> {
    let mut bound = Vec::new();
    for (name, header) in ["a", "b", "c", "d"].iter().zip(headers) {
        let name = format!("{switch}:{name}");
        bound.push(vale(&name).slots(1024, 1024).bind()?);
        set_vnet_hdr(&name, header)?;
    }
    bound.try_into().map_err(|_| Errno::EINVAL)
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// A header of `len` bytes that starts with these.
fn long_header(header: [u8; 10], len: usize) -> Vec<u8> {
    let mut header = header.to_vec();
    header.resize(len, 0xee);
    header
}

/// Puts a frame into as many slots as it needs, the first of which hold so many bytes.
fn put_cut(ring: &Ring, frame: &[u8], first: &[usize]) {
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
fn through(
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
fn makes() -> Vec<(Make, u8)> {
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
fn are_segments(
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
            // As the sender's stack leaves it: the sum of what is around, which the rest is to be added to.
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

/// What is in the checksum's field, `at` in this, before the rest is summed up, so that the result is what is there now.
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

fn item_137_what_cannot_be_done_is_dropped_and_counted() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let make = Make {
        tcp: Some(tcp(1, &[])),
        ..Make::default()
    };
    let frame = make.frame(BROADCAST, station(1), &payload(1000));
    let mut number = 0;
    let mut dropped = |what: &str, header: [u8; 10], edit: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = frame.clone();
        edit(&mut frame);
        a.tx(0).put(&[long_header(header, 12), frame].concat());
        number += 1;
        let next = self::frame(BROADCAST, station(1), number);
        a.tx(0).put(&[vec![0; 12], next].concat());
        a.device.txsync()?;
        same(what, got(&b)?, vec![number])?;
        same(what, counter(&a, "tx0-drop_bad_header")?, number.into())
    };
    let asks = make.asks(TCPV4, 500);
    for (what, gso) in [
        ("2", 2),
        ("6", 6),
        ("UDP", 3),
        ("USO", 5),
        ("IPv6", 4),
        ("tunnel", 0x21),
    ] {
        dropped(what, make.asks(gso, 500), &|_| {})?;
    }
    dropped("flags", header(4, 0, 0, 0, 34, 16), &|_| {})?;
    dropped("a field behind it", header(1, 0, 0, 0, 34, 2000), &|_| {})?;
    dropped(
        "a field among the addresses",
        header(1, 0, 0, 0, 2, 2),
        &|_| {},
    )?;
    dropped("longer headers", header(1, 1, 1100, 500, 34, 16), &|_| {})?;
    dropped("another protocol", asks, &|frame| frame[23] = 1)?;
    dropped("a fragment", asks, &|frame| frame[20] = 0x20)?;
    dropped("a lying length", asks, &|frame| frame[16] = 0x70)?;
    dropped("a short TCP header", asks, &|frame| frame[46] = 0x10)?;
    dropped("too short", asks, &|frame| frame.truncate(40))
}

fn item_137_segments_come_all_or_none() -> Outcome {
    let [a, b] = ports("vale137", ["a", "b"])?;
    set_vnet_hdr("vale137:a", 12)?;
    let make = Make {
        tcp: Some(tcp(1, &[])),
        ..Make::default()
    };
    let plain = |n| [vec![0; 12], frame(BROADCAST, station(1), n)].concat();
    let long = |count: usize| {
        let sent = payload(count * 50);
        let asks = long_header(make.asks(TCPV4, 50), 12);
        [asks, make.frame(BROADCAST, station(1), &sent)].concat()
    };
    let send = |frames: &[Vec<u8>]| -> Outcome {
        for frame in frames {
            put_cut(&a.tx(0), frame, &[]);
        }
        Ok(a.device.txsync()?)
    };
    // Of 63 slots 60 are taken, then there is no room for four, nor for what comes after in the batch.
    send(&[plain(1), long(59), long(4), plain(2)])?;
    same("came", b.recv()?.len(), 60)?;
    same("lost", counter(&b, "rx0-drop_full")?, 2)?;
    send(&[long(63), plain(3)])?;
    same("came", b.recv()?.len(), 63)?;
    same("lost", counter(&b, "rx0-drop_full")?, 3)?;
    // More than the ring ever has was taken for a ring that is full now, and held up what came behind.
    send(&[long(64), plain(4)])?;
    same("behind it", got(&b)?, vec![4])?;
    same("too long", counter(&a, "tx0-drop_bad_length")?, 1)
}

/// Slots of dropped frames were kept, until there was no place for those of a frame that arrived: it was cut short.
fn item_137_frames_behind_dropped_ones_are_whole() -> Outcome {
    let [a, b] = large("vale137", [12, 12])?;
    let to = |to, len| [vec![0; 12], frame_of(len, to, station(1), 1)].concat();
    a.send(&[to(BROADCAST, 60)])?;
    b.recv()?;
    // To the sender itself, up to the last places of a pass of 128 slots.
    for _ in 0..126 {
        a.tx(0).put(&to(station(1), 60));
    }
    let long = to(BROADCAST, 5000);
    let came = through(&a, &b, &long, &[])?;
    let bytes: Vec<u8> = came.into_iter().flat_map(|(_, bytes)| bytes).collect();
    that("the whole frame", bytes == long)?;
    same("to itself", counter(&a, "tx0-drop_loop")?, 126)
}

fn item_137_from_the_programs_own_memory() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let ring = a.tx(0);
    for (make, gso) in makes() {
        let sent = payload(1900);
        let frame = make.frame(BROADCAST, station(1), &sent);
        let asks = long_header(make.asks(gso, 600), 12);
        let whole = [asks, frame].concat();
        let put = |len: usize, ptr: u64| {
            let at = ring.head();
            ring.edit_slot(at, |slot| {
                (slot.len, slot.flags, slot.ptr) = (len as u16, NS_INDIRECT, ptr)
            });
            ring.set_head_cur(ring.after(at, 1));
        };
        put(whole.len(), whole.as_ptr() as u64);
        a.device.txsync()?;
        let came = b.recv_slots()?;
        are_segments(&make, gso, 600, &sent, &came)?;
    }
    // The headers are there, of what comes behind some is not: segments that have it arrive empty.
    let make = &makes()[0].0;
    let frame = make.frame(BROADCAST, station(1), &payload(4000));
    let asks = long_header(make.asks(TCPV4, 1400), 12);
    ring.put_flagged(&[&asks[..], &frame[..300]].concat(), NS_MOREFRAG);
    let at = ring.head();
    ring.edit_slot(at, |slot| {
        (slot.len, slot.flags, slot.ptr) = (2000, NS_INDIRECT | NS_MOREFRAG, 8)
    });
    ring.set_head_cur(ring.after(at, 1));
    ring.put(&frame[2300..]);
    a.device.txsync()?;
    let came = b.recv()?;
    let lens: Vec<_> = came.iter().map(Vec::len).collect();
    same("lengths", lens, [0, 0, make.headers() + 1200])?;
    that("the last", read(&came[2]).payload == payload(4000)[2800..])?;
    same("counted", counter(&b, "rx0-drop_bad_buffer")?, 2)?;
    a.send(&[[vec![0; 12], self::frame(BROADCAST, station(1), 9)].concat()])?;
    same("afterwards", got(&b)?, vec![9])
}

fn item_137_behind_an_xdp_program() -> Outcome {
    let [a, b] = large("valex137", [12, 0])?;
    let programs = Programs::load()?;
    for name in ["pass", "pass_calling"] {
        programs.replace("valex137:a", name)?;
        for (make, gso) in makes() {
            let sent = payload(6000);
            let frame = make.frame(BROADCAST, station(1), &sent);
            let asks = long_header(make.asks(gso, 1400), 12);
            let came = through(&a, &b, &[asks, frame].concat(), &[])?;
            are_segments(&make, gso, 1400, &sent, &came)?;
        }
    }
    Ok(())
}

fn item_137_any_header_does_no_harm() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let mut random = Random::new(137);
    let makes = makes();
    for _ in 0..2000 {
        let (make, gso) = &makes[random.below(makes.len() as u64) as usize];
        let sent = payload(random.below(4000) as usize);
        let mut frame = make.frame(BROADCAST, station(1), &sent);
        let mut asks = make.asks(*gso, random.below(3000) as u16);
        for _ in 0..random.below(3) {
            asks[random.below(10) as usize] = random.next() as u8;
        }
        for _ in 0..random.below(3) {
            let at = random.below(100).min(frame.len() as u64 - 1);
            frame[at as usize] = random.next() as u8;
        }
        let whole = [long_header(asks, 12), frame].concat();
        let first = [
            12 + 14 + random.below(80) as usize,
            random.below(300) as usize,
        ];
        let came = through(&a, &b, &whole, &first)?;
        that(
            "no slot has more than a buffer",
            came.iter().all(|(_, frame)| frame.len() <= 2048),
        )?;
    }
    a.send(&[[vec![0; 12], frame(BROADCAST, station(1), 9)].concat()])?;
    same("afterwards", got(&b)?, vec![9])
}

/// Another thread rewrites the frame while it is cut.
fn item_137_payload_that_changes_does_no_harm() -> Outcome {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    let a = vale("vale137:a").slots(64, 64).bind()?;
    let b = vale("vale137:b").slots(1024, 1024).bind()?;
    set_vnet_hdr("vale137:a", 12)?;
    let stop = AtomicBool::new(false);
    let makes = makes();
    let buffers: Vec<_> = a.tx(0).slots().iter().map(|slot| slot.buf_idx).collect();
    std::thread::scope(|scope| {
        let (ring, stop) = (a.tx(0), &stop);
        let vandal = scope.spawn(move || {
            let mut random = Random::new(4);
            while !stop.load(SeqCst) {
                // Mostly in headers.
                let at = random.below(2048) >> random.below(6);
                ring.write_byte(random.of(&buffers), at, random.next() as u8);
            }
        });
        let result = (0..300).try_for_each(|i| -> Outcome {
            let (make, gso) = &makes[i % makes.len()];
            let sent = payload(20_000);
            let frame = make.frame(BROADCAST, station(1), &sent);
            let asks = long_header(make.asks(*gso, 1400), 12);
            for came in through(&a, &b, &[asks, frame].concat(), &[])? {
                that("no more than a buffer", came.1.len() <= 2048)?;
            }
            Ok(())
        });
        stop.store(true, SeqCst);
        vandal.join().map_err(|_| failure("the vandal panicked"))?;
        result
    })?;
    a.send(&[[vec![0; 12], frame(BROADCAST, station(1), 9)].concat()])?;
    same("afterwards", got(&b)?, vec![9])
}
