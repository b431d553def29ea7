// SPDX-License-Identifier: MIT OR Apache-2.0

//! Headers that ask for what cannot be done, and frames that are hard to do it to: the rest of item
//! 137.

use super::offload::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::packets::*;
use crate::harness::programs::Programs;
use crate::harness::random::Random;
use crate::harness::raw::hostile::GuardPage;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    item_137_what_cannot_be_done_is_dropped_and_counted,
    item_137_segments_come_all_or_none,
    item_137_frames_behind_dropped_ones_are_whole,
    item_137_from_the_programs_own_memory,
    item_137_headers_that_can_be_read_are_enough,
    item_137_a_port_that_had_headers_gets_longer_segments,
    item_137_behind_an_xdp_program,
    item_137_any_header_does_no_harm,
    item_137_payload_that_changes_does_no_harm
];

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
    // Of 63 slots 60 are taken, then there is no room for four, nor for what comes after in the
    // batch.
    send(&[plain(1), long(59), long(4), plain(2)])?;
    same("came", b.recv()?.len(), 60)?;
    same("lost", counter(&b, "rx0-drop_full")?, 2)?;
    send(&[long(63), plain(3)])?;
    same("came", b.recv()?.len(), 63)?;
    same("lost", counter(&b, "rx0-drop_full")?, 3)?;
    // More than the ring ever has was taken for a ring that is full now, and held up what came
    // behind.
    send(&[long(64), plain(4)])?;
    same("behind it", got(&b)?, vec![4])?;
    same("too long", counter(&a, "tx0-drop_bad_length")?, 1)
}

/// Slots of dropped frames were kept, until there was no place for those of a frame that arrived:
/// it was cut short.
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

/// If not all of the first 256 bytes could be read, nothing of the frame arrived.
fn item_137_headers_that_can_be_read_are_enough() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let (ring, page) = (a.tx(0), GuardPage::new()?);
    let (make, gso) = &makes()[0];
    let sent = payload(1200);
    let frame = make.frame(BROADCAST, station(1), &sent);
    let asks = long_header(make.asks(*gso, 600), 12);
    let whole: [u8; 256] = std::array::from_fn(|i| *asks.iter().chain(&frame).nth(i).unwrap());
    let first = 12 + make.headers() + 600;
    let mut lost = 0;
    for (there, arrives) in [
        (256, true),
        (12 + make.headers() + 1, true),
        (12 + make.headers(), true),
        (12 + make.headers() - 1, false),
        (40, false),
        (28, false),
    ] {
        let at = ring.head();
        let address = page.place(whole, 256 - there);
        ring.edit_slot(at, |slot| {
            slot.len = first as u16;
            (slot.flags, slot.ptr) = (NS_INDIRECT | NS_MOREFRAG, address);
        });
        ring.set_head_cur(ring.after(at, 1));
        ring.put(&frame[first - 12..]);
        a.device.txsync()?;
        let came = b.recv_slots()?;
        let lens: Vec<_> = came.iter().map(|(_, frame)| frame.len()).collect();
        if arrives {
            same(
                format!("{there} bytes"),
                lens,
                vec![0, make.headers() + 600],
            )?;
            that("the other", read(&came[1].1).payload == sent[600..])?;
        } else {
            same(format!("{there} bytes"), lens, vec![])?;
            lost += 1;
        }
        same("lost", counter(&a, "tx0-drop_bad_address")?, lost)?;
    }
    same("bad headers", counter(&a, "tx0-drop_bad_header")?, 0)?;
    a.send(&[[vec![0; 12], self::frame(BROADCAST, station(1), 9)].concat()])?;
    same("afterwards", got(&b)?, vec![9])
}

/// Section 9: a header length raises the longest frame to a buffer. Nothing takes it back.
fn item_137_a_port_that_had_headers_gets_longer_segments() -> Outcome {
    let [a, b] = large("vale137", [12, 0])?;
    let sent = payload(10_000);
    let longest = |b: &Bound, size: u16| -> Outcome<usize> {
        let make = &makes()[0].0;
        let asks = long_header(make.asks(TCPV4, size), 12);
        let frame = make.frame(BROADCAST, station(1), &sent);
        let came = through(&a, b, &[asks, frame].concat(), &[])?;
        let all: Vec<_> = came.iter().flat_map(|(_, f)| read(f).payload).collect();
        that("payload", all == sent)?;
        Ok(came.iter().map(|(_, frame)| frame.len()).max().unwrap_or(0))
    };
    let headers = makes()[0].0.headers();
    same("at first", longest(&b, 0)?, 1514)?;
    same("at first", longest(&b, 1800)?, 1514)?;
    for len in [10, 12] {
        set_vnet_hdr("vale137:b", len)?;
        set_vnet_hdr("vale137:b", 0)?;
        same("a buffer", longest(&b, 0)?, 2048)?;
        same("as was asked", longest(&b, 1800)?, headers + 1800)?;
        same("as was asked", longest(&b, 1000)?, headers + 1000)?;
    }
    drop(b);
    let b = vale("vale137:b").slots(1024, 1024).bind()?;
    same("another of the name", longest(&b, 0)?, 1514)?;
    set_vnet_hdr("vale137:b", 0)?;
    same("still without", longest(&b, 0)?, 1514)
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
