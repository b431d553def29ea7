// SPDX-License-Identifier: MIT OR Apache-2.0

//! What changes switches: interfaces that are attached and polled, persistent ports, XDP programs.

use super::each::*;
use crate::harness::attach::{poll_off, Attached};
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::persistent::{delif, made};
use crate::harness::programs::{detach, Programs};
use crate::harness::raw::request::{legacy, pools_info, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::wire::{wait_for, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqXdp, FERROMAP_REQ_XDP_ATTACH};
use ferromap_abi::wire::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_memory_fails_in_xdp_attach,
    hostile_memory_fails_in_attach,
    hostile_memory_fails_in_attach_in_a_region,
    hostile_memory_fails_in_polling,
    hostile_memory_fails_in_newif,
    hostile_memory_fails_in_legacy_newif,
    hostile_memory_fails_in_plugging_in,
];

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

/// By the call of an old program.
fn hostile_memory_fails_in_legacy_newif() -> Outcome {
    wire()?;
    let make = |device: &Device| {
        let mut request = legacy("p0");
        request.nr_cmd = NETMAP_BDG_NEWIF;
        (request.nr_tx_slots, request.nr_rx_slots) = (64, 64);
        device.regif(&mut request)?;
        Ok(Made("p0"))
    };
    let count = each_failure(new_device, make, refused)?;
    that(format!("some allocations, got {count}"), count > 4)?;
    fails("an interface that is left", delif("p0"), Errno::ENXIO)
}

const PLUGGED: &str = "vale964:fm0";

/// Polled, until this is dropped.
struct Polled;

impl Drop for Polled {
    fn drop(&mut self) {
        let _ = poll_off(PLUGGED);
    }
}

/// Threads that poll cannot be started, and those that wait go on; and the other way round.
fn hostile_memory_fails_in_polling() -> Outcome {
    wire()?;
    let a = vale("vale964:a").slots(64, 64).bind()?;
    let _plugged = Attached::new(PLUGGED)?;
    let far = vale("fm1").bind()?;
    let carried = || -> Outcome {
        let frames = numbered(0..9);
        a.send(&frames)?;
        same("frames", wait_for(&far, 9)?, frames)
    };
    let ask = |device: &Device, reqtype, mode| {
        let mut body = NmreqValePolling {
            nr_mode: mode,
            nr_num_polling_cpus: 1,
            ..NmreqValePolling::default()
        };
        device.request(reqtype, PLUGGED, &mut body)
    };
    for mode in [
        NETMAP_POLLING_MODE_SINGLE_CPU,
        NETMAP_POLLING_MODE_MULTI_CPU,
    ] {
        let on =
            |device: &Device| ask(device, NETMAP_REQ_VALE_POLLING_ENABLE, mode).map(|()| Polled);
        let count = each_failure(new_device, on, |span, failed, result| {
            refused(span, failed, result)?;
            if result.is_err() {
                fails("what is not polled", poll_off(PLUGGED), Errno::EFAULT)?;
            }
            carried()
        })?;
        that(format!("some allocations, got {count}"), count > 2)?;
        let polled = || -> Outcome<(Device, Polled)> {
            let device = Device::open()?;
            Ok((device, works("POLLING_ENABLE", on(&Device::open()?))?))
        };
        let off =
            |(device, _): &(Device, Polled)| ask(device, NETMAP_REQ_VALE_POLLING_DISABLE, mode);
        let count = each_failure(polled, off, |span, failed, result| {
            refused(span, failed, result)?;
            if result.is_err() {
                let again = on(&Device::open()?).map(drop);
                fails("what is polled", again, Errno::EFAULT)?;
            }
            carried()
        })?;
        that(format!("some allocations, got {count}"), count > 2)?;
    }
    Ok(())
}
