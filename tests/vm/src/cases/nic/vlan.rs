// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames with VLAN tags, beside what the kernel makes of such: VLAN interfaces above the port.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    vlan_interfaces_above_leave_the_rings_every_frame,
    vlan_interfaces_above_get_what_is_for_the_stack,
    vlan_frames_of_full_size_have_room_for_two_tags,
];

/// Tags: 802.1Q for customers, 802.1ad for providers.
const CTAG: [u8; 2] = [0x81, 0x00];
const STAG: [u8; 2] = [0x88, 0xa8];

/// The frame with a tag in front of all others.
fn tagged(frame: &[u8], kind: [u8; 2], id: u8) -> Vec<u8> {
    [&frame[..12], &kind, &[0, id], &frame[12..]].concat()
}

/// VLAN interfaces above fm0, up.
fn above() -> Outcome {
    ip("link add link fm0 name fm0.100 type vlan id 100")?;
    ip("link add link fm0 name fm0.200 type vlan proto 802.1ad id 200")?;
    for name in ["fm0.100", "fm0.200"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

/// A plain frame, one for each of the interfaces above, one for nobody, and one with two tags.
fn one_of_each() -> Vec<Vec<u8>> {
    let plain = |n| frame(BROADCAST, station(1), n);
    vec![
        plain(0),
        tagged(&plain(1), CTAG, 100),
        tagged(&plain(2), STAG, 200),
        tagged(&plain(3), CTAG, 77),
        tagged(&tagged(&plain(4), CTAG, 9), STAG, 200),
    ]
}

/// Frames for a VLAN interface above a port went to that interface, past the port's rings.
fn vlan_interfaces_above_leave_the_rings_every_frame() -> Outcome {
    wire()?;
    above()?;
    let far = vale("fm1").bind()?;
    let (near, stack) = (vale("fm0").bind()?, Stack::on("fm0.100")?);
    far.send(&one_of_each())?;
    let came = wait_for(&near, 5)?;
    let tags = |frames: &[Vec<u8>]| {
        frames
            .iter()
            .map(|f| f[12..16].to_vec())
            .collect::<Vec<_>>()
    };
    same("tags in the rings", tags(&came), tags(&one_of_each()))?;
    that("every byte", came == one_of_each())?;
    same("above", stack.receive(QUIET)?.len(), 0)
}

/// Frames of rings that nobody binds, and what a program sends up.
fn vlan_interfaces_above_get_what_is_for_the_stack() -> Outcome {
    wire()?;
    above()?;
    let stacks = || -> Outcome<_> { Ok((Stack::on("fm0.100")?, Stack::on("fm0.200")?)) };
    let far = vale("fm1").bind()?;
    let near = vale("fm0").flags(NR_TX_RINGS_ONLY).bind()?;
    let (hundred, two_hundred) = stacks()?;
    far.send(&one_of_each())?;
    same("100", numbers(&hundred.receive(QUIET)?), vec![1])?;
    // The stack takes off a second tag that nobody asked for.
    same("200", numbers(&two_hundred.receive(QUIET)?), vec![2, 4])?;
    drop((near, hundred, two_hundred));

    let near = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let (hundred, two_hundred) = stacks()?;
    let ring = near.host_tx(0);
    one_of_each().iter().for_each(|frame| ring.put(frame));
    near.device.txsync()?;
    same("100", numbers(&hundred.receive(QUIET)?), vec![1])?;
    same("200", numbers(&two_hundred.receive(QUIET)?), vec![2, 4])?;
    near.device.rxsync()?;
    same("none comes back", near.rx(0).take_frames().len(), 0)
}

/// veth counted the outer of two tags as payload, since a program's frame had it inside, and
/// dropped what the stack's own frames of that size pass.
fn vlan_frames_of_full_size_have_room_for_two_tags() -> Outcome {
    wire()?;
    let (near, far) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let full = frame_of(1514, BROADCAST, station(1), 1);
    let frames = vec![
        full.clone(),
        tagged(&full, CTAG, 5),
        tagged(&tagged(&full, CTAG, 5), STAG, 6),
        tagged(&tagged(&full, CTAG, 5), CTAG, 6),
    ];
    // Tags with too little behind them go out, and are not for anybody.
    let addresses = frame_of(12, BROADCAST, station(1), 1);
    near.send(&[
        tagged(&addresses, CTAG, 5),
        [&addresses[..], &CTAG].concat(),
    ])?;
    near.send(&frames)?;
    let came = wait_for(&far, frames.len())?;
    let lens = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
    same("lengths", lens(&came), lens(&frames))?;
    that("every byte", came == frames)
}
