// SPDX-License-Identifier: MIT OR Apache-2.0

//! A pipe whose other end writes all over what both ends share: interfaces, rings, slots and
//! buffers. It may lose the pipe's own frames, and those of who has the port that it is built on.
//! Nobody in other memory notices, nor does the stack of an interface that is none but that port,
//! and with everybody gone the name is as good as before.

use crate::harness::attach::{attach, detach};
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::persistent::{delif, made};
use crate::harness::random::Random;
use crate::harness::raw::device::Mapping;
use crate::harness::raw::request::pools_info;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::{wait_until, Neighbours};
use crate::harness::wire::{wait_for, wire};
use crate::harness::Case;
use ferromap_abi::wire::NmreqPoolsInfo;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_end_scribbles_over_the_memory_of_a_pipe,
    hostile_end_scribbles_over_the_memory_of_a_pipe_alone,
    hostile_end_scribbles_under_the_base_of_a_pipe,
    hostile_end_scribbles_beside_the_stack_of_its_interface,
    hostile_end_scribbles_under_an_interface_that_is_open,
    hostile_end_scribbles_under_persistent_ports,
];

/// How long each of them goes on.
const SECONDS: Duration = Duration::from_secs(4);

/// Two of the port that they are built on, if there is one, and four of each end.
const RINGS: u64 = 10;

/// Both ends, with two rings each way.
fn ends(base: &str) -> Result<(Bound, Bound), Errno> {
    let end = |mark, mem| {
        let ask = vale(&format!("{base}{mark}x")).rings(2, 2).slots(64, 64);
        ask.mem(mem).bind()
    };
    let master = end('{', 0)?;
    let slave = end('}', master.reg.nr_mem_id)?;
    Ok((master, slave))
}

/// Writes to one word after the other, or all over the place: mostly where rings are, and mostly
/// what could be meant.
fn scribble(map: &Mapping, pools: &NmreqPoolsInfo, random: &mut Random) {
    let ring = u64::from(pools.nr_ring_pool_objsize);
    match random.below(40) {
        // A sweep over what interfaces and rings there are.
        0 => {
            let any = random.next();
            let value = random.of(&[0, u64::MAX, 0x8000_0000_8000_0000, any]);
            let rings = pools.nr_ring_pool_offset + RINGS * ring;
            let sweep = |part: std::ops::Range<u64>| {
                part.step_by(8).for_each(|at| map.write(at, value));
            };
            sweep(0..4096);
            sweep(pools.nr_ring_pool_offset..rings);
        }
        _ => {
            for _ in 0..200 {
                let at = match random.below(8) {
                    0 => random.below(4096),
                    // The cursors of a ring.
                    1 => {
                        pools.nr_ring_pool_offset
                            + ring * random.below(RINGS)
                            + 16
                            + random.below(16)
                    }
                    2..6 => pools.nr_ring_pool_offset + random.below(RINGS * ring),
                    _ => random.below(pools.nr_memsize - 8),
                };
                let value = random.next() as u32 >> random.below(32);
                map.write(at & !3, value);
            }
        }
    }
}

/// A pipe that works, to the frame.
fn works_both_ways(base: &str) -> Outcome {
    let (master, slave) = works("a pipe of that name", ends(base))?;
    for round in 0..10 {
        for ring in 0..2 {
            let frames = numbered(round * 63..round * 63 + 63);
            for (from, to) in [(&master, &slave), (&slave, &master)] {
                from.send_on(ring, &frames)?;
                same("frames", to.recv_on(ring)?, frames.clone())?;
                // Room for as many.
                from.device.txsync()?;
                same("room", from.tx(ring).space(), 63)?;
            }
        }
    }
    Ok(())
}

