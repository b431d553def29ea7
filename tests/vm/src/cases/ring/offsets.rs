// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that do not start where their buffers do: items 172 to 174, and section 4.12.

use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::{delif, made};
use crate::harness::random::Random;
use crate::harness::raw::bound::pair;
use crate::harness::raw::csb::Csb;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, ext::FERROMAP_NR_SWAP};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    item_172_offsets_are_in_all_slots_of_every_kind_of_port,
    item_172_offsets_on_switches,
    item_172_offsets_on_interfaces_and_host_rings,
    item_172_offsets_on_persistent_ports,
    item_172_offsets_travel_through_pipes,
    item_172_each_end_of_a_pipe_has_an_initial_offset,
    item_172_offsets_end_with_the_binding,
    item_172_offsets_of_a_refused_register_are_nowhere,
    item_173_offsets_that_will_not_do,
    item_174_zero_copy_monitors_have_no_offsets,
    monitors_see_frames_where_they_start,
    offsets_of_a_ring_that_has_some_stay,
    offsets_by_gap_limit_what_a_slot_is_given,
    offsets_above_the_largest_count_as_that,
    offsets_and_lengths_past_the_buffer_are_dropped,
    offsets_at_the_end_of_a_buffer_leave_the_next_one_alone,
    offsets_go_with_headers_and_exclude_addresses,
    hostile_offsets_that_change_stay_in_the_buffer,
];

/// The option, by `max`, `initial`, bits and gap.
fn offsets(max: u64, initial: u64, bits: u32, gap: u64) -> OptionList {
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS]);
    options.option(0).body[..4].copy_from_slice(&[max, initial, bits.into(), gap]);
    options
}

/// REGISTER with offsets that all slots begin with.
fn bind_at(ask: Reg, initial: u64) -> Outcome<Bound> {
    let mut options = offsets(512, initial, 0, 0);
    let bound = works("REGISTER", ask.options(options.first()).bind())?;
    same("status", options.statuses(), [0])?;
    same("largest", options.option(0).body[0], 512)?;
    Ok(bound)
}

fn offset(ring: &Ring, slot: u32) -> u64 {
    ring.slot(slot).ptr & ring.offset_mask()
}

/// Puts a frame where its slot says that it starts.
fn put_at(ring: &Ring, frame: &[u8], flags: u16) {
    let at = ring.head();
    let slot = ring.slot(at);
    let start = ring.buf_at(slot.buf_idx) + offset(ring, at);
    for (i, byte) in frame.iter().enumerate() {
        ring.write_byte(
            slot.buf_idx,
            start - ring.buf_at(slot.buf_idx) + i as u64,
            *byte,
        );
    }
    ring.edit_slot(at, |slot| {
        (slot.len, slot.flags) = (frame.len() as u16, flags)
    });
    ring.set_head_cur(ring.after(at, 1));
}

/// Takes frames from there.
fn take_at(ring: &Ring) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = vec![vec![]];
    for at in ring.owned() {
        let (slot, from) = (ring.slot(at), offset(ring, at) as usize);
        let bytes = ring.read_buf(slot.buf_idx, from + usize::from(slot.len));
        frames.last_mut().expect("one").extend(&bytes[from..]);
        if slot.flags & NS_MOREFRAG == 0 {
            frames.push(vec![]);
        }
    }
    frames.pop();
    ring.set_head_cur(ring.tail());
    frames
}

fn item_172_offsets_are_in_all_slots_of_every_kind_of_port() -> Outcome {
    wire()?;
    for ask in [
        vale("vale172:a"),
        vale("fm0").mode(NR_REG_NIC_SW),
        null(GLOBAL_MEM_ID),
    ] {
        let bound = bind_at(ask, 100)?;
        let rings = bound.tx_rings().into_iter().chain(bound.rx_rings());
        for (_, ring) in rings {
            same("mask", ring.offset_mask(), u64::MAX)?;
            same("alignment", ring.buf_align(), 0)?;
            that("slots", ring.slots().iter().all(|slot| slot.ptr == 100))?;
        }
    }
    for (bits, mask) in [
        (64, u64::MAX),
        (0, u64::MAX),
        (11, 0x7ff),
        (63, u64::MAX >> 1),
    ] {
        let mut options = offsets(512, 0, bits, 0);
        let bound = vale("vale172:b").options(options.first()).bind()?;
        same("mask", bound.tx(0).offset_mask(), mask)?;
        that(
            "slots",
            bound.rx(0).slots().iter().all(|slot| slot.ptr == 0),
        )?;
    }
    Ok(())
}

