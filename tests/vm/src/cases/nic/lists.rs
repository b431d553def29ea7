// SPDX-License-Identifier: MIT OR Apache-2.0

//! As what long frames are given to a driver: a list of pages, or one piece.

use crate::harness::check::*;
use crate::harness::events::Events;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    lists_are_given_to_drivers_that_take_them,
    lists_go_to_the_host_whose_device_takes_them,
    lists_have_a_vlan_tag_as_other_frames,
    lists_with_a_tag_are_one_piece_where_the_driver_wants_that,
    hostile_memory_fails_in_putting_lists_into_one_piece,
];

/// What a frame was when `fm1` got it: all its bytes, those in pages, and the pages.
type Seen = (usize, usize, usize);

/// Of a list the first 256 bytes are in one piece (`module/sys/net/gather.rs`, `START`).
fn list(len: usize) -> Seen {
    let behind = len - 256;
    (len, behind, behind.div_ceil(4096))
}

fn piece(len: usize) -> Seen {
    (len, 0, 0)
}

fn field(line: &str, name: &str) -> Outcome<usize> {
    let (_, rest) = line
        .split_once(&format!(" {name}="))
        .ok_or_else(|| failure(format!("no {name} in {line}")))?;
    let word = rest.split_whitespace().next().unwrap_or_default();
    word.parse()
        .map_err(|_| failure(format!("{name} of {line}")))
}

/// What the kernel noted of frames that came to an interface, whose header it has taken off.
fn seen(events: &Events, device: &str) -> Outcome<Vec<Seen>> {
    let lines = events.lines()?;
    let here = lines
        .iter()
        .filter(|line| line.contains(&format!(" dev={device} ")));
    here.map(|line| {
        Ok((
            field(line, "len")? + ETH_HLEN,
            field(line, "data_len")?,
            field(line, "nr_frags")?,
        ))
    })
    .collect()
}

/// Lengths of one slot and of several, of which the first three have one piece either way, with all
/// that is around them.
const LENS: [usize; 6] = [100, 2048, 3000, 4500, 8448, 9014];

fn frames() -> Vec<Vec<u8>> {
    let lens = LENS.iter().zip(0..);
    lens.map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect()
}

fn lists_or_pieces() -> Vec<Seen> {
    let (short, long) = LENS.split_at(3);
    let short = short.iter().map(|&len| piece(len));
    short.chain(long.iter().map(|&len| list(len))).collect()
}

fn pieces() -> Vec<Seen> {
    LENS.map(piece).to_vec()
}

fn send(bound: &Bound, ring: &Ring, frames: &[Vec<u8>]) -> Outcome {
    frames.iter().for_each(|frame| ring.put_long(frame));
    Ok(bound.device.txsync()?)
}

/// What comes of frames of one ring is lists where the interface takes such, pieces where not, by
/// what the kernel notes of each that comes to `device`; byte for byte the same.
fn as_the_interface_takes_them(
    (bound, ring): (&Bound, &Ring),
    to: &Stack,
    (point, device): (&str, &str),
) -> Outcome {
    for (takes, want) in [
        ("on", lists_or_pieces()),
        ("off", pieces()),
        ("on", lists_or_pieces()),
    ] {
        ethtool(&format!("-K fm0 sg {takes}"))?;
        let events = Events::of(point)?;
        send(bound, ring, &frames())?;
        that("every byte", to.wait_for(LENS.len())? == frames())?;
        same(format!("with sg {takes}"), seen(&events, device)?, want)?;
    }
    Ok(())
}

/// A frame of 9000 bytes in one piece takes four pages side by side, which a machine that has been
/// up for long may not have.
fn lists_are_given_to_drivers_that_take_them() -> Outcome {
    jumbo_wire()?;
    let bound = vale("fm0").bind()?;
    let far = Stack::on("fm1")?;
    let there = ("net/netif_rx_entry", "fm1");
    as_the_interface_takes_them((&bound, &bound.tx(0)), &far, there)
}

fn lists_go_to_the_host_whose_device_takes_them() -> Outcome {
    jumbo_wire()?;
    let host = Stack::on("fm0")?;
    let bound = vale("fm0").mode(NR_REG_SW).bind()?;
    let there = ("net/netif_receive_skb_entry", "fm0");
    as_the_interface_takes_them((&bound, &bound.host_tx(0)), &host, there)
}

fn tagged() -> Vec<Vec<u8>> {
    let mut frames = frames();
    for frame in &mut frames {
        frame.splice(12..12, [0x81, 0, 0, 7]);
    }
    frames
}

/// The tag is in the first slot, and goes into what the kernel knows of the frame.
fn lists_have_a_vlan_tag_as_other_frames() -> Outcome {
    jumbo_wire()?;
    let bound = vale("fm0").bind()?;
    let far = Stack::on("fm1")?;
    let events = Events::of("net/netif_rx_entry")?;
    send(&bound, &bound.tx(0), &tagged())?;
    // The stack shows the tag beside the frame.
    that("every byte", far.wait_for(LENS.len())? == frames())?;
    // Its four bytes were in front of what is in pages.
    let with_tag = LENS[3..].iter().map(|&len| {
        let (_, behind, pages) = list(len + 4);
        (len, behind, pages)
    });
    let want: Vec<Seen> = LENS[..3]
        .iter()
        .map(|&len| piece(len))
        .chain(with_tag)
        .collect();
    same("lists", seen(&events, "fm1")?, want)
}

/// An interface that takes lists, but of no frame with a VLAN tag.
fn choosy() -> Outcome<Bound> {
    wire()?;
    ip("link add fmd type dummy")?;
    ip("link set fmd mtu 9000 up")?;
    Ok(vale("fmd").bind()?)
}

/// The stack asks the driver of each frame, and netmap goes past it.
fn lists_with_a_tag_are_one_piece_where_the_driver_wants_that() -> Outcome {
    let bound = choosy()?;
    for (frames, joined) in [(frames(), 0), (tagged(), 3)] {
        let before = counter(&bound, "tx0-frames")?;
        let events = Events::calls_of("__pskb_pull_tail")?;
        send(&bound, &bound.tx(0), &frames)?;
        same("put into one piece", events.lines()?.len(), joined)?;
        let sent = counter(&bound, "tx0-frames")? - before;
        same("sent", sent, LENS.len() as u64)?;
    }
    Ok(())
}

fn hostile_memory_fails_in_putting_lists_into_one_piece() -> Outcome {
    let bound = choosy()?;
    let fail_alloc = FailAlloc::load()?;
    let long = tagged().pop().expect("the longest");
    // Its pages, and the piece.
    for nth in [1, 2, 3] {
        let counts = || -> Outcome<[u64; 2]> {
            Ok([
                counter(&bound, "tx0-frames")?,
                counter(&bound, "tx0-drop_no_memory")?,
            ])
        };
        let before = counts()?;
        fail_alloc.arm(nth, Span::One)?;
        send(&bound, &bound.tx(0), std::slice::from_ref(&long))?;
        let (_, failed) = fail_alloc.disarm()?;
        let want = match nth {
            3 => ([1, 0], Failed::Nothing),
            _ => ([0, 1], Failed::Frame),
        };
        let after = counts()?;
        let came = [after[0] - before[0], after[1] - before[1]];
        same(format!("sent and lost, {nth}"), (came, failed), want)?;
        same("slots in use", 1023 - bound.tx(0).space(), 0)?;
    }
    Ok(())
}
