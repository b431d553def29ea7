// SPDX-License-Identifier: MIT OR Apache-2.0

//! The same frames through what a person would pick instead.

use crate::{
    peers::{Job, Peer},
    record::{Record, Spread},
    suite::{Bench, Scenario},
};
use anyhow::Result;
use std::{cell::RefCell, rc::Rc, time::Duration};

/// How often each is measured, and for how long: each time starts processes anew.
const REPEAT: usize = 3;
const TIME: Duration = Duration::from_millis(500);

/// Bytes and batch.
pub const JOBS: [(usize, usize); 7] = [
    (60, 512),
    (256, 512),
    (1024, 512),
    (1500, 512),
    (60, 1),
    (60, 8),
    (60, 64),
];

/// Those that say how fast it goes.
pub const FEW: [(usize, usize); 3] = [(60, 512), (1500, 512), (60, 1)];

/// Each peer with each size and batch.
pub fn scenarios(peers: Vec<Box<dyn Peer>>, jobs: &[(usize, usize)]) -> Vec<Scenario> {
    let mut all = Vec::new();
    for peer in peers {
        let (name, scenario) = (peer.name(), peer.scenario());
        let peer = Rc::new(RefCell::new(peer));
        for &(bytes, batch) in jobs {
            let peer = peer.clone();
            all.push(Scenario::new(
                format!("{name} {scenario}, {bytes} bytes, batch {batch}"),
                move |bench| Ok(vec![measure(&mut **peer.borrow_mut(), bench, bytes, batch)]),
            ));
        }
    }
    all
}

fn measure(peer: &mut dyn Peer, bench: &Bench, bytes: usize, batch: usize) -> Record {
    let record = Record {
        frame_bytes: Some(bytes as u64),
        batch: Some(batch as u64),
        senders: Some(1),
        receivers: Some(1),
        ..Record::new(peer.name(), peer.scenario())
    };
    let job = Job {
        bytes,
        batch,
        time: TIME,
    };
    let flows: Result<Vec<_>> = (0..REPEAT.min(bench.timing.windows))
        .map(|_| peer.measure(&job))
        .collect();
    match flows {
        Ok(flows) => {
            let sent: u64 = flows.iter().map(|flow| flow.sent).sum();
            let received: u64 = flows.iter().map(|flow| flow.received).sum();
            Record {
                lost: Some((1.0 - received as f64 / sent as f64).max(0.0)),
                ..record
            }
            .rate(Spread::of(
                flows.iter().map(|flow| flow.received as f64 / flow.seconds),
            ))
        }
        Err(why) => Record {
            missing: Some(format!("{why:#}")),
            ..record
        },
    }
}