fn item_172_offsets_on_switches() -> Outcome {
    let lens = [14, 60, 64, 1000, 1536];
    let sent: Vec<Vec<u8>> = lens
        .iter()
        .zip(0..)
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect();
    for (from, to) in [(Some(100), None), (None, Some(512)), (Some(7), Some(130))] {
        let open = |name: &str, at: Option<u64>| -> Outcome<Bound> {
            let ask = vale(name).mem(GLOBAL_MEM_ID).slots(64, 64);
            match at {
                Some(at) => bind_at(ask, at),
                None => Ok(ask.bind()?),
            }
        };
        let (a, b) = (open("vale172:a", from)?, open("vale172:b", to)?);
        for swap in [0, FERROMAP_NR_SWAP] {
            let ring = a.tx(0);
            ring.set_flags(swap);
            for frame in &sent {
                put_at(&ring, frame, 0);
            }
            for part in sent[3].chunks(300) {
                put_at(&ring, part, NS_MOREFRAG);
            }
            put_at(&ring, &[1, 2, 3], 0);
            put_at(&ring, &sent[0], 0);
            a.device.txsync()?;
            b.device.rxsync()?;
            let offsets: Vec<u64> = b
                .rx(0)
                .owned()
                .iter()
                .map(|&at| offset(&b.rx(0), at))
                .collect();
            that(
                "where they are",
                offsets.iter().all(|&at| at == to.unwrap_or(0)),
            )?;
            let mut wanted = sent.clone();
            wanted.push([&sent[3][..], &[1, 2, 3]].concat());
            wanted.push(sent[0].clone());
            that(
                format!("{from:?} {to:?} {swap}"),
                take_at(&b.rx(0)) == wanted,
            )?;
            b.device.rxsync()?;
        }
    }
    Ok(())
}

fn item_172_offsets_on_interfaces_and_host_rings() -> Outcome {
    wire()?;
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu 9000"))?;
    }
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = bind_at(vale("fm0").mode(NR_REG_NIC_SW), 200)?;
    let short = frame_of(700, BROADCAST, station(1), 1);
    let long = frame_of(5000, BROADCAST, station(1), 2);
    for (tx, rx, stack) in [
        (bound.tx(0), bound.rx(0), &far),
        (bound.host_tx(0), bound.host_rx(0), &host),
    ] {
        put_at(&tx, &short, 0);
        for part in long.chunks(1800).take(2) {
            put_at(&tx, part, NS_MOREFRAG);
        }
        put_at(&tx, &long[3600..], 0);
        bound.device.txsync()?;
        that(
            "out",
            stack.receive(QUIET)? == [short.clone(), long.clone()],
        )?;
        stack.send(&short)?;
        stack.send(&long)?;
        wait_until("they came", || {
            let _ = bound.device.rxsync();
            rx.space() == 1 + 5000u32.div_ceil(2048 - 512)
        })?;
        that(
            "offsets",
            rx.owned().iter().all(|&at| offset(&rx, at) == 200),
        )?;
        that("in", take_at(&rx) == [short.clone(), long.clone()])?;
    }
    // From the host to the wire, in the buffer where it is.
    let ring = bound.host_rx(0);
    ring.set_flags(NR_FORWARD);
    host.send(&short)?;
    wait_until("it came", || {
        let _ = bound.device.rxsync();
        ring.space() == 1
    })?;
    ring.edit_slot(ring.head(), |slot| slot.flags |= NS_FORWARD);
    ring.set_head_cur(ring.tail());
    bound.device.rxsync()?;
    that("forwarded", far.receive(QUIET)? == [short])
}