/// One end scribbles while both, and the base where somebody has that, are synced and waited for,
/// in all ways, and others go on `beside`.
fn scribbled_over(
    base: &str,
    owner: Option<&Bound>,
    seed: u64,
    beside: impl Fn() -> Outcome,
) -> Outcome {
    let neighbours = Neighbours::new("vale981")?;
    let (master, slave) = works("a pipe", ends(base))?;
    let pools = pools_info(&format!("{base}{{x"), 0)?;
    let over = AtomicBool::new(false);
    let syncs = std::thread::scope(|scope| -> Outcome<u64> {
        let (over, pools, evil) = (&over, &pools, &*slave.map);
        scope.spawn(move || {
            let mut random = Random::new(seed);
            while !over.load(SeqCst) {
                scribble(evil, pools, &mut random);
            }
        });
        let all = [&master, &slave].into_iter().chain(owner);
        let synced: Vec<_> = all
            .map(|bound| {
                scope.spawn(move || {
                    let events = [
                        PollFlags::POLLIN,
                        PollFlags::POLLOUT,
                        PollFlags::POLLIN | PollFlags::POLLOUT,
                    ];
                    let mut count = 0;
                    while !over.load(SeqCst) {
                        // Whatever comes of it.
                        let _ = (bound.device.txsync(), bound.device.rxsync());
                        // Now and then it sleeps.
                        let ms = u64::from(count % 16 == 0);
                        let _ = bound.poll(events[count as usize % 3], ms);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let (start, mut round) = (Instant::now(), 0);
        let exchanged = loop {
            let came = neighbours.exchange(round).and_then(|()| beside());
            round += 40;
            if came.is_err() || start.elapsed() > SECONDS {
                break came;
            }
        };
        over.store(true, SeqCst);
        let threads = synced.into_iter();
        let counts: Vec<u64> = threads.map(|thread| thread.join().unwrap_or(0)).collect();
        exchanged?;
        crate::say!("    {counts:?} syncs beside {round} frames of the neighbours");
        Ok(counts.into_iter().min().unwrap_or(0))
    })?;
    that("that there were syncs", syncs > 100)
}

fn nothing() -> Outcome {
    Ok(())
}

fn hostile_end_scribbles_over_the_memory_of_a_pipe() -> Outcome {
    let before = live();
    let base = vale("vale980:p").slots(64, 64).bind()?;
    scribbled_over("vale980:p", None, 980, nothing)?;
    drop(base);
    wait_until("everybody has left", || live() == before)?;
    works_both_ways("vale980:p")
}

fn hostile_end_scribbles_over_the_memory_of_a_pipe_alone() -> Outcome {
    let before = live();
    scribbled_over("pipe980", None, 981, nothing)?;
    wait_until("everybody has left", || live() == before)?;
    works_both_ways("pipe980")
}

/// The port that it is built on stays, and is good for more pipes in the same memory.
fn hostile_end_scribbles_under_the_base_of_a_pipe() -> Outcome {
    let base = vale("vale980:p").slots(64, 64).bind()?;
    for round in 0..3 {
        let before = live();
        scribbled_over("vale980:p", Some(&base), 982 + round, nothing)?;
        wait_until("both ends have left", || live() == before)?;
        works_both_ways("vale980:p")?;
    }
    let _ = (base.device.txsync(), base.device.rxsync());
    drop(base);
    works_both_ways("vale980:p")
}

/// The memory is the interface's, region 1; what passes the interface has nothing to do with it.
fn hostile_end_scribbles_beside_the_stack_of_its_interface() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let before = live();
    let stacks = || {
        for (from, to) in [(&host, &far), (&far, &host)] {
            let frames = numbered(0..40);
            frames.iter().try_for_each(|frame| from.send(frame))?;
            same("between the stacks", to.wait_for(40)?, frames)?;
        }
        Ok(())
    };
    scribbled_over("fm0", None, 986, stacks)?;
    wait_until("everybody has left", || live() == before)?;
    works_both_ways("fm0")?;
    let nic = vale("fm0").bind()?;
    nic.send(&numbered(0..40))?;
    same("of its rings", far.wait_for(40)?, numbered(0..40))
}

/// What it has been told to send may be anything. Closed, it is the stack's as before, and opened
/// anew it is in memory that it can use.
fn hostile_end_scribbles_under_an_interface_that_is_open() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    for round in 0..2 {
        let nic = vale("fm0").bind()?;
        let before = live();
        scribbled_over("fm0", Some(&nic), 987 + round, nothing)?;
        wait_until("both ends have left", || live() == before)?;
        let _ = (nic.device.txsync(), nic.device.rxsync());
        drop(nic);
        let _ = (host.receive(QUIET)?, far.receive(QUIET)?);
        far.send(&numbered(7..8)[0])?;
        same("to the host", host.wait_for(1)?, numbered(7..8))?;
        works_both_ways("fm0")?;
        let nic = vale("fm0").bind()?;
        nic.send(&numbered(0..40))?;
        same("of its rings", far.wait_for(40)?, numbered(0..40))?;
        far.send(&numbered(9..10)[0])?;
        wait_until("it came", || {
            let _ = nic.device.rxsync();
            nic.rx(0).space() == 1
        })?;
        same("in its rings", nic.recv()?, numbered(9..10))?;
    }
    Ok(())
}

/// One that was made, and is on a switch, and one that is there for the pipe.
fn hostile_end_scribbles_under_persistent_ports() -> Outcome {
    wire()?;
    made("p0")?;
    works("plugged in", attach("vale980:p0"))?;
    let stack = Stack::on("p0")?;
    let peer = vale("vale980:a").slots(64, 64).bind()?;
    // The stack behind it has its own way to the switch.
    let stacks = || {
        let frames = numbered(0..40);
        frames.iter().try_for_each(|frame| stack.send(frame))?;
        same("from its stack", wait_for(&peer, 40)?, frames.clone())?;
        peer.send(&frames)?;
        same("to its stack", stack.wait_for(40)?, frames)
    };
    let before = live();
    scribbled_over("p0", None, 989, stacks)?;
    wait_until("everybody has left", || live() == before)?;
    works_both_ways("p0")?;
    stacks()?;
    // What the others send from its rings goes to the switch.
    for (base, seed) in [("p0", 990), ("k0", 991)] {
        let keeper = vale(&format!("{base}{{keeper")).slots(8, 8).bind()?;
        let owner = vale(base).bind()?;
        let before = live();
        scribbled_over(base, Some(&owner), seed, nothing)?;
        wait_until("both ends have left", || live() == before)?;
        let _ = (owner.device.txsync(), owner.device.rxsync());
        drop((owner, keeper));
        works_both_ways(base)?;
    }
    peer.recv()?;
    stacks()?;
    works("pulled out", detach("vale980:p0"))?;
    works("deleted", delif("p0"))
}
