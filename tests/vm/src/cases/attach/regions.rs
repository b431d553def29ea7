// SPDX-License-Identifier: MIT OR Apache-2.0

//! VALE_ATTACH with a memory region: that it is the very one that was asked for, with frames; and
//! regions that cannot be had.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::request::{legacy, pools_info, port_info, region_size, vale_list};
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::roomy::*;
use crate::harness::traces::{live, write_parameter};
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::ext::{FERROMAP_NR_SWAP, FERROMAP_OPT_REGION};
use ferromap_abi::{consts::*, wire::*};
use nix::errno::Errno;
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    attached_in_a_region_it_exchanges_buffers_with_others_there,
    attached_in_a_region_it_holds_it,
    attached_in_a_region_two_interfaces_are_bridged,
    attached_in_the_region_of_a_descriptor,
    attached_in_a_region_that_cannot_be_had
];

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
            same("at the host", host.wait_for(1)?, vec![there])?;
            let back = frame_of(len, station(2), station(3), n);
            host.send(&back)?;
            same("far away", far.wait_for(1)?, vec![back])?;
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
        same("far away", far.wait_for(1)?, vec![there])?;
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
    same("known", numbers(&near.wait_for(1)?), vec![1])?;
    for round in 0..10 {
        let batch = |to, from| -> Vec<_> {
            let lens = (0..40).map(|n| (n, 60 + 37 * n as usize % 1400));
            lens.map(|(n, len)| frame_of(len, station(to), station(from), 40 * round + n))
                .collect()
        };
        for (from, to, frames) in [(&near, &far, batch(2, 1)), (&far, &near, batch(1, 2))] {
            frames.iter().try_for_each(|frame| from.send(frame))?;
            same("frames", to.wait_for(frames.len())?, frames)?;
        }
    }
    // Each of them is still in one slot.
    has_rings(&m, 2 + 8 + 8)
}

/// A descriptor opens what its number does not, here that of another namespace.
fn attached_in_the_region_of_a_descriptor() -> Outcome {
    let m = roomy("vale158:m")?;
    wire()?;
    let far = Stack::on("fm1")?;
    let region = |fd: i32| {
        let mut options = OptionList::of(&[FERROMAP_OPT_REGION]);
        options.option(0).body[0] = u64::from(fd as u32);
        options
    };
    let attach = |device: &Device, fd, nr_mem_id| {
        let mut body = NmreqValeAttach::default();
        (body.reg.nr_mode, body.reg.nr_mem_id) = (NR_REG_NIC_SW, nr_mem_id);
        let mut options = region(fd);
        let (kind, first) = (NETMAP_REQ_VALE_ATTACH, options.first());
        device.request_with(kind, "vale158:fm0", &mut body, first)
    };
    let (good, unbound) = (m.device.raw(), Device::open()?);
    let file = std::fs::File::open("/proc/self/status")?;
    for (fd, id, errno, words) in [
        (good, GLOBAL_MEM_ID, Errno::EINVAL, "nr_mem_id to 0"),
        (unbound.raw(), 0, Errno::ENXIO, "not bound"),
        (file.as_raw_fd(), 0, Errno::EINVAL, "/dev/netmap"),
        (100_000, 0, Errno::EBADF, "not open"),
        (-1, 0, Errno::EBADF, "not open"),
    ] {
        let device = Device::open()?;
        fails(format!("by {fd}"), attach(&device, fd, id), errno)?;
        says(&device, errno, &[words])?;
        same("the switch", vale_list()?, vec![])?;
    }
    has_rings(&m, 2)?;
    works("by its descriptor", attach(&Device::open()?, good, 0))?;
    let _attached = Attached::already("vale158:fm0");
    has_rings(&m, 2 + 8)?;
    let mut options = region(good);
    let n = vale("vale158:n").slots(64, 64).options(options.first());
    let n = works("a port beside it", n.bind())?;
    n.tx(0).set_flags(FERROMAP_NR_SWAP);
    has_rings(&m, 2 + 8 + 2)?;
    // Who had the region made, elsewhere, sees every frame.
    let seen = Ring::new(m.map.clone(), n.rx(0).offset());
    for number in 0..100 {
        let there = frame_of(1514, BROADCAST, station(1), number);
        n.send(&[there.clone()])?;
        same("far away", far.wait_for(1)?, vec![there])?;
        let (back, at) = (frame_of(1514, station(1), station(2), number), seen.tail());
        far.send(&back)?;
        same("back", wait_for(&n, 1)?, vec![back.clone()])?;
        same("by the other's mapping", seen.payload(at), back)?;
    }
    has_rings(&m, 2 + 8 + 2)
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
    same("far away", numbers(&far.wait_for(3)?), vec![0, 1, 2])?;
    drop((attached, small));
    works("deleted", delif("p0"))
}
