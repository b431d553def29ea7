// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whose an attached interface is: what can be attached, who may have it then, and polling.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::device::Device;
use crate::harness::raw::request::{legacy, port_info, vale_find, vale_list};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::refused;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, wire::*};
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub const CASES: &[Case] = crate::cases![
    item_141_an_attached_interface_is_the_kernels,
    item_142_what_cannot_be_attached,
    item_143_with_its_host_an_interface_has_two_ports,
    item_144_an_attachment_outlives_its_maker,
    item_147_polling,
    item_147_polling_on_several_cpus,
    item_147_polling_changes_hands_under_traffic,
    item_182_legacy_calls_attach
];

fn item_141_an_attached_interface_is_the_kernels() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let attached = Attached::new("vale141:fm0")?;
    for name in ["fm0", "vale141:fm0"] {
        refused(vale(name), Errno::EBUSY, &["attached"])?;
        let info = port_info(name, Default::default())?;
        same("rings", (info.nr_tx_rings, info.nr_rx_rings), (1, 1))?;
    }
    refused(vale("fm0").mode(NR_REG_SW), Errno::EBUSY, &["attached"])?;
    fails("again", attach("vale141:fm0"), Errno::EBUSY)?;
    fails("to another switch", attach("vale142:fm0"), Errno::EBUSY)?;
    far.send(&frame(BROADCAST, station(2), 1))?;
    same("at the host", host.receive(QUIET)?.len(), 0)?;
    same("detached", detach("vale141:fm0")?, 0)?;
    fails("again", detach("vale141:fm0"), Errno::ENXIO)?;
    drop(attached);
    far.send(&frame(BROADCAST, station(2), 2))?;
    same("then", numbers(&host.receive(QUIET)?), vec![2])?;
    works("opened", vale("fm0").bind())?;
    same("no switch is left", vale_list()?, vec![])
}

fn item_142_what_cannot_be_attached() -> Outcome {
    wire()?;
    fails("no such interface", attach("vale0:nosuch0"), Errno::EINVAL)?;
    fails("no switch", attach("fm0"), Errno::EINVAL)?;
    fails("a bad switch", attach("vale-:fm0"), Errno::EINVAL)?;
    for mode in [0, NR_REG_SW, NR_REG_ONE_NIC, NR_REG_NULL, 99] {
        let tried = attach_as("vale0:fm0", mode);
        fails(format!("mode {mode}"), tried, Errno::EINVAL)?;
    }
    let mut body = NmreqValeAttach::default();
    body.reg.nr_mode = NR_REG_ALL_NIC;
    body.reg.nr_ringid = 1;
    let ask = |body: &mut NmreqValeAttach| {
        Device::open()?.request(NETMAP_REQ_VALE_ATTACH, "vale0:fm0", body)
    };
    fails("a ring", ask(&mut body), Errno::EINVAL)?;
    body.reg.nr_ringid = 0;
    body.reg.nr_mem_id = 4711;
    fails("no such region", ask(&mut body), Errno::EINVAL)?;
    let open = vale("fm0").one(0).bind()?;
    fails("an open one", attach("vale0:fm0"), Errno::EBUSY)?;
    drop(open);
    ip("link add br0 type bridge")?;
    ip("link set fm0 master br0")?;
    fails("in a bridge", attach("vale0:fm0"), Errno::EBUSY)?;
    ip("link set fm0 nomaster")?;
    ip("link set fm0 mtu 32769")?;
    fails("a large MTU", attach("vale0:fm0"), Errno::EINVAL)?;
    same("nothing is left", vale_list()?, vec![])?;
    // Programs' own ports stay: detaching does nothing.
    let port = vale("vale0:a").bind()?;
    works("a port of a program", detach("vale0:a"))?;
    fails("no such port", detach("vale0:b"), Errno::ENXIO)?;
    fails("no switch", detach("a"), Errno::EINVAL)?;
    fails("its name", attach("vale0:a"), Errno::EBUSY)?;
    works("it is there", port.device.txsync())
}

fn item_143_with_its_host_an_interface_has_two_ports() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let _attached = Attached::with_host("vale143:fm0")?;
    let names: Vec<String> = vale_list()?.into_iter().map(|(name, ..)| name).collect();
    same("ports", names.join(" "), "vale143:fm0 vale143:fm0^")?;
    refused(vale("vale143:fm0^"), Errno::EBUSY, &["attached"])?;
    // The switch learns who is where, and the host has its network.
    for n in 0..20 {
        host.send(&frame(station(2), station(1), n))?;
        same("far away", numbers(&far.receive(QUIET)?), vec![n])?;
        far.send(&frame(station(1), station(2), 100 + n))?;
        same("at the host", numbers(&host.receive(QUIET)?), vec![100 + n])?;
    }
    let third = vale("vale143:third").bind()?;
    host.send(&frame(BROADCAST, station(1), 7))?;
    same("far away", numbers(&far.receive(QUIET)?), vec![7])?;
    same("at the third port", numbers(&wait_for(&third, 1)?), vec![7])
}

fn item_144_an_attachment_outlives_its_maker() -> Outcome {
    wire()?;
    let far = Stack::on("fm1")?;
    // The request's own file is closed when this returns.
    let _attached = Attached::new("vale144:fm0")?;
    let port = vale("vale144:a").bind()?;
    port.send(&numbered(0..3))?;
    same("far away", numbers(&far.receive(QUIET)?), vec![0, 1, 2])?;
    drop(port);
    same("the switch is there", vale_find("vale144:fm0")?.1, 0)
}