/// Between the rings of one and the stack behind another, and a program on their switch.
fn item_172_offsets_on_persistent_ports() -> Outcome {
    wire()?;
    for name in ["p0", "p1"] {
        made(name)?;
        works("plugged in", attach(&format!("vale172:{name}")))?;
    }
    let stack = Stack::on("p1")?;
    let peer = vale("vale172:a").slots(64, 64).bind()?;
    let bound = bind_at(vale("p0"), 200)?;
    let (tx, rx) = (bound.tx(0), bound.rx(0));
    let sent: Vec<Vec<u8>> = [60, 700, 1514]
        .iter()
        .zip(0..)
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect();
    for frame in &sent {
        put_at(&tx, frame, 0);
    }
    put_at(&tx, &sent[2][..900], NS_MOREFRAG);
    put_at(&tx, &sent[2][900..], 0);
    bound.device.txsync()?;
    let wanted = [&sent[..], &sent[2..]].concat();
    that("at the stack", stack.receive(QUIET)? == wanted)?;
    peer.device.rxsync()?;
    that("at a program", take_at(&peer.rx(0)) == wanted)?;
    peer.device.rxsync()?;

    for frame in &sent {
        stack.send(frame)?;
    }
    wait_until("they came", || {
        let _ = bound.device.rxsync();
        rx.space() == 3
    })?;
    peer.send(&sent)?;
    bound.device.rxsync()?;
    let at: Vec<u64> = rx.owned().iter().map(|&at| offset(&rx, at)).collect();
    same("where they are", at, vec![200; 6])?;
    that("in", take_at(&rx) == [&sent[..], &sent[..]].concat())?;
    drop((bound, tx, rx, peer));
    for name in ["p0", "p1"] {
        works("pulled out", detach(&format!("vale172:{name}")))?;
        works("deleted", delif(name))?;
    }
    Ok(())
}

fn item_172_offsets_travel_through_pipes() -> Outcome {
    let a = bind_at(vale("vale172:p{1").slots(64, 64), 300)?;
    let b = vale("vale172:p}1").bind()?;
    same("mask of the other end", b.rx(0).offset_mask(), u64::MAX)?;
    same("mask of the other end", b.tx(0).offset_mask(), u64::MAX)?;
    let frame = frame_of(900, BROADCAST, station(1), 1);
    let ring = a.tx(0);
    same("initial", offset(&ring, 0), 300)?;
    ring.edit_slot(ring.head(), |slot| slot.ptr = 444);
    put_at(&ring, &frame, 0);
    a.device.txsync()?;
    b.device.rxsync()?;
    same("offset", offset(&b.rx(0), 0), 444)?;
    that("the frame", take_at(&b.rx(0)) == [frame])
}

fn item_172_each_end_of_a_pipe_has_an_initial_offset() -> Outcome {
    let open = |name: &str, at: u64| bind_at(vale(name).slots(64, 64), at);
    let a = open("vale172:p{1", 300)?;
    same("unused bits", a.rx(0).slot(0).ptr, 300)?;
    let early = frame_of(900, BROADCAST, station(1), 1);
    a.tx(0).edit_slot(0, |slot| slot.ptr = 444);
    put_at(&a.tx(0), &early, 0);
    a.device.txsync()?;

    // What is under way keeps its place, and the first end its own.
    let b = open("vale172:p}1", 100)?;
    b.device.rxsync()?;
    let at: Vec<u64> = b.rx(0).slots().iter().map(|slot| slot.ptr).collect();
    same("under way", at[0], 444)?;
    that("others", at[1..].iter().all(|&at| at == 100))?;
    that(
        "its senders",
        b.tx(0).slots().iter().all(|slot| slot.ptr == 100),
    )?;
    that(
        "the first",
        a.tx(0).slots()[1..].iter().all(|slot| slot.ptr == 300),
    )?;
    that("the frame", take_at(&b.rx(0)) == [early.clone()])?;

    // One that is not the only binding has no say.
    let again = open("vale172:p}1", 50)?;
    that(
        "stay",
        again.tx(0).slots().iter().all(|slot| slot.ptr == 100),
    )?;
    put_at(&b.tx(0), &early, 0);
    b.device.txsync()?;
    a.device.rxsync()?;
    same("offset", offset(&a.rx(0), 0), 100)?;
    that("back", take_at(&a.rx(0)) == [early])?;
    a.device.rxsync()?;

    // The rings stay when an end is left, and who comes next is alone.
    drop((b, again));
    let b = open("vale172:p}1", 50)?;
    let at: Vec<u64> = b.tx(0).slots().iter().map(|slot| slot.ptr).collect();
    that(format!("then {at:?}"), at[1..].iter().all(|&at| at == 50))
}

