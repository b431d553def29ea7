// SPDX-License-Identifier: MIT OR Apache-2.0

//! What attached interfaces are called.

use crate::harness::attach::{attach, attach_as, detach, poll_off, poll_on, Attached};
use crate::harness::check::*;
use crate::harness::raw::request::{set_vnet_hdr, vale_find, vale_list, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::why::refused;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_145_listing_names_attached_interfaces,
    attached_names_are_given_once,
    item_134_an_attached_interface_has_one_by_both_names,
    attached_by_alternative_names,
    attached_whatever_the_interface_is_called,
];

fn item_145_listing_names_attached_interfaces() -> Outcome {
    wire()?;
    let _wire = Attached::with_host("vale145:fm0")?;
    let _other = Attached::new("vale145:fm1")?;
    let _port = vale("vale145:a").bind()?;
    let listed: Vec<_> = vale_list()?
        .into_iter()
        .map(|(name, _, port)| (name, port))
        .collect();
    let want = ["fm0", "fm0^", "fm1", "a"].iter().zip(0..);
    let want: Vec<_> = want
        .map(|(name, n)| (format!("vale145:{name}"), n))
        .collect();
    same("ports", listed, want)?;
    same("by name", vale_find("vale145:fm0^")?.1, 1)
}

/// By its own name it had none.
fn item_134_an_attached_interface_has_one_by_both_names() -> Outcome {
    wire()?;
    ip("link property add dev fm0 altname fm0-by-another-name")?;
    let attached = Attached::with_host("vale153:fm0")?;
    for len in [0, 10, 12, 0, 12] {
        works("SET", set_vnet_hdr("vale153:fm0", len))?;
        for name in ["vale153:fm0", "fm0", "fm0-by-another-name"] {
            same(name, vnet_hdr(name)?, len)?;
        }
        fails("by its own name", set_vnet_hdr("fm0", 10), Errno::ENXIO)?;
        same("its host", vnet_hdr("vale153:fm0^")?, 0)?;
        same("the other end", vnet_hdr("fm1")?, 0)?;
    }
    drop(attached);
    same("detached", vnet_hdr("fm0")?, 0)?;
    let _again = Attached::new("vale153:fm0")?;
    same("attached again", vnet_hdr("fm0")?, 0)
}

/// The name of an interface's host could be a program's, and then was two ports' at once.
fn attached_names_are_given_once() -> Outcome {
    wire()?;
    let port = vale("vale152:fm9^").slots(64, 64).bind()?;
    ip("link add fm9 type dummy")?;
    let with_host = || Attached::with_host("vale152:fm9").map(drop);
    fails("with its host", with_host(), Errno::EBUSY)?;
    let there = vale_list()?.into_iter().map(|(name, ..)| name);
    same("ports", there.collect::<Vec<_>>(), ["vale152:fm9^"])?;
    works("without", Attached::new("vale152:fm9").map(drop))?;
    drop(port);
    works("when it has gone", with_host())
}

/// An interface that was attached by one of its names could not be detached by another.
fn attached_by_alternative_names() -> Outcome {
    small_region_one()?;
    wire()?;
    let (long, short) = ("fm0-has-a-rather-long-name", "fmx");
    for name in [long, short] {
        ip(&format!("link property add dev fm0 altname {name}"))?;
        let bound = vale(name).bind()?;
        same("bound", bound.port_name(), "fm0")?;
    }
    let names = ["fm0", long, short].map(|name| format!("vale151:{name}"));
    for by in &names {
        for name in &names {
            attach_as(by, NR_REG_NIC_SW)?;
            let listed: Vec<_> = vale_list()?.into_iter().map(|(name, ..)| name).collect();
            same("listed", listed, ["vale151:fm0", "vale151:fm0^"])?;
            fails(format!("{name} again"), attach(name), Errno::EBUSY)?;
            refused(vale(name), Errno::EBUSY, &["attached"])?;
            same(name, vale_find(name)?.1, 0)?;
            same("its host", vale_find(&format!("{name}^"))?.1, 1)?;
            poll_on(name, NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1)?;
            poll_off(name)?;
            works(format!("detaching {name}"), detach(name))?;
            same("listed then", vale_list()?, vec![])?;
        }
    }
    // And by the name that it has now, where that is another than when it was attached.
    attach_as("vale151:fm0", NR_REG_NIC_SW)?;
    ip("link set fm0 name fm7")?;
    for name in ["vale151:fm0", "vale151:fm7", &names[1]] {
        same(name, vale_find(name)?.1, 0)?;
        same("its host", vale_find(&format!("{name}^"))?.1, 1)?;
        fails(format!("{name} again"), attach(name), Errno::EBUSY)?;
    }
    works("detaching", detach("vale151:fm7"))?;
    same("listed then", vale_list()?, vec![])?;
    ip("link set fm7 name fm0")?;
    // A port of that very name comes first.
    let _port = vale("vale151:mine").bind()?;
    ip("link property add dev fm0 altname mine")?;
    let _attached = Attached::new("vale151:fm0")?;
    same("the port", vale_find("vale151:mine")?.1, 0)?;
    same("the interface", vale_find("vale151:fmx")?.1, 1)
}

/// The kernel allows all of these; some looked like pipes or like switches.
fn attached_whatever_the_interface_is_called() -> Outcome {
    small_region_one()?;
    wire()?;
    let names = [
        "br-lan",
        "a@b",
        "x^",
        "s*t",
        "p{1",
        "p}1",
        "{",
        "vale9",
        "vale",
        "eth0-0",
        "fifteen-letters",
    ];
    for name in names {
        ip(&format!("link add {name} type veth peer name fmp"))?;
        let bound = works(name, vale(name).bind())?;
        same("its name", bound.port_name(), name)?;
        drop(bound);
        let port = format!("vale152:{name}");
        works(&port, attach_as(&port, NR_REG_NIC_SW))?;
        same("listed", vale_list()?[0].0.as_str(), port.as_str())?;
        works(&port, detach(&port))?;
        ip(&format!("link del {name}"))?;
    }
    let pipe = vale("p{1").slots(4, 4).bind()?;
    same(
        "a pipe, where there is no such interface",
        pipe.port_name(),
        "p{1",
    )?;
    drop(pipe);
    refused(vale("vale9"), Errno::EINVAL, &["valeSWITCH:PORT"])
}
