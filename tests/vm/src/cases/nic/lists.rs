// SPDX-License-Identifier: MIT OR Apache-2.0

//! As what long frames are given to a driver: a list of pages, or one piece.

use crate::harness::check::*;
use crate::harness::events::Events;
use crate::harness::frame::*;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    lists_are_given_to_drivers_that_take_them,
    lists_go_to_the_host_whose_device_takes_them,
    lists_have_a_vlan_tag_as_other_frames,
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

/// Lengths of two slots and more: some are short enough for one piece all the same, with all that
/// is around them.
const LENS: [usize; 6] = [100, 2048, 3000, 4500, 8448, 9014];

/// Sends one of each on `fm0`: what `fm1` saw of them, byte for byte the same.
fn sent() -> Outcome<Vec<Seen>> {
    let bound = vale("fm0").bind()?;
    let far = Stack::on("fm1")?;
    let frames: Vec<Vec<u8>> = LENS
        .iter()
        .zip(0..)
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect();
    let events = Events::of("net/netif_rx_entry")?;
    for frame in &frames {
        bound.tx(0).put_long(frame);
    }
    bound.device.txsync()?;
    that("every byte", far.receive(QUIET)? == frames)?;
    seen(&events, "fm1")
}

fn jumbo_wire() -> Outcome {
    wire()?;
    ip("link set fm0 mtu 9000")?;
    ip("link set fm1 mtu 9000")
}

/// A frame of 9000 bytes in one piece takes four pages side by side, which a machine that has been
/// up for long may not have.
fn lists_are_given_to_drivers_that_take_them() -> Outcome {
    jumbo_wire()?;
    let short = [100, 2048, 3000].map(piece);
    let lists = [4500, 8448, 9014].map(list);
    same("lists", sent()?, [short, lists].concat())?;
    ethtool("-K fm0 sg off")?;
    same("pieces", sent()?, LENS.map(piece).to_vec())?;
    ethtool("-K fm0 sg on")?;
    same("lists again", sent()?, [short, lists].concat())
}

fn lists_go_to_the_host_whose_device_takes_them() -> Outcome {
    jumbo_wire()?;
    let host = Stack::on("fm0")?;
    let bound = vale("fm0").mode(NR_REG_SW).bind()?;
    let frames: Vec<Vec<u8>> = LENS
        .iter()
        .zip(0..)
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect();
    for takes in ["on", "off", "on"] {
        ethtool(&format!("-K fm0 sg {takes}"))?;
        let events = Events::of("net/netif_receive_skb_entry")?;
        for frame in &frames {
            bound.host_tx(0).put_long(frame);
        }
        bound.device.txsync()?;
        that("every byte", host.receive(QUIET)? == frames)?;
        let longest = seen(&events, "fm0")?.pop();
        let want = match takes {
            "on" => list(9014),
            _ => piece(9014),
        };
        same(format!("with sg {takes}"), longest, Some(want))?;
    }
    Ok(())
}

/// The tag is in the first slot, and goes into what the kernel knows of the frame.
fn lists_have_a_vlan_tag_as_other_frames() -> Outcome {
    jumbo_wire()?;
    let bound = vale("fm0").bind()?;
    let far = Stack::on("fm1")?;
    let frames: Vec<Vec<u8>> = LENS
        .iter()
        .zip(0..)
        .map(|(&len, n)| {
            let mut frame = frame_of(len, BROADCAST, station(1), n);
            frame.splice(12..12, [0x81, 0, 0, 7]);
            frame
        })
        .collect();
    for frame in &frames {
        bound.tx(0).put_long(frame);
    }
    bound.device.txsync()?;
    // The stack shows the tag beside the frame.
    let without = |frame: &Vec<u8>| [&frame[..12], &frame[16..]].concat();
    let without: Vec<_> = frames.iter().map(without).collect();
    that("every byte", far.receive(QUIET)? == without)
}
