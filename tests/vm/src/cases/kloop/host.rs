// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loops on host rings: with those of the NIC, alone, and beside a second loop that has the NIC's.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::running::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    a_loop_on_host_rings_alone,
    a_loop_on_all_rings_is_between_host_and_wire,
    a_loop_on_host_rings_beside_one_on_those_of_the_nic,
];

const MODES: [Mode; 5] = [
    Mode::Sleep(0),
    Mode::Sleep(50),
    Mode::Kicks(0),
    Mode::Kicks(NM_OPT_SYNC_KLOOP_DIRECT_TX),
    Mode::Kicks(DIRECT),
];

/// The host of an interface with rings of 64 slots, and the other end of its wire.
fn ends() -> Outcome<(Stack, Stack)> {
    write_parameter("generic_ringsize", "64")?;
    wire()?;
    Ok((Stack::on("fm0")?, Stack::on("fm1")?))
}

/// So many frames from a station to another, of all lengths.
fn batch(count: u32, to: u8, from: u8) -> Vec<Vec<u8>> {
    let len = |n| 14 + n as usize * 211 % 1501;
    let frame = |n| frame_of(len(n), station(to), station(from), n);
    (0..count).map(frame).collect()
}

/// What comes in a ring of a loop, until it is so many frames.
fn comes(to: &Running, ring: usize, count: usize) -> Outcome<Vec<Vec<u8>>> {
    let mut came = vec![];
    wait_until("frames come", || {
        came.extend(to.recv(ring).unwrap_or_default());
        came.len() >= count
    })?;
    came.extend(to.recv(ring)?);
    Ok(came)
}

/// These frames come up where a loop has them put into a host transmit ring.
fn up(from: &Running, ring: usize, host: &Stack, frames: &[Vec<u8>]) -> Outcome {
    let csb = &from.port.csb;
    let after = from.port.bound.tx_rings()[ring]
        .1
        .after(csb.hwcur(ring), frames.len() as u32);
    same("all fit", from.send(ring, frames)?, frames.len())?;
    wait_until("they are sent", || csb.hwcur(ring) == after)?;
    // A host transmit ring has room as soon as it is synced (item 105).
    wait_until("the ring is free", || csb.hwtail(ring) == (after + 63) % 64)?;
    same("at the host", host.wait_for(frames.len())?, frames)
}

/// As without a loop (item 100): what the host sends leaves, and what comes is the host's.
fn a_loop_on_host_rings_alone() -> Outcome {
    let (host, far) = ends()?;
    for reg_mode in [NR_REG_SW, NR_REG_ONE_SW] {
        for mode in MODES {
            let running = Running::start(vale("fm0").mode(reg_mode), mode)?;
            same(
                "rings",
                running.port.bound.ring_numbers(),
                (vec![1], vec![1]),
            )?;
            for count in [1, 63, 40] {
                let frames = batch(count, 1, 2);
                up(&running, 0, &host, &frames)?;
                frames.iter().try_for_each(|frame| host.send(frame))?;
                same("far away", far.wait_for(frames.len())?, &frames[..])?;
                frames.iter().try_for_each(|frame| far.send(frame))?;
                same("at the host", host.wait_for(frames.len())?, frames)?;
            }
            let entry = running.port.rx_entry(0);
            same("host receive ring", running.port.csb.hwtail(entry), 0)?;
            let sent = counter(&running.port.bound, "host-tx0-frames")?;
            same("counted", sent, 1 + 63 + 40)?;
            running.stop()?;
        }
    }
    Ok(())
}

/// What the two have to do with each other is the program's affair: each way, frame by frame.
fn carries(nic: (&Running, usize), sw: (&Running, usize), host: &Stack, far: &Stack) -> Outcome {
    let ((nic, nic_ring), (sw, sw_ring)) = (nic, sw);
    for count in [1, 30, 63] {
        let out = batch(count, 2, 1);
        out.iter().try_for_each(|frame| host.send(frame))?;
        let came = comes(sw, sw_ring, out.len())?;
        same("of the host", came, &out[..])?;
        same("not by themselves", far.receive(QUIET)?.len(), 0)?;
        same("all fit", nic.send(nic_ring, &out)?, out.len())?;
        same("far away", far.wait_for(out.len())?, out)?;
        let back = batch(count, 1, 2);
        back.iter().try_for_each(|frame| far.send(frame))?;
        let came = comes(nic, nic_ring, back.len())?;
        same("off the wire", came, &back[..])?;
        same("not by themselves", host.receive(QUIET)?.len(), 0)?;
        up(sw, sw_ring, host, &back)?;
    }
    Ok(())
}

fn a_loop_on_all_rings_is_between_host_and_wire() -> Outcome {
    let (host, far) = ends()?;
    for mode in MODES {
        let all = Running::start(vale("fm0").mode(NR_REG_NIC_SW), mode)?;
        let numbers = all.port.bound.ring_numbers();
        same("rings", numbers, (vec![0, 1], vec![0, 1]))?;
        carries((&all, 0), (&all, 1), &host, &far)?;
        all.stop()?;
    }
    // And then the host has its network.
    host.send(&frame(station(2), station(1), 7))?;
    same("far away", numbers(&far.wait_for(1)?), vec![7])
}

fn a_loop_on_host_rings_beside_one_on_those_of_the_nic() -> Outcome {
    let (host, far) = ends()?;
    for modes in [
        [Mode::Sleep(0), Mode::Kicks(DIRECT)],
        [Mode::Kicks(0), Mode::Sleep(50)],
        [Mode::Kicks(DIRECT), Mode::Kicks(DIRECT)],
    ] {
        let nic = Running::start(vale("fm0"), modes[0])?;
        let sw = Running::start(vale("fm0").mode(NR_REG_SW), modes[1])?;
        carries((&nic, 0), (&sw, 0), &host, &far)?;
        // One ends; the other goes on alone.
        nic.stop()?;
        let frames = batch(20, 1, 2);
        up(&sw, 0, &host, &frames)?;
        sw.stop()?;
    }
    Ok(())
}
