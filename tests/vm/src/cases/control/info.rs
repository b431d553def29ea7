// SPDX-License-Identifier: MIT OR Apache-2.0

//! What requests tell without binding anything: PORT_INFO_GET (section 7.4 of the interface), and
//! the extension that says in words why a request was refused.

use crate::harness::check::*;
use crate::harness::raw::request::{port_info, region_size, vale_find};
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqWhy, FERROMAP_REQ_WHY};
use ferromap_abi::wire::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    port_info_shows_what_register_would_give,
    port_info_of_a_port_in_use_shows_the_port,
    port_info_without_a_name_shows_a_region,
    refused_requests_say_why,
    refused_legacy_requests_say_why,
];

fn port_info_shows_what_register_would_give() -> Outcome {
    let ask = NmreqPortInfoGet {
        nr_tx_slots: 64,
        nr_rx_slots: 128,
        nr_tx_rings: 3,
        nr_rx_rings: 2,
        ..Default::default()
    };
    let info = works("PORT_INFO_GET", port_info("valeinfo:x", ask))?;
    fails(
        "VALE_LIST afterwards",
        vale_find("valeinfo:x"),
        Errno::ENOENT,
    )?;
    fails(
        "its region afterwards",
        region_size(info.nr_mem_id),
        Errno::EINVAL,
    )?;
    let reg = vale("valeinfo:x").rings(3, 2).slots(64, 128).bind()?.reg;
    same("rings", (info.nr_tx_rings, info.nr_rx_rings), (3, 2))?;
    same("slots", (info.nr_tx_slots, info.nr_rx_slots), (64, 128))?;
    same(
        "host rings",
        (info.nr_host_tx_rings, info.nr_host_rx_rings),
        (0, 0),
    )?;
    same("size of the region", info.nr_memsize, reg.nr_memsize)?;

    let info = works(
        "PORT_INFO_GET with zeroes",
        port_info("valeinfo:y", Default::default()),
    )?;
    same(
        "default rings",
        (info.nr_tx_rings, info.nr_rx_rings),
        (1, 1),
    )?;
    same(
        "default slots",
        (info.nr_tx_slots, info.nr_rx_slots),
        (1024, 1024),
    )?;
    fails(
        "of a missing interface",
        port_info("no_such_if", ask),
        Errno::ENXIO,
    )
}

fn port_info_of_a_port_in_use_shows_the_port() -> Outcome {
    let held = vale("valeinfo:x")
        .rings(2, 1)
        .slots(64, 64)
        .flags(NR_EXCLUSIVE)
        .bind()?;
    let ask = NmreqPortInfoGet {
        nr_tx_rings: 9,
        nr_rx_rings: 9,
        ..Default::default()
    };
    let info = works("PORT_INFO_GET", port_info("valeinfo:x", ask))?;
    same("rings", (info.nr_tx_rings, info.nr_rx_rings), (2, 1))?;
    same("slots", (info.nr_tx_slots, info.nr_rx_slots), (64, 64))?;
    same("region", info.nr_mem_id, held.reg.nr_mem_id)?;
    same("size of the region", info.nr_memsize, held.reg.nr_memsize)
}

fn port_info_without_a_name_shows_a_region() -> Outcome {
    let shared = region_size(GLOBAL_MEM_ID)?;
    let info = port_info("", Default::default())?;
    same("region for id 0", info.nr_mem_id, GLOBAL_MEM_ID)?;
    same("its size", info.nr_memsize, shared)?;
    let bound = vale("valeinfo:x").slots(64, 64).bind()?;
    let private = region_size(bound.reg.nr_mem_id)?;
    same("size of a private region", private, bound.reg.nr_memsize)
}

/// Why the last request on this device was refused: the request, the errno, the sentence.
fn why(device: &Device) -> Result<(u32, u32, String), Errno> {
    let mut body = NmreqWhy::zeroed();
    device.request(FERROMAP_REQ_WHY, "", &mut body)?;
    Ok((body.reqtype, body.errno, body.text().to_string()))
}

fn refused_requests_say_why() -> Outcome {
    let device = Device::open()?;
    same("before any request", why(&device)?.1, 0)?;
    for (mut request, errno) in [
        (vale("no_such_if"), Errno::ENXIO),
        (vale("valewhy:x").mode(9), Errno::EINVAL),
        (vale("valewhy:x").mem(4000), Errno::EINVAL),
        (shared("valewhy:x").slots(4096, 4096), Errno::ENOMEM),
    ] {
        let name = String::from_utf8_lossy(&request.name).into_owned();
        fails(format!("REGISTER of {name}"), request.send(&device), errno)?;
        let (reqtype, got, text) = why(&device)?;
        same("request", reqtype, NETMAP_REQ_REGISTER.into())?;
        same("errno", got, errno as u32)?;
        that(format!("a sentence, got {text:?}"), text.contains(' '))?;
    }
    let (_, _, text) = why(&device)?;
    that(
        format!("the parameter to raise in {text:?}"),
        text.contains("ring_size"),
    )?;
    // Each file has its own.
    same("on another file", why(&Device::open()?)?.1, 0)
}

fn refused_legacy_requests_say_why() -> Outcome {
    let device = Device::open()?;
    let mut request = request::legacy("no_such_if");
    fails("NIOCREGIF", device.regif(&mut request), Errno::ENXIO)?;
    let (reqtype, errno, text) = why(&device)?;
    same("request", reqtype, NETMAP_REQ_REGISTER.into())?;
    same("errno", errno, Errno::ENXIO as u32)?;
    that(format!("the name in {text:?}"), text.contains("no_such_if"))
}
