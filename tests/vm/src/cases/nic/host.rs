// SPDX-License-Identifier: MIT OR Apache-2.0

//! Host rings: between a program and the stack.

use super::frames::udp_payload;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::port_info;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, wire::NmreqPortInfoGet};
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_029_mode_sw_binds_the_host_rings_alone,
    item_030_mode_nic_sw_binds_all,
    item_033_one_host_ring_of_several,
    item_046_the_first_chooses_how_many_host_rings,
    item_100_host_rings_alone_leave_the_host_its_traffic,
    item_101_what_the_host_sends_comes_to_the_host_ring,
    item_101_queues_have_host_rings_of_their_own,
    item_104_the_host_gets_what_a_program_sends_up,
    item_105_host_transmit_rings_never_fill,
    item_106_the_hosts_frames_come_complete,
    host_frames_that_nobody_takes_are_counted,
    host_bad_slots_are_dropped_and_counted,
    host_a_full_ring_drops_and_counts
];

fn item_029_mode_sw_binds_the_host_rings_alone() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let host = vale("fm0").mode(NR_REG_SW).bind()?;
    same("bound", host.ring_numbers(), (vec![2], vec![2]))?;
    same(
        "told",
        (host.reg.nr_host_tx_rings, host.reg.nr_host_rx_rings),
        (1, 1),
    )?;
    same("ringid", host.host_tx(0).ringid(), 2)?;
    same("slots", host.host_rx(0).n(), 1024)?;
    let nic = vale("fm0").bind()?;
    same("region", nic.reg.nr_mem_id, host.reg.nr_mem_id)?;
    same("bound", nic.ring_numbers(), (vec![0, 1], vec![0, 1]))?;
    let only = |flag| vale("fm0").mode(NR_REG_SW).flags(flag).bind();
    let (tx, rx) = (only(NR_TX_RINGS_ONLY)?, only(NR_RX_RINGS_ONLY)?);
    same("to send", tx.ring_numbers(), (vec![2], vec![]))?;
    same("to receive", rx.ring_numbers(), (vec![], vec![2]))?;
    refused(
        vale("vale0:a").mode(NR_REG_SW),
        Errno::EINVAL,
        &["no host rings"],
    )
}

fn item_030_mode_nic_sw_binds_all() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 3")?;
    let all = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let want = (vec![0, 1, 2], vec![0, 1, 2, 3]);
    same("bound", all.ring_numbers(), want)?;
    let buffers = all.buffers();
    let mut once = buffers.clone();
    once.sort_unstable();
    once.dedup();
    same(
        "every slot has a buffer of its own",
        once.len(),
        buffers.len(),
    )
}

fn item_033_one_host_ring_of_several() -> Outcome {
    wire()?;
    let mut all = vale("fm0").mode(NR_REG_SW);
    (all.body.nr_host_tx_rings, all.body.nr_host_rx_rings) = (3, 2);
    let all = all.bind()?;
    same("all", all.ring_numbers(), (vec![1, 2, 3], vec![1, 2]))?;
    let one = |ring| {
        let mut reg = vale("fm0").mode(NR_REG_ONE_SW);
        reg.body.nr_ringid = ring;
        reg
    };
    same("1", one(1).bind()?.ring_numbers(), (vec![2], vec![2]))?;
    same("2", one(2).bind()?.ring_numbers(), (vec![3], vec![1]))?;
    refused(one(3), Errno::EINVAL, &["host ring 3"])
}

fn item_046_the_first_chooses_how_many_host_rings() -> Outcome {
    wire()?;
    let ask = |count| {
        let mut reg = vale("fm0");
        (reg.body.nr_host_tx_rings, reg.body.nr_host_rx_rings) = (count, count);
        reg.bind()
    };
    let count = |bound: &Bound| (bound.reg.nr_host_tx_rings, bound.reg.nr_host_rx_rings);
    let first = ask(4)?;
    same("the first", count(&first), (4, 4))?;
    same("its netmap_if", first.nifp().ni_host_tx_rings, 4)?;
    same("the second", count(&ask(2)?), (4, 4))?;
    let info = port_info("fm0", NmreqPortInfoGet::default())?;
    same(
        "told",
        (info.nr_host_tx_rings, info.nr_host_rx_rings),
        (4, 4),
    )?;
    drop(first);
    // Asking changes nothing (quirk 19).
    let asked = NmreqPortInfoGet {
        nr_host_tx_rings: 7,
        nr_host_rx_rings: 7,
        ..NmreqPortInfoGet::default()
    };
    let info = port_info("fm0", asked)?;
    same(
        "then",
        (info.nr_host_tx_rings, info.nr_host_rx_rings),
        (1, 1),
    )?;
    same("again", count(&ask(0)?), (1, 1))
}

