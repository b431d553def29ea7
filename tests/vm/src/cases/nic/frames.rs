// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames through network interfaces in emulated mode. Opening, closing and what happens to them
//! meanwhile is in `life.rs`.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::random::Random;
use crate::harness::raw::request::port_info;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, ext::FERROMAP_NI_EMULATED};
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_023_an_interface_tells_its_rings_before_anybody_opens_it,
    item_031_one_ring_of_an_interface_with_several,
    nic_frames_cross_a_pair_whole_and_in_order,
    nic_slots_come_back_when_the_driver_has_finished,
    nic_a_full_ring_drops_and_counts,
    nic_frames_that_cannot_be_sent_are_counted,
    nic_link_down_counts,
    item_099_frames_stay_off_the_stack_until_close,
    item_102_the_host_sends_while_receive_rings_are_bound,
    item_103_the_host_receives_while_transmit_rings_are_bound,
    item_110_received_frames_have_their_vlan_tag,
    item_111_a_frame_larger_than_a_buffer_has_several_slots,
    nic_offloads_are_undone,
    nic_taps_see_what_programs_send,
];

fn item_023_an_interface_tells_its_rings_before_anybody_opens_it() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let info = port_info("fm0", Default::default())?;
    same("rings", (info.nr_tx_rings, info.nr_rx_rings), (2, 2))?;
    same("slots", (info.nr_tx_slots, info.nr_rx_slots), (1024, 1024))?;
    same("region", info.nr_mem_id, GLOBAL_MEM_ID)?;
    // Asking leaves nothing behind: the interface can go into a bridge.
    ip("link add br0 type bridge")?;
    ip("link set fm0 master br0")?;
    ip("link set fm0 nomaster")?;
    let bound = vale("fm0").bind()?;
    let reg = bound.reg;
    same("rings", (reg.nr_tx_rings, reg.nr_rx_rings), (2, 2))?;
    same("region", reg.nr_mem_id, GLOBAL_MEM_ID)?;
    same("name", bound.port_name(), "fm0".to_string())?;
    same("flags", bound.nifp().ni_flags, FERROMAP_NI_EMULATED)?;
    same("bound", bound.ring_numbers(), (vec![0, 1], vec![0, 1]))?;
    // A lone interface without channels has one ring.
    ip("link add fm2 type dummy")?;
    let info = port_info("fm2", Default::default())?;
    same("rings", (info.nr_tx_rings, info.nr_rx_rings), (1, 1))
}

fn item_031_one_ring_of_an_interface_with_several() -> Outcome {
    wire_with(" numtxqueues 3 numrxqueues 3")?;
    let one = vale("fm0").one(2).bind()?;
    same("bound", one.ring_numbers(), (vec![2], vec![2]))?;
    let other = vale("fm0").one(0).bind()?;
    same("bound", other.ring_numbers(), (vec![0], vec![0]))?;
    fails("ring 3", vale("fm0").one(3).try_bind(), Errno::EINVAL)?;
    let peer = vale("fm1").bind()?;
    one.send_on(2, &numbered(0..20))?;
    other.send_on(0, &numbered(100..120))?;
    // Which ring they come to is the driver's choice.
    let mut came = Vec::new();
    wait_until("all have come", || {
        let _ = peer.device.rxsync();
        for (_, ring) in peer.rx_rings() {
            came.extend(numbers(&ring.take_frames()));
        }
        came.len() >= 40
    })?;
    for (who, want) in [("ring 2", 0..20), ("ring 0", 100..120)] {
        let from: Vec<_> = came.iter().filter(|n| want.contains(*n)).collect();
        same(
            who,
            from,
            want.clone().collect::<Vec<_>>().iter().collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}

fn nic_frames_cross_a_pair_whole_and_in_order() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let mut random = Random::new(4);
    let mut next = 0;
    for _ in 0..60 {
        let count = 1 + random.below(200) as u32;
        let batch: Vec<_> = (next..next + count)
            .map(|n| frame_of(18 + random.below(1497) as usize, BROADCAST, station(1), n))
            .collect();
        next += count;
        a.send(&batch)?;
        let came = wait_for(&b, batch.len())?;
        same("frames", numbers(&came), numbers(&batch))?;
        that("every byte", came == batch)?;
    }
    same("sent", counter(&a, "tx0-frames")?, next.into())?;
    same("received", counter(&b, "rx0-frames")?, next.into())?;
    // And the other way, the shortest and the longest that there are.
    let ends = [14, 15, 60, 1513, 1514].map(|len| frame_of(len, station(1), station(2), 7));
    b.send(&ends)?;
    same("the other way", wait_for(&a, ends.len())?, ends.to_vec())
}

fn nic_slots_come_back_when_the_driver_has_finished() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let ring = a.tx(0);
    for round in 0..5 {
        let all = ring.space();
        same("free slots", all, ring.n() - 1)?;
        for n in 0..all {
            ring.put(&frame(BROADCAST, station(1), round * all + n));
        }
        let ready = a.poll(PollFlags::POLLOUT, 5000)?;
        same("poll", ready, PollFlags::POLLOUT)?;
        wait_until("all have left", || {
            let _ = a.device.txsync();
            ring.space() == all
        })?;
        same("frames", wait_for(&b, all as usize)?.len(), all as usize)?;
    }
    Ok(())
}

