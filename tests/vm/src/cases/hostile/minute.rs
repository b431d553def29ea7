// SPDX-License-Identifier: MIT OR Apache-2.0

//! A minute in which ports of all kinds are opened and closed, interfaces attached and detached,
//! made and deleted, loops run and stopped, and rings synced and polled, by threads that know
//! nothing of each other. Then nothing is left, and the module can be unloaded.

use super::calls::documented;
use crate::harness::attach::{attach_as, detach, poll_off, poll_on};
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::module::{load, unload_when_unused};
use crate::harness::persistent::{delif, newif};
use crate::harness::random::Random;
use crate::harness::raw::csb::*;
use crate::harness::raw::request::{port_info, set_vnet_hdr, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::NmreqPortInfoGet;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![; slow: hostile_minute_of_comings_and_goings];

const MINUTE: Duration = Duration::from_secs(60);

/// Names of ports, all of them in each other's way.
const NAMES: [&str; 10] = [
    "vale942:a",
    "vale942:b",
    "vale942:fp942",
    "vale942:a{1",
    "vale942:a}1",
    "fm1",
    "fm1{2",
    "fm1}2",
    "fp942",
    "vale943:a",
];

/// What a thread does, over and over. Whether it could.
type Deed = fn(&mut Random) -> Result<(), Errno>;

const DEEDS: [(&str, Deed); 7] = [
    ("open", open),
    ("open", open),
    ("attach", attach),
    ("attach a persistent port", attach_persistent),
    ("make and delete", make),
    ("run a loop", run_loop),
    ("ask", ask),
];

/// A port of some kind, which is open for a moment and carries what it can.
fn open(random: &mut Random) -> Result<(), Errno> {
    let name = random.of(&NAMES);
    let kind = random.of(&[NR_REG_ALL_NIC, NR_REG_ALL_NIC, NR_REG_NIC_SW, NR_REG_NULL]);
    // Zero-copy monitors are where the port is.
    let region = random.of(&[0, GLOBAL_MEM_ID, GLOBAL_MEM_ID]);
    let flags = random.of(&[
        0,
        0,
        NR_EXCLUSIVE,
        NR_TX_RINGS_ONLY,
        NR_MONITOR_TX | NR_MONITOR_RX,
        NR_ZCOPY_MON,
    ]);
    let request = shared(name).mem(region).mode(kind).flags(flags);
    let port = request.bind()?;
    for _ in 0..random.below(4) {
        for (_, ring) in port.tx_rings() {
            // Others who have the ring move its head as well.
            let mut last = ring.head();
            for (at, frame) in ring.owned().into_iter().zip(numbered(0..20)) {
                ring.fill(at, &frame, 0);
                last = ring.after(at, 1);
            }
            ring.set_head_cur(last);
        }
        // An interface may go meanwhile.
        let _ = port.device.txsync();
        let _ = port.poll(PollFlags::POLLIN, random.below(2));
        for (_, ring) in port.rx_rings() {
            ring.take();
        }
        let _ = port.device.rxsync();
    }
    Ok(())
}

fn attach(random: &mut Random) -> Result<(), Errno> {
    let switch = random.of(&["vale942:fm0", "vale943:fm0"]);
    let mode = random.of(&[NR_REG_ALL_NIC, NR_REG_NIC_SW]);
    attach_as(switch, mode)?;
    if random.once_in(2) {
        let _ = poll_on(switch, NETMAP_POLLING_MODE_SINGLE_CPU, 0, 1);
        std::thread::sleep(Duration::from_millis(random.below(5)));
        let _ = poll_off(switch);
    }
    detach(switch).map(drop)
}

fn attach_persistent(random: &mut Random) -> Result<(), Errno> {
    attach_as("vale942:fp942", NR_REG_ALL_NIC)?;
    std::thread::sleep(Duration::from_millis(random.below(5)));
    detach("vale942:fp942").map(drop)
}

fn make(random: &mut Random) -> Result<(), Errno> {
    newif("fp942")?;
    let done = crate::harness::wire::ip("link set fp942 up");
    std::thread::sleep(Duration::from_millis(random.below(20)));
    loop {
        match delif("fp942") {
            // Somebody has it.
            Err(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(1)),
            came => return came.and(done.map_err(|_| Errno::ENXIO)),
        }
    }
}

fn run_loop(random: &mut Random) -> Result<(), Errno> {
    let port = CsbPort::bind(shared("vale942:c"))?;
    let pause = Duration::from_millis(random.below(10));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| kloop_start(port.device(), 50, 0));
        port.put(0, &numbered(0..20));
        std::thread::sleep(pause);
        while !running.is_finished() {
            let _ = kloop_stop(port.device());
            std::thread::sleep(Duration::from_micros(500));
        }
        running.join().unwrap_or(Err(Errno::UnknownErrno))
    })
}

fn ask(random: &mut Random) -> Result<(), Errno> {
    let name = random.of(&NAMES);
    vale_list()?;
    let _ = set_vnet_hdr(name, random.of(&[0, 10, 12]));
    port_info(name, NmreqPortInfoGet::default()).map(drop)
}

fn hostile_minute_of_comings_and_goings() -> Outcome {
    wire()?;
    write_parameter("buf_num", "20480")?;
    write_parameter("priv_buf_num", "64")?;
    write_parameter("generic_ringsize", "64")?;
    let end = Instant::now() + MINUTE;
    std::thread::scope(|scope| -> Outcome {
        let threads: Vec<_> = DEEDS
            .iter()
            .zip(0..)
            .map(|((what, deed), seed)| {
                scope.spawn(move || -> Outcome {
                    let (mut random, mut done) = (Random::new(seed), 0);
                    while Instant::now() < end {
                        let came = deed(&mut random);
                        documented(what, came)?;
                        done += u32::from(came.is_ok());
                    }
                    that(format!("{what}: often enough, not {done} times"), done > 20)
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| fail("a thread panicked")))
    })?;
    same("ports left", vale_list()?, vec![])?;
    unload_when_unused()?;
    works("loading", load(""))
}