/// Whoever was there has no offsets, and nothing in the words that are his own.
fn has_none(bound: &Bound) -> Outcome {
    for (_, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
        same("mask", ring.offset_mask(), 0)?;
        that("slots", ring.slots().iter().all(|slot| slot.ptr == 0))?;
    }
    Ok(())
}

/// What came later than the offsets, a netmap_if or a CSB, could be refused, and both ends of a
/// pipe that was there kept them, as did rings that another file had bound.
fn item_172_offsets_of_a_refused_register_are_nowhere() -> Outcome {
    let a = vale("vale172:p{1").slots(64, 64).bind()?;
    let gone = Csb::new()?;
    gone.unmap()?;
    let end = || vale("vale172:p}1");
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS, NETMAP_REQ_OPT_CSB]);
    options.option(0).body[..2].copy_from_slice(&[512, 100]);
    let csb = [gone.atok_address(), gone.ktoa_address()];
    options.option(1).body[..2].copy_from_slice(&csb);
    let ask = end().flags(NR_EXCLUSIVE).options(options.first());
    fails("no CSB", ask.try_bind(), Errno::EFAULT)?;
    has_none(&a)?;
    has_none(&works("its end", end().bind())?)?;

    let region = a.reg.nr_mem_id;
    let mut all = vec![];
    let full = loop {
        match null(region).rings(0, 0).bind() {
            Ok(one) => all.push(one),
            Err(errno) => break errno,
        }
    };
    same("no netmap_if is left", full, Errno::ENOMEM)?;
    let mut options = offsets(512, 100, 0, 0);
    for ask in [end(), vale("vale172:p{1")] {
        let ask = ask.options(options.first());
        fails("no netmap_if", ask.try_bind(), Errno::ENOMEM)?;
        has_none(&a)?;
    }
    drop(all);
    let b = bind_at(end(), 100)?;
    same("the other end", a.tx(0).offset_mask(), u64::MAX)?;
    that(
        "its slots",
        a.tx(0).slots().iter().all(|slot| slot.ptr == 0),
    )?;
    that(
        "and its own",
        b.tx(0).slots().iter().all(|slot| slot.ptr == 100),
    )
}

fn item_172_offsets_end_with_the_binding() -> Outcome {
    wire()?;
    for name in ["vale172:a", "fm0"] {
        drop(bind_at(vale(name), 100)?);
        let bound = vale(name).bind()?;
        for (_, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
            same("mask", ring.offset_mask(), 0)?;
            that("slots", ring.slots().iter().all(|slot| slot.ptr == 0))?;
            // It is the program's own.
            ring.edit_slot(0, |slot| slot.ptr = u64::MAX);
        }
        let frame = frame_of(100, BROADCAST, station(1), 1);
        let peer = match name {
            "fm0" => vale("fm1").bind()?,
            _ => vale("vale172:b").bind()?,
        };
        bound.send(&[frame.clone()])?;
        wait_until("it came", || {
            let _ = peer.device.rxsync();
            peer.rx(0).space() == 1
        })?;
        that("the start", take_at(&peer.rx(0)) == [frame])?;
    }
    Ok(())
}

fn item_173_offsets_that_will_not_do() -> Outcome {
    for ((max, initial, bits), words) in [
        ((512, 0, 65), "nro_offset_bits is 65"),
        ((2049, 0, 0), "a buffer has 2048 bytes"),
        ((512, 0, 9), "takes more than 9 bits"),
        ((u64::MAX, 0, 0), "a buffer has 2048 bytes"),
        ((512, 513, 0), "nro_initial_offset is 513"),
    ] {
        let device = Device::open()?;
        let mut options = offsets(max, initial, bits, 0);
        let mut ask = vale("vale173:a").options(options.first());
        fails(words, ask.send(&device), Errno::EINVAL)?;
        same("status", options.statuses(), [Errno::EINVAL as u32])?;
        same("what it asked for", options.option(0).body[0], max)?;
        says(&device, Errno::EINVAL, &[words])?;
    }
    let mut options = offsets(2048, 2048, 12, 0);
    works(
        "all of a buffer",
        vale("vale173:a").options(options.first()).bind(),
    )
    .map(drop)
}

