// SPDX-License-Identifier: MIT OR Apache-2.0

//! VALE_NEWIF and VALE_DELIF: items 138 to 140 and 187.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::module::unload;
use crate::harness::persistent::*;
use crate::harness::raw::device::header;
use crate::harness::raw::request::{legacy, port_info, region_size, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::why::says;
use crate::harness::wire::{ip, wire};
use crate::harness::Case;
use ferromap_abi::{consts::*, wire::*};
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_138_a_network_device_is_made,
    item_138_sizes_are_as_for_other_ports,
    item_138_names_that_no_device_can_have,
    item_139_who_can_be_deleted,
    item_140_it_stays_and_holds_the_module,
    item_187_legacy_commands_make_and_delete
    ; slow:
    persistent_made_and_deleted_many_times
];

fn item_138_a_network_device_is_made() -> Outcome {
    wire()?;
    let made = works("made", newif("p0"))?;
    same("rings", (made.nr_tx_rings, made.nr_rx_rings), (1, 1))?;
    same("slots", (made.nr_tx_slots, made.nr_rx_slots), (1024, 1024))?;
    that("a region of its own", made.nr_mem_id > GLOBAL_MEM_ID)?;
    let info = works("its rings", port_info("p0", Default::default()))?;
    same("region", info.nr_mem_id, made.nr_mem_id)?;
    same(
        "no host rings",
        (info.nr_host_tx_rings, info.nr_host_rx_rings),
        (0, 0),
    )?;
    same("MTU", told("p0", "mtu")?, "1500")?;
    same("it is Ethernet", told("p0", "link_type")?, "ether")?;
    same("kind", told("p0", "info_kind")?, "netmap")?;
    works("another", newif("p1"))?;
    differs("address", told("p0", "address")?, told("p1", "address")?)?;
    for mtu in [68, 9000, 65535] {
        ip(&format!("link set p0 mtu {mtu}"))?;
    }
    ip("link set p0 address 02:fe:00:00:00:77")?;
    same("address", told("p0", "address")?, "02:fe:00:00:00:77")?;
    ip("address add 192.0.2.1/24 dev p0")?;
    for name in ["p0", "fm0", "lo"] {
        let device = Device::open()?;
        let mut body = NmreqValeNewif::default();
        let again = device.request(NETMAP_REQ_VALE_NEWIF, name, &mut body);
        fails(format!("{name} again"), again, Errno::EEXIST)?;
        says(&device, Errno::EEXIST, &[name, "already"])?;
    }
    works("deleted", delif("p0"))?;
    works("the other", delif("p1"))?;
    that("gone", told("p0", "mtu").is_err())?;
    fails("its region", region_size(made.nr_mem_id), Errno::EINVAL)
}

fn item_138_sizes_are_as_for_other_ports() -> Outcome {
    wire()?;
    let wish = |rings, slots, mem| NmreqValeNewif {
        nr_tx_slots: slots,
        nr_rx_slots: slots / 2,
        nr_tx_rings: rings,
        nr_rx_rings: rings + 1,
        nr_mem_id: mem,
        pad1: 0,
    };
    for (rings, slots, want) in [
        (2, 256, (256, 128, 2, 3)),
        (15, 4096, (4096, 2048, 15, 16)),
        (16, 8194, (4096, 4096, 16, 16)),
        (999, 1 << 30, (4096, 4096, 16, 16)),
    ] {
        let got = works("made", newif_with("p0", wish(rings, slots, 0)))?;
        let sizes = (
            got.nr_tx_slots,
            got.nr_rx_slots,
            got.nr_tx_rings,
            got.nr_rx_rings,
        );
        same("sizes", sizes, want)?;
        works("as obtained", delif("p0"))?;
        let again = works(
            "made",
            newif_with(
                "p0",
                NmreqValeNewif {
                    nr_mem_id: 0,
                    ..got
                },
            ),
        )?;
        same("queues", told("p0", "num_tx_queues")?, want.2.to_string())?;
        same("queues", told("p0", "num_rx_queues")?, want.3.to_string())?;
        same("again", again.nr_tx_slots, want.0)?;
        works("deleted", delif("p0"))?;
    }
    let got = works("shared", newif_with("p0", wish(1, 64, GLOBAL_MEM_ID)))?;
    same("region", got.nr_mem_id, GLOBAL_MEM_ID)?;
    works("bound there", vale("p0").bind())?;
    works("deleted", delif("p0"))?;
    fails(
        "no such region",
        newif_with("p0", wish(1, 64, 4711)),
        Errno::EINVAL,
    )?;
    that("nothing came of it", told("p0", "mtu").is_err())
}

