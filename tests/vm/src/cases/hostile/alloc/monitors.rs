// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER of monitors of every kind of port: with the first one or a further one, what is watched
//! goes on.

use super::each::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::free_buffers;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use std::ops::Range;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_memory_fails_in_register_monitor,
    hostile_memory_fails_in_register_monitor_of_an_interface,
    hostile_memory_fails_in_register_monitor_of_host_rings,
    hostile_memory_fails_in_register_monitor_of_a_pipe,
];

fn hostile_memory_fails_in_register_monitor() -> Outcome {
    let a = vale("vale963:m").slots(64, 64).bind()?;
    for flags in [NR_MONITOR_TX, NR_ZCOPY_MON] {
        let request = || vale("vale963:m").flags(flags);
        // The first one there, and one more.
        let count = each_failure(new_device, |device| bind(device, request()), refused)?;
        that(format!("a dozen allocations, got {count}"), count > 12)?;
        let _first = request().bind()?;
        each_failure(new_device, |device| bind(device, request()), refused)?;
    }
    let monitor = vale("vale963:m").flags(NR_ZCOPY_MON).bind()?;
    a.send(&numbered(0..9))?;
    same("frames", monitor.recv()?, numbered(0..9))
}

/// Monitors that copy and such that do not, of a port in that region. `carry` has frames of these
/// numbers pass through it, which a monitor sees on `ring`.
fn each_monitor(
    ask: &dyn Fn() -> Reg,
    region: u16,
    ring: &dyn Fn(&Bound) -> Ring,
    carry: &dyn Fn(Range<u32>) -> Outcome,
) -> Outcome {
    for flags in [NR_MONITOR_TX | NR_MONITOR_RX, NR_ZCOPY_MON] {
        let request = || ask().flags(flags).slots(32, 32);
        let before = free_buffers(region)?;
        let fail_each = || {
            each_failure(
                new_device,
                |device| bind(device, request()),
                |span, failed, result| {
                    refused(span, failed, result)?;
                    carry(0..3)
                },
            )
        };
        let count = fail_each()?;
        that(format!("a dozen allocations, got {count}"), count > 12)?;
        same("free buffers", free_buffers(region)?, before)?;
        let first = request().bind()?;
        let see = || -> Outcome<Vec<u32>> {
            first.device.rxsync()?;
            let frames = ring(&first).take_frames();
            first.device.rxsync()?;
            Ok(numbers(&frames))
        };
        let with_it = free_buffers(region)?;
        let count = fail_each()?;
        that(format!("a dozen allocations, got {count}"), count > 12)?;
        same("free buffers", free_buffers(region)?, with_it)?;
        // The first one was not read meanwhile.
        same("a ring full", see()?.len(), 31)?;
        carry(10..13)?;
        same("seen", see()?, [10, 11, 12])?;
        drop(first);
        same("free buffers", free_buffers(region)?, before)?;
    }
    Ok(())
}

/// Takes as many frames as these out of a ring.
fn taken(bound: &Bound, ring: &Ring, frames: Vec<Vec<u8>>) -> Outcome {
    wait_until("they come", || {
        let _ = bound.device.rxsync();
        ring.space() as usize == frames.len()
    })?;
    let came = ring.take_frames();
    bound.device.rxsync()?;
    same("as ever", came, frames)
}

fn hostile_memory_fails_in_register_monitor_of_an_interface() -> Outcome {
    small_rings()?;
    wire()?;
    let (one, other) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let free = || one.device.txsync().is_ok() && one.tx(0).space() == 63;
    each_monitor(
        &|| vale("fm0"),
        GLOBAL_MEM_ID,
        &|bound| bound.rx(0),
        &|range| {
            one.send(&numbered(range.clone()))?;
            taken(&other, &other.rx(0), numbered(range))?;
            wait_until("all slots are free", free)
        },
    )
}

/// In the direction from the stack, where frames come in its context.
fn hostile_memory_fails_in_register_monitor_of_host_rings() -> Outcome {
    small_rings()?;
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let stack = Stack::on("fm0")?;
    let ask = || vale("fm0").mode(NR_REG_SW);
    each_monitor(&ask, GLOBAL_MEM_ID, &|bound| bound.host_rx(0), &|range| {
        for frame in numbered(range.clone()) {
            stack.send(&frame)?;
        }
        taken(&port, &port.host_rx(0), numbered(range))
    })
}

fn hostile_memory_fails_in_register_monitor_of_a_pipe() -> Outcome {
    let [from, to] = ports("vale963", ["p{x", "p}x"])?;
    for (name, region) in [
        ("vale963:p{x", from.reg.nr_mem_id),
        ("vale963:p}x", to.reg.nr_mem_id),
    ] {
        each_monitor(&|| vale(name), region, &|bound| bound.rx(0), &|range| {
            from.send(&numbered(range.clone()))?;
            same("as ever", to.recv()?, numbered(range))?;
            Ok(from.device.txsync()?)
        })?;
    }
    Ok(())
}
