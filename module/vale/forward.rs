// SPDX-License-Identifier: GPL-2.0

//! A batch of frames on its way through a switch, in the sender's own sync.
//!
//! It goes in passes of a few frames, each in two halves, so that the second finds the frames in the cache:
//! [`collect`](super::collect) reads each slot once, checks it, and sorts the frames by where they go, which
//! an XDP program may decide ([`inspect`](super::inspect));
//! [`deliver`](super::deliver) reserves room and copies ([`fill`](super::fill)) once for each destination.
//! Receivers are woken when the batch is through. The sender's buffers may change during all of this: what
//! was checked is the private copy of the slot, and what is copied is bytes within the buffer, whatever they
//! are by then.

use super::{
    ahead::{bring_in, INSPECTED},
    chain::{Chain, Run},
    inspect::Inspector,
    ports::PortSet,
    switch::{Member, Switch},
    table::Moment,
    xdp::Stages,
};
use crate::{
    abi::{
        consts::{NETMAP_MAX_FRAGS, VALE_MAX_PORTS},
        ext::FERROMAP_NR_SWAP,
        wire::Slot,
    },
    memory::{Bufs, RingView, SlotCell, SlotRun},
    params,
    ring::{TxRing, TxSync},
    sys::{bottom_half, task, user::Caller},
};
use kernel::{prelude::*, sync::rcu};

/// Slots of a pass. Fewer cost more a batch; more fall out of the cache between the halves. At least [`NETMAP_MAX_FRAGS`], so that every chain fits.
pub(super) const PASS: usize = 128;

/// Bytes of a pass, or those of one frame: what a receiver gets of it is copied without letting go of the CPU. As much as
/// [`PASS`] buffers of the usual size have.
const STRETCH: u32 = 256 * 1024;

/// The same for all receivers together, which a flood reaches: the CPU may be kept for the whole pass.
const LONG_STRETCH: u32 = 4 * 1024 * 1024;

/// Bytes of a pass on a switch of so many ports. Those of the nearest cache are always few enough.
fn stretch(ports: u32) -> u32 {
    (LONG_STRETCH / ports.max(1)).clamp(INSPECTED, STRETCH)
}

/// A destination: a port's index, or one of these.
pub(super) type Dest = u8;
pub(super) const FLOOD: Dest = VALE_MAX_PORTS as u8;
pub(super) const DROP: Dest = u8::MAX;

/// A frame of the batch, read and checked.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Its buffer; of a chain, the first of its fragments.
    pub(super) place: u32,
    /// Bytes, if it is simple.
    pub(super) len: u16,
    /// Slots that it has.
    pub(super) slots: u8,
    pub(super) kind: Kind,
}

/// How a frame is to be brought to its receiver.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// All in one buffer, without a virtio-net header.
    Simple,
    /// A chain of fragments. Its virtio-net header, if it has one, asks for nothing to be done.
    Plain,
    /// A chain whose virtio-net header asks for something.
    Asking,
}

impl Frame {
    #[inline]
    pub(super) fn simple(buf: u32, len: u16) -> Self {
        Frame {
            place: buf,
            len,
            slots: 1,
            kind: Kind::Simple,
        }
    }

    /// The slot of a simple frame.
    pub(super) fn slot(&self) -> Slot {
        Slot {
            buf_idx: self.place,
            len: self.len,
            ..Slot::default()
        }
    }
}

/// What a sync needs to sort a batch. Each transmit ring has one, made when the port is.
pub(crate) struct Scratch {
    /// Frames of this pass; the first `taken` count.
    pub(super) frames: KVec<Frame>,
    pub(super) taken: usize,
    /// The slots of frames that are not simple, read and checked.
    pub(super) frags: KVec<Slot>,
    pub(super) sorted: Sorted,
    /// When this pass began to ask the switch's table.
    pub(super) asked: Moment,
    pub(super) news: News,
}

/// The frames of a pass by destination.
pub(super) struct Sorted {
    pub(super) runs: KVec<Run>,
    /// By destination; all are empty between passes.
    pub(super) chains: KVec<Chain>,
    /// Destinations whose chain is not empty.
    pub(super) touched: KVec<Dest>,
}