fn nic_a_full_ring_drops_and_counts() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    for batch in 0..3 {
        a.send(&numbered(batch * 500..batch * 500 + 500))?;
    }
    wait_until("the ring is full and the rest counted", || {
        counter(&b, "rx0-drop_full").is_ok_and(|dropped| dropped == 1500 - 1023)
    })?;
    same(
        "what it has",
        numbers(&wait_for(&b, 1023)?),
        (0..1023).collect::<Vec<u32>>(),
    )?;
    a.send(&numbered(9..10))?;
    same("from now on", numbers(&wait_for(&b, 1)?), vec![9])
}

fn nic_frames_that_cannot_be_sent_are_counted() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let ring = a.tx(0);
    let good = frame(BROADCAST, station(1), 1);
    for len in [0, 1, 13, 1523, 2048, 2049, 65535] {
        let at = ring.head();
        ring.put(&good);
        ring.edit_slot(at, |slot| slot.len = len);
        ring.put(&good);
    }
    for index in [u32::MAX, 0x7fff_ffff, 10_000_000] {
        let at = ring.head();
        let own = ring.slot(at).buf_idx;
        ring.put(&good);
        ring.edit_slot(at, |slot| slot.buf_idx = index);
        a.device.txsync()?;
        ring.edit_slot(at, |slot| slot.buf_idx = own);
    }
    same("the good ones", wait_for(&b, 7)?, vec![good; 7])?;
    same("counted", counter(&a, "tx0-drop_bad_length")?, 7)?;
    same("counted", counter(&a, "tx0-drop_bad_buffer")?, 3)?;
    wait_until("all slots are free", || {
        let _ = a.device.txsync();
        ring.space() == ring.n() - 1
    })
}

fn nic_link_down_counts() -> Outcome {
    wire()?;
    let a = vale("fm0").bind()?;
    ip("link set fm1 down")?;
    a.send(&numbered(0..10))?;
    same("free slots", a.tx(0).space(), a.tx(0).n() - 1)?;
    same("counted", counter(&a, "tx0-drop_down")?, 10)
}

/// tcpdump on the interface saw nothing of what programs sent through it.
fn nic_taps_see_what_programs_send() -> Outcome {
    wire()?;
    let (a, b) = (vale("fm0").bind()?, vale("fm1").bind()?);
    a.send(&numbered(0..100))?;
    let tap = Stack::tap("fm0")?;
    a.send(&numbered(100..300))?;
    let seen = tap.receive(QUIET)?;
    let want: Vec<u32> = (100..300).collect();
    same("at the tap, once each", numbers(&seen), want)?;
    that("every byte", seen == numbered(100..300))?;
    drop(tap);
    a.send(&numbered(300..400))?;
    // Taps share the frame's bytes: its slot comes back all the same, and what arrives is whole.
    that("at the other end", wait_for(&b, 400)? == numbered(0..400))?;
    wait_until("all slots are free", || {
        let _ = a.device.txsync();
        a.tx(0).space() == a.tx(0).n() - 1
    })
}

fn item_099_frames_stay_off_the_stack_until_close() -> Outcome {
    wire()?;
    let (sender, stack) = (Stack::on("fm1")?, Stack::on("fm0")?);
    let frames = numbered(0..10);
    let send = || frames.iter().try_for_each(|frame| sender.send(frame));
    send()?;
    same("before", stack.receive(QUIET)?, frames.clone())?;
    let bound = vale("fm0").bind()?;
    send()?;
    same("in the ring", wait_for(&bound, 10)?, frames.clone())?;
    same("in the stack", stack.receive(QUIET)?.len(), 0)?;
    drop(bound);
    send()?;
    same("after", stack.receive(QUIET)?, frames.clone())
}

fn item_102_the_host_sends_while_receive_rings_are_bound() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").flags(NR_RX_RINGS_ONLY).bind()?;
    host.send(&frame(BROADCAST, station(1), 5))?;
    same("far away", numbers(&far.receive(QUIET)?), vec![5])?;
    far.send(&frame(BROADCAST, station(2), 6))?;
    same("in the ring", numbers(&wait_for(&bound, 1)?), vec![6])
}

