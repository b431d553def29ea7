// SPDX-License-Identifier: MIT OR Apache-2.0

//! virtio-net headers on the frames of switch ports: items 134 to 136.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::{set_vnet_hdr, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::NmreqPortHdr;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_134_header_length_is_0_10_or_12,
    item_134_only_switch_ports_have_one,
    item_134_all_bindings_have_the_same,
    item_135_header_must_be_accepted,
    item_136_what_a_header_asks_for_is_passed_on,
    item_136_headers_are_added_removed_and_converted,
    item_136_header_may_have_a_slot_of_its_own,
    item_136_short_frames_with_a_header_are_dropped,
    item_136_growing_frame_goes_on_in_the_next_slot,
];

fn item_134_header_length_is_0_10_or_12() -> Outcome {
    let _bound = vale("vale134:a").slots(64, 64).bind()?;
    let other = vale("vale134:b").slots(64, 64).bind()?;
    same("at first", vnet_hdr("vale134:a")?, 0)?;
    for len in [12, 10, 0, 10, 12] {
        works(format!("SET {len}"), set_vnet_hdr("vale134:a", len))?;
        same("GET", vnet_hdr("vale134:a")?, len)?;
        for bad in [1, 2, 9, 11, 13, 14, 20, 0x8000_0000, u32::MAX] {
            fails(
                format!("SET {bad}"),
                set_vnet_hdr("vale134:a", bad),
                Errno::EINVAL,
            )?;
        }
        same("GET afterwards", vnet_hdr("vale134:a")?, len)?;
    }
    same("the other port", vnet_hdr("vale134:b")?, 0)?;
    drop(other);
    Ok(())
}

fn item_134_only_switch_ports_have_one() -> Outcome {
    let _bound = vale("vale134:a").slots(64, 64).bind()?;
    for name in ["vale134:b", "vale135:a", "vale134", "no_such_if", ""] {
        fails(format!("GET of {name:?}"), vnet_hdr(name), Errno::ENXIO)?;
        fails(
            format!("SET of {name:?}"),
            set_vnet_hdr(name, 12),
            Errno::ENXIO,
        )?;
    }
    fails("SET of an interface", set_vnet_hdr("lo", 12), Errno::ENXIO)?;
    // It goes with the port.
    set_vnet_hdr("vale134:a", 12)?;
    drop(_bound);
    let _again = vale("vale134:a").slots(64, 64).bind()?;
    same("a new port of the name", vnet_hdr("vale134:a")?, 0)
}

fn item_134_all_bindings_have_the_same() -> Outcome {
    let bind = || vale("vale134:a").slots(64, 64).flags(NR_ACCEPT_VNET_HDR);
    let (one, other) = (bind().bind()?, bind().bind()?);
    let b = vale("vale134:b").slots(64, 64).bind()?;
    for (len, by) in [(12, &one), (10, &other), (0, &one), (12, &other)] {
        let mut body = NmreqPortHdr {
            nr_hdr_len: len,
            ..NmreqPortHdr::default()
        };
        by.device
            .request(NETMAP_REQ_PORT_HDR_SET, "vale134:a", &mut body)?;
        same("GET", vnet_hdr("vale134:a")?, len)?;
        for (n, from) in [&one, &other].into_iter().enumerate() {
            let sent = frame(BROADCAST, station(1), n as u32);
            from.device.rxsync()?;
            from.send(&[[header(len as usize), sent.clone()].concat()])?;
            same("sent by either", b.recv()?, vec![sent])?;
            b.send(&[frame(station(1), station(2), 7)])?;
            let want = [vec![0; len as usize], frame(station(1), station(2), 7)].concat();
            same("and received", from.recv()?, vec![want])?;
        }
    }
    Ok(())
}

