// SPDX-License-Identifier: MIT OR Apache-2.0

//! What old programs do: open ports, ask for them, and have things done to switches.

use super::deeds::Work;
use super::open::{carry, flags, mode};
use crate::harness::check::*;
use crate::harness::raw::request::legacy;
use crate::harness::raw::*;
use ferromap_abi::consts::*;
use ferromap_abi::wire::{Nmreq, NmreqRegister};
use nix::errno::Errno;

/// A port as old programs open it.
pub fn open(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let (port, random) = (work.port(), &mut work.random);
        let asked = Nmreq {
            nr_tx_slots: 64,
            nr_rx_slots: 64,
            nr_arg2: random.of(&[0, GLOBAL_MEM_ID]),
            ..legacy(port)
        };
        // Those that have no modes say in the ring's number what they want.
        let (what, request) = if random.once_in(2) {
            let nr_ringid = random.of(&[0, NETMAP_HW_RING, NETMAP_NO_TX_POLL]);
            ("open the oldest way", Nmreq { nr_ringid, ..asked })
        } else {
            let nr_flags = mode(port, random) | flags(random) as u32;
            ("open by the old call", Nmreq { nr_flags, ..asked })
        };
        if let Some(bound) = work.did_at(what, port, bind(request))? {
            carry(&bound, work)?;
        }
    }
    Ok(())
}

fn bind(mut request: Nmreq) -> Result<Bound, Errno> {
    let device = Device::open()?;
    device.regif(&mut request)?;
    let reg = NmreqRegister {
        nr_offset: request.nr_offset.into(),
        nr_memsize: request.nr_memsize.into(),
        ..Default::default()
    };
    Bound::new(device, reg)
}

pub fn ask(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let device = Device::open()?;
        let mut list = command(NETMAP_BDG_LIST, "", 0);
        work.did("list by the old call", device.ginfo(&mut list))?;
        let port = work.port();
        let came = device.ginfo(&mut legacy(port));
        work.did_at("ask by the old call", port, came)?;
        let len = work.random.of(&[0, 10, 12]);
        for (what, nr_cmd, name, nr_arg1) in [
            (
                "set headers by the old call",
                NETMAP_BDG_VNET_HDR,
                "vale942:a",
                len,
            ),
            (
                "ask for headers by the old call",
                NETMAP_VNET_HDR_GET,
                "vale942:a{1",
                0,
            ),
        ] {
            let came = device.regif(&mut command(nr_cmd, name, nr_arg1));
            work.did(what, came)?;
        }
    }
    Ok(())
}

/// What old programs have made, attached, polled, and all that undone, whoever did it.
pub fn change(work: &mut Work) -> Outcome {
    while work.goes_on() {
        let host = work.random.of(&[0, NETMAP_BDG_HOST]);
        for (what, nr_cmd, name, nr_arg1) in [
            ("make by the old call", NETMAP_BDG_NEWIF, "np942", 0),
            (
                "attach by the old call",
                NETMAP_BDG_ATTACH,
                "vale943:fm0",
                host,
            ),
            (
                "poll on a CPU by the old call",
                NETMAP_BDG_POLLING_ON,
                "vale943:fm0",
                1,
            ),
            (
                "poll no more by the old call",
                NETMAP_BDG_POLLING_OFF,
                "vale943:fm0",
                1,
            ),
            (
                "detach by the old call",
                NETMAP_BDG_DETACH,
                "vale943:fm0",
                0,
            ),
            ("delete by the old call", NETMAP_BDG_DELIF, "np942", 0),
        ] {
            let came = Device::open()?.regif(&mut command(nr_cmd, name, nr_arg1));
            work.did(what, came)?;
        }
    }
    Ok(())
}

fn command(nr_cmd: u16, name: &str, nr_arg1: u16) -> Nmreq {
    Nmreq {
        nr_cmd,
        nr_arg1,
        // What polling takes for one CPU.
        nr_flags: NR_REG_ALL_NIC,
        ..legacy(name)
    }
}
