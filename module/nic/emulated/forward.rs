// SPDX-License-Identifier: GPL-2.0

//! From ring to ring without the program: what it marked with `NS_FORWARD` goes the way that it
//! would have gone without us (section 8.2 of the interface).

use super::host::{up, DONE};
use crate::{
    abi::consts::{NR_FORWARD, NS_FORWARD},
    nic::interface::Nic,
    params,
    ring::{
        count::{RxCounters, RxDrop, TxDrop},
        Append, Chain, Frames, RxQueue, RxSync, TxRing,
    },
};
use kernel::sync::Arc;

/// The queue of a receive ring: what came from the wire may go on up the stack.
pub(super) struct ForwardUp(Forwarder);

/// The queue of a host receive ring: what the stack sent may go on to the driver.
pub(super) struct ForwardDown(Forwarder);

struct Forwarder {
    nic: Arc<Nic>,
    /// The slots of a frame, and what those released so far say about the next.
    chain: Chain,
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
        let count = |given| match given {
            Ok(_) => {}
            Err(TxDrop::BadChain) => counters.drop(RxDrop::BadChain, 1),
            Err(_) => counters.drop(RxDrop::NotForwarded, 1),
        };
        self.0.marked(
            sync,
            true,
            |nic, marked| {
                while up(nic, &bufs, marked, count) {}
            },
        );
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
            chain: Chain::new(),
        }
    }

    /// Shows `pass_on` the frames of which the program has marked a slot among those that it has
    /// released, if they go anywhere.
    fn marked<'s>(
        &mut self,
        sync: &RxSync<'s>,
        goes: bool,
        pass_on: impl FnOnce(&Nic, &mut Frames<'s, '_>),
    ) {
        let all = params::fwd.get() != 0;
        if !goes || !all && sync.view().flags() & NR_FORWARD == 0 {
            // Nobody looks at them: the last one tells about what comes behind.
            if let Some(last) = sync.last_released() {
                self.chain.behind(last.flags());
            }
            return;
        }
        let only = if all { 0 } else { NS_FORWARD };
        let mut marked = sync.released(only, DONE, &mut self.chain);
        pass_on(&self.nic, &mut marked);
        // What is released cannot wait for what is not: others are to have the slots.
        if marked.give_up() {
            sync.ring().counters.drop(RxDrop::BadChain, 1);
        }
    }
}

/// Hands frames of the host to the transmit rings, and these to the driver.
fn down(rings: &[Arc<TxRing>], marked: &mut Frames<'_, '_>, counters: &RxCounters) {
    let mut next = rings.iter().filter_map(|ring| ring.append());
    let mut now: Option<Append<'_>> = None;
    let mut begun = false;
    while let Some(frame) = marked.next() {
        let Ok(frame) = frame else {
            counters.drop(RxDrop::BadChain, 1);
            continue;
        };
        if !begun {
            begun = true;
            now = next.next();
        }
        while now.as_mut().is_some_and(|ring| !ring.exchange(&frame)) {
            // The lock of one ring at a time.
            drop(now.take());
            now = next.next();
        }
        counters.drop(RxDrop::NotForwarded, now.is_none().into());
    }
    drop(now);
    if begun {
        for ring in rings {
            ring.sync(None);
        }
    }
}