fn item_135_header_must_be_accepted() -> Outcome {
    let first = vale("vale135:a").slots(64, 64).bind()?;
    for len in [10, 12] {
        set_vnet_hdr("vale135:a", len)?;
        let device = Device::open()?;
        fails(
            "without the flag",
            vale("vale135:a").send(&device),
            Errno::EIO,
        )?;
        let (_, text) = why(&device)?;
        that(
            format!("the flag in {text:?}"),
            text.contains("NR_ACCEPT_VNET_HDR"),
        )?;
        let accept = vale("vale135:a").flags(NR_ACCEPT_VNET_HDR);
        works("with the flag, same device", accept.bind_on(device))?;
    }
    set_vnet_hdr("vale135:a", 0)?;
    works("without a header", vale("vale135:a").bind())?;
    // Whoever was there already goes on.
    set_vnet_hdr("vale135:a", 12)?;
    works("the first file", first.device.txsync())
}

/// A header of `len` bytes that asks for nothing, with something in every byte that may have it.
fn header(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| if i < 2 { 0 } else { 0xa0 + i as u8 })
        .collect()
}

/// What a header of `from` bytes becomes at a port with `to`.
fn converted(from: usize, to: usize) -> Vec<u8> {
    let mut header = header(from.min(to));
    header.resize(to, 0);
    if from == 0 {
        header.fill(0);
    }
    header
}

/// Two ports with headers of these lengths.
fn with_headers(from: usize, to: usize) -> Result<[Bound; 2], Errno> {
    let bound = ports("vale136", ["a", "b"])?;
    set_vnet_hdr("vale136:a", from as u32)?;
    set_vnet_hdr("vale136:b", to as u32)?;
    Ok(bound)
}

fn item_136_headers_are_added_removed_and_converted() -> Outcome {
    for (from, to) in [
        (0, 0),
        (0, 10),
        (0, 12),
        (10, 0),
        (10, 10),
        (10, 12),
        (12, 0),
        (12, 10),
        (12, 12),
    ] {
        let [a, b] = with_headers(from, to)?;
        for len in [14, 60, 1514, 2036] {
            let frame = frame_of(len, BROADCAST, station(1), len as u32);
            let sent = [header(from), frame.clone()].concat();
            a.send(&[sent])?;
            let want = [converted(from, to), frame].concat();
            same(
                format!("{len} bytes from {from} to {to}"),
                b.recv()?,
                vec![want],
            )?;
        }
        // What is behind the header is learned and looked up.
        let reply = [header(to), frame(station(1), station(2), 5)].concat();
        b.send(&[reply])?;
        let third = vale("vale136:c").slots(64, 64).bind()?;
        same("at a", a.recv()?.len(), 1)?;
        a.send(&[[header(from), frame(station(2), station(1), 6)].concat()])?;
        same("at b", b.recv()?.len(), 1)?;
        same("at another", got(&third)?, vec![])?;
    }
    Ok(())
}

/// Its flags, and all that goes with them; only the count of merged buffers is made 0 where there
/// was none. Slots are as they were.
fn item_136_what_a_header_asks_for_is_passed_on() -> Outcome {
    // A checksum, TCP in segments of 1000 bytes, headers of 54 bytes; two buffers.
    let asks = [1, 1, 54, 0, 0xe8, 3, 34, 0, 16, 0, 2, 0];
    for (from, to) in [(10, 12), (12, 10), (10, 10), (12, 12)] {
        let [a, b] = with_headers(from, to)?;
        let bytes = frame_of(4000, BROADCAST, station(1), 1);
        let sent = [&asks[..from], &bytes].concat();
        let (first, second) = sent.split_at(1500);
        a.tx(0)
            .put_fragments(&[first, &second[..1500], &second[1500..]]);
        a.device.txsync()?;
        let came = b.recv_slots()?;
        let what = format!("from {from} to {to}");
        let flags: Vec<_> = came.iter().map(|(flags, _)| *flags).collect();
        same(&what, flags, vec![0x320, 0x320, 0x300])?;
        let mut header = asks[..from.min(to)].to_vec();
        header.resize(to, 0);
        let all: Vec<_> = came.into_iter().flat_map(|(_, bytes)| bytes).collect();
        same(what, all, [header, bytes].concat())?;
    }
    Ok(())
}

