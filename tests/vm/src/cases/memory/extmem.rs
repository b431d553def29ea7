// SPDX-License-Identifier: MIT OR Apache-2.0

//! Regions in memory of a program: item 180, and section 3.9. What is refused and who may is with
//! the [limits](super::extmem_limits).

use super::access::elsewhere;
use crate::harness::check::*;
use crate::harness::exchange::{both_ways, Party};
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::device::{address, Mapping};
use crate::harness::raw::extmem::*;
use crate::harness::raw::hostile::UNTOUCHED;
use crate::harness::raw::request::{pools_info, region_size, vale_list};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_REQ_PROBE;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use std::sync::Arc;

pub const CASES: &[Case] = crate::cases![
    item_180_port_runs_in_user_memory,
    item_180_two_ports_on_the_same_memory_share_the_id,
    item_180_every_kind_of_port_runs_in_user_memory,
    extmem_fields_that_are_zero_are_defaults,
    extmem_of_odd_sizes_is_whole_pages,
    extmem_of_huge_pages,
    extmem_is_the_same_by_another_mapping,
    extmem_is_another_when_a_page_is,
    extmem_overrides_the_region_id,
    extmem_on_a_port_that_is_open,
    extmem_is_not_mapped_by_the_descriptor,
    extmem_stays_when_the_program_unmaps_it,
    extmem_outlives_who_gave_it,
    extmem_both_sides_at_once,
    extmem_is_only_tried_by_probe,
];

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

fn item_180_port_runs_in_user_memory() -> Outcome {
    let map = anonymous(2 * MIB)?;
    // What the memory held does not matter.
    for at in (0..2 * MIB).step_by(8) {
        map.write(at, u64::MAX);
    }
    let ask = vale("vale180:a").slots(64, 64).extra(20);
    let (port, option) = works("REGISTER", ask.bind_within(&map, few(2 * MIB)))?;
    let far = vale("vale180:b").slots(64, 64).bind()?;
    same("status", option.nro_opt.nro_status, 0)?;
    let info = option.nro_info;
    let wanted = few(2 * MIB);
    same("memory", info.nr_memsize, 2 * MIB)?;
    same("netmap_ifs from", info.nr_if_pool_offset, 0)?;
    let ifs = (info.nr_if_pool_objtotal, info.nr_if_pool_objsize);
    same("netmap_ifs", ifs, (wanted.nr_if_pool_objtotal, 1024))?;
    same("rings from", info.nr_ring_pool_offset, 16 * 1024)?;
    let rings = (info.nr_ring_pool_objtotal, info.nr_ring_pool_objsize);
    same("rings", rings, (wanted.nr_ring_pool_objtotal, 8192))?;
    same("buffers from", info.nr_buf_pool_offset, 16 * (1024 + 8192))?;
    // What is left over is for buffers.
    let left = (2 * MIB - info.nr_buf_pool_offset) / 2048;
    let bufs = (info.nr_buf_pool_objtotal, info.nr_buf_pool_objsize);
    same("buffers", bufs, (left as u32, 2048))?;
    same("id", info.nr_mem_id, port.reg.nr_mem_id)?;
    that("an id of its own", info.nr_mem_id > GLOBAL_MEM_ID)?;
    same("size", port.reg.nr_memsize, 2 * MIB)?;
    same("size by id", region_size(info.nr_mem_id)?, 2 * MIB)?;
    let told = pools_info("vale180:a", 0)?;
    same(
        "pools",
        NmreqPoolsInfo {
            nr_memsize: 2 * MIB,
            ..info
        },
        told,
    )?;
    same("flags", port.nifp().ni_flags & NI_PRIV_MEM, NI_PRIV_MEM)?;
    same("extra buffers", port.extra_bufs().len(), 20)?;
    // Out of it and into it.
    port.send(&numbered(0..30))?;
    same("sent", far.recv()?, numbered(0..30))?;
    far.send(&numbered(30..60))?;
    same("received", port.recv()?, numbered(30..60))
}

fn item_180_two_ports_on_the_same_memory_share_the_id() -> Outcome {
    let (a, b) = two("vale180")?;
    same("ids", a.reg.nr_mem_id, b.reg.nr_mem_id)?;
    // Frames change places where both are.
    for i in 0..5 {
        let frames = numbered(i * 40..i * 40 + 40);
        a.send(&frames)?;
        same("frames", b.recv()?, frames.clone())?;
        b.send(&frames)?;
        same("frames back", a.recv()?, frames)?;
    }
    // Others come by the id, and cannot see what is in it.
    let id = a.reg.nr_mem_id;
    let by_id = vale("vale180:c").mem(id).slots(64, 64);
    let device = Device::open()?;
    works("REGISTER by id", by_id.clone().send(&device))?;
    drop(device);
    drop((a, b));
    fails(
        "by the id of what has gone",
        by_id.try_bind(),
        Errno::EINVAL,
    )
}

