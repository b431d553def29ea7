// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER of ports, by today's request and by that of old programs. Pipes and monitors are in
//! files of their own.

use super::each::*;
use crate::harness::attach::Attached;
use crate::harness::check::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::*;
use crate::harness::persistent::{delif, made};
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::{free_buffers, legacy};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::{allocated, live, read_parameter, write_parameter};
use crate::harness::traffic::wait_until;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_fails_in_register_bound,
    hostile_memory_fails_in_legacy_register,
    hostile_memory_fails_in_shared_region;
    slow:
    hostile_memory_fails_in_register_new,
    hostile_memory_fails_beside_blocks,
    hostile_memory_fails_in_register_join,
    hostile_memory_fails_in_register_interface,
    hostile_memory_fails_in_register_host_rings,
    hostile_memory_fails_in_register_persistent,
];

fn hostile_memory_fails_in_register_new() -> Outcome {
    let request = || vale("vale961:a").rings(3, 2).slots(64, 32).extra(20);
    let bind = |device: &Device| {
        let mut request = request();
        request.send(device)?;
        let map = device.map(request.body.nr_memsize, 0)?;
        device.txsync()?;
        Ok((map, request.body.nr_extra_bufs))
    };
    let count = each_failure(new_device, bind, refused_or_fewer)?;
    // A ring and what it needs, seven times over, a region, a switch and a port.
    that(format!("dozens of allocations, got {count}"), count > 24)
}

// What a region has got in one block is given back where the rest of it does not come.
fn hostile_memory_fails_beside_blocks() -> Outcome {
    let before = allocated()?;
    let fail_alloc = FailAlloc::load()?;
    fail_alloc.let_blocks_through()?;
    let bind = |device: &Device| bind(device, vale("vale961:a"));
    let count = each_failure_of(&fail_alloc, new_device, bind, refused)?;
    that(format!("dozens of allocations, got {count}"), count > 24)?;
    drop(fail_alloc);
    wait_until("its memory has gone", || {
        allocated().is_ok_and(|left| left == before)
    })
}

fn hostile_memory_fails_in_register_join() -> Outcome {
    // A port on a switch with others, in a region with others.
    let (a, b) = pair("vale962")?;
    let request = || {
        vale("vale962:c")
            .mem(a.reg.nr_mem_id)
            .rings(2, 2)
            .slots(16, 16)
    };
    each_failure(new_device, |device| bind(device, request()), refused)?;
    a.send(&numbered(0..9))?;
    same("frames of the others", b.recv()?, numbered(0..9))
}

fn hostile_memory_fails_in_register_interface() -> Outcome {
    wire()?;
    // Region 1 is there, and what the interface itself needs is what is tried.
    let far = vale("fm1").bind()?;
    let request = || vale("fm0");
    let count = each_failure(new_device, |device| bind(device, request()), refused)?;
    that(format!("a dozen allocations, got {count}"), count > 12)?;
    let near = request().bind()?;
    near.send(&numbered(0..9))?;
    wait_until("frames have come", || {
        let _ = far.device.rxsync();
        far.rx(0).space() == 9
    })
}