fn item_136_header_may_have_a_slot_of_its_own() -> Outcome {
    for (from, to) in [(10, 0), (10, 10), (10, 12), (12, 0), (12, 10), (12, 12)] {
        let [a, b] = with_headers(from, to)?;
        let frame = frame_of(100, BROADCAST, station(1), 1);
        a.tx(0)
            .put_fragments(&[&header(from), &frame[..60], &frame[60..]]);
        a.device.txsync()?;
        b.device.rxsync()?;
        let came = b.rx(0).take();
        b.device.rxsync()?;
        let slots = came.len();
        let flags: Vec<_> = came.iter().map(|(slot, _)| slot.flags).collect();
        let want: Vec<u16> = (1..=slots)
            .map(|i| ((slots as u16) << 8) | if i < slots { NS_MOREFRAG } else { 0 })
            .collect();
        same(format!("flags from {from} to {to}"), flags, want)?;
        let bytes: Vec<_> = came.into_iter().flat_map(|(_, bytes)| bytes).collect();
        same(
            format!("bytes from {from} to {to}"),
            bytes,
            [converted(from, to), frame].concat(),
        )?;
    }
    Ok(())
}

fn item_136_short_frames_with_a_header_are_dropped() -> Outcome {
    for from in [10, 12] {
        let [a, b] = with_headers(from, 0)?;
        for len in 0..from + 14 {
            a.tx(0).put(&vec![0xff; len]);
        }
        // A header alone, with and without a promise of more.
        a.tx(0).put_flagged(&header(from), NS_MOREFRAG);
        a.tx(0).put_fragments(&[&header(from), &[0xff; 13]]);
        a.tx(0)
            .put_fragments(&[&header(from)[1..], &frame(BROADCAST, station(1), 1)]);
        a.tx(0).put_flagged(&header(from), NS_MOREFRAG);
        works("NIOCTXSYNC", a.device.txsync())?;
        same("frames", b.recv()?.len(), 0)?;
        a.send(&[[header(from), frame(BROADCAST, station(1), 2)].concat()])?;
        same("afterwards", got(&b)?, vec![2])?;
    }
    Ok(())
}

/// A first slot that got longer than a buffer by its header arrived without a byte, and the second
/// was taken for the header: super-frames of VMs have such.
fn item_136_growing_frame_goes_on_in_the_next_slot() -> Outcome {
    for (from, to) in [(0, 10), (0, 12), (10, 12)] {
        let port = |name| vale(name).slots(256, 256).bind();
        let (a, b) = (port("vale136:a")?, port("vale136:b")?);
        set_vnet_hdr("vale136:a", from as u32)?;
        set_vnet_hdr("vale136:b", to as u32)?;
        for len in [
            2048 - to,
            2049 - to,
            2048 - from,
            4096 - to,
            4096 - from,
            9000,
        ] {
            let what = format!("{len} bytes from {from} to {to}");
            let bytes = frame_of(len, BROADCAST, station(1), len as u32);
            a.tx(0).put_long(&[header(from), bytes.clone()].concat());
            // Nothing behind it is touched.
            let next = frame(BROADCAST, station(1), 2);
            a.send(&[[header(from), next.clone()].concat()])?;
            b.device.rxsync()?;
            let came = b.rx(0).take_long();
            b.device.rxsync()?;
            let all = [bytes, next].map(|bytes| [converted(from, to), bytes].concat());
            same(what, came, all)?;
        }
        // As many slots as a frame may have: one more would be one too many.
        let most = frame_of(NETMAP_MAX_FRAGS * 2048 - from, BROADCAST, station(1), 7);
        a.tx(0).put_long(&[header(from), most].concat());
        let last = frame(BROADCAST, station(1), 3);
        a.send(&[[header(from), last.clone()].concat()])?;
        let came = b.recv()?;
        same("slots", came.len(), NETMAP_MAX_FRAGS + 1)?;
        that("the first is empty", came[0].is_empty())?;
        let want = [converted(from, to), last].concat();
        same("the frame behind", came.last(), Some(&want))?;
    }
    Ok(())
}