fn item_100_host_rings_alone_leave_the_host_its_traffic() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_SW).bind()?;
    host.send(&frame(BROADCAST, station(1), 1))?;
    far.send(&frame(BROADCAST, station(2), 2))?;
    same("far away", numbers(&far.receive(QUIET)?), vec![1])?;
    same("at the host", numbers(&host.receive(QUIET)?), vec![2])?;
    bound.device.rxsync()?;
    same("in the ring", bound.host_rx(0).take().len(), 0)
}

/// Receives from host ring `i` until there are `count` frames, or in vain.
pub fn from_host(bound: &Bound, i: u32, count: usize) -> Outcome<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    for _ in 0..100 {
        if frames.len() >= count {
            break;
        }
        bound.poll(PollFlags::POLLIN, 100)?;
        frames.extend(bound.host_rx(i).take_frames());
    }
    bound.device.rxsync()?;
    Ok(frames)
}

fn item_101_what_the_host_sends_comes_to_the_host_ring() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let frames = [14, 60, 1514].map(|len| frame_of(len, BROADCAST, station(1), 3));
    for frame in &frames {
        host.send(frame)?;
    }
    same("frames", from_host(&bound, 0, 3)?, frames.to_vec())?;
    same("far away", far.receive(QUIET)?.len(), 0)?;
    same("counted", counter(&bound, "host-rx0-frames")?, 3)?;
    drop(bound);
    host.send(&frames[1])?;
    same("after", far.receive(QUIET)?, vec![frames[1].clone()])
}

fn item_101_queues_have_host_rings_of_their_own() -> Outcome {
    wire_with(" numtxqueues 4 numrxqueues 1")?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let mut reg = vale("fm0").mode(NR_REG_SW);
    (reg.body.nr_host_tx_rings, reg.body.nr_host_rx_rings) = (1, 4);
    let rings = reg.bind()?;
    // One queue of four: its share of the flows is taken, the others go out.
    let one = vale("fm0").one(2).bind()?;
    let frames: Vec<_> = (0..64u8)
        .map(|n| {
            let mut frame = vec![0; 60];
            frame[..12].copy_from_slice(&[BROADCAST, station(1)].concat());
            frame[12..14].copy_from_slice(&[0x88, 0xb5]);
            frame[17] = n;
            frame
        })
        .collect();
    for frame in &frames {
        host.send(frame)?;
    }
    let went = far.receive(QUIET)?;
    rings.device.rxsync()?;
    let came: Vec<_> = (0..4).map(|i| rings.host_rx(i).take_frames()).collect();
    let taken: usize = came.iter().map(Vec::len).sum();
    same("none is lost", went.len() + taken, frames.len())?;
    same("of the other queues", taken, came[2].len())?;
    drop(one);
    let _all = vale("fm0").bind()?;
    for frame in &frames {
        host.send(frame)?;
    }
    same("far away", far.receive(QUIET)?.len(), 0)?;
    rings.device.rxsync()?;
    let taken: usize = (0..4).map(|i| rings.host_rx(i).take().len()).sum();
    same("all are taken", taken, frames.len())
}

fn item_104_the_host_gets_what_a_program_sends_up() -> Outcome {
    wire()?;
    let host = Stack::on("fm0")?;
    for mode in [NR_REG_SW, NR_REG_NIC_SW] {
        let bound = vale("fm0").mode(mode).bind()?;
        let frames = [14, 60, 1514].map(|len| frame_of(len, BROADCAST, station(2), 9));
        for frame in &frames {
            bound.host_tx(0).put(frame);
        }
        bound.device.txsync()?;
        same("at the host", host.receive(QUIET)?, frames.to_vec())?;
        same("counted", counter(&bound, "host-tx0-frames")?, 3)?;
    }
    Ok(())
}

fn item_105_host_transmit_rings_never_fill() -> Outcome {
    wire()?;
    let bound = vale("fm0").mode(NR_REG_SW).bind()?;
    let ring = bound.host_tx(0);
    for round in 0..5 {
        if round == 3 {
            ip("link set fm0 down")?;
        }
        while ring.space() > 0 {
            ring.put(&frame(BROADCAST, station(2), round));
        }
        bound.device.txsync()?;
        same("free slots", ring.space(), ring.n() - 1)?;
    }
    same("sent up", counter(&bound, "host-tx0-frames")?, 3 * 1023)?;
    same(
        "while down",
        counter(&bound, "host-tx0-drop_down")?,
        2 * 1023,
    )
}

