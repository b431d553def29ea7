// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory that runs out at every single allocation: each operation is tried with its first
//! allocation failing, its second, its third, until it runs through; once so that there is memory
//! again at once, once so that there is none for all the rest. Each time it must fail as documented
//! or do without, leave nothing behind, disturb nobody, and work the next time.
//!
//! Loading the module is left out: where its text will be is not known before.

use crate::harness::attach::Attached;
use crate::harness::check::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::frame::numbered;
use crate::harness::persistent::{delif, made};
use crate::harness::programs::{detach, Programs};
use crate::harness::raw::bound::pair;
use crate::harness::raw::csb::*;
use crate::harness::raw::device::{address, Mapping};
use crate::harness::raw::request::{legacy, pools_info, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::{live, read_parameter, write_parameter};
use crate::harness::traffic::wait_until;
use crate::harness::why::why;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqXdp, FERROMAP_REQ_XDP_ATTACH};
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::pipe;
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_fails_in_open,
    hostile_memory_fails_in_register_null,
    hostile_memory_fails_in_register_bound,
    hostile_memory_fails_in_legacy_register,
    hostile_memory_fails_in_port_info,
    hostile_memory_fails_in_pools_info,
    hostile_memory_fails_in_port_header,
    hostile_memory_fails_in_csb_enable,
    hostile_memory_fails_in_loops,
    hostile_memory_fails_in_touch,
    hostile_memory_fails_in_refused_request,
    hostile_memory_fails_in_shared_region,
    hostile_memory_not_allocated_by_vale_list,
    hostile_memory_not_allocated_by_traffic,
    hostile_memory_not_allocated_by_close;
    slow:
    hostile_memory_fails_in_register_new,
    hostile_memory_fails_in_register_join,
    hostile_memory_fails_in_register_interface,
    hostile_memory_fails_in_register_pipe,
    hostile_memory_fails_in_register_monitor,
    hostile_memory_fails_in_register_extmem,
    hostile_memory_fails_in_xdp_attach,
    hostile_memory_fails_in_attach,
    hostile_memory_fails_in_attach_in_a_region,
    hostile_memory_fails_in_newif,
    hostile_memory_fails_in_plugging_in,
];

/// What an attempt may come to while something failed.
type Verdict<T> = fn(Span, Failed, &Result<T, Errno>) -> Outcome;

/// `ENOMEM`, whatever failed.
fn refused<T>(_: Span, failed: Failed, result: &Result<T, Errno>) -> Outcome {
    if failed == Failed::Nothing {
        return works("with memory", result.as_ref().map(drop).map_err(|e| *e));
    }
    fails(
        format!("with {failed:?} failing"),
        result.as_ref().map(drop).map_err(|e| *e),
        Errno::ENOMEM,
    )
}

/// `ENOMEM`, or fewer extra buffers than the 20 that were asked for when only the first try for
/// them failed.
fn refused_or_fewer<T>(span: Span, failed: Failed, result: &Result<(T, u32), Errno>) -> Outcome {
    match (span, result) {
        (Span::One, Ok((_, extra))) if *extra < 20 => Ok(()),
        _ => refused(span, failed, result),
    }
}

/// Tries something with every allocation failing in turn, each time on what `prepare` makes.
/// Returns how many allocations there are.
fn each_failure<P, T>(
    prepare: impl Fn() -> Outcome<P>,
    attempt: impl Fn(&P) -> Result<T, Errno>,
    verdict: Verdict<T>,
) -> Outcome<u32> {
    let neighbours = works("the neighbours", pair("vale960"))?;
    let undisturbed = |round: u32| -> Outcome {
        let batch = numbered(round..round + 40);
        works("the neighbour's sync", neighbours.0.send(&batch))?;
        same("the neighbours' frames", neighbours.1.recv()?, batch)
    };
    let fail_alloc = FailAlloc::load()?;
    let mut allocations = 0;
    for span in [Span::One, Span::Rest] {
        allocations = 0;
        loop {
            let nth = allocations + 1;
            let here = |e: Failure| failure(format!("allocation {nth}, {span:?}: {e}"));
            let before = live();
            let mut prepared = prepare()?;
            let ready = live();
            fail_alloc.arm(nth, span)?;
            let result = attempt(&prepared);
            let (count, failed) = fail_alloc.disarm()?;
            if failed == Failed::Nothing {
                same("allocations", count, allocations).map_err(here)?;
                break;
            }
            verdict(span, failed, &result).map_err(here)?;
            undisturbed(nth).map_err(here)?;
            if result.is_ok() {
                drop((result, prepared));
                prepared = prepare()?;
            } else {
                wait_until("nothing is left of it", || live() == ready).map_err(here)?;
            }
            let again = attempt(&prepared);
            undisturbed(nth).map_err(here)?;
            verdict(span, Failed::Nothing, &again).map_err(here)?;
            drop((again, prepared));
            wait_until("nothing is left at all", || live() == before).map_err(here)?;
            allocations = nth;
            that("that it ends", nth < 1000)?;
        }
    }
    that("that it allocates", allocations > 0)?;
    Ok(allocations)
}

