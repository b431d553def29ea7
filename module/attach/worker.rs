// SPDX-License-Identifier: GPL-2.0

//! The threads that carry frames.

use super::transfer::{Ends, Transfer};
use crate::{
    refusal::{refuse, Fallible, Name},
    sys::{
        thread::{Inside, Thread, Work},
        wait::WaitQueue,
        waiting::WaitEntries,
    },
};
use kernel::{prelude::*, str::CString, sync::Arc};

/// Rounds that a busy thread goes before it lets others run.
const ROUNDS: u32 = 16;

/// How rings are polled instead of waited for.
#[derive(Clone, Copy)]
pub(crate) enum Polling {
    /// All of them, by a thread on this CPU.
    AllOn { cpu: u32 },
    /// Ring pair i by a thread on CPU i, for `count` of them.
    Each { first: u32, count: u32 },
}

/// Who wants to know that an interface has gone away.
pub(super) trait WhenGone: Send + Sync + 'static {
    /// Called by a thread that has nothing to do any more, and cannot be stopped by what this
    /// calls.
    fn gone(self: Arc<Self>);
}

/// What a thread works on.
pub(super) struct Worker<G: WhenGone> {
    /// These go first: when the ends let go of the rings, nobody else is to have them.
    transfers: KVec<Transfer>,
    ends: Arc<Ends>,
    /// For the queues that it waits on between frames; a polling one does not.
    entries: Option<WaitEntries>,
    when_gone: Arc<G>,
}

impl<G: WhenGone> Worker<G> {
    /// One round over all transfers. Returns whether anything moved.
    fn carry(&self) -> bool {
        self.ends.measure();
        let transfers = self.transfers.iter();
        transfers.fold(false, |busy, transfer| transfer.carry() | busy)
    }

    /// Carries until there is nothing to carry. False if the interface has gone away.
    fn carry_all(&self, inside: &Inside) -> bool {
        let mut rounds = 0;
        while self.carry() && !inside.should_stop() {
            rounds += 1;
            if rounds == ROUNDS {
                rounds = 0;
                inside.resched();
            }
        }
        if !self.ends.nic.port().is_there() {
            self.when_gone.clone().gone();
            return false;
        }
        true
    }
}

impl<G: WhenGone> Work for Worker<G> {
    fn run(&mut self, inside: &Inside) {
        let Some(mut entries) = self.entries.take() else {
            while !inside.should_stop() && self.carry_all(inside) {
                inside.resched();
            }
            return;
        };
        let queues = self.transfers.iter().flat_map(Transfer::waiters);
        entries.wait_on(queues.map(WaitQueue::spot), |waiting| {
            while !inside.should_stop() && self.carry_all(inside) {
                inside.sleep_on(waiting);
            }
        });
    }
}

/// A running thread.
pub(super) type WorkerThread<G> = Thread<Worker<G>>;

/// Starts the threads for an attached interface. Each pair of rings has one of its own.
pub(super) fn start<G: WhenGone>(
    when_gone: &Arc<G>,
    ends: &Arc<Ends>,
    polling: Option<Polling>,
) -> Fallible<KVec<WorkerThread<G>>> {
    let shape = ends.nic.held().set().shape();
    let mut threads = KVec::new();
    let mut start = |transfers: KVec<Transfer>, label: &str, cpu: Option<u32>| -> Fallible {
        let name = Name(ends.nic.port().name());
        let name = CString::try_from_fmt(fmt!("netmap/{}/{}{}", name, label, threads.len()))?;
        let worker = Worker {
            entries: match cpu {
                Some(_) => None,
                // A transfer waits on two queues.
                None => Some(WaitEntries::new(2 * transfers.len())?),
            },
            transfers,
            ends: ends.clone(),
            when_gone: when_gone.clone(),
        };
        match (Thread::start(&name, cpu, worker), cpu) {
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
        let all = (0..pairs).flat_map(|pair| ends.pair(pair.into()));
        start(collect(all)?, "", Some(cpu))?;
    } else {
        for pair in 0..pairs {
            let cpu = match polling {
                Some(Polling::Each { first, count }) => {
                    let number = u32::from(pair);
                    (first..first.saturating_add(count))
                        .contains(&number)
                        .then_some(number)
                }
                _ => None,
            };
            start(collect(ends.pair(pair.into()))?, "", cpu)?;
        }
    }
    if ends.host.is_some() {
        start(collect(ends.of_host())?, "host", None)?;
    }
    Ok(threads)
}

fn collect(transfers: impl Iterator<Item = Transfer>) -> Result<KVec<Transfer>> {
    let mut all = KVec::new();
    for transfer in transfers {
        all.push(transfer, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(all)
}
