// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets of interfaces: long frames, forwarding, host rings of which others have the rest, and
//! switches that interfaces are on.

use super::*;
use crate::harness::attach::{attach, detach, Attached};
use crate::harness::frame::*;
use crate::harness::persistent::{delif, made};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::ext::FERROMAP_NR_SWAP;

pub const CASES: &[Case] = crate::cases![
    item_172_offsets_on_interfaces_and_host_rings,
    item_172_offsets_of_host_rings_are_theirs_alone,
    item_172_offsets_on_persistent_ports,
    item_172_offsets_beside_attached_interfaces,
];

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

/// Who binds an interface's other rings has no offsets, and frames of his start where buffers do.
fn item_172_offsets_of_host_rings_are_theirs_alone() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let nic = vale("fm0").bind()?;
    let bound = bind_at(vale("fm0").mode(NR_REG_SW), 200)?;
    has_none(&nic)?;
    let (tx, rx) = (bound.host_tx(0), bound.host_rx(0));
    for ring in [&tx, &rx] {
        same("mask", ring.offset_mask(), u64::MAX)?;
        same("alignment", ring.buf_align(), 0)?;
        that("slots", ring.slots().iter().all(|slot| slot.ptr == 200))?;
    }
    let sent = numbered(0..3);
    for (own, at, start, stack) in [(&tx, &rx, 200, &host), (&nic.tx(0), &nic.rx(0), 0, &far)] {
        for frame in &sent {
            same("from", offset(own, own.head()), start)?;
            put_at(own, frame, 0);
        }
        bound.device.txsync()?;
        nic.device.txsync()?;
        same("out", stack.receive(QUIET)?, sent.clone())?;
        sent.iter().try_for_each(|frame| stack.send(frame))?;
        wait_until("they came", || {
            let _ = (bound.device.rxsync(), nic.device.rxsync());
            at.space() == 3
        })?;
        let starts: Vec<u64> = at.owned().iter().map(|&slot| offset(at, slot)).collect();
        same("at", starts, vec![start; 3])?;
        same("in", take_at(at), sent.clone())?;
    }
    // With all of them, those that have offsets keep theirs, and the others get the same.
    let mut options = offsets(512, 100, 0, 0);
    let all = vale("fm0").mode(NR_REG_NIC_SW).options(options.first());
    let all = works("both", all.bind())?;
    same("largest", options.option(0).body[0], 512)?;
    for ring in [all.tx(0), all.rx(0)] {
        same("mask", ring.offset_mask(), u64::MAX)?;
        let mut slots = ring.slots().into_iter();
        that("of others' slots", slots.all(|slot| slot.ptr == 0))?;
    }
    let mut slots = all.host_tx(0).slots().into_iter();
    that("as they were", slots.all(|slot| slot.ptr == 200))
}

/// Between a program's port and an interface on its switch, with its host, and back: copied from
/// any memory, and from the same one to a sender that would have buffers exchanged.
fn item_172_offsets_beside_attached_interfaces() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let _attached = Attached::with_host("vale172:fm0")?;
    let mut sent: Vec<Vec<u8>> = [60, 700, 1514]
        .iter()
        .zip(0..)
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect();
    for (region, swap) in [
        (0, 0),
        (GLOBAL_MEM_ID, 0),
        (GLOBAL_MEM_ID, FERROMAP_NR_SWAP),
    ] {
        let port = bind_at(vale("vale172:a").mem(region).slots(64, 64), 200)?;
        let (tx, rx) = (port.tx(0), port.rx(0));
        tx.set_flags(swap);
        for start in [200, 0, 512] {
            for frame in &sent {
                let at = tx.head();
                tx.edit_slot(at, |slot| slot.ptr = start);
                put_at(&tx, frame, 0);
            }
            port.device.txsync()?;
            that("at the wire", far.receive(QUIET)? == sent)?;
            that("at the host", host.receive(QUIET)? == sent)?;
        }
        for (from, other) in [(&far, &host), (&host, &far)] {
            sent.iter().try_for_each(|frame| from.send(frame))?;
            wait_until("they came", || {
                let _ = port.device.rxsync();
                rx.space() == 3
            })?;
            let starts: Vec<u64> = rx.owned().iter().map(|&at| offset(&rx, at)).collect();
            same("where they are", starts, vec![200; 3])?;
            that("in", take_at(&rx) == sent)?;
            that("past it", other.receive(QUIET)? == sent)?;
        }
        // Frames as chains are one for everybody.
        put_at(&tx, &sent[2][..900], NS_MOREFRAG);
        put_at(&tx, &sent[2][900..], 0);
        port.device.txsync()?;
        for stack in [&far, &host] {
            that("a chain", stack.receive(QUIET)? == sent[2..])?;
        }
        sent.iter_mut().for_each(|frame| frame[30] ^= 0x55);
    }
    Ok(())
}
