// SPDX-License-Identifier: MIT OR Apache-2.0

//! The extension that tells what REGISTER would return, without binding anything.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::hostile::OptionList;
use crate::harness::raw::request::vale_list;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::{small_region_one, write_parameter};
use crate::harness::why::why;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{
    consts::*,
    ext::{NmreqOptRegion, FERROMAP_OPT_REGION, FERROMAP_REQ_PROBE},
    wire::NmreqOption,
};
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    probe_answers_what_register_does,
    probe_refuses_what_nobody_honours,
    probe_takes_nothing;
    slow:
    probe_answers_for_every_kind_of_interface,
];

/// PROBE with this name and body.
fn probe(device: &Device, ask: &Reg) -> Result<(), Errno> {
    let mut body = ask.body;
    let mut header = header(FERROMAP_REQ_PROBE, &ask.name);
    header.nr_body = address(&mut body);
    header.nr_options = ask.options;
    device.ctrl(&mut header)
}

/// Both have the same errno and the same sentence. Tells whether they are refused.
#[track_caller]
fn agree(mut ask: Reg) -> Outcome<bool> {
    let told = |device: &Device, answer: Result<(), Errno>| -> Outcome<_> {
        match answer {
            Ok(()) => Ok((None, String::new())),
            Err(errno) => Ok((Some(errno), why(device)?.1)),
        }
    };
    let device = Device::open()?;
    let answer = probe(&device, &ask);
    let probed = told(&device, answer)?;
    let device = Device::open()?;
    let answer = ask.send(&device);
    let bound = told(&device, answer)?;
    let name = String::from_utf8_lossy(&ask.name).into_owned();
    let refused = bound.0.is_some();
    same(format!("PROBE and REGISTER of {name}"), probed, bound)?;
    Ok(refused)
}

fn probe_answers_what_register_does() -> Outcome {
    wire()?;
    let held = vale("fm1").one(0).flags(NR_EXCLUSIVE).bind()?;
    for (ask, refused) in [
        (vale("fm0"), false),
        (vale("fm0").mode(NR_REG_SW), false),
        (vale("fm0").one(1), true),
        (vale("fm0").mode(77), true),
        (vale("fm1"), true),
        (vale("fm1").mode(NR_REG_SW), false),
        (vale("nosuch0"), true),
        (vale("valeprobe:a").slots(64, 64), false),
        (vale("valeprobe:fm0"), true),
        (vale("valeprobe"), true),
        (vale("fm0").mem(4711), true),
        (vale(""), true),
    ] {
        same(format!("{:?}", ask.body.nr_mode), agree(ask)?, refused)?;
    }
    drop(held);
    same("free again", agree(vale("fm1"))?, false)?;
    ip("link set fm1 mtu 32769")?;
    same("a large MTU", agree(vale("fm1"))?, true)?;
    write_parameter("admode", "1")?;
    same("native mode only", agree(vale("fm0"))?, true)?;
    write_parameter("admode", "0")?;
    let device = Device::open()?;
    works("REGISTER", vale("fm0").send(&device))?;
    fails(
        "of a bound file",
        probe(&device, &vale("fm1")),
        Errno::EBUSY,
    )
}

// PROBE ignored options that REGISTER is refused for.
fn probe_refuses_what_nobody_honours() -> Outcome {
    let shared = vale("valeprobe:o").slots(64, 64).bind()?;
    let alone = vale("valeprobe:e")
        .slots(64, 64)
        .flags(NR_EXCLUSIVE)
        .bind()?;
    let mut region = NmreqOptRegion {
        nro_opt: NmreqOption {
            nro_reqtype: FERROMAP_OPT_REGION,
            ..Default::default()
        },
        fd: shared.device.raw(),
        pad: 0,
    };
    let mut unknown = OptionList::of(&[NETMAP_REQ_OPT_MAX]);
    unknown.link(0, address(&mut region));
    for (options, refused) in [(address(&mut region), false), (unknown.first(), true)] {
        let ask = vale("valeprobe:n").slots(64, 64).options(options);
        same("refused", agree(ask)?, refused)?;
    }
    for name in ["valeprobe:e", "nosuch0"] {
        same(name, agree(vale(name).options(unknown.first()))?, true)?;
    }
    drop(alone);
    Ok(())
}

/// Interfaces on top of others, others' members, and those that take no hook.
fn probe_answers_for_every_kind_of_interface() -> Outcome {
    small_region_one()?;
    wire()?;
    let mut refused = 0;
    for (make, member) in [
        ("link add fmk type dummy", ""),
        ("link add fmk type bridge", "link set fm0 master fmk"),
        (
            "link add fmk type bond",
            "link set fm0 down;link set fm0 master fmk",
        ),
        ("link add fmk type vrf table 9", "link set fm0 master fmk"),
        ("link add link fm0 name fmk type macvlan", ""),
        ("link add link fm0 name fmk type macvtap", ""),
        ("link add link fm0 name fmk type ipvlan", ""),
        ("link add link fm0 name fmk type vlan id 7", ""),
        ("link add fmk type ifb", ""),
        ("link add fmk type sit local 10.0.0.1", ""),
        (
            "link add fmk type vxlan id 1 local 10.0.0.1 dstport 4789",
            "",
        ),
    ] {
        // Not every kernel has every kind.
        if ip(make).is_err() {
            continue;
        }
        member
            .split(';')
            .filter(|m| !m.is_empty())
            .try_for_each(ip)?;
        for name in ["fmk", "fm0"] {
            refused += usize::from(agree(vale(name))?);
        }
        ip("link del fmk")?;
        ip("link set fm0 up")?;
    }
    refused += usize::from(agree(vale("lo"))?);
    that(format!("{refused} are refused"), refused > 1)
}

fn probe_takes_nothing() -> Outcome {
    wire()?;
    let (sender, stack) = (Stack::on("fm1")?, Stack::on("fm0")?);
    let device = Device::open()?;
    let frames = numbered(0..50);
    for frame in &frames {
        works("PROBE", probe(&device, &vale("fm0").mode(NR_REG_NIC_SW)))?;
        sender.send(frame)?;
    }
    same("the stack has", stack.receive(QUIET)?, frames)?;
    works("PROBE", probe(&device, &vale("valeprobe:a").slots(64, 64)))?;
    same("ports of switches", vale_list()?, vec![])?;
    ip("link add br0 type bridge")?;
    ip("link set fm0 master br0")?;
    // The file is as free as it was.
    works("REGISTER", vale("fm1").send(&device))
}
