// SPDX-License-Identifier: GPL-2.0

//! A batch of frames on its way through a switch, in the sender's own sync.
//!
//! Two passes: *collect* reads each slot once, checks it, and sorts the frame by where it goes; *deliver*
//! reserves room, copies and wakes once for each destination. The sender's buffers may change during all of this: what was checked is the private copy
//! of the slot, and what is copied is bytes within the buffer, whatever they are by then.

use super::{
    chain::{Chain, FrameId, NONE},
    header::{is_plain, Reheader},
    switch::{Member, Switch},
    table::Mac,
};
use crate::{
    abi::{
        consts::{
            ETH_HLEN, NETMAP_MAX_FRAGS, NS_BUF_CHANGED, NS_INDIRECT, NS_MOREFRAG, NS_RFRAGS_SHIFT,
            VALE_MAX_PORTS,
        },
        cursor,
        wire::Slot,
    },
    memory::{head_of, Buf, Bufs, Head, RingView},
    params,
    ring::{
        count::{Counter, TxCounters},
        RxRing, TxRing, TxSync,
    },
    sys::{bottom_half, user},
};
use kernel::{bindings, prelude::*, sync::rcu};

/// Slots that are classified together.
const BATCH: usize = 1024;

/// A destination: a port's index, or one of these.
type Dest = u8;
const FLOOD: Dest = VALE_MAX_PORTS as u8;
const DROP: Dest = u8::MAX;

/// A frame of the batch, read and checked.
#[derive(Clone, Copy)]
struct Frame {
    body: Body,
    bytes: u32,
    /// Slots that it has.
    slots: u8,
    /// Its virtio-net header, if it has one, asks for nothing to be done.
    plain: bool,
}

/// Where the bytes of a frame are.
#[derive(Clone, Copy)]
enum Body {
    /// All in this buffer.
    Simple { buf: u32 },
    /// In the fragments from `first` on.
    Chain { first: u16 },
}