fn item_106_the_hosts_frames_come_complete() -> Outcome {
    wire()?;
    ip("addr add 10.91.0.2/24 dev fm0")?;
    ip("neigh add 10.91.0.1 lladdr 02:00:00:00:00:01 dev fm0")?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let socket = std::net::UdpSocket::bind("10.91.0.2:0")?;
    socket.send_to(b"one datagram", "10.91.0.1:9")?;
    let came = from_host(&bound, 0, 1)?;
    same(
        "a datagram",
        udp_payload(&came[0])?,
        b"one datagram".to_vec(),
    )?;
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::UdpGsoSegment, &1000)?;
    let large: Vec<u8> = (0..20_500u32).map(|i| (i / 7) as u8).collect();
    socket.send_to(&large, "10.91.0.1:9")?;
    let came = from_host(&bound, 0, 21)?;
    let mut bytes = Vec::new();
    for frame in &came {
        bytes.extend(udp_payload(frame)?);
    }
    same("datagrams", came.len(), 21)?;
    that("all bytes, in order", bytes == large)?;
    // With a tag that the hardware would have put in.
    ip("link add link fm0 name fm0.7 type vlan id 7")?;
    ip("link set fm0.7 up")?;
    let plain = frame(BROADCAST, station(1), 3);
    Stack::on("fm0.7")?.send(&plain)?;
    let mut tagged = plain[..12].to_vec();
    tagged.extend([0x81, 0, 0, 7]);
    tagged.extend(&plain[12..]);
    let came = from_host(&bound, 0, 1)?;
    that("the tagged frame", came.contains(&tagged))
}

fn host_frames_that_nobody_takes_are_counted() -> Outcome {
    wire()?;
    let host = Stack::on("fm0")?;
    let _nic = vale("fm0").bind()?;
    for frame in numbered(0..7) {
        host.send(&frame)?;
    }
    same("counted", debug_counter("fm0", "host", "drop_nobody")?, 7)
}

fn host_bad_slots_are_dropped_and_counted() -> Outcome {
    wire()?;
    let host = Stack::on("fm0")?;
    let bound = vale("fm0").mode(NR_REG_SW).bind()?;
    let ring = bound.host_tx(0);
    let good = frame(BROADCAST, station(2), 1);
    for len in [0, 1, 13, 2049, 65535] {
        let at = ring.head();
        ring.put(&good);
        ring.edit_slot(at, |slot| slot.len = len);
        ring.put(&good);
    }
    bound.device.txsync()?;
    for index in [u32::MAX, 0x7fff_ffff, 10_000_000] {
        let at = ring.head();
        let own = ring.slot(at).buf_idx;
        ring.put(&good);
        ring.edit_slot(at, |slot| slot.buf_idx = index);
        bound.device.txsync()?;
        ring.edit_slot(at, |slot| slot.buf_idx = own);
    }
    same("the good ones", host.receive(QUIET)?, vec![good; 5])?;
    same("length", counter(&bound, "host-tx0-drop_bad_length")?, 5)?;
    same("buffer", counter(&bound, "host-tx0-drop_bad_buffer")?, 3)?;
    // Frames of the host find a slot without a buffer: what belongs there arrives empty.
    let nic = vale("fm0").bind()?;
    let ring = bound.host_rx(0);
    let own = ring.slot(0).buf_idx;
    ring.edit_slot(0, |slot| slot.buf_idx = 99_999_999);
    host.send(&frame(BROADCAST, station(1), 1))?;
    same("empty", from_host(&bound, 0, 1)?, vec![vec![]])?;
    same("counted", counter(&bound, "host-rx0-drop_bad_buffer")?, 1)?;
    ring.edit_slot(0, |slot| slot.buf_idx = own);
    drop(nic);
    Ok(())
}

fn host_a_full_ring_drops_and_counts() -> Outcome {
    wire()?;
    let host = Stack::on("fm0")?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    for frame in numbered(0..1100) {
        host.send(&frame)?;
    }
    same("full", counter(&bound, "host-rx0-drop_full")?, 1100 - 1023)?;
    let want: Vec<u32> = (0..1023).collect();
    same("frames", numbers(&from_host(&bound, 0, 1023)?), want)
}
