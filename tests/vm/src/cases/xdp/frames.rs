// SPDX-License-Identifier: MIT OR Apache-2.0

//! What XDP programs of switch ports see of frames, and what they write into them.

use super::actions::{large, port_number, three, to_two};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::programs::*;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    xdp_what_the_program_writes_arrives,
    xdp_frames_grow_and_shrink,
    xdp_frames_that_do_not_fit_are_counted,
    xdp_programs_see_where_frames_come_from,
    xdp_starts_and_the_rest_arrive_together,
    xdp_chains_are_seen_whole,
    xdp_indirect_frames,
    xdp_frames_with_virtio_headers,
    xdp_receivers_with_virtio_headers,
    xdp_nothing_is_handed_over
];

fn xdp_what_the_program_writes_arrives() -> Outcome {
    let [a, b, c] = three("valex10")?;
    let programs = Programs::load()?;
    programs.attach("valex10:a", "for_station_3")?;
    for len in [60, 200, 1500] {
        let sent = frame_of(len, station(2), station(1), 7);
        let want = frame_of(len, station(3), station(1), 7);
        a.send(&[sent.clone()])?;
        same("at station 2", b.recv()?.len(), 0)?;
        same(format!("{len} bytes at station 3"), c.recv()?, [want])?;
        // The sender's own buffer is as it was.
        let ring = a.tx(0);
        let last = ring.after(ring.head(), ring.n() - 1);
        same("the sender's", ring.payload(last), sent)?;
    }
    Ok(())
}

fn xdp_frames_grow_and_shrink() -> Outcome {
    let [a, b, _c] = three("valex11")?;
    let programs = Programs::load()?;
    let sent = frame_of(300, station(2), station(1), 7);
    let header = sent[..14].to_vec();
    let cases: [(&str, Vec<u8>); 5] = [
        ("push", [&header[..], &sent[..]].concat()),
        ("longer", [&sent[..], &[0; 100]].concat()),
        ("shorter", sent[..290].to_vec()),
        ("with_meta", sent.clone()),
        ("pass", sent.clone()),
    ];
    for (name, want) in cases {
        programs.replace("valex11:a", name)?;
        a.send(&vec![sent.clone(); 5])?;
        let body = query("valex11:a")?;
        decided(name, &body, [0, 0, 5, 0, 0], want.len() as u64)?;
        same(name, b.recv()?, vec![want; 5])?;
    }
    programs.replace("valex11:a", "pop")?;
    a.send(&[[&header[..], &sent[..]].concat()])?;
    same("pop", b.recv()?, [sent])
}

fn xdp_frames_that_do_not_fit_are_counted() -> Outcome {
    let [a, b, _c] = three("valex12")?;
    let programs = Programs::load()?;
    let sent = |len| vec![frame_of(len, station(2), station(1), 7)];
    // There is no room behind a frame that fills its buffer, and the program is told.
    programs.attach("valex12:a", "longer")?;
    a.send(&sent(2000))?;
    decided("longer", &query("valex12:a")?, [0, 1, 0, 0, 0], 2000)?;
    same("dropped", counter(&a, "tx0-drop_xdp")?, 1)?;
    // There is room before it, but it would not fit a buffer then.
    programs.replace("valex12:a", "most_headroom")?;
    a.send(&sent(2000))?;
    decided("most headroom", &query("valex12:a")?, [0, 0, 1, 0, 0], 2200)?;
    same("too long", counter(&a, "tx0-drop_bad_length")?, 1)?;
    a.send(&sent(1848))?;
    same("just right", b.recv()?.concat().len(), 2048)?;
    // The kernel's helpers leave at least a header.
    programs.replace("valex12:a", "too_short")?;
    a.send(&sent(60))?;
    decided("too short", &query("valex12:a")?, [0, 1, 0, 0, 0], 60)?;
    same("arrived", b.recv()?.len(), 0)
}

fn xdp_programs_see_where_frames_come_from() -> Outcome {
    let a = vale("valex13:a").rings(3, 1).slots(64, 64).bind()?;
    let other = vale("valex13:other").slots(64, 64).bind()?;
    let b = vale("valex13:b").slots(64, 64).bind()?;
    let programs = Programs::load()?;
    programs.attach("valex13:", "origin")?;
    for (bound, name, ring) in [(&a, "a", 0), (&a, "a", 2), (&other, "other", 0)] {
        bound.send_on(ring, &numbered(1..2))?;
        let came = b.recv()?;
        same("frames", came.len(), 1)?;
        let want = [port_number(&format!("valex13:{name}"))? as u8, ring as u8];
        same(format!("{name}, ring {ring}"), &came[0][18..20], want)?;
    }
    Ok(())
}