/// What a sync needs to sort a batch. Each transmit ring has one, made when the port is.
pub(crate) struct Scratch {
    frames: KVec<Frame>,
    /// The slots of frames that are not simple, read and checked.
    frags: KVec<Slot>,
    /// The thread through the frames of a destination.
    next: KVec<FrameId>,
    /// By destination; all are empty between batches.
    chains: KVec<Chain>,
    /// Destinations whose chain is not empty.
    touched: KVec<Dest>,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        Ok(Scratch {
            frags: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            frames: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            next: KVec::from_elem(NONE, BATCH, GFP_KERNEL)?,
            chains: KVec::from_elem(Chain::EMPTY, VALE_MAX_PORTS + 1, GFP_KERNEL)?,
            touched: KVec::with_capacity(VALE_MAX_PORTS + 1, GFP_KERNEL)?,
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
struct Walk<'r> {
    ring: &'r TxRing,
    view: RingView<'r>,
    bufs: Bufs<'r>,
    at: u32,
    left: u32,
}

impl Walk<'_> {
    /// Reads the next slot, once.
    #[inline]
    fn next(&mut self) -> Slot {
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

/// Why a frame is dropped before anybody looks where it goes.
#[derive(Clone, Copy)]
enum Bad {
    Length,
    Buffer,
    Chain,
    Address,
}

impl TxCounters {
    /// Where such frames are counted.
    #[cold]
    fn bad(&self, bad: Bad) -> &Counter {
        match bad {
            Bad::Length => &self.bad_length,
            Bad::Buffer => &self.bad_buffer,
            Bad::Chain => &self.bad_chain,
            Bad::Address => &self.bad_address,
        }
    }
}

/// Checks a slot that was read from the ring.
fn check(slot: &Slot, bufs: &Bufs<'_>) -> Result<(), Bad> {
    if u32::from(slot.len) > bufs.size() {
        return Err(Bad::Length);
    }
    if slot.flags & NS_INDIRECT != 0 {
        if slot.ptr == 0 {
            return Err(Bad::Address);
        }
        // Now, while sleeping is allowed; the copies are made where it is not.
        user::fault_in(slot.ptr, slot.len.into());
    } else if bufs.get(slot.buf_idx).is_none() {
        return Err(Bad::Buffer);
    }
    Ok(())
}

/// Where the bytes of a slot come from.
enum Source<'m> {
    Buf(Buf<'m>),
    User(u64),
}

impl<'m> Source<'m> {
    fn of(slot: &Slot, bufs: &Bufs<'m>) -> Option<Self> {
        if slot.flags & NS_INDIRECT != 0 {
            Some(Source::User(slot.ptr))
        } else {
            bufs.get(slot.buf_idx).map(Source::Buf)
        }
    }

    /// A private copy of the 16 bytes at `at`, of `len` bytes in all.
    fn head(&self, at: u32, len: u32) -> Option<Head> {
        match self {
            Source::Buf(buf) => Some(buf.head(at)),
            Source::User(addr) => {
                let rest = len.saturating_sub(at) as usize;
                let bytes = user::read_head(addr.wrapping_add(at.into()), rest);
                bytes.ok().map(head_of)
            }
        }
    }

    /// Copies `len` bytes at `from` to `to` of a buffer that has room for them.
    #[inline]
    fn copy_to(&self, from: u32, buf: &Buf<'_>, to: u32, len: u32) -> Result {
        match self {
            Source::Buf(source) => {
                source.copy_to(from, buf, to, len);
                Ok(())
            }
            Source::User(addr) => buf.fill_from_user(to, addr.wrapping_add(from.into()), len),
        }
    }
}

/// The start of the Ethernet header of a frame in these slots, behind a virtio-net header of `header`
/// bytes, and whether that one asks for nothing to be done.
fn ethernet(frags: &[Slot], header: u32, bufs: &Bufs<'_>) -> Result<(Head, bool), Bad> {
    let [slot, rest @ ..] = frags else {
        return Err(Bad::Length);
    };
    let source = Source::of(slot, bufs).ok_or(Bad::Buffer)?;
    let len = u32::from(slot.len);
    let head = if len >= header + ETH_HLEN as u32 {
        source.head(header, len)
    } else {
        // The virtio-net header may have a slot of its own.
        match rest.first() {
            Some(next) if header != 0 && len == header && usize::from(next.len) >= ETH_HLEN => {
                let len = next.len.into();
                Source::of(next, bufs).ok_or(Bad::Buffer)?.head(0, len)
            }
            _ => return Err(Bad::Length),
        }
    };
    let plain = header == 0 || source.head(0, len).is_some_and(|[word, _]| is_plain(word));
    Ok((head.ok_or(Bad::Address)?, plain))
}

/// Where a frame goes. Learns where it came from.
#[inline]
fn classify([low, high]: Head, switch: &Switch, from: &Member) -> Dest {
    let (to, sender) = (Mac::new(low), Mac::new(low >> 48 | high << 16));
    switch.table.learn(sender, from.index);
    if to.is_group() {
        return FLOOD;
    }
    match switch.table.find(to) {
        Some(port) if port == from.index => DROP,
        Some(port) => port,
        None => FLOOD,
    }
}

/// The start of the Ethernet header of a simple frame: in one slot, in a buffer, without a virtio-net header.
#[inline]
fn simple(slot: &Slot, bufs: &Bufs<'_>) -> Result<Head, Bad> {
    let len = u32::from(slot.len);
    if len < ETH_HLEN as u32 || len > bufs.size() {
        return Err(Bad::Length);
    }
    Ok(bufs.get(slot.buf_idx).ok_or(Bad::Buffer)?.head(0))
}

/// What became of a chain of slots.
struct Chained<'r> {
    /// The walk, past the chain.
    walk: Walk<'r>,
    frame: Frame,
    verdict: Result<Head, Bad>,
}

impl Scratch {
    /// Fills a batch: reads slots until `limit`, checks them, and sorts the frames by destination. Answers
    /// how far it came.
    fn collect<'r>(
        &mut self,
        mut walk: Walk<'r>,
        limit: usize,
        switch: &Switch,
        from: &Member,
    ) -> Walk<'r> {
        self.frags.clear();
        self.frames.clear();
        let header = from.header();
        let counters = &walk.ring.counters;
        // What is left when the batch is full.
        let stop = walk.left.saturating_sub(limit as u32);
        let (mut frames, mut bytes) = (0, 0);
        // Frames come in runs to one destination, which are put aside as a whole.
        let mut run = (DROP, Chain::EMPTY);
        while walk.left > stop {
            let before = walk;
            let slot = walk.next();
            let (frame, verdict) = if slot.flags & (NS_MOREFRAG | NS_INDIRECT) == 0 && header == 0 {
                let frame = Frame {
                    body: Body::Simple { buf: slot.buf_idx },
                    bytes: slot.len.into(),
                    slots: 1,
                    plain: true,
                };
                (frame, simple(&slot, &walk.bufs))
            } else {
                let Some(chained) = self.take_chain(slot, walk, stop, header) else {
                    // The rest of it does not fit: all of it goes into the next batch.
                    walk = before;
                    break;
                };
                walk = chained.walk;
                (chained.frame, chained.verdict)
            };
            frames += 1;
            bytes += u64::from(frame.bytes);
            let dest = match verdict {
                Ok(head) => classify(head, switch, from),
                Err(bad) => {
                    counters.bad(bad).add_alone(1);
                    continue;
                }
            };
            if dest == DROP {
                counters.loops.add_alone(1);
                continue;
            }
            if dest != run.0 {
                run = (dest, self.turn_to(run, dest));
            }
            run.1.push(
                &mut self.next,
                self.frames.len() as FrameId,
                frame.slots.into(),
            );
            // There is room: a frame has at least one slot.
            let _ = self.frames.push_within_capacity(frame);
        }
        self.turn_to(run, DROP);
        counters.frames.add_alone(frames);
        counters.bytes.add_alone(bytes);
        walk
    }

