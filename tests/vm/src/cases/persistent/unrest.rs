// SPDX-License-Identifier: MIT OR Apache-2.0

//! A persistent port whose interface is moved, renamed and deleted by others, while its rings are
//! bound and everybody sends.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::exchange::both_ways;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::request::{port_info, vale_list};
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::*;
use crate::harness::wire::{has_let_go, ip, wait_for, wire};
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![;
    slow:
    persistent_moved_under_traffic_its_rings_go_on,
    persistent_moved_under_traffic_its_stack_goes_on,
    persistent_renamed_under_traffic_its_rings_go_on,
    persistent_moved_and_deleted_under_traffic
];

/// That the switch knows which station each is.
fn known(stations: [(&Bound, u8); 3]) -> Outcome {
    for (bound, n) in stations {
        bound.send(&[frame(BROADCAST, station(n), 0)])?;
    }
    for (bound, n) in stations {
        let count = if bound.rx_rings().is_empty() { 0 } else { 2 };
        let came = if count > 0 { got(bound)? } else { vec![] };
        same(format!("at station {n}"), came.len(), count)?;
    }
    Ok(())
}

/// The stack's frames all go to one receiver, wherever the interface is and whatever its name.
fn floods(names: &[&str], over: &AtomicBool) -> Outcome {
    let mut n = 0;
    while !over.load(SeqCst) {
        let found = names.iter().find_map(|name| Stack::on(name).ok());
        let Some(stack) = found else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        while !over.load(SeqCst) && stack.send(&from_stack(n)).is_ok() {
            n += 1;
        }
    }
    Ok(())
}

fn from_stack(n: u32) -> Vec<u8> {
    frame(station(5), station(4), n)
}

/// Lets `change` be done to the port again and again, while its rings and `a`'s exchange frames, of
/// which each comes or is counted, and a stack, here and there, sends to a third port, where some
/// of that must come after each change.
fn changed_under_traffic(names: &[&str], mut change: impl FnMut(u32) -> Outcome) -> Outcome {
    let [a, c] = ports("vale244", ["a", "c"])?;
    let p = vale("vale244:p0").bind()?;
    known([(&a, 1), (&p, 2), (&c, 5)])?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let rings = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(SeqCst) {
                both_ways(&a, &p, 300)?;
                rounds += 1;
            }
            Ok::<_, Failure>(rounds)
        });
        let floods = scope.spawn(|| floods(names, &over));
        let changes = (0..16).try_for_each(|round| -> Outcome {
            change(round)?;
            c.device.rxsync()?;
            for bytes in c.rx(0).take_frames() {
                same(
                    "a frame of the stack",
                    bytes.clone(),
                    from_stack(number(&bytes)),
                )?;
            }
            wait_until("the stack sends", || {
                c.poll(PollFlags::POLLIN, 50) == Ok(PollFlags::POLLIN)
            })
        });
        over.store(true, SeqCst);
        floods.join().map_err(|_| failure("the stack panicked"))??;
        let rounds = rings.join().map_err(|_| failure("the rings panicked"))??;
        changes?;
        that("frames were exchanged meanwhile", rounds > 2)
    })?;
    drop((a, c, p));
    works("pulled out", detach("vale244:p0")).map(drop)
}

fn persistent_moved_under_traffic_its_rings_go_on() -> Outcome {
    let there = two_places()?;
    let before = live();
    made("p0")?;
    works("plugged in", attach("vale244:p0"))?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let far = scope.spawn(|| there.run(|| floods(&["p0"], &over)));
        let done = changed_under_traffic(&["p0"], |round| match round % 2 {
            0 => there.take("p0"),
            _ => there.give_back("p0"),
        });
        over.store(true, SeqCst);
        far.join().map_err(|_| failure("it panicked there"))??;
        done
    })?;
    works("deleted", delif("p0"))?;
    wait_until("nothing is left", || live() == before)
}