fn item_180_every_kind_of_port_runs_in_user_memory() -> Outcome {
    wire()?;
    let small = || vale("").slots(64, 64);
    let bind = |ask: Reg, what: &str| -> Outcome<Bound> {
        let map = anonymous(16 * MIB)?;
        let mut pools = few(16 * MIB);
        // An interface has as many slots as it likes.
        pools.nr_ring_pool_objsize = 32768;
        Ok(works(what, ask.bind_within(&map, pools))?.0)
    };
    let null = bind(null(0), "a null port")?;
    null.send(&numbered(0..9))?;

    let base = bind(
        Reg {
            name: "vale180:p".into(),
            ..small()
        },
        "a base",
    )?;
    let (left, right) = ("vale180:p{1", "vale180:p}1");
    let ends = |name: &str| Reg {
        name: name.into(),
        ..small()
    };
    let within = |ask: Reg| {
        ask.bind_within(&base.map, {
            let mut pools = few(16 * MIB);
            pools.nr_ring_pool_objsize = 32768;
            pools
        })
    };
    let left = works("an end of a pipe", within(ends(left)))?.0;
    let right = works("the other end", within(ends(right)))?.0;
    same("regions", left.reg.nr_mem_id, base.reg.nr_mem_id)?;
    left.send(&numbered(0..9))?;
    same("by the pipe", right.recv()?, numbered(0..9))?;

    let alone = bind(ends("pipes180{1"), "a pipe without a port")?;
    let device = Device::open()?;
    works(
        "its other end by id",
        ends("pipes180}1").mem(alone.reg.nr_mem_id).send(&device),
    )?;

    let near = bind(vale("fm0").mode(NR_REG_NIC_SW), "an interface")?;
    let far = Stack::on("fm1")?;
    near.send(&numbered(0..9))?;
    same(
        "by the interface",
        numbers(&far.receive(QUIET)?),
        numbers(&numbered(0..9)),
    )?;

    let monitor = bind(
        ends("vale180:p").flags(NR_MONITOR_TX),
        "a monitor that copies",
    )?;
    let other = vale("vale180:q").slots(64, 64).bind()?;
    base.send(&numbered(0..9))?;
    same("of the base", other.recv()?, numbered(0..9))?;
    same("by the monitor", monitor.recv()?, numbered(0..9))?;
    let zero_copy = works(
        "a monitor that shows",
        within(ends("vale180:p").flags(NR_ZCOPY_MON)),
    )?
    .0;
    base.send(&numbered(9..18))?;
    same("by that", zero_copy.recv()?, numbered(9..18))?;
    let elsewhere = ends("vale180:p").flags(NR_ZCOPY_MON);
    let foreign = anonymous(2 * MIB)?;
    let (came, _) = elsewhere.try_within(foreign.at(0) as u64, few(2 * MIB));
    fails("a monitor that shows, in other memory", came, Errno::EINVAL)?;

    newif("fp180")?;
    let kept = ends("fp180");
    let (came, _) = kept.try_within(foreign.at(0) as u64, few(2 * MIB));
    fails(
        "a persistent port, whose memory is there",
        came,
        Errno::EBUSY,
    )?;
    works("deleting it", delif("fp180"))
}

fn extmem_fields_that_are_zero_are_defaults() -> Outcome {
    let map = anonymous(32 * MIB)?;
    let zeros = NmreqPoolsInfo {
        nr_memsize: 32 * MIB,
        ..Default::default()
    };
    let (port, option) = works("REGISTER", vale("valezero:a").bind_within(&map, zeros))?;
    let read = |name: &str| -> Outcome<u32> {
        let text = crate::harness::traces::read_parameter(name)?;
        text.trim()
            .parse()
            .or_else(|_| fail(format!("{name} is {text}")))
    };
    let info = option.nro_info;
    same(
        "netmap_ifs of",
        info.nr_if_pool_objsize,
        read("priv_if_size")?,
    )?;
    same(
        "rings of",
        info.nr_ring_pool_objsize,
        read("priv_ring_size")?,
    )?;
    same(
        "buffers of",
        info.nr_buf_pool_objsize,
        read("priv_buf_size")?,
    )?;
    let counts = info.nr_ring_pool_objtotal >= read("priv_ring_num")?
        && info.nr_if_pool_objtotal >= read("priv_if_num")?
        && info.nr_buf_pool_objtotal > read("priv_buf_num")?;
    that(
        format!("as many as the parameters say, got {info:?}"),
        counts,
    )?;
    let far = vale("valezero:b").slots(1024, 1024).bind()?;
    port.send(&numbered(0..900))?;
    same("frames", far.recv()?, numbered(0..900))
}

