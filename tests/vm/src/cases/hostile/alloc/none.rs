// SPDX-License-Identifier: MIT OR Apache-2.0

//! What allocates nothing, and so cannot fail for lack of memory: traffic, closing, and what some
//! requests were said to.

use crate::harness::attach::attach;
use crate::harness::check::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::numbered;
use crate::harness::persistent::made;
use crate::harness::programs::Programs;
use crate::harness::raw::bound::pair;
use crate::harness::raw::device::header;
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::wait_until;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqXdp, FERROMAP_REQ_XDP_DETACH};
use ferromap_abi::wire::*;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_not_allocated_by_vale_list,
    hostile_memory_not_allocated_by_traffic,
    hostile_memory_not_allocated_by_close,
    hostile_memory_not_allocated_by_taking_away,
];

/// It had room for options made that nobody sent.
fn hostile_memory_not_allocated_by_vale_list() -> Outcome {
    let _ports = pair("vale960")?;
    let (device, fail_alloc) = (Device::open()?, FailAlloc::load()?);
    fail_alloc.arm(1, Span::Rest)?;
    let listed = ["", "vale960:a"].map(|name| {
        let mut body = NmreqValeList::default();
        device.request(NETMAP_REQ_VALE_LIST, name, &mut body)
    });
    same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))?;
    for result in listed {
        works("VALE_LIST", result)?;
    }
    Ok(())
}

fn hostile_memory_not_allocated_by_traffic() -> Outcome {
    let port = |name: &str| {
        let port = vale(&format!("vale967:{name}")).rings(4, 4);
        port.slots(128, 128).bind()
    };
    let (a, b, c) = (port("a")?, port("b")?, port("c")?);
    let monitors = [NR_MONITOR_TX | NR_MONITOR_RX, NR_ZCOPY_MON, NR_ZCOPY_MON]
        .map(|flags| vale("vale967:b").flags(flags).slots(64, 64).bind());
    let fail_alloc = FailAlloc::load()?;
    fail_alloc.arm(1, Span::Rest)?;
    for round in 0..50 {
        for monitor in &monitors {
            let monitor = works("monitor", monitor.as_ref().map_err(|e| *e))?;
            monitor.poll(PollFlags::POLLIN, 0)?;
            monitor.rx(0).take();
            monitor.device.rxsync()?;
        }
        let batch = numbered(round * 40..round * 40 + 40);
        a.send(&batch)?;
        same("frames", b.recv()?, batch.clone())?;
        same("frames", c.recv()?, batch)?;
        b.send_on(3, &numbered(0..4))?;
        b.tx(1).put_fragments(&[&[7; 60], &[8; 900], &[9; 60]]);
        b.device.txsync()?;
        a.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 0)?;
        c.poll(PollFlags::POLLIN, 5)?;
        // Indexes out of range: the ring is set right again.
        c.tx(2).set_head_cur(99_999);
        c.poll(PollFlags::POLLOUT, 0)?;
        for ring in 0..4 {
            a.recv_on(ring)?;
            c.recv_on(ring)?;
        }
    }
    let fdinfo = format!("/proc/self/fdinfo/{}", a.device.raw());
    that(
        "counters in fdinfo",
        std::fs::read_to_string(fdinfo)?.contains("netmap-rx3"),
    )?;
    same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))?;
    // That they would have been seen:
    fail_alloc.count()?;
    drop(port("d")?);
    that("a REGISTER's allocations", fail_alloc.disarm()?.0 > 0)
}

fn hostile_memory_not_allocated_by_close() -> Outcome {
    let before = live();
    let fail_alloc = FailAlloc::load()?;
    let (a, b) = pair("vale968")?;
    let many = vale("vale969:a")
        .rings(4, 4)
        .slots(64, 64)
        .extra(30)
        .bind()?;
    let part = vale("vale969:a").one(2).bind()?;
    let null = null(GLOBAL_MEM_ID).bind()?;
    fail_alloc.arm(1, Span::Rest)?;
    drop(b);
    works("sync of the one that stays", a.device.txsync())?;
    drop((many, null));
    works("sync of the one that stays", part.device.txsync())?;
    drop((a, part));
    same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))?;
    wait_until("nothing is left", || live() == before)
}

/// Whoever is short of memory can give back what he has.
fn hostile_memory_not_allocated_by_taking_away() -> Outcome {
    wire()?;
    let a = vale("vale960:a").slots(64, 64).bind()?;
    works("VALE_ATTACH", attach("vale960:fm0"))?;
    made("p0")?;
    works("VALE_ATTACH", attach("vale960:p0"))?;
    let programs = Programs::load()?;
    works("XDP_ATTACH", programs.attach("vale960:a", "drop"))?;
    let before = live();
    let (device, fail_alloc) = (Device::open()?, FailAlloc::load()?);
    fail_alloc.arm(1, Span::Rest)?;
    let off = device.request(
        FERROMAP_REQ_XDP_DETACH,
        "vale960:a",
        &mut NmreqXdp::default(),
    );
    let detached = ["vale960:fm0", "vale960:p0"].map(|name| {
        let mut body = NmreqValeDetach::default();
        device.request(NETMAP_REQ_VALE_DETACH, name, &mut body)
    });
    let deleted = device.ctrl(&mut header(NETMAP_REQ_VALE_DELIF, b"p0"));
    let (count, failed) = fail_alloc.disarm()?;
    works("XDP_DETACH", off)?;
    for result in detached {
        works("VALE_DETACH", result)?;
    }
    works("VALE_DELIF", deleted)?;
    same("allocations", (count, failed), (0, Failed::Nothing))?;
    let left = |kind: &str| (before.get(kind).copied(), live().get(kind).copied());
    same("programs", left("xdp_programs"), (Some(1), Some(0)))?;
    same("interfaces", left("nics"), (Some(1), Some(0)))?;
    same("persistent ports", left("persistents"), (Some(1), Some(0)))?;
    works("NIOCTXSYNC", a.device.txsync())
}
