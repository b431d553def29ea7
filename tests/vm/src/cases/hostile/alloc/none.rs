// SPDX-License-Identifier: MIT OR Apache-2.0

//! What allocates nothing, and so cannot fail for lack of memory: traffic, closing, and what some
//! requests were said to.

use crate::harness::attach::{attach, Attached};
use crate::harness::check::*;
use crate::harness::exchange::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::numbered;
use crate::harness::persistent::{delif, made};
use crate::harness::programs::Programs;
use crate::harness::raw::bound::pair;
use crate::harness::raw::device::header;
use crate::harness::raw::*;
use crate::harness::running::*;
use crate::harness::traces::live;
use crate::harness::traffic::*;
use crate::harness::wire::{wait_for, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqXdp, FERROMAP_REQ_XDP_DETACH};
use ferromap_abi::wire::*;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_not_allocated_by_vale_list,
    hostile_memory_not_allocated_by_traffic,
    hostile_memory_not_allocated_by_pipes,
    hostile_memory_not_allocated_by_loops,
    hostile_memory_not_allocated_by_persistent_ports,
    hostile_memory_not_allocated_by_attached_ports,
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

/// Both ends at once, with monitors that nobody reads and one that is polled.
fn hostile_memory_not_allocated_by_pipes() -> Outcome {
    let [a, b] = ports("vale967", ["p{x", "p}x"])?;
    let monitors = [NR_MONITOR_TX | NR_MONITOR_RX, NR_ZCOPY_MON]
        .map(|flags| vale("vale967:p{x").flags(flags).slots(64, 64).bind());
    let fail_alloc = FailAlloc::load()?;
    fail_alloc.arm(1, Span::Rest)?;
    both_ways(&a, &b, 1000)?;
    for monitor in &monitors {
        let monitor = works("monitor", monitor.as_ref().map_err(|e| *e))?;
        monitor.poll(PollFlags::POLLIN, 0)?;
        that("frames were seen", !monitor.recv()?.is_empty())?;
    }
    for end in [&a, &b] {
        end.poll(PollFlags::POLLIN | PollFlags::POLLOUT, 5)?;
    }
    same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))
}

/// In every mode, and also while they sleep.
fn hostile_memory_not_allocated_by_loops() -> Outcome {
    let direct = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;
    let fail_alloc = FailAlloc::load()?;
    for mode in [
        Mode::Sleep(0),
        Mode::Sleep(50),
        Mode::Kicks(0),
        Mode::Kicks(direct),
    ] {
        // What starts a loop allocates, in the thread in which it then runs.
        fail_alloc.count()?;
        let start = |name| Running::start(vale(name).slots(64, 64), mode);
        let (a, b) = (start("vale967:a")?, start("vale967:b")?);
        that("START's allocations", fail_alloc.disarm()?.0 > 0)?;
        fail_alloc.arm(1, Span::Rest)?;
        both_ways(&a, &b, 500)?;
        same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))?;
        a.stop()?;
        b.stop()?;
    }
    Ok(())
}

/// From the stack to rings of others and to those of the port itself, and from these.
fn hostile_memory_not_allocated_by_persistent_ports() -> Outcome {
    wire()?;
    made("p0")?;
    let plugged = Attached::new("vale967:p0")?;
    let [a] = ports("vale967", ["a"])?;
    let (rings, stack) = (vale("p0").bind()?, StackOf::new("p0")?);
    let fail_alloc = FailAlloc::load_for_everybody()?;
    fail_alloc.arm(1, Span::Rest)?;
    let share = |party, stations, expects| Share {
        party,
        stations,
        sends: 1000,
        expects,
    };
    exchange(&[
        share(&a, (1, 3), 2000),
        share(&stack, (2, 1), 0),
        share(&rings, (3, 1), 1000),
    ])?;
    same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))?;
    // That they would have been seen:
    drop(rings);
    fail_alloc.count()?;
    a.send(&numbered(0..9))?;
    same(
        "frames up the stack",
        fail_alloc.disarm()?,
        (18, Failed::Nothing),
    )?;
    drop(plugged);
    works("VALE_DELIF", delif("p0"))
}

/// What has come by the interface, and by its host, goes to rings by threads of the kernel's.
fn hostile_memory_not_allocated_by_attached_ports() -> Outcome {
    wire()?;
    let _plugged = Attached::with_host("vale967:fm0")?;
    let [a] = ports("vale967", ["a"])?;
    let (far, host) = (StackOf::new("fm1")?, StackOf::new("fm0")?);
    // Their stations are known then, and nothing is flooded.
    a.send(&[nth(0, (1, 9))])?;
    let fail_alloc = FailAlloc::load_for_everybody()?;
    fail_alloc.arm(1, Span::Rest)?;
    for (from, party) in [(2, &far), (3, &host)] {
        for n in 0..200 {
            let sent = nth(n, (from, 1));
            party.send(std::slice::from_ref(&sent))?;
            that("every byte", wait_for(&a, 1)? == [sent])?;
        }
    }
    same("allocations", fail_alloc.disarm()?, (0, Failed::Nothing))?;
    // That they would have been seen: what leaves by the interface is copied.
    far.receive()?;
    fail_alloc.count()?;
    a.send(&[nth(0, (1, 2))])?;
    wait_until("it comes", || {
        far.receive().is_ok_and(|came| came.len() == 1)
    })?;
    same(
        "a frame's memory",
        fail_alloc.disarm()?,
        (2, Failed::Nothing),
    )
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
