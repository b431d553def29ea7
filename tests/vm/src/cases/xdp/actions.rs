// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs on switch ports: what they decide happens, and is counted.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::programs::*;
use crate::harness::raw::request::{set_vnet_hdr, vale_find};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    xdp_each_action_is_done_and_counted,
    xdp_drop_and_pass_of_a_million,
    xdp_all_actions_in_one_stream_of_a_million,
    xdp_sent_back_and_flooded_frames_share_a_batch,
    xdp_redirection_overrides_what_the_switch_has_learned,
    xdp_redirection_to_nobody,
    xdp_redirection_that_names_no_port_is_aborted,
    xdp_named_ports_are_forgotten_with_the_frame,
    xdp_aborted_frames_are_traced,
    xdp_what_the_program_writes_arrives,
    xdp_frames_grow_and_shrink,
    xdp_frames_that_do_not_fit_are_counted,
    xdp_programs_see_where_frames_come_from,
    xdp_starts_and_the_rest_arrive_together,
    xdp_chains_are_seen_whole,
    xdp_indirect_frames,
    xdp_frames_with_virtio_headers,
    xdp_receivers_with_virtio_headers,
    xdp_programs_of_switches_and_of_ports,
    xdp_nothing_is_handed_over,
];

/// Ports a, b and c, with stations 1, 2 and 3 behind them.
fn three(switch: &str) -> Outcome<[Bound; 3]> {
    let all = ports(switch, ["a", "b", "c"])?;
    for (bound, n) in all.iter().zip(1..) {
        bound.send(&[frame(BROADCAST, station(n), 0)])?;
    }
    for bound in &all {
        bound.recv()?;
    }
    Ok(all)
}

/// Frames from station 1 to station 2.
fn to_two(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbers.map(|n| frame(station(2), station(1), n)).collect()
}

fn port_number(name: &str) -> Outcome<u32> {
    Ok(vale_find(name)?.1)
}

fn xdp_each_action_is_done_and_counted() -> Outcome {
    let [a, b, c] = three("valex1")?;
    let programs = Programs::load()?;
    programs.aim(port_number("valex1:c")?)?;
    let sent = to_two(1..11);
    let all = [
        ("aborted", [10, 0, 0, 0, 0], None),
        ("unknown", [10, 0, 0, 0, 0], None),
        ("drop", [0, 10, 0, 0, 0], None),
        ("pass", [0, 0, 10, 0, 0], Some(&b)),
        ("pass_calling", [0, 0, 10, 0, 0], Some(&b)),
        ("tx", [0, 0, 0, 10, 0], Some(&a)),
        ("steer", [0, 0, 0, 0, 10], Some(&c)),
    ];
    let mut dropped = 0;
    for (name, want, to) in all {
        programs.replace("valex1:a", name)?;
        a.send(&sent)?;
        let body = query("valex1:a")?;
        same(format!("{name}: id"), body.prog_id, programs.id(name))?;
        decided(name, &body, want, 60)?;
        for (bound, who) in [(&a, "a"), (&b, "b"), (&c, "c")] {
            let mine = to.is_some_and(|to| std::ptr::eq(to, bound));
            let expected = if mine { &sent[..] } else { &[] };
            same(format!("{name}: at {who}"), bound.recv()?, expected)?;
        }
        dropped += if to.is_none() { 10 } else { 0 };
        same("dropped", counter(&a, "tx0-drop_xdp")?, dropped)?;
    }
    same("sent in all", counter(&a, "tx0-frames")?, 71)?;
    same(
        "in debugfs",
        debug_counter("valex1:a", "tx0", "drop_xdp")?,
        dropped,
    )?;
    // Frames to a do not go through its program.
    programs.replace("valex1:a", "drop")?;
    b.send(&[frame(station(1), station(2), 5)])?;
    same("at a", got(&a)?, vec![5])?;
    let last = detach("valex1:a")?;
    decided("at the end", &last, [0; 5], 60)?;
    same("afterwards", query("valex1:a")?.prog_id, 0)?;
    a.send(&sent)?;
    same("without", b.recv()?, sent)
}

/// A port with rings for large batches, behind which station `n` is.
fn large(name: &str) -> Result<Bound, Errno> {
    vale(name).slots(1024, 1024).bind()
}

const MILLION: u32 = 1_000_000;

