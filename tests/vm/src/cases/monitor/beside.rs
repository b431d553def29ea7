// SPDX-License-Identifier: MIT OR Apache-2.0

//! Monitors of a port that sends and receives at the same time: each sees every frame, once, in
//! order and to the byte, or counts that it has missed it.

use super::*;
use crate::harness::exchange::*;
use crate::harness::traffic::*;
use crate::harness::wire::wire;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const CASES: &[Case] = crate::cases![
    monitor_beside_a_port_of_a_switch,
    monitor_beside_an_end_of_a_pipe,
    monitor_beside_an_interface,
];

/// What a monitor sees of station 1, which is the port, until `stop` is set and nothing is left.
fn watch(monitor: &Bound, stop: &AtomicBool) -> Outcome<u64> {
    let mut seen = Seen::new();
    loop {
        let stopping = stop.load(SeqCst);
        monitor.device.rxsync()?;
        let slots = monitor.rx(0).take();
        monitor.device.rxsync()?;
        for (slot, bytes) in &slots {
            let (from, _) = seen.take(bytes)?;
            same("sent", slot.flags & NS_TXMON != 0, from == 1)?;
        }
        if slots.is_empty() {
            if stopping {
                return Ok(seen.total);
            }
            std::thread::yield_now();
        }
    }
}

/// A copying and a zero-copy monitor of `port`, called `name`, beside its traffic with `peer`.
fn beside(name: &str, (port, peer): (&Bound, &Bound), parties: [&dyn Party; 2]) -> Outcome {
    let ask = |flags| vale(name).flags(flags).slots(64, 64).bind();
    let monitors = [ask(BOTH)?, ask(NR_ZCOPY_MON)?];
    let stop = AtomicBool::new(false);
    let (done, seen) = std::thread::scope(|scope| -> Outcome<_> {
        let watchers: Vec<_> = monitors
            .iter()
            .map(|monitor| scope.spawn(|| watch(monitor, &stop)))
            .collect();
        let done = both_ways(parties[0], parties[1], 3000);
        // What has been sent is shown when its slots are free again.
        let free = || {
            let _ = port.device.txsync();
            port.tx(0).space() == port.tx(0).n() - 1
        };
        let done = done.and_then(|()| wait_until("all slots are free", free));
        stop.store(true, SeqCst);
        let seen = watchers.into_iter().map(|watcher| match watcher.join() {
            Ok(seen) => seen,
            Err(_) => fail("a thread panicked"),
        });
        Ok((done, seen.collect::<Vec<_>>()))
    })?;
    done?;
    let (sent, received) = (counter(port, "tx0-frames")?, counter(port, "rx0-frames")?);
    same("sent", sent, 3000)?;
    same("sent by the peer", counter(peer, "tx0-frames")?, 3000)?;
    for (monitor, seen) in monitors.iter().zip(seen) {
        let (seen, missed) = (seen?, counter(monitor, "rx0-drop_full")?);
        same(
            format!("{seen} seen and {missed} missed"),
            seen + missed,
            sent + received,
        )?;
    }
    Ok(())
}

fn monitor_beside_a_port_of_a_switch() -> Outcome {
    let [a, b] = ports("vale175", ["a", "b"])?;
    beside("vale175:a", (&a, &b), [&a, &b])
}

fn monitor_beside_an_end_of_a_pipe() -> Outcome {
    let [a, b] = ports("vale175", ["p{x", "p}x"])?;
    beside("vale175:p{x", (&a, &b), [&a, &b])?;
    same("received", counter(&a, "rx0-frames")?, 3000)
}

fn monitor_beside_an_interface() -> Outcome {
    wire()?;
    let (one, other) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let parties = (Wired(&one, "fm0"), Wired(&other, "fm1"));
    beside("fm0", (&one, &other), [&parties.0, &parties.1])
}