fn item_174_zero_copy_monitors_have_no_offsets() -> Outcome {
    let _watched = vale("vale174:a").bind()?;
    let device = Device::open()?;
    let mut options = offsets(512, 0, 0, 0);
    let mut ask = vale("vale174:a")
        .flags(NR_ZCOPY_MON)
        .options(options.first());
    fails("REGISTER", ask.send(&device), Errno::EOPNOTSUPP)?;
    same("status", options.statuses(), [Errno::EOPNOTSUPP as u32])?;
    says(&device, Errno::EOPNOTSUPP, &["zero-copy monitor"])
}

fn monitors_see_frames_where_they_start() -> Outcome {
    let watched = bind_at(vale("vale174:a").slots(64, 64), 100)?;
    let peer = vale("vale174:b").slots(64, 64).bind()?;
    let monitor = || vale("vale174:a").slots(64, 64);
    let both = NR_MONITOR_TX | NR_MONITOR_RX;
    let monitors = [
        bind_at(monitor().flags(both), 200)?,
        monitor().flags(both).bind()?,
        monitor().flags(NR_ZCOPY_MON).bind()?,
    ];
    let frames = [1, 2].map(|n| frame_of(600, BROADCAST, station(n), n.into()));
    put_at(&watched.tx(0), &frames[0], 0);
    watched.device.txsync()?;
    peer.send(&frames[1..])?;
    for round in 0..2 {
        watched.device.rxsync()?;
        watched.device.txsync()?;
        if round == 0 {
            that("the port", take_at(&watched.rx(0)) == frames[1..])?;
        }
    }
    for (monitor, start) in monitors.iter().zip([200, 0, 0]) {
        monitor.device.rxsync()?;
        let ring = monitor.rx(0);
        let starts: Vec<u64> = ring.owned().iter().map(|&at| offset(&ring, at)).collect();
        same("where they are", starts, vec![start; 2])?;
        that(
            format!("what is there, at {start}"),
            take_at(&ring) == frames,
        )?;
    }
    Ok(())
}

fn offsets_of_a_ring_that_has_some_stay() -> Outcome {
    let mut first = offsets(512, 0, 16, 0);
    let bound = vale("vale4:a").options(first.first()).bind()?;
    for (max, bits) in [(513, 16), (512, 17), (512, 0)] {
        let device = Device::open()?;
        let mut options = offsets(max, 0, bits, 0);
        let mut ask = vale("vale4:a").options(options.first());
        fails(format!("{max} {bits}"), ask.send(&device), Errno::EBUSY)?;
        same("status", options.statuses(), [Errno::EBUSY as u32])?;
        says(&device, Errno::EBUSY, &["512"])?;
    }
    let mut options = offsets(100, 50, 8, 0);
    let second = vale("vale4:a").options(options.first()).bind()?;
    same("largest", options.option(0).body[0], 512)?;
    same("mask", second.tx(0).offset_mask(), 0xffff)?;
    that(
        "slots",
        bound.tx(0).slots().iter().all(|slot| slot.ptr == 0),
    )
}

fn offsets_by_gap_limit_what_a_slot_is_given() -> Outcome {
    wire()?;
    ip("link set fm0 mtu 9000")?;
    ip("link set fm1 mtu 9000")?;
    let open = |ask: Reg, gap: u64| {
        let mut options = offsets(512, 100, 0, gap);
        works("REGISTER", ask.options(options.first()).bind())
    };
    let port = open(vale("vale4:a").slots(64, 64), 64)?;
    let sender = vale("vale4:b").slots(64, 64).bind()?;
    let frames = [64, 65].map(|len| frame_of(len, BROADCAST, station(1), 1));
    sender.send(&frames)?;
    port.device.rxsync()?;
    same(
        "of a switch",
        take_at(&port.rx(0)),
        vec![frames[0].clone(), vec![]],
    )?;

    let far = Stack::on("fm1")?;
    let nic = open(vale("fm0"), 1000)?;
    let long = frame_of(2500, BROADCAST, station(1), 2);
    far.send(&long)?;
    let ring = nic.rx(0);
    wait_until("it came", || {
        let _ = nic.device.rxsync();
        ring.space() == 3
    })?;
    let lens: Vec<u16> = ring.owned().iter().map(|&at| ring.slot(at).len).collect();
    same("parts", lens, vec![1000, 1000, 500])?;
    that("of an interface", take_at(&ring) == [long])
}