    /// Puts the chain of one destination aside and answers that of another.
    fn turn_to(&mut self, (old, chain): (Dest, Chain), new: Dest) -> Chain {
        if let Some(place) = self.chains.get_mut(usize::from(old)) {
            *place = chain;
        }
        let Some(&mut chain) = self.chains.get_mut(usize::from(new)) else {
            return Chain::EMPTY;
        };
        if chain.is_empty() {
            // There is room for every destination.
            let _ = self.touched.push_within_capacity(new);
        }
        chain
    }

    /// Any frame: a chain of slots that starts with `slot`, to be read further. `None`, and nothing kept, if
    /// it does not fit the batch, which ends when `stop` slots are left.
    #[inline(never)]
    fn take_chain<'r>(
        &mut self,
        mut slot: Slot,
        mut walk: Walk<'r>,
        stop: u32,
        header: u32,
    ) -> Option<Chained<'r>> {
        let first = self.frags.len();
        let alone = self.frames.is_empty();
        let (mut verdict, mut bytes) = (Ok(()), 0);
        loop {
            verdict = verdict.and(check(&slot, &walk.bufs));
            bytes += u32::from(slot.len);
            if self.frags.len() - first < NETMAP_MAX_FRAGS {
                // There is room: a batch ends before a chain that does not fit.
                let _ = self.frags.push_within_capacity(slot);
            } else {
                verdict = Err(Bad::Chain);
            }
            // A chain that the program has not finished ends here.
            if slot.flags & NS_MOREFRAG == 0 || walk.left == 0 {
                break;
            }
            if walk.left == stop && !alone {
                self.frags.truncate(first);
                return None;
            }
            slot = walk.next();
        }
        let frags = self.frags.get(first..).unwrap_or(&[]);
        let head = verdict.and_then(|()| ethernet(frags, header, &walk.bufs));
        let frame = Frame {
            body: Body::Chain {
                first: first as u16,
            },
            bytes,
            slots: frags.len() as u8,
            plain: matches!(head, Ok((_, true))),
        };
        if head.is_err() {
            self.frags.truncate(first);
        }
        Some(Chained {
            walk,
            frame,
            verdict: head.map(|(head, _)| head),
        })
    }

    /// Brings every frame to its destination, and leaves the chains empty.
    fn deliver(&mut self, walk: &Walk<'_>, switch: &Switch, from: &Member, number: u16) {
        let counters = &walk.ring.counters;
        let guard = rcu::read_lock();
        let flood = self.chains[usize::from(FLOOD)];
        for &dest in &self.touched {
            if dest == FLOOD {
                continue;
            }
            let chain = self.chains[usize::from(dest)];
            match switch.member(dest, &guard) {
                // With the flooded ones, below, so that the order is kept.
                Some(to) if !flood.is_empty() && unicast_ring(to, number) == 0 => {}
                Some(to) => {
                    let way = (to, unicast_ring(to, number));
                    self.deliver_to(walk, from, way, chain, Chain::EMPTY, &guard);
                }
                None => counters.nobody.add_alone(chain.frames.into()),
            }
        }
        if !flood.is_empty() {
            let mut reached = false;
            for to in switch.members(&guard).filter(|to| to.index != from.index) {
                let own = if unicast_ring(to, number) == 0 {
                    self.chains[usize::from(to.index)]
                } else {
                    Chain::EMPTY
                };
                reached |= self.deliver_to(walk, from, (to, 0), own, flood, &guard);
            }
            if !reached {
                counters.nobody.add_alone(flood.frames.into());
            }
        }
        drop(guard);
        for dest in self.touched.drain_all() {
            self.chains[usize::from(dest)] = Chain::EMPTY;
        }
    }

    /// Brings the frames of two chains to a ring of a port: as many as fit, in order. Answers whether the
    /// ring is there at all.
    fn deliver_to(
        &self,
        walk: &Walk<'_>,
        from: &Member,
        (to, ring): (&Member, u16),
        own: Chain,
        flood: Chain,
        guard: &rcu::Guard,
    ) -> bool {
        let counters = &walk.ring.counters;
        let Some(ring) = to.rings.rx(ring, guard) else {
            counters.nobody.add_alone(own.frames.into());
            return false;
        };
        let header = Reheader::between(from.header(), to.header());
        let (all, slots) = (own.frames + flood.frames, own.slots + flood.slots);
        let run = own.run_with(&flood).and_then(|run| self.frames.get(run));
        let delivered = match run {
            // What is nearly always the case has a loop of its own.
            Some(run) if header == Reheader::NONE => {
                self.fill(run.iter(), slots, Reheader::NONE, walk.bufs, ring)
            }
            _ => {
                let merged = own.merge(flood, &self.next);
                let frames = merged
                    .filter_map(|id| self.frames.get(usize::from(id)))
                    // Only a receiver that understands the header could do what it asks for.
                    .filter(|frame| frame.plain || !header.strips());
                if header.strips() {
                    let good = frames.clone().count() as u32;
                    counters.bad_header.add_alone((all - good).into());
                    let slots = frames.clone().map(|f| self.slots_of(f, header)).sum();
                    let delivered = self.fill(frames, slots, header, walk.bufs, ring);
                    ring.counters.full.add((good - delivered).into());
                    return true;
                }
                self.fill(frames, slots, header, walk.bufs, ring)
            }
        };
        ring.counters.full.add((all - delivered).into());
        true
    }

    /// Copies frames into a ring, as many as fit, in order, and wakes whoever waits there. `slots` is what
    /// all of them take. Answers how many there was room for.
    #[inline(always)]
    fn fill<'f>(
        &self,
        frames: impl Iterator<Item = &'f Frame> + Clone,
        slots: u32,
        header: Reheader,
        source: Bufs<'_>,
        ring: &RxRing,
    ) -> u32 {
        // From here to the commit nobody can interrupt: others wait for these slots.
        let pinned = bottom_half::disable();
        let lease = ring.inbox.reserve(|free| {
            if slots <= free {
                return slots;
            }
            let mut taken = 0;
            for frame in frames.clone() {
                let more = taken + self.slots_of(frame, header);
                if more > free {
                    break;
                }
                taken = more;
            }
            taken
        });
        let Some(lease) = lease else {
            return 0;
        };
        let mut out = Out {
            source,
            bufs: ring.mem.mem().bufs(),
            view: ring.mem.view(),
            at: lease.first(),
            refused: 0,
        };
        let (mut left, mut delivered, mut bytes) = (lease.count(), 0, 0);
        for frame in frames {
            let slots = self.slots_of(frame, header);
            if slots > left {
                break;
            }
            left -= slots;
            self.put(frame, slots, header, &mut out);
            delivered += 1;
            bytes += u64::from(frame.bytes);
        }
        let refused = out.refused;
        ring.inbox.commit(lease);
        drop(pinned);
        ring.counters.bad_buffer.add(refused);
        ring.counters.frames.add(delivered.into());
        ring.counters.bytes.add(bytes);
        ring.wait.wake(bindings::POLLIN | bindings::POLLRDNORM);
        delivered
    }

    /// Slots that a frame takes at the receiver: one fewer than it has if the first holds nothing but a
    /// header that is taken off.
    #[inline]
    fn slots_of(&self, frame: &Frame, header: Reheader) -> u32 {
        let slots = u32::from(frame.slots);
        match frame.body {
            Body::Chain { first } if header.strips() => {
                let first = self.frags.get(usize::from(first));
                slots - u32::from(first.is_some_and(|slot| u32::from(slot.len) == header.skip))
            }
            _ => slots,
        }
    }

    /// Copies a frame into `slots` slots of the receiver.
    #[inline]
    fn put(&self, frame: &Frame, slots: u32, header: Reheader, out: &mut Out<'_>) {
        match frame.body {
            Body::Simple { buf } if header == Reheader::NONE => out.fill_simple(buf, frame.bytes),
            Body::Simple { buf: buf_idx } => {
                let slot = Slot {
                    buf_idx,
                    len: frame.bytes as u16,
                    ..Slot::default()
                };
                self.put_chain(&[slot], slots, header, out);
            }
            Body::Chain { first } => {
                let first = usize::from(first);
                let frags = self.frags.get(first..first + usize::from(frame.slots));
                self.put_chain(frags.unwrap_or(&[]), slots, header, out);
            }
        }
    }

    #[inline(never)]
    fn put_chain(&self, frags: &[Slot], slots: u32, header: Reheader, out: &mut Out<'_>) {
        let slots = slots as usize;
        let (frags, header) = if frags.len() > slots {
            // The first fragment was the header.
            (frags.get(1..).unwrap_or(&[]), Reheader::NONE)
        } else {
            (frags, header)
        };
        let rfrags = (slots as u16) << NS_RFRAGS_SHIFT;
        for (i, slot) in frags.iter().enumerate() {
            let header = if i == 0 { header } else { Reheader::NONE };
            let more = if i + 1 == slots { 0 } else { NS_MOREFRAG };
            out.fill(slot, header, rfrags | more);
        }
    }
}