fn item_147_polling() -> Outcome {
    wire()?;
    let far = Stack::on("fm1")?;
    let single = |name: &str| poll_on(name, NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1);
    let port = vale("vale147:a").bind()?;
    fails("a program's port", single("vale147:a"), Errno::EOPNOTSUPP)?;
    fails("no such port", single("vale147:b"), Errno::ENXIO)?;
    fails("no switch", single("fm0"), Errno::EINVAL)?;
    let _attached = Attached::new("vale147:fm0")?;
    let on = |mode, first, count| poll_on("vale147:fm0", mode, first, count);
    for (what, tried) in [
        ("mode 0", on(0, 0, 1)),
        ("mode 3", on(3, 0, 1)),
        ("two CPUs for one", on(NETMAP_POLLING_MODE_SINGLE_CPU, 0, 2)),
        ("no such CPU", on(NETMAP_POLLING_MODE_SINGLE_CPU, 4096, 1)),
        (
            "the last CPU",
            on(NETMAP_POLLING_MODE_SINGLE_CPU, u32::MAX, 1),
        ),
        ("no CPUs", on(NETMAP_POLLING_MODE_MULTI_CPU, 0, 0)),
        ("all CPUs", on(NETMAP_POLLING_MODE_MULTI_CPU, 0, 4096)),
        ("no such ring", on(NETMAP_POLLING_MODE_MULTI_CPU, 1, 1)),
        ("overflow", on(NETMAP_POLLING_MODE_MULTI_CPU, u32::MAX, 1)),
    ] {
        fails(what, tried, Errno::EINVAL)?;
    }
    fails("not polling", poll_off("vale147:fm0"), Errno::EFAULT)?;
    for _ in 0..3 {
        works("on", single("vale147:fm0"))?;
        fails("twice", single("vale147:fm0"), Errno::EFAULT)?;
        fails("detach", detach("vale147:fm0"), Errno::EBUSY)?;
        port.send(&numbered(0..10))?;
        same("out", far.receive(QUIET)?.len(), 10)?;
        far.send(&frame(BROADCAST, station(2), 5))?;
        same("in", numbers(&wait_for(&port, 1)?), vec![5])?;
        works("off", poll_off("vale147:fm0"))?;
        port.send(&numbered(0..10))?;
        same("out", far.receive(QUIET)?.len(), 10)?;
    }
    // What an old tool sends.
    let old = poll_on("vale147:fm0", NETMAP_POLLING_MODE_SINGLE_CPU, 1, 0);
    works("no count", old)
}

fn item_147_polling_on_several_cpus() -> Outcome {
    wire_with(" numtxqueues 2 numrxqueues 2")?;
    let far = Stack::on("fm1")?;
    let _attached = Attached::new("vale147:fm0")?;
    let port = vale("vale147:a").bind()?;
    // One of the two CPUs, and the ring of that number; the other ring is waited for as before.
    for first in [0, 1] {
        let on = poll_on("vale147:fm0", NETMAP_POLLING_MODE_MULTI_CPU, first, 1);
        works("on", on)?;
        for n in 0..20 {
            far.send(&frame(BROADCAST, station(2), n))?;
            same("in", numbers(&wait_for(&port, 1)?), vec![n])?;
        }
        works("off", poll_off("vale147:fm0"))?;
    }
    Ok(())
}

/// The threads that take over work beside those before them for a moment.
fn item_147_polling_changes_hands_under_traffic() -> Outcome {
    wire()?;
    let port = vale("vale147:a").bind()?;
    let _attached = Attached::new("vale147:fm0")?;
    let far = Stack::on("fm1")?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let changes = (0..50).try_for_each(|_| {
                let mode = NETMAP_POLLING_MODE_SINGLE_CPU;
                works("on", poll_on("vale147:fm0", mode, 0, 1))?;
                works("off", poll_off("vale147:fm0"))
            });
            over.store(true, Relaxed);
            changes
        });
        // A few at a time: nobody comes behind them to wake who sleeps.
        for few in [1, 2, 3].into_iter().cycle() {
            if over.load(Relaxed) {
                break;
            }
            let frames = numbered(0..few);
            frames.iter().try_for_each(|frame| far.send(frame))?;
            same("in", wait_for(&port, frames.len())?, frames)?;
        }
        changes.join().expect("a thread that does not panic")
    })
}

fn item_182_legacy_calls_attach() -> Outcome {
    wire()?;
    let device = Device::open()?;
    let call = |cmd, arg1, flags, ringid| {
        let mut request = legacy("vale182:fm0");
        request.nr_cmd = cmd;
        request.nr_arg1 = arg1;
        request.nr_flags = flags;
        request.nr_ringid = ringid;
        device.regif(&mut request)
    };
    for (host, ports) in [(0, 1), (NETMAP_BDG_HOST, 2)] {
        works("attach", call(NETMAP_BDG_ATTACH, host, 0, 0))?;
        let _attached = Attached::already("vale182:fm0");
        same("ports", vale_list()?.len(), ports)?;
        let single = NR_REG_ALL_NIC;
        fails(
            "no mode",
            call(NETMAP_BDG_POLLING_ON, 1, 0, 0),
            Errno::EINVAL,
        )?;
        works("polling", call(NETMAP_BDG_POLLING_ON, 1, single, 1))?;
        fails("detach", call(NETMAP_BDG_DETACH, 0, 0, 0), Errno::EBUSY)?;
        works("no polling", call(NETMAP_BDG_POLLING_OFF, 1, single, 1))?;
        works("detach", call(NETMAP_BDG_DETACH, 0, 0, 0))?;
        same("ports", vale_list()?.len(), 0)?;
    }
    Ok(())
}
