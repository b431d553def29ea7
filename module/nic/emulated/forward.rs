// SPDX-License-Identifier: GPL-2.0

//! From ring to ring without the program: what it marked with `NS_FORWARD` goes the way that it
//! would have gone without us (section 8.2 of the interface).

use super::host::{up, Going};
use crate::{
    abi::consts::{NR_FORWARD, NS_FORWARD},
    nic::interface::Nic,
    params,
    ring::{
        count::{RxCounters, RxDrop, TxDrop},
        parts::{Part, Parts},
        Append, RxQueue, RxSync, TxRing,
    },
};
use kernel::sync::Arc;

/// The queue of a receive ring: what came from the wire may go on up the stack.
pub(super) struct ForwardUp(Forwarder);

/// The queue of a host receive ring: what the stack sent may go on to the driver.
pub(super) struct ForwardDown(Forwarder);

struct Forwarder {
    nic: Arc<Nic>,
    /// What the slots released so far say about the next.
    parts: Parts,
}

impl ForwardUp {
    pub(super) fn new(nic: &Arc<Nic>) -> Self {
        ForwardUp(Forwarder::new(nic))
    }
}

impl RxQueue for ForwardUp {
    fn sync(&mut self, sync: &mut RxSync<'_>) {
        let counters = &sync.ring().counters;
        let bufs = sync.ring().mem.mem().bufs();
        self.0.marked(sync, true, |nic, marked| {
            up(nic, &bufs, marked, |given| match given {
                Ok(_) => {}
                Err(TxDrop::BadChain) => counters.drop(RxDrop::BadChain, 1),
                Err(_) => counters.drop(RxDrop::NotForwarded, 1),
            });
        });
        sync.collect();
    }
}

impl ForwardDown {
    pub(super) fn new(nic: &Arc<Nic>) -> Self {
        ForwardDown(Forwarder::new(nic))
    }
}

impl RxQueue for ForwardDown {
    fn sync(&mut self, sync: &mut RxSync<'_>) {
        let counters = &sync.ring().counters;
        // All transmit rings of the interface; to none if the binding has not all of them.
        let of_queues = usize::from(self.0.nic.rings.shape().tx_rings);
        let rings = sync.beside().get(..of_queues);
        self.0.marked(sync, rings.is_some(), |_, marked| {
            down(rings.unwrap_or(&[]), marked, counters);
        });
        sync.collect();
    }
}

impl Forwarder {
    fn new(nic: &Arc<Nic>) -> Self {
        Forwarder {
            nic: nic.clone(),
            parts: Parts::default(),
        }
    }

    /// Shows `pass_on` what the program has marked among the slots that it has released, if that
    /// goes anywhere.
    fn marked<'s>(
        &mut self,
        sync: &RxSync<'s>,
        goes: bool,
        pass_on: impl FnOnce(&Nic, &mut dyn Iterator<Item = Going<'s>>),
    ) {
        let all = params::fwd.get() != 0;
        if !goes || !all && sync.view().flags() & NR_FORWARD == 0 {
            // Nobody looks at them: the last one tells about what comes behind.
            if let Some(last) = sync.last_released() {
                self.parts = Parts::behind(last.flags());
            }
            return;
        }
        let parts = &mut self.parts;
        // Unmarked slots are looked at, too: what comes behind one may belong to its frame.
        let mut marked = sync.released().filter_map(|cell| {
            let slot = cell.take();
            let marked = all || slot.flags & NS_FORWARD != 0;
            let part = parts.next(slot.flags, marked);
            marked.then_some((cell, slot, part))
        });
        pass_on(&self.nic, &mut marked);
    }
}

/// Hands frames of the host to the transmit rings, and these to the driver.
fn down<'m>(
    rings: &[Arc<TxRing>],
    marked: &mut dyn Iterator<Item = Going<'m>>,
    counters: &RxCounters,
) {
    let mut marked = marked.peekable();
    if marked.peek().is_none() {
        return;
    }
    let mut next = rings.iter().filter_map(|ring| ring.append());
    let mut now: Option<Append<'_>> = next.next();
    for (cell, slot, part) in marked {
        if part != Part::Whole {
            counters.drop(RxDrop::BadChain, (part == Part::Chain).into());
            continue;
        }
        while now.as_mut().is_some_and(|ring| !ring.exchange(cell, slot)) {
            // The lock of one ring at a time.
            drop(now.take());
            now = next.next();
        }
        counters.drop(RxDrop::NotForwarded, now.is_none().into());
    }
    drop(now);
    for ring in rings {
        ring.sync(None);
    }
}