fn hostile_memory_fails_in_csb_enable() -> Outcome {
    let prepare = || -> Outcome<(Bound, Csb)> {
        let bound = vale("vale961:c").slots(64, 64).flags(NR_EXCLUSIVE).bind()?;
        Ok((bound, Csb::new()?))
    };
    let attempt = |(bound, csb): &(Bound, Csb)| csb_enable(&bound.device, &mut csb.option());
    each_failure(prepare, attempt, refused).map(drop)
}

/// One whose CSB is gone goes all the way to where it runs.
fn hostile_memory_fails_in_loops() -> Outcome {
    let prepare = || -> Outcome<CsbPort> {
        let port = CsbPort::bind(vale("vale961:l").slots(64, 64))?;
        port.csb.unmap()?;
        Ok(port)
    };
    let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
    let start = |port: &CsbPort| {
        let mut fds = eventfds_option(&[(fd.as_raw_fd(), fd.as_raw_fd()); 2]);
        kloop_start(port.device(), 0, fds.first())
    };
    each_failure(prepare, start, |_, failed, result| match result {
        Err(Errno::ENOMEM) if failed != Failed::Nothing => Ok(()),
        // Perhaps without a word, for which there was no memory.
        result => fails("SYNC_KLOOP_START", *result, Errno::EFAULT),
    })?;
    let stop = |port: &CsbPort| kloop_stop(port.device());
    each_failure(prepare, stop, refused).map(drop)
}

/// Binds this open device, maps the region and syncs.
fn bind(device: &Device, mut request: Reg) -> Result<Mapping, Errno> {
    request.send(device)?;
    let map = device.map(request.body.nr_memsize, 0)?;
    device.txsync()?;
    device.rxsync()?;
    Ok(map)
}

fn new_device() -> Outcome<Device> {
    Ok(Device::open()?)
}

fn hostile_memory_fails_in_open() -> Outcome {
    each_failure(|| Ok(()), |()| Device::open(), refused)?;
    Ok(())
}

fn hostile_memory_fails_in_register_null() -> Outcome {
    write_parameter("buf_num", "5000")?;
    each_failure(
        new_device,
        |device| bind(device, null(GLOBAL_MEM_ID)),
        refused,
    )?;
    Ok(())
}

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

fn hostile_memory_fails_in_register_pipe() -> Outcome {
    let base = vale("vale963:p").slots(64, 64).bind()?;
    for name in ["vale963:p{x", "vale963:p}x"] {
        let request = || vale(name).rings(2, 1).slots(32, 32);
        let count = each_failure(new_device, |device| bind(device, request()), refused)?;
        // Three rings at each end, whichever is bound.
        that(format!("dozens of allocations, got {count}"), count > 24)?;
    }
    let (to, from) = (vale("vale963:p}x").bind()?, vale("vale963:p{x").bind()?);
    from.send(&numbered(0..9))?;
    same("frames", to.recv()?, numbered(0..9))?;
    same("the base's region", to.reg.nr_mem_id, base.reg.nr_mem_id)
}

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

