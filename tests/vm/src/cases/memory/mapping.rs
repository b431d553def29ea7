// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory regions and their mappings: items 50 to 55 and 66 to 69. Their buffers (56 to 63) are in
//! `buffers.rs`, their parameters (64, 65) in `parameters.rs`.
//!
//! Of 50 and 68 this is the part that VALE ports show, with `nr_mem_id` 1 in the place of an
//! interface's default; interfaces are in `nic/memory.rs`. 53 for other kinds of ports is in
//! `control/kinds.rs`.

use crate::harness::check::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::{pools_info, port_info, region_size, vale_find};
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    item_050_ports_of_the_shared_region_show_the_same_memory,
    item_051_vale_port_has_a_private_region_unless_told_otherwise,
    item_052_new_port_joins_a_live_region,
    item_053_unknown_region_is_invalid,
    item_054_mmap_stays_inside_the_region,
    item_055_pools_lie_one_after_the_other,
    item_055_shared_region_has_the_documented_size,
    item_055_pools_info_needs_a_name_and_leaves_no_port,
    item_066_mapping_keeps_the_port_after_close,
    item_067_region_id_goes_with_its_last_user,
    item_068_next_opening_has_the_default_region_again,
    item_069_ring_larger_than_a_ring_object,
];

fn item_050_ports_of_the_shared_region_show_the_same_memory() -> Outcome {
    let first = shared("vale50:x").bind()?;
    let second = null(GLOBAL_MEM_ID).bind()?;
    let third = shared("vale50b:x").bind()?;
    for bound in [&first, &second, &third] {
        same("region", bound.reg.nr_mem_id, GLOBAL_MEM_ID)?;
        same("size", bound.reg.nr_memsize, first.reg.nr_memsize)?;
    }
    let ring = first.tx(0);
    let at = ring.buf_at(ring.slot(0).buf_idx);
    first.map.write(at, 0x5a5a_1234u32);
    same(
        "seen by the null port",
        second.map.read::<u32>(at),
        0x5a5a_1234,
    )?;
    third.map.write(at, 0x4321u32);
    same("written by the third", first.map.read::<u32>(at), 0x4321)
}

fn item_051_vale_port_has_a_private_region_unless_told_otherwise() -> Outcome {
    let (a, b) = pair("vale51")?;
    for bound in [&a, &b] {
        that("an id other than 0 and 1", bound.reg.nr_mem_id > 1)?;
        same("NI_PRIV_MEM", bound.nifp().ni_flags, NI_PRIV_MEM)?;
    }
    differs("regions of two ports", a.reg.nr_mem_id, b.reg.nr_mem_id)?;
    let global = shared("vale51:c").bind()?;
    same("region asked for", global.reg.nr_mem_id, GLOBAL_MEM_ID)?;
    same("ni_flags in the shared region", global.nifp().ni_flags, 0)
}

fn item_052_new_port_joins_a_live_region() -> Outcome {
    let first = vale("vale52:a").slots(64, 64).bind()?;
    let id = first.reg.nr_mem_id;
    let second = vale("vale52:b").slots(64, 64).mem(id).bind()?;
    same("region", second.reg.nr_mem_id, id)?;
    same("NI_PRIV_MEM", second.nifp().ni_flags, NI_PRIV_MEM)?;
    let ring = first.tx(0);
    let at = ring.buf_at(ring.slot(0).buf_idx);
    first.map.write(at, 0x5a5a_1234u32);
    same(
        "seen by the second",
        second.map.read::<u32>(at),
        0x5a5a_1234,
    )?;
    let all: Vec<u32> = [first.buffers(), second.buffers()].concat();
    let distinct: BTreeSet<_> = all.iter().collect();
    same("buffers that both hold", all.len() - distinct.len(), 0)?;
    // The region outlives the port that it was made for.
    drop(first);
    same("size", region_size(id)?, second.reg.nr_memsize)
}