fn extmem_of_odd_sizes_is_whole_pages() -> Outcome {
    let map = anonymous(4 * MIB)?;
    let mut pools = few(4 * MIB - 1);
    pools.nr_if_pool_objsize = 321;
    pools.nr_buf_pool_objsize = 1601;
    let (port, option) = works(
        "REGISTER",
        vale("valeodd:a").slots(64, 64).bind_within(&map, pools),
    )?;
    let info = option.nro_info;
    same("as it was", info.nr_memsize, 4 * MIB - 1)?;
    same("netmap_ifs of", info.nr_if_pool_objsize, 384)?;
    same("rings from a page", info.nr_ring_pool_offset % PAGE, 0)?;
    same("buffers from a page", info.nr_buf_pool_offset % PAGE, 0)?;
    same("buffers of", info.nr_buf_pool_objsize, 1664)?;
    let end = info.nr_buf_pool_offset + u64::from(info.nr_buf_pool_objtotal) * 1664;
    that("no further than the last whole page", end <= 4 * MIB - PAGE)?;
    that("nearly all of it", end > 4 * MIB - PAGE - 64 * 1664)?;
    let far = vale("valeodd:b").slots(64, 64).bind()?;
    port.send(&numbered(0..60))?;
    same("frames", far.recv()?, numbered(0..60))
}

fn extmem_of_huge_pages() -> Outcome {
    let huge = HugePages::new(4)?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB;
    let map = Arc::new(works("two huge pages", Mapping::new(4 * MIB, flags, -1))?);
    let mut pools = few(4 * MIB);
    // A buffer of several small pages.
    pools.nr_buf_pool_objsize = 9216;
    let (port, _) = works(
        "REGISTER",
        vale("valehuge:a").slots(32, 32).bind_within(&map, pools),
    )?;
    let far = vale("valehuge:b").mem(port.reg.nr_mem_id).slots(32, 32);
    let (far, _) = works("REGISTER", far.bind_within(&map, pools))?;
    let long: Vec<_> = (0..20)
        .map(|i| frame_of(9000, BROADCAST, station(1), i))
        .collect();
    port.send(&long)?;
    same("frames", far.recv()?, long)?;
    drop((port, far, map));
    huge.wait_until_gone()
}

fn extmem_is_the_same_by_another_mapping() -> Outcome {
    let [one, two] = file_maps(2 * MIB)?;
    let port = |name: &str| vale(name).slots(64, 64);
    let (a, _) = works(
        "REGISTER",
        port("valesame:a").bind_within(&one, few(2 * MIB)),
    )?;
    // What it says of the pools is not asked any more.
    let mut other = few(2 * MIB);
    other.nr_buf_pool_objsize = 4096;
    let (b, option) = works("REGISTER", port("valesame:b").bind_within(&two, other))?;
    same("ids", a.reg.nr_mem_id, b.reg.nr_mem_id)?;
    same("buffers of", option.nro_info.nr_buf_pool_objsize, 2048)?;
    a.send(&numbered(0..40))?;
    same("frames", b.recv()?, numbered(0..40))
}

fn extmem_is_another_when_a_page_is() -> Outcome {
    let [one] = file_maps(4 * MIB)?;
    let port = |name: &str| vale(name).slots(64, 64);
    let whole = few(2 * MIB);
    let (a, _) = works("REGISTER", port("valeother:a").bind_within(&one, whole))?;
    let less = few(2 * MIB - PAGE);
    let (b, _) = works("REGISTER", port("valeother:b").bind_within(&one, less))?;
    differs("the id of less", b.reg.nr_mem_id, a.reg.nr_mem_id)?;
    let mut option = option(one.at(2 * MIB) as u64, whole);
    let mut behind = port("valeother:c").options(address(&mut option));
    let device = Device::open()?;
    works("REGISTER", behind.send(&device))?;
    differs(
        "the id of what is behind it",
        behind.body.nr_mem_id,
        a.reg.nr_mem_id,
    )
}

