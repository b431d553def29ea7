// SPDX-License-Identifier: GPL-2.0

//! The threads that carry frames.

use super::{
    attachments::{Attachments, Polling},
    lane::{End, Ends, Lane},
};
use crate::{
    refusal::{refuse, Answer, Name},
    ring::Shape,
    sys::thread::{Ears, Inside, Thread, Work},
};
use kernel::{prelude::*, str::CString, sync::Arc};

/// Rounds that a busy thread goes before it lets others run.
const ROUNDS: u32 = 16;

/// What a thread works on.
pub(super) struct Carrier {
    ends: Arc<Ends>,
    lanes: KVec<Lane>,
    /// Where it listens between frames; a polling one does not.
    ears: Option<Ears>,
    attachments: Arc<Attachments>,
}

impl Carrier {
    /// One round over all lanes. Answers whether anything moved.
    fn carry(&self) -> bool {
        self.ends.measure();
        let lanes = self.lanes.iter();
        lanes.fold(false, |busy, lane| lane.carry(&self.ends) | busy)
    }

    /// Carries until there is nothing to carry. False if the interface has gone away.
    fn carry_all(&self, inside: &Inside) -> bool {
        let mut rounds = 0;
        while self.carry() && !inside.should_stop() {
            rounds += 1;
            if rounds == ROUNDS {
                rounds = 0;
                inside.breathe();
            }
        }
        if !self.ends.nic.port().is_there() {
            self.attachments.clear_up_later();
            return false;
        }
        true
    }
}

impl Work for Carrier {
    fn run(&mut self, inside: &Inside) {
        let Some(mut ears) = self.ears.take() else {
            while !inside.should_stop() && self.carry_all(inside) {
                inside.breathe();
            }
            return;
        };
        let lanes = self.lanes.iter();
        let queues = lanes.flat_map(|lane| lane.news(&self.ends)).flatten();
        inside.listen(&mut ears, queues, |listening| {
            while !inside.should_stop() && self.carry_all(inside) {
                listening.sleep();
            }
        });
    }
}

/// A running thread.
pub(super) type Running = Thread<Carrier>;

/// Starts the threads for an attached interface. Each pair of rings has one of its own.
pub(super) fn start(
    attachments: &Arc<Attachments>,
    ends: &Arc<Ends>,
    polling: Option<Polling>,
) -> Answer<KVec<Running>> {
    let shape = ends.nic.held().set().shape();
    let mut threads = KVec::new();
    let mut start = |lanes: KVec<Lane>, label: &str, cpu: Option<u32>| -> Answer {
        let name = Name(ends.nic.port().name());
        let name = CString::try_from_fmt(fmt!("netmap/{}/{}{}", name, label, threads.len()))?;
        let carrier = Carrier {
            ends: ends.clone(),
            ears: match cpu {
                Some(_) => None,
                // A lane listens to two queues.
                None => Some(Ears::new(2 * lanes.len())?),
            },
            lanes,
            attachments: attachments.clone(),
        };
        match (Thread::start(&name, cpu, carrier), cpu) {
            (Ok(thread), _) => threads.push(thread, GFP_KERNEL_ACCOUNT)?,
            (Err(EINVAL), Some(cpu)) => refuse!(
                EINVAL,
                "CPU {} is not one that the control group of this process may use (its cpuset)",
                cpu
            ),
            (Err(e), _) => return Err(e.into()),
        }
        Ok(())
    };
    let pairs = shape.rx_rings.max(shape.tx_rings);
    if let Some(Polling::AllOn { cpu }) = polling {
        let mut all = KVec::new();
        for pair in 0..pairs {
            push_pair(&mut all, shape, pair)?;
        }
        start(all, "", Some(cpu))?;
    } else {
        for pair in 0..pairs {
            let mut lanes = KVec::new();
            push_pair(&mut lanes, shape, pair)?;
            let cpu = match polling {
                Some(Polling::Each { first, count }) => {
                    let number = u32::from(pair);
                    (first..first.saturating_add(count))
                        .contains(&number)
                        .then_some(number)
                }
                _ => None,
            };
            start(lanes, "", cpu)?;
        }
    }
    if ends.host.is_some() {
        start(host_lanes(shape)?, "host", None)?;
    }
    Ok(threads)
}

/// Both ways between ring pair `pair` of the interface and that of its port.
fn push_pair(lanes: &mut KVec<Lane>, shape: Shape, pair: u16) -> Result {
    let (nic, wire) = ((End::Nic, pair), (End::Wire, pair));
    if pair < shape.rx_rings {
        lanes.push(
            Lane {
                from: nic,
                to: wire,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
    }
    if pair < shape.tx_rings {
        lanes.push(
            Lane {
                from: wire,
                to: nic,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
    }
    Ok(())
}

/// All ways between the host rings and the port that stands for the host.
fn host_lanes(shape: Shape) -> Result<KVec<Lane>> {
    let mut lanes = KVec::new();
    for (number, ring) in (0..).zip(shape.host_rx()) {
        let (from, to) = ((End::Nic, ring), (End::Host, number));
        lanes.push(Lane { from, to }, GFP_KERNEL_ACCOUNT)?;
    }
    for (number, ring) in (0..).zip(shape.host_tx()) {
        let (from, to) = ((End::Host, number), (End::Nic, ring));
        lanes.push(Lane { from, to }, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(lanes)
}