fn item_053_unknown_region_is_invalid() -> Outcome {
    for id in [4000, u16::MAX] {
        let ask = NmreqPortInfoGet {
            nr_mem_id: id,
            ..Default::default()
        };
        let new = vale("vale53:x").slots(64, 64).mem(id).try_bind();
        fails("REGISTER, a VALE port", new, Errno::EINVAL)?;
        fails("REGISTER, a null port", null(id).try_bind(), Errno::EINVAL)?;
        fails("PORT_INFO_GET", port_info("vale53:x", ask), Errno::EINVAL)?;
        fails(
            "PORT_INFO_GET without a name",
            port_info("", ask),
            Errno::EINVAL,
        )?;
        fails("POOLS_INFO_GET", pools_info("vale53:x", id), Errno::EINVAL)?;
    }
    fails(
        "VALE_LIST of the port",
        vale_find("vale53:x"),
        Errno::ENOENT,
    )
}

fn item_054_mmap_stays_inside_the_region() -> Outcome {
    let bound = vale("vale54:x").slots(64, 64).bind()?;
    let (device, size) = (&bound.device, bound.reg.nr_memsize);
    for (len, offset) in [
        (size + 4096, 0),
        (size, 4096),
        (4096, size),
        (8192, size - 4096),
        (4096, size + (1 << 40)),
        (4096, 0x7fff_ffff_ffff_f000 - 4096),
    ] {
        let result = device.map(len, offset).map(drop);
        fails(
            format!("{len} bytes at {offset} of {size}"),
            result,
            Errno::EINVAL,
        )?;
    }
    // A part of the buffer pool, from a page inside it.
    let offset = bound.tx(0).buffers() + 4096;
    let part = works("part of the region", device.map(8192, offset))?;
    part.write(0, 0x1234_5678u32);
    same(
        "through the whole",
        bound.map.read::<u32>(offset),
        0x1234_5678,
    )?;
    bound.map.write(offset + 8188, 0x8765_4321u32);
    same("through the part", part.read::<u32>(8188), 0x8765_4321)?;
    let last = works("the last page", device.map(4096, size - 4096))?;
    bound.map.write(size - 4, 0xabcdu32);
    same("through the last page", last.read::<u32>(4092), 0xabcd)
}

fn check_pools(pools: &NmreqPoolsInfo) -> Outcome {
    let bytes = |count: u32, size: u32| u64::from(count) * u64::from(size);
    let ifs = bytes(pools.nr_if_pool_objtotal, pools.nr_if_pool_objsize);
    let rings = bytes(pools.nr_ring_pool_objtotal, pools.nr_ring_pool_objsize);
    let bufs = bytes(pools.nr_buf_pool_objtotal, pools.nr_buf_pool_objsize);
    same("offset of the netmap_ifs", pools.nr_if_pool_offset, 0)?;
    same("offset of the rings", pools.nr_ring_pool_offset, ifs)?;
    same(
        "offset of the buffers",
        pools.nr_buf_pool_offset,
        ifs + rings,
    )?;
    same("memsize", pools.nr_memsize, ifs + rings + bufs)?;
    for offset in [ifs, ifs + rings, pools.nr_memsize] {
        same("offset modulo the page size", offset % 4096, 0)?;
    }
    Ok(())
}

fn item_055_pools_lie_one_after_the_other() -> Outcome {
    for port in [
        vale("vale55:x").slots(64, 64),
        shared("vale55:y"),
        vale("vale55:z").rings(16, 16).slots(1000, 2000).extra(100),
    ] {
        let name = String::from_utf8_lossy(&port.name).into_owned();
        let bound = port.bind()?;
        let pools = works("POOLS_INFO_GET", pools_info(&name, 0))?;
        check_pools(&pools)?;
        same("region", pools.nr_mem_id, bound.reg.nr_mem_id)?;
        same("size", pools.nr_memsize, bound.reg.nr_memsize)?;
        let ring = bound.tx(0);
        same(
            "size of a buffer",
            pools.nr_buf_pool_objsize,
            ring.buf_size(),
        )?;
        same(
            "start of the buffers",
            pools.nr_buf_pool_offset,
            ring.buffers(),
        )?;
        let first = pools.nr_ring_pool_offset;
        let from = (ring.offset() - first) % u64::from(pools.nr_ring_pool_objsize);
        same("place of a ring in its object", from, 0)?;
        let from = bound.reg.nr_offset % u64::from(pools.nr_if_pool_objsize);
        same("place of the netmap_if in its object", from, 0)?;
    }
    Ok(())
}

