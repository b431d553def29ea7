// SPDX-License-Identifier: MIT OR Apache-2.0

//! When there is nothing more to see, and that neither side keeps the other there.

use super::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::csb::*;
use crate::harness::raw::*;
use crate::harness::traces::live;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use nix::poll::PollFlags;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    item_169_a_monitor_ends_when_the_port_is_closed,
    monitor_ends_with_the_last_who_has_the_port,
    monitor_does_not_come_back_with_the_port,
    monitor_keeps_neither_port_nor_interface,
    monitor_ends_when_the_interface_goes_away,
    monitor_of_an_end_of_a_pipe_ends_with_that,
    monitor_ends_its_loop_when_the_port_is_closed;
    slow: monitor_closing_in_any_order_under_traffic
];

/// That there is nothing more to see.
fn is_over(monitor: &Bound) -> Outcome {
    for events in [PollFlags::POLLIN, PollFlags::POLLOUT, PollFlags::empty()] {
        same("poll", monitor.poll(events, 0)?, PollFlags::POLLERR)?;
    }
    works("txsync", monitor.device.txsync())?;
    let tail = monitor.rx(0).tail();
    works("rxsync", monitor.device.rxsync())?;
    same("no frames", monitor.rx(0).tail(), tail)
}

fn item_169_a_monitor_ends_when_the_port_is_closed() -> Outcome {
    for flags in [NR_MONITOR_TX, NR_MONITOR_RX, NR_ZCOPY_MON] {
        let (a, b) = pair("vale169")?;
        let monitor = monitor("vale169:a", flags)?;
        let quiet = monitor.poll(PollFlags::POLLIN, 0)?;
        same("open", quiet, PollFlags::empty())?;
        let events = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| monitor.poll(PollFlags::POLLIN, 20_000));
            std::thread::sleep(Duration::from_millis(50));
            drop(a);
            sleeper.join().expect("it does not panic")
        })?;
        same("woken", events, PollFlags::POLLERR)?;
        is_over(&monitor)?;
        drop(b);
    }
    Ok(())
}

fn monitor_ends_with_the_last_who_has_the_port() -> Outcome {
    let first = vale("vale169:a").rings(2, 2).slots(64, 64).one(0).bind()?;
    let all = [
        monitor("vale169:a", BOTH)?,
        monitor("vale169:a", NR_ZCOPY_MON)?,
    ];
    // A ring that was not there when the monitor came.
    let second = vale("vale169:a").one(1).bind()?;
    second.send_on(1, &numbered(0..2))?;
    for monitor in &all {
        same("seen", seen_on(monitor, 1)?, sent(0..2))?;
    }
    drop(first);
    second.send_on(1, &numbered(2..4))?;
    for monitor in &all {
        let events = monitor.poll(PollFlags::POLLIN, 0)?;
        same("goes on", events, PollFlags::POLLIN)?;
        same("seen", seen_on(monitor, 1)?, sent(2..4))?;
    }
    second.send_on(1, &numbered(4..6))?;
    drop(second);
    // What it has not taken in is not there any more either.
    all.iter().try_for_each(is_over)
}

fn monitor_does_not_come_back_with_the_port() -> Outcome {
    // One that stays is the same port, as are its rings.
    let net = crate::harness::persistent::made;
    wire()?;
    net("fmp1")?;
    let port = vale("fmp1").bind()?;
    let old = monitor("fmp1", BOTH)?;
    drop(port);
    let port = vale("fmp1").bind()?;
    port.send(&numbered(0..3))?;
    is_over(&old)?;
    let new = monitor("fmp1", BOTH)?;
    same("counts anew", new.port_name(), "fmp1/rt#0")?;
    port.send(&numbered(3..5))?;
    same("seen", seen(&new)?, sent(3..5))?;
    is_over(&old)?;
    // Who goes takes nothing away from the other.
    drop(old);
    port.send(&numbered(5..7))?;
    same("seen", seen(&new)?, sent(5..7))?;
    drop((port, new));
    Ok(crate::harness::persistent::delif("fmp1")?)
}

fn monitor_keeps_neither_port_nor_interface() -> Outcome {
    let (a, b) = pair("vale169")?;
    let all = [
        monitor("vale169:a", BOTH)?,
        monitor("vale169:a", NR_ZCOPY_MON)?,
    ];
    drop((a, b));
    same("ports", request::vale_list()?, [])?;
    let switches = live().get("switches").copied().unwrap_or(0);
    same("switches", switches, 0)?;
    all.iter().try_for_each(is_over)?;
    // The name is free for another.
    let again = vale("vale169:a").slots(64, 64).bind()?;
    again.send(&numbered(0..1))?;
    all.iter().try_for_each(is_over)
}

