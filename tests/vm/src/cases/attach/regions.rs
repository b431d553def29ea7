// SPDX-License-Identifier: MIT OR Apache-2.0

//! VALE_ATTACH with a memory region: that it is the very one that was asked for, with frames; and
//! regions that cannot be had.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::request::{legacy, pools_info, port_info, region_size, vale_list};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::{live, write_parameter};
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, ext::FERROMAP_NR_SWAP, wire::*};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    attached_in_a_region_it_exchanges_buffers_with_others_there,
    attached_in_a_region_it_holds_it,
    attached_in_a_region_two_interfaces_are_bridged,
    attached_in_a_region_a_persistent_port_keeps_its_own,
    attached_a_persistent_port_once_more_in_a_region,
    attached_in_a_region_that_cannot_be_had
];

/// A port with a region that has room for the rings of interfaces: one of its rings is bound each
/// way, of 16 that it could have.
fn roomy(name: &str) -> Outcome<Bound> {
    write_parameter("generic_ringsize", "64")?;
    let wide = vale(name).rings(16, 16).slots(64, 64).one(0);
    works(name, wide.bind())
}

/// Ring `i` of those that there are in the region of a port, whoever has it.
fn ring_of_region(port: &Bound, i: u64) -> Outcome<Ring> {
    let pools = pools_info(&port.port_name(), 0)?;
    let at = pools.nr_ring_pool_offset + i * u64::from(pools.nr_ring_pool_objsize);
    Ok(Ring::new(port.map.clone(), at))
}

/// That the region of a port has so many rings of 64 slots, and in these no buffer twice.
fn has_rings(port: &Bound, count: u64) -> Outcome {
    let mut buffers = BTreeSet::new();
    for i in 0..count {
        let ring = ring_of_region(port, i)?;
        same(format!("slots of ring {i}"), ring.n(), 64)?;
        buffers.extend(ring.slots().iter().map(|slot| slot.buf_idx));
    }
    same("buffers", buffers.len() as u64, count * 64)?;
    that("none is reserved", buffers.first() > Some(&1))?;
    same("more rings", ring_of_region(port, count)?.n(), 0)
}

/// A frame from a port to a stack. Whether the port has got another buffer for it.
fn leaves(port: &Bound, to: &Stack, frame: Vec<u8>) -> Outcome<bool> {
    let ring = port.tx(0);
    let at = ring.head();
    let before = ring.slot(at).buf_idx;
    port.send(&[frame.clone()])?;
    same("at the stack", to.receive(QUIET)?, vec![frame])?;
    let slot = ring.slot(at);
    let exchanged = slot.buf_idx != before;
    let want = if exchanged { NS_BUF_CHANGED } else { 0 };
    same("flags of the slot sent", slot.flags, want)?;
    Ok(exchanged)
}

/// A frame from a stack to a port. Whether it has come in another buffer.
fn comes(port: &Bound, from: &Stack, frame: Vec<u8>) -> Outcome<bool> {
    let ring = port.rx(0);
    let at = ring.tail();
    let before = ring.slot(at).buf_idx;
    from.send(&frame)?;
    wait_until("it has come", || {
        port.poll(PollFlags::POLLIN, 50) == Ok(PollFlags::POLLIN)
    })?;
    let slot = ring.slot(at);
    same("in the ring", ring.take_frames(), vec![frame])?;
    port.device.rxsync()?;
    let exchanged = slot.buf_idx != before;
    let want = 0x100 | if exchanged { NS_BUF_CHANGED } else { 0 };
    same("flags of the slot received", slot.flags, want)?;
    Ok(exchanged)
}

/// That the switch knows all three, stations 1, 2 and 3, and none has anything to receive.
fn known(port: &Bound, stacks: [&Stack; 2]) -> Outcome {
    port.tx(0).set_flags(FERROMAP_NR_SWAP);
    port.send(&[frame(BROADCAST, station(1), 1)])?;
    for stack in stacks {
        same("of the port", numbers(&stack.receive(QUIET)?), vec![1])?;
    }
    for (n, from, to) in [(2, stacks[0], stacks[1]), (3, stacks[1], stacks[0])] {
        from.send(&frame(BROADCAST, station(n), n.into()))?;
        same("of a stack", numbers(&wait_for(port, 1)?), vec![n.into()])?;
        same("at the other", numbers(&to.receive(QUIET)?), vec![n.into()])?;
    }
    Ok(())
}

