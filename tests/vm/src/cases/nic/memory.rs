// SPDX-License-Identifier: MIT OR Apache-2.0

//! The memory that interfaces share (items 50 and 68), and the kernel's for frames that leave
//! through one: long ones, and none at all.

use crate::harness::check::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::*;
use crate::harness::raw::request::port_info;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_050_interfaces_show_the_same_memory,
    item_068_an_interface_goes_back_to_region_1,
    nic_frames_without_memory_are_dropped_and_counted,
    nic_long_frames_leave,
    nic_frames_as_long_as_they_can_be_leave,
];

fn item_050_interfaces_show_the_same_memory() -> Outcome {
    wire()?;
    let (first, second) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let host = vale("fm1").mode(NR_REG_SW).bind()?;
    for bound in [&first, &second, &host] {
        same("region", bound.reg.nr_mem_id, GLOBAL_MEM_ID)?;
        same("size", bound.reg.nr_memsize, first.reg.nr_memsize)?;
        same("it is not private", bound.nifp().ni_flags & NI_PRIV_MEM, 0)?;
    }
    // What one mapping writes at an offset each of the others reads there.
    for (value, bound, ring) in [
        (0x5a5a_1234u32, &first, first.tx(0)),
        (0x1234_4321, &second, second.rx(0)),
        (0x4321_a5a5, &host, host.host_rx(0)),
    ] {
        let at = ring.buf_at(ring.slot(0).buf_idx);
        bound.map.write(at, value);
        for other in [&first, &second, &host] {
            same("what is there", other.map.read::<u32>(at), value)?;
        }
    }
    Ok(())
}

fn item_068_an_interface_goes_back_to_region_1() -> Outcome {
    wire()?;
    let base = vale("vale68:a").rings(4, 4).bind()?;
    let region = base.reg.nr_mem_id;
    let first = vale("fm0").mem(region).bind()?;
    same("the region asked for", first.reg.nr_mem_id, region)?;
    // As long as it is open it stays there, whatever others ask for.
    let second = vale("fm0").mem(GLOBAL_MEM_ID).bind()?;
    same("the second", second.reg.nr_mem_id, region)?;
    drop(first);
    same("the third", vale("fm0").bind()?.reg.nr_mem_id, region)?;
    drop(second);
    let told = port_info("fm0", Default::default())?;
    same("told", told.nr_mem_id, GLOBAL_MEM_ID)?;
    same("again", vale("fm0").bind()?.reg.nr_mem_id, GLOBAL_MEM_ID)
}

/// Poll neither waits for memory nor goes round and round.
fn nic_frames_without_memory_are_dropped_and_counted() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let fail_alloc = FailAlloc::load()?;
    fail_alloc.arm(1, Span::Rest)?;
    for ring in [bound.tx(0), bound.host_tx(0)] {
        while ring.space() > 0 {
            ring.put(&frame(BROADCAST, station(1), 1));
        }
    }
    let ready = bound.poll(PollFlags::POLLOUT, 1000)?;
    let (_, failed) = fail_alloc.disarm()?;
    same("failed", failed, Failed::Frame)?;
    same("poll", ready, PollFlags::POLLOUT)?;
    for ring in ["tx0", "host-tx0"] {
        let count = counter(&bound, &format!("{ring}-drop_no_memory"))?;
        same("counted", count, 1023)?;
    }
    for ring in [bound.tx(0), bound.host_tx(0)] {
        same("free slots", ring.space(), 1023)?;
        ring.put(&frame(BROADCAST, station(1), 2));
    }
    bound.device.txsync()?;
    same("far away", numbers(&far.receive(QUIET)?), vec![2])?;
    same("at the host", numbers(&host.receive(QUIET)?), vec![2])
}

/// Frames of each of these lengths, to the wire and to the stack, with buffers of that size.
fn all_leave(buf_size: &str, mtu: u32, lens: &[usize]) -> Outcome {
    for (name, value) in [
        ("buf_size", buf_size),
        ("buf_num", "700"),
        ("generic_ringsize", "64"),
    ] {
        write_parameter(name, value)?;
    }
    wire()?;
    for name in ["fm0", "fm1"] {
        ip(&format!("link set {name} mtu {mtu}"))?;
    }
    let host = Stack::on("fm0")?;
    let bound = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let far = vale("fm1").bind()?;
    const COUNT: usize = 20;
    for &len in lens {
        let frame = frame_of(len, BROADCAST, station(1), 7);
        for _ in 0..COUNT {
            bound.send(std::slice::from_ref(&frame))?;
        }
        let came = wait_for(&far, COUNT)?;
        that(
            format!("frames of {len} bytes: {} came", came.len()),
            came == vec![frame.clone(); COUNT],
        )?;
        bound.host_tx(0).put(&frame);
        bound.device.txsync()?;
        that(
            format!("{len} bytes at the host"),
            host.receive(QUIET)? == vec![frame],
        )?;
    }
    Ok(())
}

fn nic_long_frames_leave() -> Outcome {
    all_leave("9216", 9000, &[3600, 3700, 3800, 4000, 9000, 9014])
}

fn nic_frames_as_long_as_they_can_be_leave() -> Outcome {
    all_leave("65536", 65521, &[32_000, 33_000, 65_535])
}
