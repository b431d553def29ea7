// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loops beside everything else: nobody waits for them, and nothing of them stays.

use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::module::{load, unload, warm_up};
use crate::harness::raw::csb::*;
use crate::harness::raw::request::port_info;
use crate::harness::raw::*;
use crate::harness::traces::{live, references};
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use nix::errno::Errno;

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

/// Two loops run, one of them busy, while others do what takes a turn.
fn others_open_and_close_beside_loops() -> Outcome {
    wire()?;
    // Keeps the interfaces' memory, which takes long to make.
    let _kept = vale("fm1").bind()?;
    let (a, b) = (port("vale10:a")?, port("vale10:b")?);
    let loops = [a.run(0)?, b.run(1_000_000)?];
    a.wait_for_loop()?;
    b.wait_for_loop()?;
    for i in 0..10 {
        let other = vale(&format!("vale10:c{i}")).slots(64, 64).bind()?;
        other.send(&numbered(0..3))?;
        port_info("vale10:a", Default::default())?;
        drop(Device::open()?);
        works("attach", attach("vale11:fm0"))?;
        works("detach", detach("vale11:fm0"))?;
        // Of a file whose loop runs, too.
        let asked = a.device().request(
            ferromap_abi::consts::NETMAP_REQ_PORT_INFO_GET,
            "vale10:b",
            &mut ferromap_abi::wire::NmreqPortInfoGet::default(),
        );
        works("PORT_INFO_GET", asked)?;
        let again = vale("vale10:d").slots(64, 64).send(a.device());
        fails("a second REGISTER", again, Errno::EBUSY)?;
    }
    for running in loops {
        that("the loop runs", !running.has_ended())?;
        running.stop()?;
    }
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