/// Long frames of which the program sees only the start, some of them dropped in between.
fn xdp_starts_and_the_rest_arrive_together() -> Outcome {
    let (a, b) = (large("valex14:a")?, large("valex14:b")?);
    let programs = Programs::load()?;
    programs.attach("valex14:a", "pass_odd")?;
    for len in [60, 255, 256, 400, 1499, 1500, 2048] {
        let all: Vec<_> = (0..600)
            .map(|n| frame_of(len, BROADCAST, station(1), n * 7 + n / 3))
            .collect();
        let odd = all.iter().filter(|f| number(f) % 2 == 1).cloned();
        a.send(&all)?;
        same(format!("{len} bytes"), b.recv()?, odd.collect::<Vec<_>>())?;
    }
    // Long and short ones together, with odd numbers only.
    let mixed: Vec<_> = (0..500)
        .map(|n| {
            frame_of(
                if n % 3 == 0 { 1500 } else { 64 },
                BROADCAST,
                station(1),
                2 * n + 1,
            )
        })
        .collect();
    a.send(&mixed)?;
    same("mixed", b.recv()?, mixed)
}

fn xdp_chains_are_seen_whole() -> Outcome {
    let (a, b) = (large("valex15:a")?, large("valex15:b")?);
    let programs = Programs::load()?;
    let whole = frame_of(9000, BROADCAST, station(1), 11);
    let received = |what: &str, want: &[u8]| -> Outcome {
        b.device.rxsync()?;
        let slots = b.rx(0).take();
        b.device.rxsync()?;
        let bytes: Vec<u8> = slots.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        same(format!("{what}: bytes"), bytes.len(), want.len())?;
        that(format!("{what}: they are the same"), bytes == want)?;
        for (at, (slot, _)) in slots.iter().enumerate() {
            let more = if at + 1 < slots.len() { NS_MOREFRAG } else { 0 };
            let count = (slots.len() as u16) << NS_RFRAGS_SHIFT;
            same(
                format!("{what}: flags of slot {at}"),
                slot.flags,
                count | more,
            )?;
        }
        Ok(())
    };
    let send = |pieces: &[usize]| -> Outcome {
        let mut rest = &whole[..];
        let pieces: Vec<&[u8]> = pieces
            .iter()
            .map(|&len| {
                let (piece, behind) = rest.split_at(len);
                rest = behind;
                piece
            })
            .collect();
        a.tx(0).put_fragments(&pieces);
        Ok(a.device.txsync()?)
    };
    let cuts = [2048, 2048, 2048, 2048, 808];
    for name in ["pass", "pass_calling"] {
        programs.replace("valex15:a", name)?;
        send(&cuts)?;
        decided(name, &query("valex15:a")?, [0, 0, 1, 0, 0], 9000)?;
        received(name, &whole)?;
        // Headers cut in pieces are whole for the program.
        send(&[14, 1, 2000, 2048, 2048, 2048, 841])?;
        received(name, &whole)?;
    }
    programs.replace("valex15:a", "longer")?;
    send(&cuts)?;
    received("longer", &[&whole[..], &[0; 100]].concat())?;
    programs.replace("valex15:a", "push")?;
    send(&cuts)?;
    received("push", &[&whole[..14], &whole[..]].concat())?;
    programs.replace("valex15:a", "unmarked")?;
    let mut marked = whole.clone();
    marked[18] = 0xee;
    a.tx(0)
        .put_fragments(&[&marked[..1000], &marked[1000..2000]]);
    a.device.txsync()?;
    same("marked", b.recv()?.len(), 0)?;
    // Between frames of one slot, in order, to the last byte of a pass.
    programs.replace("valex15:a", "pass_odd")?;
    let short = |n| frame_of(300, BROADCAST, station(1), n);
    let mut want = Vec::new();
    let ring = a.tx(0);
    for n in 0..60 {
        let frame = short(n);
        if n % 3 == 0 {
            ring.put_fragments(&[&frame[..100], &frame[100..]]);
        } else {
            ring.put(&frame);
        }
        if n % 2 == 1 {
            want.extend(frame);
        }
    }
    a.device.txsync()?;
    same("mixed", b.recv()?.concat() == want, true)
}