fn item_103_the_host_receives_while_transmit_rings_are_bound() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").flags(NR_TX_RINGS_ONLY).bind()?;
    far.send(&frame(BROADCAST, station(2), 6))?;
    same("at the host", numbers(&host.receive(QUIET)?), vec![6])?;
    bound.send(&numbered(0..3))?;
    same("far away", numbers(&far.receive(QUIET)?), vec![0, 1, 2])
}

fn item_110_received_frames_have_their_vlan_tag() -> Outcome {
    wire()?;
    ip("link add link fm1 name fm1.7 type vlan id 7")?;
    std::fs::write("/proc/sys/net/ipv6/conf/fm1.7/disable_ipv6", "1")?;
    ip("link set fm1.7 up")?;
    let bound = vale("fm0").bind()?;
    let plain = frame(BROADCAST, station(1), 3);
    Stack::on("fm1.7")?.send(&plain)?;
    let mut tagged = plain[..12].to_vec();
    tagged.extend([0x81, 0, 0, 7]);
    tagged.extend(&plain[12..]);
    same("the frame", wait_for(&bound, 1)?, vec![tagged])
}

fn item_111_a_frame_larger_than_a_buffer_has_several_slots() -> Outcome {
    wire()?;
    // With its header a frame is longer than a buffer.
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu 2048"))?;
    }
    let far = Stack::on("fm1")?;
    let bound = vale("fm0").bind()?;
    let long = frame_of(2062, BROADCAST, station(1), 1);
    let short = frame_of(60, BROADCAST, station(1), 2);
    for frame in [&long, &short, &long] {
        far.send(frame)?;
    }
    let ring = bound.rx(0);
    wait_until("the frames are there", || {
        let _ = bound.device.rxsync();
        ring.space() == 5
    })?;
    let slots = ring.take();
    let told: Vec<_> = slots.iter().map(|(s, _)| (s.len, s.flags)).collect();
    let (first, last) = ((2048, NS_MOREFRAG), (14, 0));
    same("slots", told, vec![first, last, (60, 0), first, last])?;
    let bytes: Vec<u8> = slots.into_iter().flat_map(|(_, bytes)| bytes).collect();
    that("every byte", bytes == [&long[..], &short, &long].concat())
}

/// The Internet checksum over `bytes` (RFC 1071).
fn checksum(bytes: impl IntoIterator<Item = u8>) -> u16 {
    let mut sum = 0u32;
    for (i, byte) in bytes.into_iter().enumerate() {
        sum += u32::from(byte) << if i % 2 == 0 { 8 } else { 0 };
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Bytes that a UDP datagram carries, if both its checksums are right.
pub fn udp_payload(frame: &[u8]) -> Outcome<Vec<u8>> {
    let ip = &frame[14..34];
    same("protocol", (frame[12], frame[13], ip[9]), (8, 0, 17))?;
    same("IP checksum", checksum(ip.iter().copied()), 0xffff)?;
    let len = usize::from(u16::from_be_bytes([ip[2], ip[3]])) - 20;
    let udp = &frame[34..34 + len];
    that("a UDP checksum", udp[6..8] != [0, 0])?;
    let pseudo = ip[12..20]
        .iter()
        .copied()
        .chain([0, 17, (len >> 8) as u8, len as u8]);
    same(
        "UDP checksum",
        checksum(pseudo.chain(udp.iter().copied())),
        0xffff,
    )?;
    Ok(udp[8..].to_vec())
}

fn nic_offloads_are_undone() -> Outcome {
    wire()?;
    ip("addr add 10.91.0.2/24 dev fm1")?;
    ip("neigh add 10.91.0.1 lladdr 02:00:00:00:00:01 dev fm1")?;
    let bound = vale("fm0").bind()?;
    let socket = std::net::UdpSocket::bind("10.91.0.2:0")?;
    // veth leaves the checksum to hardware that it does not have.
    socket.send_to(b"one datagram", "10.91.0.1:9")?;
    let came = wait_for(&bound, 1)?;
    same(
        "a datagram",
        udp_payload(&came[0])?,
        b"one datagram".to_vec(),
    )?;
    // One large one, to be segmented by the hardware: it comes as the datagrams that a wire would
    // have.
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::UdpGsoSegment, &1000)?;
    let large: Vec<u8> = (0..20_500u32).map(|i| (i / 7) as u8).collect();
    socket.send_to(&large, "10.91.0.1:9")?;
    let came = wait_for(&bound, 21)?;
    same("datagrams", came.len(), 21)?;
    let mut bytes = Vec::new();
    for (i, frame) in came.iter().enumerate() {
        let payload = udp_payload(frame)?;
        same("bytes", payload.len(), if i < 20 { 1000 } else { 500 })?;
        bytes.extend(payload);
    }
    that("all bytes, in order", bytes == large)?;
    same("refused", counter(&bound, "rx0-drop_bad_frame")?, 0)
}