fn item_138_names_that_no_device_can_have() -> Outcome {
    wire()?;
    let before = live();
    for name in [
        "",
        "vale0",
        "vale0:p",
        "valet",
        "abcdefghijklmnop",
        "abcdefghijklmnopq",
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "a\tb",
        "p%d",
        "%d",
        "p%s",
        "%",
    ] {
        let device = Device::open()?;
        let mut body = NmreqValeNewif::default();
        let refused = device.request(NETMAP_REQ_VALE_NEWIF, name, &mut body);
        fails(format!("the name `{name}`"), refused, Errno::EINVAL)?;
        says(&device, Errno::EINVAL, &["characters"])?;
        fails(format!("deleting `{name}`"), delif(name), Errno::ENXIO)?;
    }
    same("nothing is left", live(), before)?;
    for name in ["abcdefghijklmno", "val", "p{1", "-x", "\u{e9}"] {
        works(format!("the name `{name}`"), newif(name))?;
        works("it opens", vale(name).bind())?;
        works("deleted", delif(name))?;
    }
    Ok(())
}

fn item_139_who_can_be_deleted() -> Outcome {
    wire()?;
    fails("missing", delif("p0"), Errno::ENXIO)?;
    for name in ["fm0", "lo"] {
        fails(name, delif(name), Errno::EINVAL)?;
    }
    let device = Device::open()?;
    let refused = |want: &[&str]| -> Outcome {
        let mut request = header(NETMAP_REQ_VALE_DELIF, b"p0");
        fails("DELIF", device.ctrl(&mut request), Errno::EBUSY)?;
        says(&device, Errno::EBUSY, want)
    };
    works("made", newif("p0"))?;
    let bound = vale("p0").bind()?;
    refused(&["p0", "open"])?;
    drop(bound);
    works("plugged in", attach("vale139:p0"))?;
    refused(&["p0", "vale139:p0", "-d"])?;
    let bound = vale("vale139:p0").bind()?;
    refused(&["open"])?;
    works("pulled out", detach("vale139:p0"))?;
    refused(&["open"])?;
    drop(bound);
    works("deleted", delif("p0"))?;
    fails("twice", delif("p0"), Errno::ENXIO)
}

fn item_140_it_stays_and_holds_the_module() -> Outcome {
    wire()?;
    let device = Device::open()?;
    works(
        "made",
        device.request(NETMAP_REQ_VALE_NEWIF, "p0", &mut NmreqValeNewif::default()),
    )?;
    drop(device);
    drop(vale("p0").bind()?);
    same("it is there", told("p0", "mtu")?, "1500")?;
    fails("unloading", unload(), Errno::EWOULDBLOCK)?;
    works("deleted", delif("p0"))?;
    same(
        "nothing is left",
        live().get("persistents").copied().unwrap_or(0),
        0,
    )
}

fn item_187_legacy_commands_make_and_delete() -> Outcome {
    wire()?;
    let device = Device::open()?;
    let call = |name: &str, cmd, wish: (u32, u16, u16)| {
        let mut request = Nmreq {
            nr_cmd: cmd,
            nr_tx_slots: wish.0,
            nr_tx_rings: wish.1,
            nr_arg2: wish.2,
            ..legacy(name)
        };
        device.regif(&mut request).map(|()| request)
    };
    let made = works("NEWIF", call("p0", NETMAP_BDG_NEWIF, (100, 2, 0)))?;
    let sizes = (
        made.nr_tx_slots,
        made.nr_rx_slots,
        made.nr_tx_rings,
        made.nr_rx_rings,
    );
    same("sizes", sizes, (100, 1024, 2, 1))?;
    that("a region", made.nr_arg2 > GLOBAL_MEM_ID)?;
    fails(
        "again",
        call("p0", NETMAP_BDG_NEWIF, (0, 0, 0)),
        Errno::EEXIST,
    )?;
    fails(
        "a bad name",
        call("vale0:p", NETMAP_BDG_NEWIF, (0, 0, 0)),
        Errno::EINVAL,
    )?;
    fails(
        "no region",
        call("p1", NETMAP_BDG_NEWIF, (0, 0, 4711)),
        Errno::EINVAL,
    )?;
    works("ATTACH", call("vale187:p0", NETMAP_BDG_ATTACH, (0, 0, 0)))?;
    same("ports", vale_list()?.len(), 1)?;
    fails(
        "DELIF",
        call("p0", NETMAP_BDG_DELIF, (0, 0, 0)),
        Errno::EBUSY,
    )?;
    works("DETACH", call("vale187:p0", NETMAP_BDG_DETACH, (0, 0, 0)))?;
    fails(
        "DELIF",
        call("fm0", NETMAP_BDG_DELIF, (0, 0, 0)),
        Errno::EINVAL,
    )?;
    works("DELIF", call("p0", NETMAP_BDG_DELIF, (0, 0, 0)))?;
    fails(
        "DELIF",
        call("p0", NETMAP_BDG_DELIF, (0, 0, 0)),
        Errno::ENXIO,
    )
    .map(drop)
}

fn persistent_made_and_deleted_many_times() -> Outcome {
    wire()?;
    let before = live();
    for round in 0..100 {
        works("made", newif("p0"))?;
        if round % 2 == 0 {
            works("plugged in", attach("vale194:p0"))?;
            drop(vale("vale194:p0").slots(64, 64).bind()?);
            works("pulled out", detach("vale194:p0"))?;
        }
        works("deleted", delif("p0"))?;
    }
    same("nothing is left", live(), before)
}