/// Who got frames of the batch and is to be woken.
#[derive(Default)]
pub(super) struct News {
    /// On the ring that gets the sender's unicast frames.
    pub(super) own: PortSet,
    /// On ring 0, which gets floods.
    pub(super) flood: PortSet,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let empty = Frame::simple(0, 0);
        Ok(Scratch {
            frames: KVec::from_elem(empty, PASS, GFP_KERNEL_ACCOUNT)?,
            taken: 0,
            frags: KVec::with_capacity(PASS, GFP_KERNEL_ACCOUNT)?,
            sorted: Sorted {
                runs: KVec::with_capacity(PASS, GFP_KERNEL_ACCOUNT)?,
                chains: KVec::from_elem(Chain::EMPTY, VALE_MAX_PORTS + 1, GFP_KERNEL_ACCOUNT)?,
                touched: KVec::with_capacity(VALE_MAX_PORTS + 1, GFP_KERNEL_ACCOUNT)?,
            },
            asked: Moment::default(),
            news: News::default(),
        })
    }

    /// The slots that a frame is in: `alone`, if it is simple.
    pub(super) fn slots_in<'f>(&'f self, frame: &Frame, alone: &'f [Slot]) -> &'f [Slot] {
        let first = frame.place as usize;
        match frame.kind {
            Kind::Simple => alone,
            Kind::Plain | Kind::Asking => {
                let frags = self.frags.get(first..first + usize::from(frame.slots));
                frags.unwrap_or(&[])
            }
        }
    }

    /// Whether each of the `slots` slots of the pass is a frame that is to be delivered, so that frames are
    /// numbered like slots.
    fn is_one_by_one(&self, slots: u32) -> bool {
        self.frags.is_empty() && self.taken == slots as usize
    }
}

impl Scratch {
    /// Forwards up to `limit` slots. Answers the way behind them.
    fn pass<'r>(
        &mut self,
        sender: &Sender<'_>,
        walk: Walk<'r>,
        limit: u32,
        may_swap: bool,
    ) -> Walk<'r> {
        let behind = self.collect(sender, walk, (limit, sender.stretch), None);
        let passed = walk.left() - behind.left();
        let swap = may_swap && self.is_one_by_one(passed);
        self.deliver(sender, swap.then_some(walk));
        behind
    }

    /// The same, but a program decides about each frame first. They have `mean` bytes or so.
    fn inspected_pass<'r>(
        &mut self,
        sender: &Sender<'_>,
        walk: Walk<'r>,
        (limit, mean): (u32, u32),
        stages: &Stages,
    ) -> Walk<'r> {
        // From here on nobody can interrupt: others may need the stage.
        let pinned = bottom_half::disable();
        let guard = rcu::read_lock();
        let mut stage = stages.take(&pinned);
        let mut inspector = Inspector::new(&mut stage, sender.hook(&guard), &guard, &pinned, mean);
        let behind = self.collect(sender, walk, (limit, sender.stretch), Some(&mut inspector));
        self.deliver(&inspector.inspected(sender), None);
        behind
    }
}

/// Who sends: what stays the same during a sync.
#[derive(Clone, Copy)]
pub(super) struct Sender<'s> {
    pub(super) switch: &'s Switch,
    pub(super) member: &'s Member,
    /// Length of the virtio-net header on its frames, which may change meanwhile.
    pub(super) header: u32,
    /// The transmit ring, and its number.
    pub(super) ring: &'s TxRing,
    pub(super) number: u16,
    /// The process whose memory addresses in slots mean.
    pub(super) caller: Option<Caller<'s>>,
    /// Bytes of a pass.
    pub(super) stretch: u32,
    /// The buffers that simple frames are in.
    pub(super) bufs: Bufs<'s>,
    /// Those that fragments of others are in.
    pub(super) chains: Bufs<'s>,
    /// Where the starts of simple frames are, if they are not with the rest.
    pub(super) starts: Option<Starts<'s>>,
}

