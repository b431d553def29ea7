// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that go on between the host rings and the others without the program (`NR_FORWARD`).

use super::host::from_host;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_107_marked_frames_go_up,
    item_108_marked_frames_of_the_host_go_out,
    item_109_with_fwd_all_go_on
];

/// Marks every other slot that the program has, from the first on, and releases all of them.
fn release_marked(ring: &Ring) -> u32 {
    let owned = ring.owned();
    for &slot in owned.iter().step_by(2) {
        ring.edit_slot(slot, |slot| slot.flags |= NS_FORWARD);
    }
    ring.take();
    owned.len() as u32
}

fn item_107_marked_frames_go_up() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").bind()?;
    let ring = bound.rx(0);
    for flags in [NR_FORWARD, 0] {
        ring.set_flags(flags);
        for frame in numbered(0..6) {
            far.send(&frame)?;
        }
        wait_until("the frames are there", || {
            let _ = bound.device.rxsync();
            ring.space() == 6
        })?;
        let first = ring.head();
        release_marked(&ring);
        bound.device.rxsync()?;
        let want = if flags == 0 { vec![] } else { vec![0, 2, 4] };
        same("at the host", numbers(&host.receive(QUIET)?), want)?;
        let left = ring.slot(first).flags & NS_FORWARD != 0;
        same("the mark is left", left, flags == 0)?;
    }
    Ok(())
}

fn item_108_marked_frames_of_the_host_go_out() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let ring = bound.host_rx(0);
    let forward = |count: u32| -> Outcome {
        for frame in numbered(0..count) {
            host.send(&frame)?;
        }
        wait_until("the frames are there", || {
            let _ = bound.device.rxsync();
            ring.space() == count
        })?;
        release_marked(&ring);
        Ok(bound.device.rxsync()?)
    };
    ring.set_flags(NR_FORWARD);
    let buffers = sorted(bound.buffers());
    forward(6)?;
    same("far away", numbers(&far.receive(QUIET)?), vec![0, 2, 4])?;
    same("no buffer is lost", sorted(bound.buffers()), buffers)?;
    for (_, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
        let (head, cur, tail) = ring.cursors();
        that("sane", head < ring.n() && cur == head && tail < ring.n())?;
    }
    // More than a ring takes: the next one does.
    bound.tx(0).set_head_cur(bound.tx(0).tail());
    bound.tx(1).set_head_cur(bound.tx(1).tail());
    forward(4)?;
    same(
        "no room",
        counter(&bound, "host-rx0-drop_not_forwarded")?,
        2,
    )?;
    far.receive(QUIET)?;
    drop(bound);
    // Without all transmit rings there is no forwarding.
    let rings = vale("fm0").mode(NR_REG_SW).bind()?;
    let _nic = vale("fm0").bind()?;
    rings.host_rx(0).set_flags(NR_FORWARD);
    for frame in numbered(0..4) {
        host.send(&frame)?;
    }
    same("frames", from_host(&rings, 0, 4)?.len(), 4)?;
    same("far away", far.receive(QUIET)?.len(), 0)
}

fn sorted(mut buffers: Vec<u32>) -> Vec<u32> {
    buffers.sort_unstable();
    buffers
}

fn item_109_with_fwd_all_go_on() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    write_parameter("fwd", "1")?;
    let tried = (|| -> Outcome {
        for frame in numbered(0..5) {
            host.send(&frame)?;
            far.send(&frame)?;
        }
        // As a program does that only waits: what comes is released, and goes on.
        wait_until("the frames are there", || {
            let _ = bound.device.rxsync();
            bound.host_rx(0).space() == 5 && bound.rx(0).space() == 5
        })?;
        bound.host_rx(0).take();
        bound.rx(0).take();
        bound.poll(PollFlags::POLLIN, 50)?;
        let all: Vec<u32> = (0..5).collect();
        same("far away", numbers(&far.receive(QUIET)?), all.clone())?;
        same("at the host", numbers(&host.receive(QUIET)?), all)
    })();
    write_parameter("fwd", "0")?;
    tried
}
