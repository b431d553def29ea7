// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is done to interfaces: attaching and polling them, making, renaming and deleting them.

use super::deeds::Work;
use crate::harness::attach::{attach_as, detach, poll_off, poll_on};
use crate::harness::check::*;
use crate::harness::persistent::{delif, newif};
use crate::harness::raw::request::vnet_hdr;
use crate::harness::raw::*;
use crate::harness::wire::ip;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::process::Command;
use std::time::Duration;

pub fn attach(work: &mut Work) -> Outcome {
    while work.goes_on() {
        // To the second, the old calls attach it as well.
        let name = work
            .random
            .of(&["vale942:fm0", "vale942:fm0", "vale943:fm0"]);
        let mode = work.random.of(&[NR_REG_ALL_NIC, NR_REG_NIC_SW]);
        if work.did("attach", attach_as(name, mode))?.is_none() {
            continue;
        }
        work.pause(20);
        if work.random.once_in(2) {
            let came = poll_on(name, NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1);
            work.did("poll on a CPU", came)?;
            work.pause(5);
            work.did("poll no more", poll_off(name))?;
        }
        // Not while the old calls have it polled.
        work.did("detach", once_free(|| detach(name)))?;
    }
    Ok(())
}

pub fn attach_persistent(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let came = attach_as("vale942:fp942", NR_REG_ALL_NIC);
        if work.did("attach a persistent port", came)?.is_some() {
            work.pause(5);
            // One that was made for a pipe went with it.
            work.did("detach a persistent port", detach("vale942:fp942"))?;
        }
    }
    Ok(())
}

pub fn make(work: &mut Work) -> Outcome {
    while work.goes_on() {
        if work.did("make", newif("fp942"))?.is_some() {
            ip("link set fp942 up")?;
            work.pause(20);
            delete("fp942")?;
        }
    }
    Ok(())
}

/// Makes a port, builds a pipe on it, and has the port called otherwise. The pipe is there by what
/// its base is called by then.
pub fn rename(work: &mut Work) -> Outcome {
    while work.goes_on() {
        if work.did("make another", newif("rp942"))?.is_none() {
            continue;
        }
        let pipe = vale("rp942{1").slots(64, 64).bind();
        let pipe = work.did_at("open a pipe to be renamed", "rp942{1", pipe)?;
        let called = work.did("rename", renamed("rp942", "sp942"))?;
        let name = called.map_or("rp942", |()| "sp942");
        if pipe.is_some() {
            let by = format!("{name}{{1");
            work.did("find a pipe by its new name", vnet_hdr(&by))?;
            let monitor = vale(&by).flags(NR_MONITOR_TX).bind();
            work.did("watch a pipe by its new name", monitor)?;
        }
        work.pause(5);
        drop(pipe);
        delete(name)?;
    }
    Ok(())
}

/// `EEXIST` where a pipe has made a port of that name.
fn renamed(from: &str, to: &str) -> Result<(), Errno> {
    let mut command = Command::new("ip");
    command.args(["link", "set", from, "name", to]);
    let done = command.output().map_err(|_| Errno::ECHILD)?;
    match String::from_utf8_lossy(&done.stderr) {
        _ if done.status.success() => Ok(()),
        said if said.contains("File exists") => Err(Errno::EEXIST),
        _ => Err(Errno::EINVAL),
    }
}

/// Deletes an interface that nobody else deletes.
fn delete(name: &str) -> Outcome {
    works("deleting it", once_free(|| delif(name)))
}

/// Does it when nobody is in the way any more.
fn once_free<T>(done: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match done() {
            Err(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(1)),
            came => return came,
        }
    }
}