fn extmem_overrides_the_region_id() -> Outcome {
    let map = anonymous(2 * MIB)?;
    for id in [0, GLOBAL_MEM_ID, 4711] {
        let ask = vale("valeover:a").mem(id).slots(64, 64);
        let (port, _) = works("REGISTER", ask.bind_within(&map, few(2 * MIB)))?;
        that("another id", port.reg.nr_mem_id > GLOBAL_MEM_ID)?;
    }
    Ok(())
}

fn extmem_on_a_port_that_is_open() -> Outcome {
    let port = vale("valeopen:a").slots(64, 64).bind()?;
    let map = anonymous(2 * MIB)?;
    let mut option = option(map.at(0) as u64, few(2 * MIB));
    let device = Device::open()?;
    let came = vale("valeopen:a")
        .options(address(&mut option))
        .send(&device);
    fails("REGISTER", came, Errno::EBUSY)?;
    says(&device, Errno::EBUSY, &["is in memory region"])?;
    same("the port", port.device.txsync(), Ok(()))
}

fn extmem_is_not_mapped_by_the_descriptor() -> Outcome {
    let map = anonymous(2 * MIB)?;
    let ask = vale("valemapped:a").slots(64, 64);
    let (port, _) = works("REGISTER", ask.bind_within(&map, few(2 * MIB)))?;
    for len in [port.reg.nr_memsize, PAGE] {
        fails("mmap", port.device.map(len, 0).map(drop), Errno::EINVAL)?;
    }
    Ok(())
}

fn extmem_stays_when_the_program_unmaps_it() -> Outcome {
    let map = anonymous(2 * MIB)?;
    let ask = vale("valegone:a").slots(64, 64);
    let (port, _) = works("REGISTER", ask.bind_within(&map, few(2 * MIB)))?;
    let far = vale("valegone:b").slots(64, 64).bind()?;
    port.tx(0).put(&numbered(0..1)[0]);
    let Bound {
        map: another,
        device,
        ..
    } = port;
    drop(another);
    let map = Arc::into_inner(map).map_or_else(|| fail("the only one"), Ok)?;
    drop(map);
    works("NIOCTXSYNC", device.txsync())?;
    same("the frame", far.recv()?, numbered(0..1))?;
    // It goes on to receive where nobody sees it.
    far.send(&numbered(0..20))?;
    works("NIOCRXSYNC", device.rxsync())
}

fn extmem_outlives_who_gave_it() -> Outcome {
    let [map] = file_maps(2 * MIB)?;
    let (far, device) = (vale("valeheir:b").slots(64, 64).bind()?, Device::open()?);
    // The other process binds our file, and ends.
    elsewhere(|| {
        let mut option = option(map.at(0) as u64, few(2 * MIB));
        let ask = vale("valeheir:a").slots(64, 64);
        works("REGISTER", ask.options(address(&mut option)).send(&device))
    })?;
    far.send(&numbered(0..20))?;
    works("NIOCRXSYNC", device.rxsync())?;
    works("NIOCTXSYNC", device.txsync())?;
    drop(device);
    let is_there = vale_list()?.iter().any(|(name, ..)| name == "valeheir:a");
    that("the port has gone", !is_there)
}

/// Between two ports in the same memory, between that and a region of the kernel's, and between the
/// ends of a pipe.
fn extmem_both_sides_at_once() -> Outcome {
    let (a, b) = two("valeboth")?;
    both_ways(&a, &b, 3000)?;
    drop(b);
    let b = vale("valeboth:b").slots(64, 64).bind()?;
    differs("the region", a.reg.nr_mem_id, b.reg.nr_mem_id)?;
    both_ways(&a, &b, 3000)?;
    let map = anonymous(2 * MIB)?;
    let end = |name| {
        let ask = vale(name).slots(64, 64);
        works(name, ask.bind_within(&map, few(2 * MIB))).map(|(end, _)| end)
    };
    let (master, slave) = (end("pipeboth{1")?, end("pipeboth}1")?);
    both_ways(&master, &slave, 3000)?;
    same("a pipe loses", (master.lost()?, slave.lost()?), (0, 0))
}

fn extmem_is_only_tried_by_probe() -> Outcome {
    let map = anonymous(2 * MIB)?;
    let device = Device::open()?;
    for (bytes, want) in [(2 * MIB, Ok(())), (MIB / 4, Err(Errno::ENOMEM))] {
        let mut option = option(map.at(0) as u64, few(bytes));
        let mut body = vale("").slots(64, 64).body;
        let options = address(&mut option);
        let came = device.request_with(FERROMAP_REQ_PROBE, "valeprobe:a", &mut body, options);
        same("PROBE", came, want)?;
        that("a status", option.nro_opt.nro_status != UNTOUCHED)?;
    }
    Ok(())
}