fn item_055_shared_region_has_the_documented_size() -> Outcome {
    let pools = pools_info("vale55:x", GLOBAL_MEM_ID)?;
    check_pools(&pools)?;
    same("memsize", pools.nr_memsize, 343_019_520)?;
    let counts = (
        pools.nr_if_pool_objtotal,
        pools.nr_ring_pool_objtotal,
        pools.nr_buf_pool_objtotal,
    );
    same("objects", counts, (100, 200, 163_840))?;
    let sizes = (
        pools.nr_if_pool_objsize,
        pools.nr_ring_pool_objsize,
        pools.nr_buf_pool_objsize,
    );
    same("sizes", sizes, (1024, 36_864, 2048))?;
    same(
        "size by PORT_INFO_GET",
        region_size(GLOBAL_MEM_ID)?,
        343_019_520,
    )?;
    same("size by id 0", region_size(0)?, 343_019_520)
}

fn item_055_pools_info_needs_a_name_and_leaves_no_port() -> Outcome {
    fails("without a name", pools_info("", 0), Errno::ENXIO)?;
    fails(
        "of a missing interface",
        pools_info("no_such_if", 0),
        Errno::ENXIO,
    )?;
    let pools = works("of a port that does not exist", pools_info("vale55:x", 0))?;
    that("a region of its own", pools.nr_mem_id > 1)?;
    fails(
        "its region afterwards",
        region_size(pools.nr_mem_id),
        Errno::EINVAL,
    )?;
    fails("VALE_LIST afterwards", vale_find("vale55:x"), Errno::ENOENT)
}

fn item_066_mapping_keeps_the_port_after_close() -> Outcome {
    let exclusive = vale("vale66:x").slots(64, 64).flags(NR_EXCLUSIVE);
    let Bound { map, device, reg } = exclusive.clone().bind()?;
    drop(device);
    fails(
        "REGISTER after close",
        exclusive.clone().try_bind(),
        Errno::EBUSY,
    )?;
    same("switch after close", vale_find("vale66:x")?.1, 0)?;
    same(
        "netmap_if after close",
        map.read::<IfHeader>(reg.nr_offset).ni_tx_rings,
        1,
    )?;
    map.write(reg.nr_memsize - 1, 0xa5u8);
    same("last byte", map.read::<u8>(reg.nr_memsize - 1), 0xa5)?;
    drop(map);
    works("REGISTER after munmap", exclusive.try_bind())
}

fn item_067_region_id_goes_with_its_last_user() -> Outcome {
    let first = vale("vale67:x").slots(64, 64).bind()?;
    let id = first.reg.nr_mem_id;
    let second = null(id).bind()?;
    drop(first);
    works("the id with a user left", region_size(id))?;
    works(
        "joining it",
        vale("vale67:y").slots(64, 64).mem(id).try_bind(),
    )?;
    drop(second);
    fails("PORT_INFO_GET", region_size(id), Errno::EINVAL)?;
    fails("REGISTER, a null port", null(id).try_bind(), Errno::EINVAL)?;
    let result = vale("vale67:y").slots(64, 64).mem(id).try_bind();
    fails("REGISTER, a VALE port", result, Errno::EINVAL)
}

fn item_068_next_opening_has_the_default_region_again() -> Outcome {
    let elsewhere = shared("vale68:x").bind()?;
    same("region asked for", elsewhere.reg.nr_mem_id, GLOBAL_MEM_ID)?;
    drop(elsewhere);
    let again = vale("vale68:x").slots(64, 64).bind()?;
    that("a region of its own", again.reg.nr_mem_id > 1)
}

fn item_069_ring_larger_than_a_ring_object() -> Outcome {
    // 256 + 16 * 2288 bytes are just what the shared region's ring objects have.
    for slots in [2289, 4096] {
        for (tx, rx) in [(slots, 64), (64, slots)] {
            let result = shared("vale69:x").slots(tx, rx).try_bind();
            fails(format!("{tx} and {rx} slots"), result, Errno::ENOMEM)?;
            fails("VALE_LIST afterwards", vale_find("vale69:x"), Errno::ENOENT)?;
        }
    }
    let fits = works("2288 slots", shared("vale69:x").slots(2288, 2288).bind())?;
    same("slots", fits.tx(0).n(), 2288)
}