fn xdp_drop_and_pass_of_a_million() -> Outcome {
    let (a, b) = (large("valex2:a")?, large("valex2:b")?);
    let programs = Programs::load()?;
    for (name, action, arrives) in [("drop", DROP, false), ("pass", PASS, true)] {
        programs.replace("valex2:a", name)?;
        let ring = a.tx(0);
        let mut arrived = 0u64;
        let mut sent = 0;
        // The same frame in all slots: what counts is how many there are.
        for at in 0..ring.n() {
            ring.fill(at, &frame(BROADCAST, station(1), at), 0);
        }
        while sent < MILLION {
            let batch = ring.space().min(MILLION - sent);
            ring.set_head_cur(ring.after(ring.head(), batch));
            a.device.txsync()?;
            sent += batch;
            b.device.rxsync()?;
            arrived += u64::from(b.rx(0).space());
            b.rx(0).set_head_cur(b.rx(0).tail());
            b.device.rxsync()?;
        }
        let mut want = [0; 5];
        want[action] = MILLION.into();
        decided(name, &query("valex2:a")?, want, 60)?;
        let want = if arrives { u64::from(MILLION) } else { 0 };
        same(format!("{name}: arrived"), arrived, want)?;
        same("ring full", counter(&b, "rx0-drop_full")?, 0)?;
    }
    same("dropped", counter(&a, "tx0-drop_xdp")?, MILLION.into())?;
    same("sent", counter(&a, "tx0-frames")?, u64::from(2 * MILLION))
}

fn xdp_all_actions_in_one_stream_of_a_million() -> Outcome {
    let (a, b, c) = (large("valex3:a")?, large("valex3:b")?, large("valex3:c")?);
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    for bound in [&a, &c] {
        bound.recv()?;
    }
    let programs = Programs::load()?;
    programs.aim(port_number("valex3:c")?)?;
    programs.attach("valex3:a", "by_number")?;
    let ring = a.tx(0);
    let mut next = 0;
    while next < MILLION {
        let batch = ring.space().min(MILLION - next);
        for by in 0..batch {
            let at = ring.after(ring.head(), by);
            ring.fill(at, &frame(station(2), station(1), next + by), 0);
        }
        ring.set_head_cur(ring.after(ring.head(), batch));
        a.device.txsync()?;
        // Each goes where its number says, and they stay in order.
        for (bound, action) in [(&b, PASS), (&a, TX), (&c, REDIRECT)] {
            let mut want = (next..next + batch).filter(|n| *n as usize % 5 == action);
            bound.device.rxsync()?;
            let ring = bound.rx(0);
            for at in ring.owned() {
                same("number", Some(number(&ring.payload(at))), want.next())?;
            }
            same("missing", want.next(), None)?;
            ring.set_head_cur(ring.tail());
            bound.device.rxsync()?;
        }
        next += batch;
    }
    decided("all", &query("valex3:a")?, [u64::from(MILLION / 5); 5], 60)?;
    same(
        "dropped",
        counter(&a, "tx0-drop_xdp")?,
        u64::from(MILLION / 5 * 2),
    )
}

fn xdp_sent_back_and_flooded_frames_share_a_batch() -> Outcome {
    let [a, b, c] = three("valex4")?;
    let programs = Programs::load()?;
    programs.aim(port_number("valex4:c")?)?;
    programs.attach("valex4:a", "by_number")?;
    a.send(&numbered(0..50))?;
    let by = |action: u32| (0..50).filter(|n| n % 5 == action).collect::<Vec<u32>>();
    same("sent back", got(&a)?, by(TX as u32))?;
    same("flooded, at b", got(&b)?, by(PASS as u32))?;
    let mut at_c = [by(PASS as u32), by(REDIRECT as u32)].concat();
    at_c.sort_unstable();
    same("flooded and redirected, in order", got(&c)?, at_c)
}

fn xdp_redirection_overrides_what_the_switch_has_learned() -> Outcome {
    let [a, b, c] = three("valex5")?;
    let programs = Programs::load()?;
    programs.attach("valex5:a", "steer")?;
    programs.aim(port_number("valex5:c")?)?;
    // From a station that was never seen: it is not learned by this.
    a.send(&[frame(station(2), station(9), 1)])?;
    same("at b", got(&b)?, vec![])?;
    same("at c", got(&c)?, vec![1])?;
    // Back to where it came from, by number.
    programs.aim(port_number("valex5:a")?)?;
    a.send(&to_two(2..5))?;
    same("at a", got(&a)?, vec![2, 3, 4])?;
    // Broadcasts, too, go to one port only.
    programs.aim(port_number("valex5:b")?)?;
    a.send(&numbered(5..8))?;
    same("at b", got(&b)?, vec![5, 6, 7])?;
    same("at c", got(&c)?, vec![])?;
    detach("valex5:a")?;
    c.send(&[frame(station(9), station(3), 9)])?;
    same(
        "to a station that was not learned",
        (got(&a)?, got(&b)?),
        (vec![9], vec![9]),
    )
}