fn hostile_memory_fails_in_register_extmem() -> Outcome {
    let map = extmem::anonymous(2 << 20)?;
    let attempt = |device: &Device| {
        let mut option = extmem::option(map.at(0) as u64, extmem::few(2 << 20));
        let ask = vale("vale965:a").slots(64, 64);
        ask.options(address(&mut option)).send(device)?;
        device.txsync()
    };
    let count = each_failure(new_device, attempt, refused)?;
    // What is noted of the pages and three mappings, beside what each port takes.
    that(format!("dozens of allocations, got {count}"), count > 24)
}

fn hostile_memory_fails_in_attach() -> Outcome {
    wire()?;
    let far = vale("fm1").bind()?;
    let _there = vale("vale964:a").slots(64, 64).bind()?;
    let count = each_failure(
        new_device,
        |device| Attached::by(device, "vale964:fm0", NR_REG_NIC_SW),
        refused,
    )?;
    that(format!("two dozen allocations, got {count}"), count > 24)?;
    same("its port has gone", vale_list()?.len(), 1)?;
    drop(far);
    Ok(())
}

fn hostile_memory_fails_in_attach_in_a_region() -> Outcome {
    wire()?;
    write_parameter("generic_ringsize", "64")?;
    let wide = vale("vale964:m").rings(8, 8).slots(64, 64);
    let member = wide.one(0).bind()?;
    let region = member.reg.nr_mem_id;
    let attach = |device: &Device| Attached::in_region(device, "vale964:fm0", region);
    let count = each_failure(new_device, attach, refused)?;
    that(format!("two dozen allocations, got {count}"), count > 24)?;
    same("its port has gone", vale_list()?.len(), 1)?;
    let attached = works("VALE_ATTACH", attach(&Device::open()?))?;
    let info = pools_info("fm0", 0)?;
    same("the interface's region", info.nr_mem_id, region)?;
    drop(attached);
    Ok(())
}