fn persistent_renamed_under_traffic_its_rings_go_on() -> Outcome {
    wire()?;
    let before = live();
    made("p0")?;
    works("plugged in", attach("vale244:p0"))?;
    changed_under_traffic(&["p0", "q0"], |round| {
        let (old, new) = [("p0", "q0"), ("q0", "p0")][round as usize % 2];
        ip(&format!("link set {old} down"))?;
        ip(&format!("link set {old} name {new}"))?;
        ip(&format!("link set {new} up"))?;
        let region = |name| Ok::<_, Failure>(port_info(name, Default::default())?.nr_mem_id);
        same("the same", region(new)?, region("vale244:p0")?)?;
        fails("the old", port_info(old, Default::default()), Errno::ENXIO)
    })?;
    works("deleted", delif("p0"))?;
    wait_until("nothing is left", || live() == before)
}

/// Where its transmit rings are bound, and nobody takes what comes for the stack.
fn persistent_moved_under_traffic_its_stack_goes_on() -> Outcome {
    let there = two_places()?;
    made("p0")?;
    works("plugged in", attach("vale245:p0"))?;
    let [a, c] = ports("vale245", ["a", "c"])?;
    let p = vale("p0").flags(NR_TX_RINGS_ONLY).bind()?;
    known([(&a, 1), (&p, 2), (&c, 5)])?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sends = scope.spawn(|| -> Outcome<u32> {
            let mut n = 0;
            while !over.load(SeqCst) {
                p.send(&[frame(station(5), station(4), n)])?;
                same("of its rings", wait_for(&c, 1)?, vec![from_stack(n)])?;
                n += 1;
            }
            Ok(n)
        });
        let changes = (0..12).try_for_each(|round| -> Outcome {
            let stack = if round % 2 == 0 {
                there.take("p0")?;
                there.run(|| Ok(Stack::on("p0")?))?
            } else {
                there.give_back("p0")?;
                Stack::on("p0")?
            };
            for n in 0..5 {
                let up = frame_of(1514, station(2), station(1), n);
                a.send(&[up.clone()])?;
                same("up", stack.wait_for(1)?, vec![up])?;
                let out = frame_of(1514, station(1), station(2), n);
                stack.send(&out)?;
                same("out", wait_for(&a, 1)?, vec![out])?;
            }
            Ok(())
        });
        over.store(true, SeqCst);
        let sent = sends.join().map_err(|_| failure("the sender panicked"))??;
        changes?;
        that("its rings sent meanwhile", sent > 10)?;
        // And the one by which it was known.
        same("all of it", counter(&p, "tx0-frames")?, u64::from(sent) + 1)
    })?;
    drop((a, c, p));
    works("pulled out", detach("vale245:p0"))?;
    works("deleted", delif("p0"))
}

/// By who has it there, while its rings are bound here and send.
fn persistent_moved_and_deleted_under_traffic() -> Outcome {
    let there = two_places()?;
    let before = live();
    for _ in 0..6 {
        made("p0")?;
        works("plugged in", attach("vale246:p0"))?;
        let [a] = ports("vale246", ["a"])?;
        let p = vale("p0").bind()?;
        there.take("p0")?;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let near = scope.spawn(|| -> Outcome {
                while !over.load(SeqCst) {
                    a.send(&numbered(0..40))?;
                    a.recv()?;
                }
                Ok(())
            });
            let own = scope.spawn(|| loop {
                p.rx(0).take();
                let done = p.send(&numbered(0..10)).and(p.device.rxsync());
                if done.is_err() || over.load(SeqCst) {
                    return done;
                }
            });
            let far = scope.spawn(|| there.run(|| floods(&["p0"], &over)));
            std::thread::sleep(QUIET / 2);
            let deleted = there.ip("link del p0");
            // Nothing else ends them if that failed.
            over.store(deleted.is_err(), SeqCst);
            let said = own.join().map_err(|_| failure("its rings panicked"));
            over.store(true, SeqCst);
            near.join().map_err(|_| failure("the other panicked"))??;
            far.join().map_err(|_| failure("it panicked there"))??;
            deleted?;
            same("what its rings say", said?, Err(Errno::EIO))
        })?;
        has_let_go(&p)?;
        let names: Vec<_> = vale_list()?.into_iter().map(|(name, ..)| name).collect();
        same("ports", names.join(" "), "vale246:a")?;
        drop((a, p));
    }
    wait_until("nothing is left", || live() == before)
}
