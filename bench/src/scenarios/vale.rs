// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which flows through a switch are measured, through a pipe, and over a veth pair.

use super::{
    flow::{Flow, Through},
    ports,
};
use crate::{frame::frame, frame::BROADCAST, peers::net, suite::Scenario, worker::Wait};
use anyhow::Result;
use ferromap::Port;

/// Bytes of the frames, the last one longer than a buffer.
const SIZES: [usize; 5] = [60, 256, 1024, 1500, 9000];
/// Ports and addresses that must not make a frame dearer.
const MANY_PORTS: usize = 200;
const MANY_ADDRESSES: u16 = 500;

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    let (kernel, user) = (Flow::KERNEL, Flow::USER);
    let mut all = Vec::new();
    for base in [&kernel, &user] {
        all.extend(SIZES.map(|bytes| {
            Flow {
                bytes,
                ..base.clone()
            }
            .scenario()
        }));
    }
    all.extend([60, 1500].map(|bytes| {
        Flow {
            scenario: "1 to 1, handed over",
            bytes,
            hand_over: true,
            note: "one region, buffers exchanged",
            ..kernel.clone()
        }
        .scenario()
    }));
    // Rings that stay in the cache, whatever else the machine does.
    all.extend([60, 1500].map(|bytes| {
        Flow {
            bytes,
            slots: 1024,
            batch: 1024,
            ..kernel.clone()
        }
        .scenario()
    }));
    all.extend([1, 8, 64].map(|batch| {
        Flow {
            batch,
            ..user.clone()
        }
        .scenario()
    }));
    all.extend([&kernel, &user].map(|base| no_receiver(base).scenario()));
    all.extend(by_a_loop(&user));
    // Beside the latter: what it costs the port to be watched.
    all.extend([&kernel, &user].map(|base| {
        Flow {
            scenario: "no receiver, monitored",
            watch: true,
            wait: Wait::Busy,
            note: "frames that a zero-copy monitor reads",
            ..base.clone()
        }
        .scenario()
    }));
    all.extend(crowds().map(Flow::scenario));
    all.push(
        Flow {
            scenario: "1 to 1 among 200 ports",
            ..kernel.clone()
        }
        .scenario_with(|| ports::open_idle(MANY_PORTS - 2)),
    );
    all.push(
        Flow {
            scenario: "1 to 1 among 500 addresses",
            ..kernel
        }
        .scenario_with(many_addresses),
    );
    all.extend(through_a_pipe());
    all.extend(over_veth());
    all
}

/// From one end of a pipe to the other.
fn through_a_pipe() -> impl Iterator<Item = Scenario> {
    let pipe = |base| Flow {
        through: Through::Pipe,
        ..base
    };
    let sizes = SIZES.map(|bytes| Flow {
        bytes,
        ..Flow::KERNEL
    });
    let all = sizes.into_iter().chain([Flow::USER]);
    all.map(move |base| pipe(base).scenario())
}

/// Over a veth pair, like the peers; and once over one that is left as it was made.
fn over_veth() -> impl Iterator<Item = Scenario> {
    let flow = |bytes, batch| Flow {
        through: Through::Veth,
        bytes,
        batch,
        ..Flow::USER
    };
    let sizes = [60, 256, 1024, 1500].map(|bytes| (bytes, 512));
    let batches = [1, 8, 64].map(|batch| (60, batch));
    let as_made = Flow {
        scenario: "1 to 1, GRO off",
        ..flow(60, 512)
    };
    sizes
        .into_iter()
        .chain(batches)
        .map(move |(bytes, batch)| flow(bytes, batch).scenario_with(net::Pair::napi))
        .chain([as_made.scenario_with(net::Pair::as_made)])
}

/// Frames that a loop in the kernel takes, on the other CPU; each beside the same with system
/// calls.
fn by_a_loop(base: &Flow) -> impl Iterator<Item = Scenario> + use<'_> {
    [8, 64, 512].into_iter().flat_map(|batch| {
        let called = Flow {
            batch,
            ..no_receiver(base)
        };
        let looped = Flow {
            scenario: "no receiver, by a loop",
            kernel_loop: Some(1),
            note: "no system calls; the loop has the other CPU",
            ..called.clone()
        };
        // The usual batch is measured by itself.
        let called = (batch != base.batch).then_some(called);
        called.into_iter().chain([looped]).map(Flow::scenario)
    })
}

fn no_receiver(base: &Flow) -> Flow {
    Flow {
        scenario: "no receiver",
        receivers: &[],
        ..base.clone()
    }
}

/// More than one sender or receiver. There are two CPUs: whoever shares one sleeps when there is
/// nothing to do.
fn crowds() -> [Flow; 4] {
    let base = Flow {
        wait: Wait::Poll,
        ..Flow::KERNEL
    };
    [
        Flow {
            scenario: "2 to 1",
            senders: &[0, 0],
            wait: Wait::Busy,
            note: "both senders on one CPU",
            ..base.clone()
        },
        Flow {
            scenario: "2 to 1",
            senders: &[0, 1],
            note: "one sender beside the receiver",
            ..base.clone()
        },
        Flow {
            scenario: "1 to 2, flooding",
            receivers: &[1, 1],
            flood: true,
            note: "frames of both receivers",
            ..base.clone()
        },
        Flow {
            scenario: "1 to 2, in turn",
            receivers: &[1, 1],
            note: "frames of both receivers",
            ..base
        },
    ]
}

/// A port of the switch behind which many addresses were seen.
fn many_addresses() -> Result<Port> {
    let mut port = Port::open("vale0:many")?;
    let ring = &mut port.tx_rings()[0];
    for n in 0..MANY_ADDRESSES {
        let [high, low] = n.to_be_bytes();
        ring.send(&frame(BROADCAST, [2, 0, 0, 1, high, low], 60))?;
    }
    ring.sync()?;
    Ok(port)
}