/// The ring of `to` that gets unicast frames from transmit ring `number`.
#[inline]
fn unicast_ring(to: &Member, number: u16) -> u16 {
    number % to.rings.shape().rx_rings.max(1)
}

/// The receiver's slots, one after the other.
struct Out<'r> {
    /// The sender's buffers.
    source: Bufs<'r>,
    /// The receiver's buffers.
    bufs: Bufs<'r>,
    view: RingView<'r>,
    at: u32,
    /// Slots that could not take their fragment.
    refused: u64,
}

impl Out<'_> {
    /// Copies `len` bytes, all of a frame, from a buffer into the next slot.
    #[inline]
    fn fill_simple(&mut self, buf: u32, len: u32) {
        let flags = 1 << NS_RFRAGS_SHIFT;
        let to = self.bufs.own(self.view.slot_buf(self.at));
        match self.source.get(buf).zip(to) {
            Some((from, to)) if len <= self.bufs.size() => {
                from.copy_to(0, &to, 0, len);
                self.done(len as u16, flags);
            }
            _ => self.refuse(flags),
        }
    }

    /// Copies any fragment into the next slot.
    fn fill(&mut self, slot: &Slot, header: Reheader, flags: u16) {
        let body = u32::from(slot.len).saturating_sub(header.skip);
        let len = header.len() + body;
        let to = self.bufs.own(self.view.slot_buf(self.at));
        let copied = Source::of(slot, &self.source)
            .zip(to)
            .filter(|_| len <= self.bufs.size())
            .is_some_and(|(source, buf)| {
                buf.zero(header.keep, header.zeros);
                (header.keep == 0 || source.copy_to(0, &buf, 0, header.keep).is_ok())
                    && source
                        .copy_to(header.skip, &buf, header.len(), body)
                        .is_ok()
            });
        if copied {
            self.done(len as u16, flags);
        } else {
            self.refuse(flags);
        }
    }

    /// The slot could not take the fragment, or the fragment could not be read: it arrives empty.
    #[cold]
    fn refuse(&mut self, flags: u16) {
        self.refused += 1;
        self.done(0, flags);
    }

    #[inline]
    fn done(&mut self, len: u16, flags: u16) {
        self.view.set_slot_len_flags(self.at, len, flags);
        self.at = cursor::add(self.at, 1, self.view.slots());
    }
}
