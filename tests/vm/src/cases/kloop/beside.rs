// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loops beside everything else: nobody waits for them, and nothing of them stays.

use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::module::{load, unload, warm_up};
use crate::harness::persistent::{delif, newif};
use crate::harness::raw::csb::*;
use crate::harness::raw::request::{pools_info, port_info, set_vnet_hdr, vale_find, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::running::*;
use crate::harness::traces::{live, references};
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::{consts::*, name::is_vale, wire::NmreqPortInfoGet};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    others_open_and_close_beside_loops,
    a_running_loop_holds_the_module,
    ;
    slow:
    loops_that_start_and_stop_leave_nothing,
];

fn port(name: &str) -> Result<CsbPort, Errno> {
    CsbPort::bind(vale(name).slots(64, 64))
}

/// Loops that spin, sleep as long as they may, and wait for kicks in any way.
const MODES: [Mode; 6] = [
    Mode::Sleep(0),
    Mode::Sleep(1_000_000),
    Mode::Kicks(0),
    Mode::Kicks(NM_OPT_SYNC_KLOOP_DIRECT_TX),
    Mode::Kicks(NM_OPT_SYNC_KLOOP_DIRECT_RX),
    Mode::Kicks(DIRECT),
];

/// A loop on one ring of a switch port, and one on the host rings of an interface, while others do
/// what takes a turn.
fn others_open_and_close_beside_loops() -> Outcome {
    wire()?;
    // Keeps the interfaces' memory, which takes long to make.
    let _kept = vale("fm1").bind()?;
    for mode in MODES {
        let a = Running::start(vale("vale10:a").rings(2, 2).slots(64, 64).one(0), mode)?;
        let host = Running::start(vale("fm1").mode(NR_REG_SW), mode)?;
        for _ in 0..5 {
            of_other_ports()?;
            of_the_same_port(
                "vale10:a",
                &vale("vale10:a").one(0),
                &vale("vale10:a").one(1),
            )?;
            of_the_same_port("fm1", &vale("fm1").mode(NR_REG_SW), &vale("fm1"))?;
            of_its_file(&a)?;
            of_its_file(&host)?;
        }
        let before = a.port.csb.hwcur(0);
        same("it still has room", a.send(0, &numbered(0..3))?, 3)?;
        wait_until("it still sends", || a.port.csb.hwcur(0) == before + 3)?;
        for running in [a, host] {
            that(format!("{mode:?} runs"), !running.has_ended())?;
            running.stop()?;
        }
        works("bound again", vale("fm1").mode(NR_REG_SW).bind())?;
    }
    Ok(())
}

fn of_other_ports() -> Outcome {
    let other = vale("vale10:c").slots(64, 64).bind()?;
    other.send(&numbered(0..3))?;
    drop(other);
    drop(Device::open()?);
    works("attach", attach("vale11:fm0"))?;
    works("detach", detach("vale11:fm0"))?;
    works("VALE_NEWIF", newif("p0"))?;
    works("VALE_DELIF", delif("p0"))
}

/// Open, request and close of a port that has a loop on `looped`; `rest` is of the same port.
fn of_the_same_port(name: &str, looped: &Reg, rest: &Reg) -> Outcome {
    fails("its rings", looped.clone().try_bind(), Errno::EBUSY)?;
    let other = works("its other rings", rest.clone().bind())?;
    other.send_on(other.ring_numbers().0[0], &numbered(0..3))?;
    other.device.rxsync()?;
    drop(other);
    for flags in [0, NR_ZCOPY_MON] {
        let watch = looped.clone().flags(NR_MONITOR_TX | NR_MONITOR_RX | flags);
        works("a monitor of its rings", watch.bind())?;
    }
    works("a pipe on it", vale(&format!("{name}{{x")).bind())?;
    port_info(name, Default::default())?;
    pools_info(name, 0)?;
    if is_vale(name.as_bytes()) {
        vale_find(name)?;
        set_vnet_hdr(name, 12)?;
        set_vnet_hdr(name, 0)?;
    }
    same("header", vnet_hdr(name)?, 0)
}

/// Of the file whose loop runs.
fn of_its_file(running: &Running) -> Outcome {
    let device = running.port.device();
    let mut info = NmreqPortInfoGet::default();
    let asked = device.request(NETMAP_REQ_PORT_INFO_GET, "vale10:a", &mut info);
    works("PORT_INFO_GET", asked)?;
    let again = vale("vale10:d").slots(64, 64).send(device);
    fails("a second REGISTER", again, Errno::EBUSY)?;
    fails("NIOCTXSYNC", device.txsync(), Errno::EBUSY)?;
    let polled = device.poll(PollFlags::POLLIN, Duration::ZERO)?;
    same("poll", polled, PollFlags::POLLERR)?;
    fails("a second loop", kloop_start(device, 0, 0), Errno::EBUSY)?;
    drop(device.map(running.port.bound.reg.nr_memsize, 0)?);
    drop(device.dup()?);
    Ok(())
}

fn a_running_loop_holds_the_module() -> Outcome {
    let a = port("vale10:a")?;
    let running = a.run(0)?;
    a.wait_for_loop()?;
    fails("with a loop", unload(), Errno::EWOULDBLOCK)?;
    running.stop()?;
    drop(a);
    wait_until("nobody uses the module", || references() == Some(0))?;
    works("unloading", unload())?;
    works("loading", load(""))?;
    works("a first use", warm_up())
}

fn loops_that_start_and_stop_leave_nothing() -> Outcome {
    let before = live();
    for i in 0..300 {
        let a = port("vale10:a")?;
        let running = a.run([0, 10, 1_000_000][i % 3])?;
        if i % 2 == 0 {
            a.wait_for_loop()?;
        }
        a.put(0, &numbered(0..5));
        running.stop()?;
    }
    wait_until("everything is gone", || live() == before)
}