fn xdp_redirection_to_nobody() -> Outcome {
    let [a, b, c] = three("valex6")?;
    let programs = Programs::load()?;
    programs.attach("valex6:a", "steer")?;
    let mut lost = 0;
    for port in [100, 253, 254, 255, 256, 65536, u32::MAX] {
        programs.aim(port)?;
        a.send(&to_two(0..3))?;
        lost += 3;
        same(format!("to {port}"), counter(&a, "tx0-drop_nobody")?, lost)?;
    }
    same("decided", packets(&query("valex6:a")?)[REDIRECT], lost)?;
    same(
        "arrived",
        (got(&a)?, got(&b)?, got(&c)?),
        (vec![], vec![], vec![]),
    )
}

fn xdp_redirection_that_names_no_port_is_aborted() -> Outcome {
    let [a, b, _c] = three("valex7")?;
    let programs = Programs::load()?;
    for name in ["redirect_nowhere", "redirect_device"] {
        programs.replace("valex7:a", name)?;
        a.send(&to_two(0..7))?;
        decided(name, &query("valex7:a")?, [7, 0, 0, 0, 0], 60)?;
    }
    same("dropped", counter(&a, "tx0-drop_xdp")?, 14)?;
    same("arrived", got(&b)?, vec![])
}

fn xdp_named_ports_are_forgotten_with_the_frame() -> Outcome {
    let [a, b, c] = three("valex8")?;
    let programs = Programs::load()?;
    programs.aim(port_number("valex8:c")?)?;
    programs.attach("valex8:a", "steer_but_pass")?;
    a.send(&to_two(0..3))?;
    same("passed", got(&b)?, vec![0, 1, 2])?;
    programs.replace("valex8:a", "redirect_nowhere")?;
    a.send(&to_two(3..6))?;
    same("at c", got(&c)?, vec![])
}

fn xdp_aborted_frames_are_traced() -> Outcome {
    const TRACING: &str = "/sys/kernel/tracing";
    let enable = format!("{TRACING}/events/xdp/xdp_exception/enable");
    // Where tracefs is not mounted yet, looking into debugfs mounts it there.
    let root = if std::path::Path::new(&enable).exists() {
        TRACING.to_owned()
    } else {
        "/sys/kernel/debug/tracing".to_owned()
    };
    let event = format!("{root}/events/xdp/xdp_exception/enable");
    let [a, ..] = three("valex9")?;
    let programs = Programs::load()?;
    std::fs::write(&event, "1")?;
    for name in ["aborted", "drop"] {
        programs.replace("valex9:a", name)?;
        a.send(&to_two(0..2))?;
    }
    let traced = std::fs::read_to_string(format!("{root}/trace"))?;
    std::fs::write(&event, "0")?;
    let want = format!(
        "prog_id={} action=ABORTED ifindex={}",
        programs.id("aborted"),
        port_number("valex9:a")?
    );
    let lines = traced.lines().filter(|line| line.contains("xdp_exception"));
    let found = lines.filter(|line| line.contains(&want)).count();
    same(format!("times {want:?} in\n{traced}"), found, 2)
}

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

fn xdp_programs_of_switches_and_of_ports() -> Outcome {
    let [a, b, _c] = three("valex19")?;
    let programs = Programs::load()?;
    programs.attach("valex19:", "drop")?;
    a.send(&to_two(0..3))?;
    b.send(&[frame(station(1), station(2), 1)])?;
    same(
        "through the switch's",
        (got(&a)?, got(&b)?),
        (vec![], vec![]),
    )?;
    decided("the switch's", &query("valex19:")?, [0, 4, 0, 0, 0], 60)?;
    same("a port without one", query("valex19:a")?.prog_id, 0)?;
    // A port's own comes in its place.
    programs.attach("valex19:a", "pass")?;
    a.send(&to_two(3..6))?;
    same("through the port's", got(&b)?, vec![3, 4, 5])?;
    decided("the switch's", &query("valex19:")?, [0, 4, 0, 0, 0], 60)?;
    // Ports that come later go through the switch's.
    let late = vale("valex19:late").slots(64, 64).bind()?;
    late.send(&numbered(0..2))?;
    decided("the switch's", &query("valex19:")?, [0, 6, 0, 0, 0], 60)?;
    detach("valex19:a")?;
    a.send(&to_two(6..7))?;
    decided(
        "the switch's again",
        &detach("valex19:")?,
        [0, 7, 0, 0, 0],
        60,
    )?;
    a.send(&to_two(7..8))?;
    same("through none", got(&b)?, vec![7])
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
