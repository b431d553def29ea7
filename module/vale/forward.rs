// SPDX-License-Identifier: GPL-2.0

//! A batch of frames on its way through a switch, in the sender's own sync.
//!
//! Two passes: [`collect`](super::collect) reads each slot once, checks it, and sorts the frame by where it
//! goes; [`deliver`](super::deliver) reserves room, copies and wakes once for each destination. The sender's
//! buffers may change during all of this: what was checked is the private copy of the slot, and what is
//! copied is bytes within the buffer, whatever they are by then.

use super::{
    chain::{Chain, FrameId, NONE},
    switch::{Member, Switch},
};
use crate::{
    abi::{
        consts::{NETMAP_MAX_FRAGS, NS_BUF_CHANGED, VALE_MAX_PORTS},
        cursor,
        wire::Slot,
    },
    memory::{Bufs, RingView},
    params,
    ring::{TxRing, TxSync},
};
use kernel::prelude::*;

/// Slots that are classified together.
const BATCH: usize = 1024;

/// A destination: a port's index, or one of these.
pub(super) type Dest = u8;
pub(super) const FLOOD: Dest = VALE_MAX_PORTS as u8;
pub(super) const DROP: Dest = u8::MAX;
/// A frame of the batch, read and checked.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) body: Body,
    pub(super) bytes: u32,
    /// Slots that it has.
    pub(super) slots: u8,
    /// Its virtio-net header, if it has one, asks for nothing to be done.
    pub(super) plain: bool,
}

/// Where the bytes of a frame are.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// All in this buffer.
    Simple { buf: u32 },
    /// In the fragments from `first` on.
    Chain { first: u16 },
}
/// What a sync needs to sort a batch. Each transmit ring has one, made when the port is.
pub(crate) struct Scratch {
    pub(super) frames: KVec<Frame>,
    /// The slots of frames that are not simple, read and checked.
    pub(super) frags: KVec<Slot>,
    /// The thread through the frames of a destination.
    pub(super) next: KVec<FrameId>,
    /// By destination; all are empty between batches.
    pub(super) chains: KVec<Chain>,
    /// Destinations whose chain is not empty.
    pub(super) touched: KVec<Dest>,
    /// Ports and the numbers of their rings that got frames of the batch.
    pub(super) news: KVec<(Dest, u16)>,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        Ok(Scratch {
            frags: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            frames: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            next: KVec::from_elem(NONE, BATCH, GFP_KERNEL)?,
            chains: KVec::from_elem(Chain::EMPTY, VALE_MAX_PORTS + 1, GFP_KERNEL)?,
            touched: KVec::with_capacity(VALE_MAX_PORTS + 1, GFP_KERNEL)?,
            // Each port at most on two rings: one for floods, one for its own frames.
            news: KVec::with_capacity(2 * VALE_MAX_PORTS, GFP_KERNEL)?,
        })
    }
}
/// Forwards everything that a program has released on a transmit ring of `from`. Answers whether the
/// program finds room past its `cur`.
pub(crate) fn forward(
    switch: &Switch,
    from: &Member,
    number: u16,
    sync: TxSync<'_>,
    scratch: &mut Scratch,
) -> bool {
    let mut walk = Walk {
        ring: sync.ring(),
        view: sync.view(),
        bufs: sync.ring().mem.mem().bufs(),
        at: sync.first(),
        left: sync.count(),
    };
    let limit = usize::try_from(params::bridge_batch.get())
        .unwrap_or(0)
        .min(BATCH);
    if limit == 0 {
        walk.ring.counters.disabled.add_alone(walk.left.into());
        return sync.all_sent();
    }
    // A chain is never cut by the end of a batch.
    let limit = limit.max(NETMAP_MAX_FRAGS);
    while walk.left > 0 {
        walk = scratch.collect(walk, limit, switch, from);
        scratch.deliver(&walk, switch, from, number);
    }
    sync.all_sent()
}
/// The way through the slots of a sync.
#[derive(Clone, Copy)]
pub(super) struct Walk<'r> {
    pub(super) ring: &'r TxRing,
    view: RingView<'r>,
    /// The sender's buffers.
    pub(super) bufs: Bufs<'r>,
    at: u32,
    /// Slots that are left.
    pub(super) left: u32,
}

impl Walk<'_> {
    /// Reads the next slot, once.
    #[inline]
    pub(super) fn next(&mut self) -> Slot {
        let slot = self.view.slot(self.at);
        if slot.flags & NS_BUF_CHANGED != 0 {
            let flags = slot.flags & !NS_BUF_CHANGED;
            self.view.set_slot_len_flags(self.at, slot.len, flags);
        }
        self.at = cursor::add(self.at, 1, self.view.slots());
        self.left -= 1;
        slot
    }
}