/// Only in one region buffers can change hands, and it shows in the slots of the third.
fn attached_in_a_region_it_exchanges_buffers_with_others_there() -> Outcome {
    wire()?;
    let m = roomy("vale150:m")?;
    let region = m.reg.nr_mem_id;
    let (far, host) = (Stack::on("fm1")?, Stack::on("fm0")?);
    let device = Device::open()?;
    for (asked, got) in [
        (0, GLOBAL_MEM_ID),
        (GLOBAL_MEM_ID, GLOBAL_MEM_ID),
        (region, region),
    ] {
        let is_one = got == region;
        let _attached = Attached::in_region(&device, "vale150:fm0", asked)?;
        for name in ["fm0", "vale150:fm0", "vale150:fm0^"] {
            same(name, pools_info(name, 0)?.nr_mem_id, got)?;
        }
        let info = port_info("fm0", Default::default())?;
        same("told with its rings", info.nr_mem_id, got)?;
        same("size", info.nr_memsize, region_size(got)?)?;
        // Those of the interface, its host, and the ports of both: 2 each.
        has_rings(&m, if is_one { 2 + 8 } else { 2 })?;
        known(&m, [&far, &host])?;
        for (n, len) in (10..).zip([14, 60, 61, 999, 1514]) {
            for (stack, to) in [(&far, 2), (&host, 3)] {
                let sent = frame_of(len, station(to), station(1), n);
                same("exchanged", leaves(&m, stack, sent)?, is_one)?;
                let back = frame_of(len, station(1), station(to), n + 100);
                same("exchanged", comes(&m, stack, back)?, is_one)?;
            }
            let there = frame_of(len, station(3), station(2), n);
            far.send(&there)?;
            same("at the host", host.receive(QUIET)?, vec![there])?;
            let back = frame_of(len, station(2), station(3), n);
            host.send(&back)?;
            same("far away", far.receive(QUIET)?, vec![back])?;
        }
        same("nobody else's", got_nothing(&m)?, true)?;
        has_rings(&m, if is_one { 2 + 8 } else { 2 })?;
    }
    let info = port_info("fm0", Default::default())?;
    same("back in its own region", info.nr_mem_id, GLOBAL_MEM_ID)
}

fn got_nothing(port: &Bound) -> Outcome<bool> {
    Ok(port.recv()?.is_empty())
}

/// By the legacy call. The region outlives the port that it was made for, and ends with the
/// attachment.
fn attached_in_a_region_it_holds_it() -> Outcome {
    wire()?;
    let before = live();
    let m = roomy("vale151:m")?;
    let region = m.reg.nr_mem_id;
    let far = Stack::on("fm1")?;
    let mut request = Nmreq {
        nr_cmd: NETMAP_BDG_ATTACH,
        nr_arg2: region,
        ..legacy("vale151:fm0")
    };
    works("ATTACH", Device::open()?.regif(&mut request))?;
    let attached = Attached::already("vale151:fm0");
    let size = region_size(region)?;
    drop(m);
    same("its size", region_size(region)?, size)?;
    same("its port", pools_info("fm0", 0)?.nr_mem_id, region)?;
    let n = vale("vale151:n").mem(region).slots(64, 64).bind()?;
    same("the region of another", n.reg.nr_mem_id, region)?;
    n.tx(0).set_flags(FERROMAP_NR_SWAP);
    for number in 0..200 {
        let there = frame_of(1000, BROADCAST, station(1), number);
        n.send(&[there.clone()])?;
        same("far away", far.receive(QUIET / 10)?, vec![there])?;
        far.send(&frame(station(1), station(2), number))?;
        let came = wait_for(&n, 1)?;
        same("back", came, vec![frame(station(1), station(2), number)])?;
    }
    drop(attached);
    same("held by a port", region_size(region)?, size)?;
    n.send(&numbered(0..1))?;
    drop(n);
    fails("its end", region_size(region), Errno::EINVAL)?;
    fails(
        "once more",
        Attached::in_region(&Device::open()?, "vale151:fm0", region).map(drop),
        Errno::EINVAL,
    )?;
    wait_until("nothing is left", || live() == before)
}

