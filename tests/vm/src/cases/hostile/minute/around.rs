// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is done to ports, and to what they are made of, by who does not have them open.

use super::NAMES;
use crate::harness::attach::{attach_as, detach, poll_off, poll_on};
use crate::harness::frame::numbered;
use crate::harness::persistent::{delif, newif};
use crate::harness::programs::{self, Programs};
use crate::harness::random::Random;
use crate::harness::raw::csb::*;
use crate::harness::raw::request::{legacy, port_info, set_vnet_hdr, vale_list, vnet_hdr};
use crate::harness::raw::*;
use crate::harness::wire::ip;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_XDP_REPLACE;
use ferromap_abi::wire::{Nmreq, NmreqPortInfoGet};
use nix::errno::Errno;
use std::process::{Command, Stdio};
use std::time::Duration;

pub fn attach(random: &mut Random) -> Result<(), Errno> {
    let switch = random.of(&["vale942:fm0", "vale943:fm0"]);
    let mode = random.of(&[NR_REG_ALL_NIC, NR_REG_NIC_SW]);
    attach_as(switch, mode)?;
    if random.once_in(2) {
        let _ = poll_on(switch, NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1);
        pause(random, 5);
        let _ = poll_off(switch);
    }
    detach(switch).map(drop)
}

pub fn attach_persistent(random: &mut Random) -> Result<(), Errno> {
    attach_as("vale942:fp942", NR_REG_ALL_NIC)?;
    pause(random, 5);
    detach("vale942:fp942").map(drop)
}

pub fn make(random: &mut Random) -> Result<(), Errno> {
    newif("fp942")?;
    let done = ip("link set fp942 up");
    pause(random, 20);
    delete("fp942")?;
    done.map_err(|_| Errno::ENXIO)
}

/// Makes a port, builds a pipe on it, and has the port called otherwise.
pub fn rename(random: &mut Random) -> Result<(), Errno> {
    newif("rp942")?;
    let pipe = vale("rp942{1").slots(64, 64).bind();
    // Somebody may have made a port of that name, for a pipe.
    let mut command = Command::new("ip");
    command.args(["link", "set", "rp942", "name", "sp942"]);
    let renamed = command.stderr(Stdio::null()).status();
    let renamed = renamed.is_ok_and(|status| status.success());
    let name = if renamed { "sp942" } else { "rp942" };
    let pipe_name = format!("{name}{{1");
    let watch = vale(&pipe_name).flags(NR_MONITOR_TX).bind();
    let found = vnet_hdr(&pipe_name).and(watch.as_ref().map_err(|e| *e));
    // The pipe is there by what its base is called by then.
    let found = if pipe.is_ok() {
        found.map(drop)
    } else {
        Ok(())
    };
    pause(random, 5);
    drop((pipe, watch));
    delete(name)?;
    found?;
    if renamed {
        Ok(())
    } else {
        Err(Errno::EEXIST)
    }
}

/// Deletes an interface that nobody else deletes.
fn delete(name: &str) -> Result<(), Errno> {
    loop {
        match delif(name) {
            // Somebody has it.
            Err(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(1)),
            came => return came,
        }
    }
}

pub fn run_loop(random: &mut Random) -> Result<(), Errno> {
    let name = random.of(&["vale942:c", "vale942:c", "vale942:c{3", "fm1", "fp942"]);
    let port = CsbPort::bind(shared(name))?;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| kloop_start(port.device(), 50, 0));
        port.put(0, &numbered(0..20));
        pause(random, 10);
        while !running.is_finished() {
            let _ = kloop_stop(port.device());
            std::thread::sleep(Duration::from_micros(500));
        }
        running.join().unwrap_or(Err(Errno::UnknownErrno))
    })
}

thread_local! {
    /// Loading them takes longer than all that is done with them.
    static PROGRAMS: Option<Programs> = Programs::load().ok();
}

/// XDP programs on ports, and on a switch for all that have none.
pub fn put_programs(random: &mut Random) -> Result<(), Errno> {
    let place = random.of(&[
        "vale942:a",
        "vale942:",
        "vale942:fm0",
        "vale942:fp942",
        "vale943:",
    ]);
    let program = random.of(&["pass", "drop", "tx", "steer", "push", "pop", "by_number"]);
    PROGRAMS.with(|programs| {
        let programs = programs.as_ref().ok_or(Errno::ENOEXEC)?;
        let _ = programs.aim(random.below(4) as u32);
        let flags = random.of(&[0, FERROMAP_XDP_REPLACE]);
        programs::attach(place, programs.fd(program), flags, 0)
    })?;
    pause(random, 5);
    let _ = programs::query(place);
    // It went with the port if that did.
    let _ = programs::detach(place);
    Ok(())
}

pub fn ask(random: &mut Random) -> Result<(), Errno> {
    let name = random.of(&NAMES);
    vale_list()?;
    let _ = set_vnet_hdr(name, random.of(&[0, 10, 12]));
    port_info(name, NmreqPortInfoGet::default()).map(drop)
}

pub fn attach_by_old_calls(random: &mut Random) -> Result<(), Errno> {
    let device = Device::open()?;
    let command = |nr_cmd| Nmreq {
        nr_cmd,
        nr_arg1: NETMAP_BDG_HOST,
        ..legacy("vale943:fm0")
    };
    device.regif(&mut command(NETMAP_BDG_ATTACH))?;
    pause(random, 5);
    device.regif(&mut command(NETMAP_BDG_DETACH))
}

/// What old programs ask.
pub fn ask_by_old_calls(random: &mut Random) -> Result<(), Errno> {
    let device = Device::open()?;
    let mut command = Nmreq {
        nr_cmd: NETMAP_BDG_VNET_HDR,
        nr_arg1: random.of(&[0, 10, 12]),
        ..legacy("vale942:a")
    };
    // It may not be there, and that switch may not have a port.
    let set = device.regif(&mut command);
    command.nr_cmd = NETMAP_BDG_LIST;
    let _ = device.ginfo(&mut command);
    device.ginfo(&mut legacy(random.of(&NAMES))).and(set)
}

/// Waits for less than so many milliseconds.
fn pause(random: &mut Random, most: u64) {
    std::thread::sleep(Duration::from_millis(random.below(most)));
}
