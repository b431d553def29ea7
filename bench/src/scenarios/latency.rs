// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long one frame takes through a switch and back.

use crate::{
    frame::{receiver, sender},
    record::Record,
    suite::{Bench, Scenario},
    worker::{group, Role, Task, Wait},
};
use anyhow::{Context, Result};

/// Bytes of the frames.
const BYTES: usize = 60;

/// With both sides syncing all the time, and with both asleep until a frame comes.
pub fn scenarios() -> Vec<Scenario> {
    [
        (Wait::Busy, "ping-pong, both sync all the time"),
        (Wait::Poll, "ping-pong, both sleep in poll"),
    ]
    .into_iter()
    .map(|(wait, name)| {
        Scenario::new(format!("vale {name}"), move |bench| {
            Ok(vec![measure(bench, name, wait)?])
        })
    })
    .collect()
}

fn measure(bench: &Bench, name: &str, wait: Wait) -> Result<Record> {
    let (a, b) = (sender(0), receiver(0));
    let task = |port: &str, cpu, role| Task {
        port: port.to_owned(),
        slots: 0,
        cpu,
        role,
    };
    let ping = Role::Ping {
        from: a,
        to: b,
        bytes: BYTES,
        wait,
    };
    let pong = Role::Pong {
        address: b,
        to: a,
        wait,
    };
    let tasks = [task("vale0:ping", 0, ping), task("vale0:pong", 1, pong)];
    let outcomes = group::run(&tasks, bench.timing, bench.rate)?;
    let ping = outcomes.first().context("there is no outcome")?;
    let (p50, p99, trips) = ping.round_trips.context("no frame came back")?;
    Ok(Record {
        frame_bytes: Some(BYTES as u64),
        batch: Some(1),
        slots: Some(ping.slots as u64),
        senders: Some(1),
        receivers: Some(1),
        p50_us: Some(p50),
        p99_us: Some(p99),
        note: format!("{trips} round trips"),
        ..Record::new("vale", name)
    })
}