fn offsets_above_the_largest_count_as_that() -> Outcome {
    let (a, b) = (
        bind_at(vale("vale4:a").slots(64, 64), 0)?,
        bind_at(vale("vale4:b").slots(64, 64), 0)?,
    );
    let frame = frame_of(100, BROADCAST, station(1), 1);
    let ring = a.tx(0);
    ring.edit_slot(0, |slot| slot.ptr = 512);
    put_at(&ring, &frame, 0);
    ring.edit_slot(0, |slot| slot.ptr = 100_000);
    let to = b.rx(0);
    to.edit_slot(0, |slot| slot.ptr = u64::MAX);
    a.device.txsync()?;
    b.device.rxsync()?;
    to.edit_slot(0, |slot| slot.ptr = 512);
    that("at the largest", take_at(&to) == [frame])
}

fn offsets_and_lengths_past_the_buffer_are_dropped() -> Outcome {
    wire()?;
    let a = bind_at(vale("vale4:a").slots(64, 64), 512)?;
    let b = bind_at(vale("vale4:b").slots(64, 64), 512)?;
    let nic = bind_at(vale("fm0").mode(NR_REG_NIC_SW), 512)?;
    for ring in [a.tx(0), nic.tx(0), nic.host_tx(0)] {
        for flags in [0, NS_MOREFRAG] {
            let at = ring.head();
            ring.edit_slot(at, |slot| (slot.len, slot.flags) = (1537, flags));
            ring.set_head_cur(ring.after(at, 1));
        }
        let at = ring.head();
        ring.edit_slot(at, |slot| slot.len = 20);
        ring.set_head_cur(ring.after(at, 1));
    }
    a.device.txsync()?;
    nic.device.txsync()?;
    same("switch", counter(&a, "tx0-drop_bad_length")?, 2)?;
    same("driver", counter(&nic, "tx0-drop_bad_length")?, 2)?;
    same("stack", counter(&nic, "host-tx0-drop_bad_length")?, 2)?;
    // What is longer than the room at the receiver arrives empty.
    let plain = vale("vale4:c").slots(64, 64).bind()?;
    b.device.rxsync()?;
    plain.send(&[
        frame_of(1537, BROADCAST, station(1), 1),
        frame_of(1536, BROADCAST, station(1), 2),
    ])?;
    b.device.rxsync()?;
    let lens: Vec<u16> = b
        .rx(0)
        .owned()
        .iter()
        .map(|&at| b.rx(0).slot(at).len)
        .collect();
    same("lengths", lens, vec![0, 1536])
}

fn offsets_at_the_end_of_a_buffer_leave_the_next_one_alone() -> Outcome {
    let mut options = offsets(2048, 0, 0, 0);
    let sender = vale("vale4:a").slots(64, 64).bind()?;
    let ask = vale("vale4:b").slots(64, 64);
    let port = works("REGISTER", ask.options(options.first()).bind())?;
    let ring = port.rx(0);
    let frame = frame_of(60, BROADCAST, station(1), 1);
    let untouched = [0xa5; 2048];
    for ptr in [1987, 1988, 1989, 2000, 2040, 2047, 2048, 2049, u64::MAX] {
        for slot in ring.slots() {
            ring.write_buf(slot.buf_idx, &untouched);
        }
        let slot = ring.head();
        ring.edit_slot(slot, |slot| slot.ptr = ptr);
        sender.send(&[frame.clone()])?;
        port.device.rxsync()?;
        same("one", ring.owned(), vec![slot])?;
        let (fits, got) = (ptr <= 2048 - 60, ring.slot(slot));
        same(
            format!("length at {ptr}"),
            got.len,
            if fits { 60 } else { 0 },
        )?;
        for other in ring.slots() {
            let mut wanted = untouched;
            if fits && other.buf_idx == got.buf_idx {
                wanted[ptr as usize..][..60].copy_from_slice(&frame);
            }
            let bytes = ring.read_buf(other.buf_idx, 2048);
            that(
                format!("buffer {} at {ptr}", other.buf_idx),
                bytes == wanted,
            )?;
        }
        ring.set_head_cur(ring.tail());
    }
    Ok(())
}

