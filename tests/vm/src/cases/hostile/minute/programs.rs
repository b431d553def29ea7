// SPDX-License-Identifier: MIT OR Apache-2.0

//! XDP programs that are put on ports and taken away while these come and go.

use super::deeds::Work;
use crate::harness::check::*;
use crate::harness::programs::{attach, detach, query, Programs};
use ferromap_abi::ext::FERROMAP_XDP_REPLACE;
use libbpf_rs::{Xdp, XdpFlags};
use nix::net::if_::if_nametoindex;

/// Ports that others open and attach, and the switches that these are on.
const PLACES: [(&str, &[&str]); 5] = [
    (
        "put a program on a port",
        &["vale942:a", "vale942:b", "vale943:a"],
    ),
    ("put a program on a port", &["vale942:a", "vale944:e"]),
    ("put a program on a switch", &["vale942:", "vale943:"]),
    ("put a program on an interface", &["vale942:fm0"]),
    ("put a program on a persistent port", &["vale942:fp942"]),
];

/// On ports of a switch, and on a switch for all that have none.
pub fn put_on_ports(work: &mut Work) -> Outcome {
    let loaded = Programs::load()?;
    while work.goes_on() {
        let random = &mut work.random;
        let (what, places) = random.of(&PLACES);
        let place = random.of(places);
        let name = random.of(&["pass", "drop", "tx", "steer", "push", "pop", "by_number"]);
        let flags = random.of(&[0, FERROMAP_XDP_REPLACE]);
        loaded.aim(random.below(4) as u32)?;
        if work
            .did(what, attach(place, loaded.fd(name), flags, 0))?
            .is_none()
        {
            continue;
        }
        work.pause(5);
        work.did("look for a program", query(place))?;
        work.did("take a program away", detach(place))?;
    }
    Ok(())
}

/// On the interface that others open, where the kernel runs them before netmap sees a frame.
pub fn give_to_kernel(work: &mut Work) -> Outcome {
    let loaded = Programs::load()?;
    let interface = if_nametoindex("fm1")? as i32;
    while work.goes_on() {
        // By the interface's driver, or before the stack.
        let driver = work.random.once_in(2);
        let how = || match driver {
            true => XdpFlags::DRV_MODE,
            false => XdpFlags::SKB_MODE,
        };
        let name = work.random.of(&["pass", "drop", "tx"]);
        let xdp = Xdp::new(loaded.borrow(name));
        let said = |e| failure(format!("{name} on fm1: {e:#}"));
        xdp.attach(interface, how()).map_err(said)?;
        work.did("give the kernel a program", Ok(()))?;
        work.pause(20);
        xdp.detach(interface, how()).map_err(said)?;
        work.did("take it from the kernel", Ok(()))?;
        work.pause(20);
    }
    Ok(())
}
