// SPDX-License-Identifier: MIT OR Apache-2.0

//! `NIOCREGIF` with a command, which stands for another request, and `NIOCCONFIG`: items 187 and
//! 188.

use super::legacy::{regif, small};
use crate::harness::check::*;
use crate::harness::raw::device::address;
use crate::harness::raw::request::{legacy, set_vnet_hdr, vale_find, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::Nmreq;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_187_commands_act_as_their_counterparts,
    item_188_unknown_commands_are_invalid,
];

/// `NIOCREGIF` with a command.
fn command(device: &Device, name: &str, nr_cmd: u16, nr_arg1: u16) -> Result<Nmreq, Errno> {
    let mut request = Nmreq {
        nr_cmd,
        nr_arg1,
        ..legacy(name)
    };
    device.regif(&mut request).map(|()| request)
}

fn item_187_commands_act_as_their_counterparts() -> Outcome {
    let device = Device::open()?;
    let (bound, _) = regif(small("vale187:a"))?;
    for len in [12, 10, 0] {
        works(
            "VNET_HDR",
            command(&device, "vale187:a", NETMAP_BDG_VNET_HDR, len),
        )?;
        same("by the new call", vnet_hdr("vale187:a")?, len.into())?;
    }
    set_vnet_hdr("vale187:a", 10)?;
    let answer = works(
        "VNET_HDR_GET",
        command(&device, "vale187:a", NETMAP_VNET_HDR_GET, 77),
    )?;
    same("length", answer.nr_arg1, 10)?;
    fails(
        "a bad length",
        command(&device, "vale187:a", NETMAP_BDG_VNET_HDR, 11),
        Errno::EINVAL,
    )?;
    for cmd in [NETMAP_BDG_VNET_HDR, NETMAP_VNET_HDR_GET] {
        fails(
            "a missing port",
            command(&device, "vale187:b", cmd, 0),
            Errno::ENXIO,
        )?;
    }
    // Commands bind nothing.
    fails("sync", device.txsync(), Errno::ENXIO)?;
    works(
        "on a bound file",
        command(&bound.device, "vale187:a", NETMAP_BDG_VNET_HDR, 0),
    )
    .map(drop)
}

fn item_188_unknown_commands_are_invalid() -> Outcome {
    let device = Device::open()?;
    for cmd in [3, 4, 5 + 8, 14, 99, 0x8000, u16::MAX] {
        let refused = command(&device, "vale188:a", cmd, 0);
        fails(format!("nr_cmd {cmd}"), refused, Errno::EINVAL)?;
    }
    for cmd in [NETMAP_PT_HOST_CREATE, NETMAP_PT_HOST_DELETE] {
        let refused = command(&device, "vale188:a", cmd, 0);
        fails("no passthrough ports", refused, Errno::ENOMEM)?;
    }
    let mut config = [0u64; 34];
    let refused = device.ioctl(NIOCCONFIG, address(&mut config));
    fails("NIOCCONFIG", refused, Errno::EINVAL)?;
    fails("no port came of it", vale_find("vale188:a"), Errno::ENOENT)?;
    works("the device", device.regif(&mut small("vale188:a")))
}