fn offsets_go_with_headers_and_exclude_addresses() -> Outcome {
    let a = bind_at(vale("vale4:a").slots(64, 64), 64)?;
    let b = bind_at(vale("vale4:b").slots(64, 64).flags(NR_ACCEPT_VNET_HDR), 100)?;
    let frame = frame_of(300, BROADCAST, station(1), 1);
    set_vnet_hdr("vale4:b", 12)?;
    put_at(&a.tx(0), &frame, 0);
    // An address, and no offset.
    let at = a.tx(0).head();
    a.tx(0).edit_slot(at, |slot| {
        (slot.len, slot.flags, slot.ptr) = (300, NS_INDIRECT, frame.as_ptr() as u64)
    });
    a.tx(0).set_head_cur(a.tx(0).after(at, 1));
    a.device.txsync()?;
    b.device.rxsync()?;
    let with_header = [&[0; 12][..], &frame].concat();
    that(
        "with a header",
        take_at(&b.rx(0)) == [with_header.clone(), with_header.clone()],
    )?;
    b.device.rxsync()?;
    put_at(&b.tx(0), &with_header, 0);
    b.device.txsync()?;
    a.device.rxsync()?;
    that("and without", take_at(&a.rx(0)) == [frame])
}

/// Nothing is read or written outside the buffers of slots, whatever their words say meanwhile.
fn hostile_offsets_that_change_stay_in_the_buffer() -> Outcome {
    wire()?;
    let a = bind_at(vale("vale4:a").mem(GLOBAL_MEM_ID).slots(64, 64), 0)?;
    let b = bind_at(vale("vale4:b").mem(GLOBAL_MEM_ID).slots(64, 64), 0)?;
    let headed = bind_at(vale("vale4:c").slots(64, 64).flags(NR_ACCEPT_VNET_HDR), 0)?;
    set_vnet_hdr("vale4:c", 12)?;
    let nic = bind_at(vale("fm0").mode(NR_REG_NIC_SW), 0)?;
    let far = Stack::on("fm1")?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let rings = [
            a.tx(0),
            b.rx(0),
            headed.tx(0),
            headed.rx(0),
            nic.tx(0),
            nic.rx(0),
            nic.host_tx(0),
            nic.host_rx(0),
        ];
        let stop = &stop;
        scope.spawn(move || {
            let mut random = Random::new(7);
            while !stop.load(SeqCst) {
                let ring = &rings[random.below(rings.len() as u64) as usize];
                let slot = random.below(ring.n().into()) as u32;
                let ptr = random.next() >> random.below(64);
                let flags = random.of(&[0, NS_MOREFRAG, NS_INDIRECT]);
                let len = random.below(2100) as u16;
                ring.edit_slot(slot, |slot| {
                    (slot.ptr, slot.flags, slot.len) = (ptr, flags, len)
                });
            }
        });
        for round in 0..2000 {
            let swap = if round % 2 == 0 { FERROMAP_NR_SWAP } else { 0 };
            a.tx(0).set_flags(swap);
            for (bound, ring) in [
                (&headed, headed.tx(0)),
                (&a, a.tx(0)),
                (&nic, nic.tx(0)),
                (&nic, nic.host_tx(0)),
            ] {
                let free = ring.space().min(30);
                ring.set_head_cur(ring.after(ring.head(), free));
                bound.device.txsync()?;
            }
            far.send(&frame(BROADCAST, station(2), 1))?;
            for (bound, ring) in [
                (&b, b.rx(0)),
                (&headed, headed.rx(0)),
                (&nic, nic.rx(0)),
                (&nic, nic.host_rx(0)),
            ] {
                bound.device.rxsync()?;
                ring.set_head_cur(ring.tail());
            }
        }
        stop.store(true, SeqCst);
        Ok(())
    })?;
    let (c, d) = pair("vale5")?;
    c.send(&numbered(0..3))?;
    same("then", numbers(&d.recv()?), vec![0, 1, 2])?;
    same(
        "nothing waits",
        a.poll(PollFlags::POLLOUT, 0)?,
        PollFlags::POLLOUT,
    )
}
