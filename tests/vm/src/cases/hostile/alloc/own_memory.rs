// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER of every kind of port in memory of the program's own (`NETMAP_REQ_OPT_EXTMEM`).

use super::each::*;
use crate::harness::check::*;
use crate::harness::persistent;
use crate::harness::raw::device::{address, Mapping};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::wait_until;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::fs;
use std::sync::Arc;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_memory_fails_in_register_extmem,
    hostile_memory_fails_in_register_extmem_of_every_kind,
    hostile_memory_fails_in_register_extmem_that_is_there,
];

const BYTES: u64 = 2 << 20;

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

/// REGISTER in that memory on a device, and a sync. The region's number.
fn within(device: &Device, ask: &Reg, map: &Mapping) -> Result<u16, Errno> {
    let mut option = extmem::option(map.at(0) as u64, extmem::few(BYTES));
    let mut ask = ask.clone().options(address(&mut option));
    ask.send(device)?;
    device.txsync()?;
    device.rxsync()?;
    Ok(option.nro_info.nr_mem_id)
}

/// How many pages of processes the kernel keeps where they are.
fn pinned() -> Outcome<i64> {
    // Counts that CPUs still have for themselves are added up by that.
    fs::write("/proc/sys/vm/stat_refresh", "1")?;
    let text = fs::read_to_string("/proc/vmstat")?;
    let of = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let value = value.and_then(|value| value.trim().parse::<i64>().ok());
        value.ok_or_else(|| failure(format!("no {name} in /proc/vmstat")))
    };
    Ok(of("nr_foll_pin_acquired ")? - of("nr_foll_pin_released ")?)
}

/// Those of ports that have a region of their own, or would be in region 1.
fn hostile_memory_fails_in_register_extmem_of_every_kind() -> Outcome {
    write_parameter("generic_ringsize", "64")?;
    wire()?;
    let watched = vale("vale965:w").slots(64, 64).bind()?;
    let small = |name: &str| vale(name).slots(32, 32);
    let kinds = [
        ("a null port", null(0)),
        ("an interface", vale("fm0")),
        ("host rings", vale("fm0").mode(NR_REG_SW)),
        ("both", vale("fm0").mode(NR_REG_NIC_SW)),
        ("a monitor", vale("vale965:w").flags(NR_MONITOR_TX)),
        ("a pipe on a new port", small("vale965:p{1")),
        ("a pipe on an interface", small("fm0{1")),
        ("a pipe on a new name", small("k0{1")),
    ];
    let map = extmem::anonymous(BYTES)?;
    let before = pinned()?;
    for (what, ask) in kinds {
        let blame = |e: Failure| failure(format!("{what}: {e}"));
        let attempt = |device: &Device| within(device, &ask, &map);
        let count = each_failure(new_device, attempt, |span, failed, result| {
            refused(span, failed, result)?;
            let elsewhere = result.is_ok_and(|id| id <= GLOBAL_MEM_ID);
            same("in other memory", elsewhere, false)
        });
        let count = count.map_err(blame)?;
        that(format!("two dozen of {what}, got {count}"), count > 24)?;
        wait_until("no page is pinned", || pinned().is_ok_and(|n| n == before)).map_err(blame)?;
    }
    // Still nobody has the interface, nor its name.
    drop(watched);
    same("left", request::vale_list()?, [])?;
    fails("k0", persistent::delif("k0"), Errno::ENXIO)
}

/// The region is there: what is brought once more is looked at, and goes again.
fn hostile_memory_fails_in_register_extmem_that_is_there() -> Outcome {
    write_parameter("generic_ringsize", "64")?;
    wire()?;
    let map: Arc<Mapping> = extmem::anonymous(BYTES)?;
    let small = |name: &str| vale(name).slots(32, 32);
    let ask = small("vale965:w");
    let (first, _) = works("the first", ask.bind_within(&map, extmem::few(BYTES)))?;
    let region = first.reg.nr_mem_id;
    let before = (pinned()?, request::free_buffers(region)?);
    same("pages", before.0 >= (BYTES / 4096) as i64, true)?;
    for (what, ask) in [
        ("the same port", vale("vale965:w")),
        ("another port", small("vale965:x")),
        ("a null port", null(0)),
        ("an interface", vale("fm0")),
        ("host rings", vale("fm0").mode(NR_REG_SW)),
        ("a monitor", small("vale965:w").flags(NR_MONITOR_RX)),
        (
            "a zero-copy monitor",
            small("vale965:w").flags(NR_ZCOPY_MON),
        ),
        ("a pipe", small("vale965:w{1")),
    ] {
        let blame = |e: Failure| failure(format!("{what}: {e}"));
        let attempt = |device: &Device| within(device, &ask, &map);
        let count = each_failure(new_device, attempt, |span, failed, result| {
            refused(span, failed, result)?;
            let elsewhere = result.is_ok_and(|id| id != region);
            same("in other memory", elsewhere, false)
        });
        let count = count.map_err(blame)?;
        that(format!("some of {what}, got {count}"), count > 8)?;
        let left = || Ok::<_, Failure>((pinned()?, request::free_buffers(region)?));
        wait_until("nothing is left", || {
            left().is_ok_and(|left| left == before)
        })
        .map_err(blame)?;
    }
    Ok(())
}