fn monitor_ends_when_the_interface_goes_away() -> Outcome {
    wire()?;
    let port = vale("fm0").bind()?;
    let all = [
        monitor("fm0", BOTH)?,
        monitor("fm0", NR_ZCOPY_MON)?,
        monitor("fm0", NR_MONITOR_RX)?,
    ];
    port.send(&numbered(0..3))?;
    let events = std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| all[2].poll(PollFlags::POLLIN, 20_000));
        std::thread::sleep(Duration::from_millis(50));
        // It does not wait for anybody.
        let gone = ip("link del fm0");
        let events = sleeper.join().expect("it does not panic");
        gone.map(|()| events)
    })?;
    same("woken", events?, PollFlags::POLLERR)?;
    has_let_go(&port)?;
    all.iter().try_for_each(is_over)?;
    // The program still has it open, and there is nothing to be seen.
    fails("another", monitor("fm0", BOTH).map(|_| ()), Errno::ENXIO)
}

fn monitor_of_an_end_of_a_pipe_ends_with_that() -> Outcome {
    let master = vale("vale169:a{x").slots(64, 64).bind()?;
    let slave = vale("vale169:a}x").bind()?;
    let all = [
        monitor("vale169:a}x", BOTH)?,
        monitor("vale169:a}x", NR_ZCOPY_MON)?,
    ];
    drop(slave);
    // The pipe is still there, and frames wait for the end to come back.
    master.send(&numbered(0..3))?;
    all.iter().try_for_each(is_over)?;
    let slave = vale("vale169:a}x").bind()?;
    let new = monitor("vale169:a}x", BOTH)?;
    master.send(&numbered(3..5))?;
    same("seen", seen(&new)?, received(3..5))?;
    same("received", got(&slave)?, (0..5).collect::<Vec<_>>())
}

fn monitor_closing_in_any_order_under_traffic() -> Outcome {
    let base = vale("vale169:base").slots(64, 64).bind()?;
    let region = base.reg.nr_mem_id;
    let before = free(region)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = || !stop.load(Relaxed);
        // Ports come, send and go.
        let ports = scope.spawn(|| -> Outcome {
            for round in 0..150 {
                let port = vale("vale169:a").mem(region).slots(64, 64).bind()?;
                for _ in 0..round % 20 {
                    port.send(&numbered(0..40))?;
                    base.send(&numbered(0..40))?;
                    port.recv()?;
                    base.recv()?;
                }
            }
            stop.store(true, Relaxed);
            Ok(())
        });
        let mut all = vec![ports];
        for kind in [BOTH, NR_ZCOPY_MON, NR_ZCOPY_MON, NR_MONITOR_RX] {
            all.push(scope.spawn(move || -> Outcome {
                while running() {
                    // It comes in between, or does not.
                    let monitor = match monitor("vale169:a", kind) {
                        Ok(monitor) => monitor,
                        Err(Errno::EINVAL) => continue,
                        Err(e) => return Err(e.into()),
                    };
                    while running() {
                        let events = monitor.poll(PollFlags::POLLIN, 20)?;
                        if events.contains(PollFlags::POLLERR) {
                            break;
                        }
                        let frames = monitor.rx(0).take();
                        let wrong = frames.iter().find(|(slot, _)| slot.len != 60);
                        that("whole frames", wrong.is_none())?;
                        if frames.len() % 3 == 1 {
                            break;
                        }
                    }
                }
                Ok(())
            }));
        }
        let ends = all.into_iter().map(|thread| {
            let end = thread.join().expect("it does not panic");
            if end.is_err() {
                stop.store(true, Relaxed);
            }
            end
        });
        ends.collect::<Vec<_>>().into_iter().collect::<Outcome>()
    })?;
    same("free", free(region)?, before)
}

/// A busy loop would have had a CPU for ever.
fn monitor_ends_its_loop_when_the_port_is_closed() -> Outcome {
    for sleep_us in [0, 50] {
        let (a, _b) = pair("vale177")?;
        let port = CsbPort::bind(vale("vale177:a").flags(NR_MONITOR_TX))?;
        let ended = std::thread::scope(|scope| {
            let running = scope.spawn(|| kloop_start(port.device(), sleep_us, 0));
            std::thread::sleep(Duration::from_millis(50));
            drop(a);
            running.join().expect("it does not panic")
        });
        fails("the loop", ended, Errno::ENXIO)?;
    }
    Ok(())
}