fn xdp_indirect_frames() -> Outcome {
    let (a, b) = (large("valex16:a")?, large("valex16:b")?);
    let programs = Programs::load()?;
    let ring = a.tx(0);
    for name in ["pass", "pass_calling"] {
        programs.replace("valex16:a", name)?;
        let sent: Vec<_> = [60, 128, 1500, 2048]
            .map(|len| frame_of(len, BROADCAST, station(1), len as u32))
            .into();
        for frame in &sent {
            let at = ring.head();
            ring.edit_slot(at, |slot| {
                slot.len = frame.len() as u16;
                slot.flags = NS_INDIRECT;
                slot.ptr = frame.as_ptr() as u64;
            });
            ring.set_head_cur(ring.after(at, 1));
            // Another between them, from its buffer.
            ring.put(&frame_of(60, BROADCAST, station(1), 3));
        }
        a.device.txsync()?;
        let came = b.recv()?;
        let indirect: Vec<_> = came.iter().step_by(2).cloned().collect();
        same(name, indirect, sent)?;
    }
    // Memory that cannot be read, without waiting for it.
    let at = ring.head();
    ring.edit_slot(at, |slot| {
        (slot.len, slot.flags, slot.ptr) = (60, NS_INDIRECT, 8)
    });
    ring.set_head_cur(ring.after(at, 1));
    a.device.txsync()?;
    same("bad address", counter(&a, "tx0-drop_bad_address")?, 1)
}

fn xdp_frames_with_virtio_headers() -> Outcome {
    let (a, b) = (large("valex17:a")?, large("valex17:b")?);
    for name in ["valex17:a", "valex17:b"] {
        set_vnet_hdr(name, 12)?;
    }
    let programs = Programs::load()?;
    // It says that a checksum is wanted, at 34 and 16 bytes.
    let asking = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0];
    let frame = frame_of(400, BROADCAST, station(1), 5);
    for header in [[0; 12], asking] {
        let whole = [&header[..], &frame[..]].concat();
        for name in ["pass", "pass_calling", "unmarked"] {
            programs.replace("valex17:a", name)?;
            a.send(&[whole.clone()])?;
            decided(name, &query("valex17:a")?, [0, 0, 1, 0, 0], 400)?;
            same(name, b.recv()?, [whole.clone()])?;
            // The header in a slot of its own.
            a.tx(0).put_fragments(&[&header, &frame]);
            a.device.txsync()?;
            same("cut", b.recv()?.concat(), whole.clone())?;
        }
        programs.replace("valex17:a", "tx")?;
        a.send(&[whole.clone()])?;
        same("sent back", a.recv()?, [whole.clone()])?;
        programs.replace("valex17:a", "push")?;
        a.send(&[whole.clone()])?;
        let longer = [&header[..], &frame[..14], &frame[..]].concat();
        let want = if header == asking {
            vec![]
        } else {
            vec![longer]
        };
        same("longer", b.recv()?, want)?;
    }
    same(
        "its header is wrong then",
        counter(&a, "tx0-drop_bad_header")?,
        1,
    )
}

fn xdp_receivers_with_virtio_headers() -> Outcome {
    let (a, b) = (large("valex18:a")?, large("valex18:b")?);
    set_vnet_hdr("valex18:b", 10)?;
    let programs = Programs::load()?;
    for name in ["pass", "pass_calling", "pass_odd"] {
        programs.replace("valex18:a", name)?;
        for len in [60, 300, 1500] {
            let frames: Vec<_> = [1, 2, 3]
                .map(|n| frame_of(len, BROADCAST, station(1), n))
                .into();
            a.send(&frames)?;
            let kept = |f: &&Vec<u8>| name != "pass_odd" || number(f) % 2 == 1;
            let want: Vec<_> = frames
                .iter()
                .filter(kept)
                .map(|f| [&[0; 10], &f[..]].concat())
                .collect();
            same(format!("{name}, {len} bytes"), b.recv()?, want)?;
        }
    }
    Ok(())
}

fn xdp_nothing_is_handed_over() -> Outcome {
    use ferromap_abi::ext::FERROMAP_NR_SWAP;
    let a = shared("valex20:a").slots(64, 64).bind()?;
    let b = shared("valex20:b").slots(64, 64).bind()?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    a.tx(0).set_flags(FERROMAP_NR_SWAP);
    let programs = Programs::load()?;
    let sent_buffer = || {
        let at = a.tx(0).head();
        let before = a.tx(0).slot(at).buf_idx;
        a.send(&to_two(1..2))?;
        b.recv()?;
        Ok::<bool, Errno>(a.tx(0).slot(at).buf_idx == before)
    };
    same("without, the slot keeps its buffer", sent_buffer()?, false)?;
    programs.attach("valex20:a", "pass")?;
    same("with a program it does", sent_buffer()?, true)?;
    detach("valex20:a")?;
    same("afterwards", sent_buffer()?, false)
}
