// SPDX-License-Identifier: GPL-2.0

//! A batch of frames on its way through a switch, in the sender's own sync.
//!
//! It goes in bursts of a few frames, each in two halves, so that the second finds the frames in
//! the cache: [`collect`](super::collect) reads each slot once, checks it, and sorts the frames by
//! where they go, which an XDP program may decide ([`inspect`](super::inspect));
//! [`deliver`](super::deliver) reserves room and copies ([`fill`](super::fill)) once for each
//! destination. Receivers are woken when the first burst is through, and when the batch is. The
//! sender's buffers may change during all of this: what was checked is the private copy of the
//! slot, and what is copied is bytes within the buffer, whatever they are by then.

use super::{
    ahead::{bring_in, INSPECTED},
    collect::{ByTable, Most},
    extent::{All, Extent, Start},
    inspect::Inspector,
    origin::{Exchanged, Whole},
    scratch::{Scratch, BURST},
    sender::Sender,
    switch::{Member, Switch},
    verdict::{Decider, Nowhere},
    xdp::Workspaces,
};
use crate::{
    abi::{consts::NETMAP_MAX_FRAGS, ext::FERROMAP_NR_SWAP},
    params,
    refusal::Fallible,
    ring::{count::TxDrop, TxQueue, TxSync, Walk},
    sys::{bottom_half, task},
};
use kernel::sync::{rcu, Arc};

/// Bytes of a burst, or those of one frame: what a receiver gets of it is copied without letting go
/// of the CPU. As much as [`BURST`] buffers of the usual size have.
const STRETCH: u32 = 256 * 1024;

/// The same for all receivers together, which a flood reaches: the CPU may be kept for the whole
/// burst.
const LONG_STRETCH: u32 = 4 * 1024 * 1024;

/// Bytes of a burst on a switch of so many ports. Those of the nearest cache are always few enough.
fn stretch(ports: u32) -> u32 {
    if ports <= LONG_STRETCH / STRETCH {
        return STRETCH;
    }
    (LONG_STRETCH / ports).max(INSPECTED)
}

/// The queue of a transmit ring of a switch port.
pub(super) struct Forward {
    switch: Arc<Switch>,
    member: Arc<Member>,
    number: u16,
    scratch: Scratch,
}

impl Forward {
    pub(super) fn new(switch: &Arc<Switch>, member: &Arc<Member>, number: u16) -> Fallible<Self> {
        Ok(Forward {
            switch: switch.clone(),
            member: member.clone(),
            number,
            scratch: Scratch::new()?,
        })
    }
}

impl TxQueue for Forward {
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let port = (&*self.switch, &*self.member);
        self.scratch.forward(port, self.number, sync);
    }
}

impl Scratch {
    /// Forwards everything that the ring of that number of a port has; only where the process is
    /// being killed, what is left stays in the ring.
    #[inline]
    pub(super) fn forward(
        &mut self,
        (switch, member): (&Switch, &Member),
        number: u16,
        sync: &mut TxSync<'_>,
    ) {
        let ring = sync.ring();
        let sender = Sender {
            switch,
            member,
            header: member.header(),
            ring,
            number,
            bufs: ring.mem.mem().bufs(),
            offsets: ring.mem.offsets(),
            caller: sync.caller(),
            stretch: stretch(switch.count()),
            swaps: sync.view().flags() & FERROMAP_NR_SWAP != 0,
        };
        let mut walk = Walk::new(sync.view(), sync.first(), sync.count());
        let batch = u32::try_from(params::bridge_batch.get()).unwrap_or(0);
        if batch == 0 {
            ring.counters.drop(TxDrop::Disabled, walk.left().into());
            sync.all_sent();
            return;
        }
        let installed = {
            let guard = rcu::read_lock();
            let program = member.program(switch, &guard);
            program.map(|program| program.needs())
        };
        // A chain is never cut by the end of a batch.
        let batch = batch.max(NETMAP_MAX_FRAGS as u32);
        let scratch = self;
        let (mut goes_on, mut is_first) = (true, true);
        while goes_on && walk.left() > 0 {
            let end = walk.left().saturating_sub(batch);
            while goes_on && walk.left() > end {
                let slots = (walk.left() - end).min(BURST as u32);
                walk = match &installed {
                    None => burst(scratch, &sender, walk, slots),
                    Some((workspaces, sees)) => {
                        let ahead = bring_in(walk, slots, *sees, sender.caller);
                        inspected_burst(scratch, &sender, walk, ahead, workspaces)
                    }
                };
                goes_on = task::go_on();
                // Who sleeps takes as long to wake as many bursts take: he begins with the first.
                if is_first && walk.left() > end {
                    scratch.wake(&sender);
                }
                is_first = false;
            }
            scratch.wake(&sender);
        }
        sync.all_sent_but(walk.left());
    }
}

/// Forwards up to `limit` slots. Returns the way behind them.
fn burst<'r>(scratch: &mut Scratch, sender: &Sender<'_>, walk: Walk<'r>, limit: u32) -> Walk<'r> {
    let most = Most {
        slots: limit,
        bytes: sender.stretch,
    };
    let behind = scratch.collect(sender, walk, most, &mut ByTable);
    let ring = Whole {
        bufs: sender.bufs,
        caller: sender.caller,
    };
    if sender.swaps && scratch.is_one_by_one(walk.left() - behind.left()) {
        scratch.deliver(sender, &Exchanged { ring, sent: walk });
    } else {
        scratch.deliver(sender, &ring);
    }
    behind
}

/// The same, but a program decides about each frame first. They have `mean` bytes or so. What the
/// program saw is what arrives, so buffers are never exchanged.
fn inspected_burst<'r>(
    scratch: &mut Scratch,
    sender: &Sender<'_>,
    walk: Walk<'r>,
    (limit, mean): (u32, u32),
    workspaces: &Workspaces,
) -> Walk<'r> {
    let most = Most {
        slots: limit,
        bytes: sender.stretch,
    };
    // From here on nobody can interrupt: others may need the workspace.
    let pinned = bottom_half::disable();
    let guard = rcu::read_lock();
    let Some(program) = sender.member.program(sender.switch, &guard) else {
        // It was detached a moment ago. Others decide outside, where they may sleep.
        drop((guard, pinned));
        return burst(scratch, sender, walk, limit);
    };
    let Some(decider) = Decider::new(program, &guard, &pinned) else {
        return scratch.collect(sender, walk, most, &mut Nowhere);
    };
    let mut workspace = workspaces.take(&pinned);
    match Start::of(decider.sees(), mean) {
        Some(start) => {
            let inspector = Inspector::new(&mut workspace, decider, start);
            inspect(scratch, sender, walk, most, inspector)
        }
        None => {
            let inspector = Inspector::new(&mut workspace, decider, All);
            inspect(scratch, sender, walk, most, inspector)
        }
    }
}

fn inspect<'r>(
    scratch: &mut Scratch,
    sender: &Sender<'_>,
    walk: Walk<'r>,
    most: Most,
    mut inspector: Inspector<'_, impl Extent>,
) -> Walk<'r> {
    let behind = scratch.collect(sender, walk, most, &mut inspector);
    scratch.deliver(sender, &inspector.origin(sender));
    behind
}