fn attached_in_a_region_two_interfaces_are_bridged() -> Outcome {
    wire()?;
    ip("link add fm2 type veth peer name fm3")?;
    for name in ["fm2", "fm3"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        ip(&format!("link set {name} up"))?;
    }
    let m = roomy("vale152:m")?;
    let (device, region) = (Device::open()?, m.reg.nr_mem_id);
    let _first = Attached::in_region(&device, "vale152:fm1", region)?;
    let _second = Attached::in_region(&device, "vale152:fm2", region)?;
    has_rings(&m, 2 + 8 + 8)?;
    let (near, far) = (Stack::on("fm0")?, Stack::on("fm3")?);
    far.send(&frame(BROADCAST, station(2), 1))?;
    same("known", numbers(&near.receive(QUIET)?), vec![1])?;
    for round in 0..10 {
        let batch = |to, from| -> Vec<_> {
            let lens = (0..40).map(|n| (n, 60 + 37 * n as usize % 1400));
            lens.map(|(n, len)| frame_of(len, station(to), station(from), 40 * round + n))
                .collect()
        };
        for (from, to, frames) in [(&near, &far, batch(2, 1)), (&far, &near, batch(1, 2))] {
            frames.iter().try_for_each(|frame| from.send(frame))?;
            same("frames", to.receive(QUIET)?, frames)?;
        }
    }
    // Each of them is still in one slot.
    has_rings(&m, 2 + 8 + 8)
}

/// Wherever it is to be plugged in: its rings are there already.
fn attached_in_a_region_a_persistent_port_keeps_its_own() -> Outcome {
    wire()?;
    let m = roomy("vale153:m")?;
    let region = m.reg.nr_mem_id;
    made_in("p0", region)?;
    made("p1")?;
    let own = port_info("p1", Default::default())?.nr_mem_id;
    differs("a region of its own", own, region)?;
    let device = Device::open()?;
    let (first, second) = (Stack::on("p0")?, Stack::on("p1")?);
    for (asked, other) in [(0, 0), (region, region), (own, region), (region, own)] {
        let _first = Attached::in_region(&device, "vale153:p0", asked)?;
        let _second = Attached::in_region(&device, "vale153:p1", other)?;
        for (name, want) in [("p0", region), ("p1", own)] {
            for name in [name.into(), format!("vale153:{name}")] {
                let info = port_info(&name, Default::default())?;
                same(format!("region of {name}"), info.nr_mem_id, want)?;
            }
        }
        known(&m, [&first, &second])?;
        for n in 0..5 {
            for (stack, from) in [(&first, 2), (&second, 3)] {
                let there = frame_of(60 + 300 * n as usize, station(from), station(1), n);
                same("exchanged", leaves(&m, stack, there)?, false)?;
                let back = frame_of(60 + 300 * n as usize, station(1), station(from), n);
                same("exchanged", comes(&m, stack, back)?, false)?;
            }
        }
        // Its rings are in one region with the third's, or they are not.
        for (name, station_of, is_one) in [("p0", 2, true), ("p1", 3, false)] {
            let p = vale(name).bind()?;
            let (at, next) = (m.tx(0).head(), p.rx(0).tail());
            let (ours, theirs) = (m.tx(0).slot(at).buf_idx, p.rx(0).slot(next).buf_idx);
            let sent = frame(station(station_of), station(1), 7);
            m.send(&[sent.clone()])?;
            p.device.rxsync()?;
            let (left, right) = (m.tx(0).slot(at).buf_idx, p.rx(0).slot(next).buf_idx);
            let want = if is_one {
                (theirs, ours)
            } else {
                (ours, theirs)
            };
            same(format!("buffers of m and {name}"), (left, right), want)?;
            same("frame", p.recv()?, vec![sent])?;
            let back = frame(station(1), station(station_of), 8);
            p.send(&[back.clone()])?;
            same("and back", m.recv()?, vec![back])?;
        }
    }
    works("deleted", delif("p0"))?;
    works("deleted", delif("p1"))
}