/// A persistent port, deleted when this is dropped.
struct Made(&'static str);

impl Drop for Made {
    fn drop(&mut self) {
        let _ = delif(self.0);
    }
}

fn hostile_memory_fails_in_newif() -> Outcome {
    wire()?;
    let member = vale("vale966:m").slots(64, 64).bind()?;
    for nr_mem_id in [0, member.reg.nr_mem_id] {
        let make = |device: &Device| {
            let mut wish = NmreqValeNewif {
                nr_tx_slots: 64,
                nr_rx_slots: 64,
                nr_tx_rings: 2,
                nr_mem_id,
                ..NmreqValeNewif::default()
            };
            device.request(NETMAP_REQ_VALE_NEWIF, "p0", &mut wish)?;
            Ok(Made("p0"))
        };
        let count = each_failure(new_device, make, refused)?;
        that(format!("some allocations, got {count}"), count > 4)?;
        fails("an interface that is left", delif("p0"), Errno::ENXIO)?;
    }
    Ok(())
}

/// On a switch that is there, and on one that is made for it.
fn hostile_memory_fails_in_plugging_in() -> Outcome {
    wire()?;
    let a = vale("vale966:a").slots(64, 64).bind()?;
    made("p0")?;
    let p = Made("p0");
    for name in ["vale966:p0", "vale967:p0"] {
        let plug = |device: &Device| Attached::in_region(device, name, 0);
        let count = each_failure(new_device, plug, refused)?;
        that(format!("some allocations, got {count}"), count > 1)?;
        same("it is pulled out", vale_list()?.len(), 1)?;
    }
    let plugged = works(
        "VALE_ATTACH",
        Attached::in_region(&Device::open()?, "vale966:p0", 0),
    )?;
    let bound = vale("p0").bind()?;
    a.send(&numbered(0..9))?;
    same("frames", bound.recv()?, numbered(0..9))?;
    drop((bound, plugged, p));
    Ok(())
}

/// A program on a port or a switch, taken off when this is dropped.
struct OnPlace(&'static str);

impl Drop for OnPlace {
    fn drop(&mut self) {
        let _ = detach(self.0);
    }
}

fn hostile_memory_fails_in_xdp_attach() -> Outcome {
    let a = vale("vale965:a").slots(64, 64).bind()?;
    let b = vale("vale965:b").slots(64, 64).bind()?;
    let programs = Programs::load()?;
    for place in ["vale965:a", "vale965:"] {
        let count = each_failure(
            new_device,
            |device| {
                let mut body = NmreqXdp {
                    fd: programs.fd("drop"),
                    ..NmreqXdp::default()
                };
                device.request(FERROMAP_REQ_XDP_ATTACH, place, &mut body)?;
                Ok(OnPlace(place))
            },
            refused,
        )?;
        that(format!("some allocations, got {count}"), count > 4)?;
        fails("a program that is left", detach(place), Errno::ENOENT)?;
    }
    a.send(&numbered(0..9))?;
    same("frames", b.recv()?, numbered(0..9))
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

fn hostile_memory_fails_in_port_info() -> Outcome {
    let ask = |name: &'static str| {
        move |device: &Device| {
            let mut body = NmreqPortInfoGet::default();
            device.request(NETMAP_REQ_PORT_INFO_GET, name, &mut body)
        }
    };
    each_failure(new_device, ask("vale965:new"), refused)?;
    each_failure(new_device, ask("vale960:a"), refused)?;
    each_failure(new_device, ask(""), refused)?;
    Ok(())
}

fn hostile_memory_fails_in_pools_info() -> Outcome {
    let ask = |name: &'static str| {
        move |device: &Device| {
            let mut body = NmreqPoolsInfo::default();
            device.request(NETMAP_REQ_POOLS_INFO_GET, name, &mut body)
        }
    };
    each_failure(new_device, ask("vale966:new"), refused)?;
    each_failure(new_device, ask("vale960:a"), refused)?;
    Ok(())
}

fn hostile_memory_fails_in_port_header() -> Outcome {
    let ask = |reqtype: u16| {
        move |device: &Device| {
            let mut body = NmreqPortHdr::default();
            device.request(reqtype, "vale960:a", &mut body)
        }
    };
    each_failure(new_device, ask(NETMAP_REQ_PORT_HDR_SET), refused)?;
    each_failure(new_device, ask(NETMAP_REQ_PORT_HDR_GET), refused)?;
    Ok(())
}

/// A page of the mapping that is not there, by a system call: what is a bus error for the program
/// itself is an errno there.
fn hostile_memory_fails_in_touch() -> Outcome {
    let (_from, to) = pipe()?;
    let prepare = || -> Outcome<Bound> { Ok(vale("vale966:a").slots(64, 64).bind()?) };
    let touch = |port: &Bound| {
        let last = port.map.at(port.reg.nr_memsize - 1);
        // SAFETY: a byte of a mapping that stays.
        let written = unsafe { libc::write(to.as_raw_fd(), last.cast(), 1) };
        Errno::result(written).map(drop)
    };
    let count = each_failure(prepare, touch, |span, failed, result| match result {
        Err(Errno::EFAULT) if failed != Failed::Nothing => Ok(()),
        result => refused(span, failed, result),
    })?;
    // Memory, a line over all that there is, and notes of both.
    that(format!("some allocations, got {count}"), count > 4)
}

fn hostile_memory_fails_in_refused_request() -> Outcome {
    // What is refused anyway is refused for its own reason, or for lack of memory; the sentence may
    // be missing, but never is it one of another time.
    each_failure(
        new_device,
        |device| {
            let refused = bind(device, vale("nosuchport")).err();
            let (errno, text) = why(device)?;
            Ok((refused, errno, text))
        },
        |_, failed, result| {
            let Ok((refused, errno, text)) = result else {
                // Asking why needs memory, too.
                differs("what failed", failed, Failed::Nothing)?;
                let result = result.as_ref().map(drop).map_err(|e| *e);
                return fails("FERROMAP_REQ_WHY", result, Errno::ENOMEM);
            };
            same(
                "errno of the sentence",
                Some(*errno),
                refused.map(|e| e as u32),
            )?;
            match refused {
                Some(Errno::ENXIO) if failed == Failed::Nothing => {
                    that(format!("a name in {text:?}"), text.contains("nosuchport"))
                }
                Some(Errno::ENXIO) => same("the sentence", text.as_str(), ""),
                Some(Errno::ENOMEM) if failed != Failed::Nothing => {
                    that(format!("memory in {text:?}"), text.contains("memory"))
                }
                other => fail(format!("refused with {other:?}, {failed:?} failing")),
            }
        },
    )?;
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