/// The host keeps its traffic, and a program that has the interface's own rings has his.
fn hostile_memory_fails_in_register_host_rings() -> Outcome {
    small_rings()?;
    wire()?;
    let _keeper = null(GLOBAL_MEM_ID).bind()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let sent = frame(BROADCAST, station(1), 1);
    for (mode, open) in [
        (NR_REG_SW, false),
        (NR_REG_NIC_SW, false),
        (NR_REG_SW, true),
    ] {
        let there = open.then(|| vale("fm0").bind()).transpose()?;
        let request = || {
            let mut request = vale("fm0").mode(mode);
            (request.body.nr_host_tx_rings, request.body.nr_host_rx_rings) = (2, 3);
            request
        };
        let before = free_buffers(GLOBAL_MEM_ID)?;
        let as_ever = || -> Outcome {
            match &there {
                Some(there) => there.send(std::slice::from_ref(&sent))?,
                None => host.send(&sent)?,
            }
            same("as ever", far.wait_for(1)?, [sent.clone()])
        };
        let count = each_failure(
            new_device,
            |device| bind(device, request()),
            |span, failed, result| {
                refused(span, failed, result)?;
                result.as_ref().map_or_else(|_| as_ever(), |_| Ok(()))
            },
        )?;
        // Five rings and what they need, or two where the first has chosen one each way.
        let least = if open { 12 } else { 24 };
        that(format!("{least} allocations, got {count}"), count > least)?;
        same("free buffers", free_buffers(GLOBAL_MEM_ID)?, before)?;
        let nic = match there {
            Some(there) => there,
            None => vale("fm0").bind()?,
        };
        let bound = request().bind()?;
        bound.host_tx(0).put(&sent);
        bound.device.txsync()?;
        same("to the host", host.receive(QUIET)?, [sent.clone()])?;
        host.send(&sent)?;
        bound.device.rxsync()?;
        same(
            "from the host",
            bound.host_rx(0).take_frames(),
            [sent.clone()],
        )?;
        drop((bound, nic));
    }
    Ok(())
}

fn hostile_memory_fails_in_register_bound() -> Outcome {
    let port = || vale("vale963:a").rings(4, 4).slots(32, 32);
    let first = port().one(0).bind()?;
    let other = vale("vale963:b").slots(64, 64).bind()?;
    each_failure(new_device, |device| bind(device, port()), refused)?;
    each_failure(new_device, |device| bind(device, port().one(3)), refused)?;
    first.send(&numbered(0..9))?;
    same("frames of the first binding", other.recv()?, numbered(0..9))
}

fn hostile_memory_fails_in_legacy_register() -> Outcome {
    let bind = |device: &Device| {
        let mut request = legacy("vale964:a");
        (request.nr_tx_rings, request.nr_rx_rings) = (2, 2);
        (request.nr_tx_slots, request.nr_rx_slots) = (64, 64);
        device.regif(&mut request)?;
        device.txsync()
    };
    each_failure(new_device, bind, refused)?;
    let info = |device: &Device| device.ginfo(&mut legacy("vale964:a"));
    each_failure(new_device, info, refused)?;
    Ok(())
}

fn hostile_memory_fails_in_shared_region() -> Outcome {
    let fail_alloc = FailAlloc::load()?;
    // Whole pages of them, few enough that making them costs little.
    let buffers = 5000;
    write_parameter("buf_num", &buffers.to_string())?;
    for span in [Span::One, Span::Rest] {
        for nth in 1.. {
            let before = live();
            let device = Device::open()?;
            fail_alloc.arm(nth, span)?;
            let result = bind(&device, null(GLOBAL_MEM_ID));
            let (_, failed) = fail_alloc.disarm()?;
            if failed == Failed::Nothing {
                works("REGISTER", result)?;
                that(format!("a region's allocations, {nth}"), nth > 5)?;
                break;
            }
            let here = |e: Failure| failure(format!("allocation {nth}, {span:?}: {e}"));
            refused(span, failed, &result).map_err(here)?;
            drop((result, device));
            // With or without memory it has the size that was asked for.
            works("the next REGISTER", null(GLOBAL_MEM_ID).try_bind()).map_err(here)?;
            let got: u32 = read_parameter("buf_curr_num")?.parse().unwrap_or(0);
            that(format!("all buffers, got {got}"), got >= buffers).map_err(here)?;
            wait_until("nothing is left", || live() == before).map_err(here)?;
        }
    }
    Ok(())
}

fn hostile_memory_fails_in_register_persistent() -> Outcome {
    wire()?;
    made("p0")?;
    let count = each_failure(new_device, |device| bind(device, vale("p0")), refused)?;
    that(format!("some allocations, got {count}"), count > 4)?;
    let member = vale("vale963:m").slots(64, 64).bind()?;
    let plugged = works("VALE_ATTACH", Attached::new("vale963:p0"))?;
    let bound = vale("p0").bind()?;
    member.send(&numbered(0..9))?;
    same("frames", bound.recv()?, numbered(0..9))?;
    drop((bound, plugged));
    works("VALE_DELIF", delif("p0"))
}