/// A second switch takes its interface for one like any other, with rings where it is told.
fn attached_a_persistent_port_once_more_in_a_region() -> Outcome {
    wire()?;
    let m = roomy("vale154:m")?;
    let region = m.reg.nr_mem_id;
    made("p0")?;
    let own = port_info("p0", Default::default())?.nr_mem_id;
    works("plugged in", attach("vale155:p0"))?;
    let [a] = ports("vale155", ["a"])?;
    let attached = Attached::in_region(&Device::open()?, "vale154:p0", region)?;
    same("in the first", pools_info("vale155:p0", 0)?.nr_mem_id, own)?;
    same(
        "in the second",
        pools_info("vale154:p0", 0)?.nr_mem_id,
        region,
    )?;
    has_rings(&m, 2 + 8)?;
    m.tx(0).set_flags(FERROMAP_NR_SWAP);
    for n in 0..20 {
        let sent = frame_of(60 + 70 * n as usize, BROADCAST, station(1), n);
        m.send(&[sent.clone()])?;
        same("from the second", wait_for(&a, 1)?, vec![sent])?;
        let back = frame_of(60 + 70 * n as usize, station(1), station(2), n);
        a.send(&[back.clone()])?;
        same("from the first", wait_for(&m, 1)?, vec![back])?;
    }
    has_rings(&m, 2 + 8)?;
    drop(attached);
    works("pulled out", detach("vale155:p0"))?;
    works("deleted", delif("p0"))
}

/// No trace is left, and what was wrong is said.
fn attached_in_a_region_that_cannot_be_had() -> Outcome {
    // Of another namespace, with room enough.
    let elsewhere = roomy("vale156:m")?;
    wire()?;
    let small = vale("vale156:s").slots(64, 64).bind()?;
    // As long as it was there.
    let ended = vale("vale156:e").slots(64, 64).bind()?.reg.nr_mem_id;
    made("p0")?;
    let (far, before) = (Stack::on("fm1")?, live());
    let refused = |name: &str, id: u16, errno, words: &[&str]| -> Outcome {
        for nr_mode in [NR_REG_ALL_NIC, NR_REG_NIC_SW] {
            let device = Device::open()?;
            let mut body = NmreqValeAttach::default();
            (body.reg.nr_mem_id, body.reg.nr_mode) = (id, nr_mode);
            let tried = device.request(NETMAP_REQ_VALE_ATTACH, name, &mut body);
            fails(format!("{name} in {id}"), tried, errno)?;
            says(&device, errno, words)?;
        }
        same("the switch", vale_list()?, vec![("vale156:s".into(), 0, 0)])?;
        same("what there is", live(), before.clone())
    };
    for id in [elsewhere.reg.nr_mem_id, ended, 4711, u16::MAX] {
        let words = ["no memory region", &id.to_string()];
        refused("vale156:fm0", id, Errno::EINVAL, &words)?;
        refused("vale156:p0", id, Errno::EINVAL, &words)?;
        refused("vale157:fm0", id, Errno::EINVAL, &words)?;
    }
    // Where rings or buffers are too few.
    write_parameter("generic_ringsize", "4096")?;
    refused("vale156:fm0", small.reg.nr_mem_id, Errno::ENOMEM, &[])?;
    refused("vale157:fm0", small.reg.nr_mem_id, Errno::ENOMEM, &[])?;
    write_parameter("generic_ringsize", "64")?;
    // Who has it open has chosen already.
    let open = vale("fm0").bind()?;
    let tried = Attached::in_region(&Device::open()?, "vale156:fm0", small.reg.nr_mem_id);
    fails("open", tried.map(drop), Errno::EBUSY)?;
    same("its region", open.reg.nr_mem_id, GLOBAL_MEM_ID)?;
    drop(open);
    // Nothing but the number was wrong.
    let attached = Attached::in_region(&Device::open()?, "vale156:fm0", GLOBAL_MEM_ID)?;
    small.send(&numbered(0..3))?;
    same("far away", numbers(&far.receive(QUIET)?), vec![0, 1, 2])?;
    drop((attached, small));
    works("deleted", delif("p0"))
}