/// Starts of the simple frames of a pass, of `len` bytes: that of frame N is in buffer N.
#[derive(Clone, Copy)]
pub(super) struct Starts<'s> {
    pub(super) bufs: Bufs<'s>,
    pub(super) len: u32,
}

/// Forwards everything that a program has released on a transmit ring of `member`; only where the process is being killed,
/// what is left stays in the ring. Answers whether the program finds room past its `cur`.
pub(crate) fn forward(
    switch: &Switch,
    member: &Member,
    number: u16,
    sync: TxSync<'_>,
    scratch: &mut Scratch,
) -> bool {
    let ring = sync.ring();
    let sender = Sender {
        switch,
        member,
        header: member.header(),
        ring,
        number,
        caller: sync.caller(),
        stretch: stretch(switch.count()),
        bufs: ring.mem.mem().bufs(),
        chains: ring.mem.mem().bufs(),
        starts: None,
    };
    let mut walk = Walk::new(sync.view(), sync.first(), sync.count());
    let batch = u32::try_from(params::bridge_batch.get()).unwrap_or(0);
    if batch == 0 {
        ring.counters.disabled.add_alone(walk.left().into());
        return sync.all_sent();
    }
    let stages = sender.stages();
    // What a program saw is what arrives, so it is never handed over.
    let may_swap = stages.is_none() && sync.view().flags() & FERROMAP_NR_SWAP != 0;
    // A chain is never cut by the end of a batch.
    let batch = batch.max(NETMAP_MAX_FRAGS as u32);
    let mut goes_on = true;
    while goes_on && walk.left() > 0 {
        let end = walk.left().saturating_sub(batch);
        while goes_on && walk.left() > end {
            let pass = (walk.left() - end).min(PASS as u32);
            walk = match &stages {
                None => scratch.pass(&sender, walk, pass, may_swap),
                Some((stages, sees)) => {
                    let (pass, mean) = bring_in(walk, pass, *sees, sender.caller);
                    scratch.inspected_pass(&sender, walk, (pass, mean), stages)
                }
            };
            goes_on = task::go_on();
        }
        scratch.wake(&sender);
    }
    sync.all_sent_but(walk.left())
}

/// The way through consecutive slots of a ring, around its end.
#[derive(Clone, Copy)]
pub(super) struct Walk<'r> {
    view: RingView<'r>,
    /// Slots up to the ring's end.
    run: SlotRun<'r>,
    /// Slots behind those, from the ring's start.
    rest: u32,
}

impl<'r> Walk<'r> {
    pub(super) fn new(view: RingView<'r>, first: u32, count: u32) -> Self {
        let run = view.run(first, count);
        let rest = count.saturating_sub(run.left());
        Walk { view, run, rest }
    }

    /// Slots that are left.
    #[inline]
    pub(super) fn left(&self) -> u32 {
        self.run.left().wrapping_add(self.rest)
    }

    /// The next slots that lie side by side, at most `count`. They are still to be passed with [`pass_over`](Self::pass_over).
    #[inline]
    pub(super) fn ahead(&mut self, count: u32) -> SlotRun<'r> {
        if self.run.left() == 0 {
            self.run = self.view.run(0, self.rest);
            self.rest = 0;
        }
        self.run.first(count)
    }

    /// The same way from the slot `count` further on.
    pub(super) fn behind(mut self, count: u32) -> Self {
        let in_run = count.min(self.run.left());
        self.pass_over(in_run);
        if in_run < count {
            self.ahead(0);
            self.pass_over(count - in_run);
        }
        self
    }

    /// Passes over `count` of the slots [`ahead`](Self::ahead).
    #[inline]
    pub(super) fn pass_over(&mut self, count: u32) {
        self.run.pass_over(count);
    }
}

impl<'r> Iterator for Walk<'r> {
    type Item = SlotCell<'r>;

    #[inline]
    fn next(&mut self) -> Option<SlotCell<'r>> {
        if let Some(cell) = self.run.next() {
            return Some(cell);
        }
        self.ahead(self.rest);
        self.run.next()
    }
}
