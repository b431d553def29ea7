// SPDX-License-Identifier: MIT OR Apache-2.0

//! What changes switches and what is plugged into them, by the requests of today and by those of
//! old programs.

use super::sample::{small_regions, unless, Sample};
use crate::harness::attach::{attach, detach, poll_off, poll_on};
use crate::harness::check::*;
use crate::harness::persistent::{delif, newif};
use crate::harness::programs::{self, Programs};
use crate::harness::raw::request::legacy;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_fields_of_what_changes_switches,
    hostile_fields_of_what_is_plugged_in,
    hostile_fields_of_xdp,
    hostile_fields_of_old_commands
];

const PLUGGED: &str = "vale940:fm0";

fn unplugged() -> Outcome {
    let off = poll_off(PLUGGED);
    unless("POLLING_DISABLE", off, &[Errno::EFAULT, Errno::ENXIO])?;
    unless("VALE_DETACH", detach(PLUGGED), &[Errno::ENXIO])
}

fn plugged_in() -> Outcome {
    unless("VALE_ATTACH", attach(PLUGGED), &[Errno::EBUSY])?;
    unless("POLLING_DISABLE", poll_off(PLUGGED), &[Errno::EFAULT])
}

fn polled() -> Outcome {
    unless("VALE_ATTACH", attach(PLUGGED), &[Errno::EBUSY])?;
    let on = poll_on(PLUGGED, NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1);
    unless("POLLING_ENABLE", on, &[Errno::EFAULT])
}

fn gone() -> Outcome {
    unless("VALE_DELIF", delif("fp940"), &[Errno::ENXIO])
}

fn there() -> Outcome {
    unless("VALE_NEWIF", newif("fp940"), &[Errno::EEXIST])
}

fn hostile_fields_of_what_changes_switches() -> Outcome {
    wire()?;
    small_regions()?;
    let _port = shared("vale940:b").bind()?;
    let header_of = NmreqPortHdr {
        nr_hdr_len: 12,
        ..NmreqPortHdr::default()
    };
    for sample in [
        Sample::new(
            "PORT_HDR_SET",
            NETMAP_REQ_PORT_HDR_SET,
            "vale940:b",
            header_of,
        ),
        Sample::new(
            "VALE_NEWIF",
            NETMAP_REQ_VALE_NEWIF,
            "fp940",
            NmreqValeNewif::default(),
        )
        .again(gone),
        Sample::bare("VALE_DELIF", NETMAP_REQ_VALE_DELIF, "fp940").again(there),
    ] {
        sample.try_all()?;
    }
    gone()
}

fn hostile_fields_of_what_is_plugged_in() -> Outcome {
    wire()?;
    small_regions()?;
    let plug = NmreqValeAttach {
        reg: NmreqRegister {
            nr_mode: NR_REG_ALL_NIC,
            ..NmreqRegister::default()
        },
        ..NmreqValeAttach::default()
    };
    let polling = NmreqValePolling {
        nr_mode: NETMAP_POLLING_MODE_SINGLE_CPU,
        nr_num_polling_cpus: 1,
        ..NmreqValePolling::default()
    };
    let polling_of = |what, reqtype| Sample::new(what, reqtype, PLUGGED, polling);
    for sample in [
        Sample::new("VALE_ATTACH", NETMAP_REQ_VALE_ATTACH, PLUGGED, plug).again(unplugged),
        Sample::new(
            "VALE_DETACH",
            NETMAP_REQ_VALE_DETACH,
            PLUGGED,
            NmreqValeDetach::default(),
        )
        .again(plugged_in),
        polling_of("POLLING_ENABLE", NETMAP_REQ_VALE_POLLING_ENABLE).again(plugged_in),
        polling_of("POLLING_DISABLE", NETMAP_REQ_VALE_POLLING_DISABLE).again(polled),
    ] {
        sample.try_all()?;
    }
    unplugged()
}

fn hostile_fields_of_xdp() -> Outcome {
    small_regions()?;
    let _port = shared("vale940:b").bind()?;
    let programs = Programs::load()?;
    let program = NmreqXdp {
        fd: programs.fd("drop"),
        ..NmreqXdp::default()
    };
    // A port, and the whole switch.
    for place in ["vale940:b", "vale940:"] {
        let off = || unless("XDP_DETACH", programs::detach(place), &[Errno::ENOENT]);
        let on = || {
            unless(
                "XDP_ATTACH",
                programs.attach(place, "drop"),
                &[Errno::EBUSY],
            )
        };
        Sample::new("XDP_ATTACH", FERROMAP_REQ_XDP_ATTACH, place, program)
            .again(off)
            .try_all()?;
        Sample::new(
            "XDP_DETACH",
            FERROMAP_REQ_XDP_DETACH,
            place,
            NmreqXdp::zeroed(),
        )
        .again(on)
        .try_all()?;
        off()?;
    }
    Ok(())
}

/// `NIOCREGIF` and `NIOCGINFO` with the commands that stand for other requests.
fn hostile_fields_of_old_commands() -> Outcome {
    wire()?;
    small_regions()?;
    // An interface, its host and what faces both are in one region.
    write_parameter("generic_ringsize", "64")?;
    let _port = shared("vale940:b").bind()?;
    let polling = |what, nr_cmd| {
        let request = Nmreq {
            nr_cmd,
            nr_arg1: 1,
            nr_flags: NR_REG_ALL_NIC,
            ..legacy(PLUGGED)
        };
        Sample::old(what, NIOCREGIF, request)
    };
    let listed = Nmreq {
        nr_cmd: NETMAP_BDG_LIST,
        ..legacy("")
    };
    let command = Sample::command;
    for sample in [
        command("old ATTACH", PLUGGED, NETMAP_BDG_ATTACH, NETMAP_BDG_HOST).again(unplugged),
        command("old DETACH", PLUGGED, NETMAP_BDG_DETACH, 0).again(plugged_in),
        polling("old POLLING_ON", NETMAP_BDG_POLLING_ON).again(plugged_in),
        polling("old POLLING_OFF", NETMAP_BDG_POLLING_OFF).again(polled),
        command("old NEWIF", "fp940", NETMAP_BDG_NEWIF, 0).again(gone),
        command("old DELIF", "fp940", NETMAP_BDG_DELIF, 0).again(there),
        command("old VNET_HDR", "vale940:b", NETMAP_BDG_VNET_HDR, 12),
        command("old VNET_HDR_GET", "vale940:b", NETMAP_VNET_HDR_GET, 0),
        Sample::old("old LIST", NIOCGINFO, listed),
    ] {
        sample.try_all()?;
    }
    unplugged()?;
    gone()
}
