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
    ring::{TxRing, TxSync},
    sys::{bottom_half, user},
};
use kernel::{bindings, prelude::*, sync::rcu};

/// Slots that are classified together.
const BATCH: usize = 1024;

/// A destination: a port's index, or one of these.
type Dest = u8;
const FLOOD: Dest = VALE_MAX_PORTS as u8;
const DROP: Dest = u8::MAX;

/// A frame: fragments `first..first + frags` of the batch.
#[derive(Clone, Copy)]
struct Frame {
    first: u16,
    frags: u8,
    /// Its virtio-net header, if it has one, asks for nothing to be done.
    plain: bool,
    bytes: u32,
}

/// What a sync needs to sort a batch. Each transmit ring has one, made when the port is.
pub(crate) struct Scratch {
    /// Slots that were read and checked.
    frags: KVec<Slot>,
    frames: KVec<Frame>,
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
        scratch.collect(&mut walk, limit, switch, from);
        scratch.deliver(&walk, switch, from, number);
    }
    sync.all_sent()
}

/// The way through the slots of a sync.
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

/// A frame that was read from the ring.
struct Taken {
    /// The start of its Ethernet header, or why it is dropped.
    verdict: Result<Head, Bad>,
    /// Its virtio-net header, if it has one, asks for nothing to be done.
    plain: bool,
    bytes: u32,
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

impl Scratch {
    /// Fills a batch: reads slots until `limit`, checks them, and sorts the frames by destination.
    fn collect(&mut self, walk: &mut Walk<'_>, limit: usize, switch: &Switch, from: &Member) {
        self.frags.clear();
        self.frames.clear();
        let header = from.header();
        let counters = &walk.ring.counters;
        let (mut frames, mut bytes) = (0, 0);
        while walk.left > 0 && self.frags.len() < limit {
            let (first, at, left) = (self.frags.len(), walk.at, walk.left);
            let slot = walk.next();
            let sorted = if slot.flags & (NS_MOREFRAG | NS_INDIRECT) == 0 && header == 0 {
                self.take_simple(slot, &walk.bufs)
            } else {
                match self.take_chain(slot, walk, limit, header) {
                    Some(taken) => taken,
                    None => {
                        // The rest of it does not fit: all of it goes into the next batch.
                        (walk.at, walk.left) = (at, left);
                        self.frags.truncate(first);
                        break;
                    }
                }
            };
            frames += 1;
            bytes += u64::from(sorted.bytes);
            match sorted.verdict {
                Ok(head) => {
                    let dest = classify(head, switch, from);
                    let frame = Frame {
                        first: first as u16,
                        frags: (self.frags.len() - first) as u8,
                        plain: sorted.plain,
                        bytes: sorted.bytes,
                    };
                    self.sort(frame, dest);
                    counters.loops.add_alone((dest == DROP).into());
                }
                Err(bad) => {
                    self.frags.truncate(first);
                    match bad {
                        Bad::Length => counters.bad_length.add_alone(1),
                        Bad::Buffer => counters.bad_buffer.add_alone(1),
                        Bad::Chain => counters.bad_chain.add_alone(1),
                        Bad::Address => counters.bad_address.add_alone(1),
                    }
                }
            }
        }
        counters.frames.add_alone(frames);
        counters.bytes.add_alone(bytes);
    }

    /// A frame in one slot, in a buffer, without a virtio-net header: what nearly all are.
    #[inline]
    fn take_simple(&mut self, slot: Slot, bufs: &Bufs<'_>) -> Taken {
        let bytes = u32::from(slot.len);
        let verdict = if bytes < ETH_HLEN as u32 || bytes > bufs.size() {
            Err(Bad::Length)
        } else {
            bufs.get(slot.buf_idx)
                .map(|buf| buf.head(0))
                .ok_or(Bad::Buffer)
        };
        // There is room: the caller has not reached its limit.
        let _ = self.frags.push_within_capacity(slot);
        Taken {
            verdict,
            plain: true,
            bytes,
        }
    }

    /// Any frame: a chain of slots that starts with `slot`, to be read further. `None` if it does not fit
    /// the batch.
    #[inline(never)]
    fn take_chain(
        &mut self,
        slot: Slot,
        walk: &mut Walk<'_>,
        limit: usize,
        header: u32,
    ) -> Option<Taken> {
        let first = self.frags.len();
        let (mut verdict, mut bytes, mut slot) = (Ok(()), 0, slot);
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
            if self.frags.len() == limit && first > 0 {
                return None;
            }
            slot = walk.next();
        }
        let frags = self.frags.get(first..).unwrap_or(&[]);
        let head = verdict.and_then(|()| ethernet(frags, header, &walk.bufs));
        Some(Taken {
            plain: matches!(head, Ok((_, true))),
            verdict: head.map(|(head, _)| head),
            bytes,
        })
    }

    /// Adds a frame to those for its destination.
    #[inline]
    fn sort(&mut self, frame: Frame, dest: Dest) {
        let Some(chain) = self.chains.get_mut(usize::from(dest)) else {
            return;
        };
        if chain.is_empty() {
            // There is room for every destination.
            let _ = self.touched.push_within_capacity(dest);
        }
        chain.push(
            &mut self.next,
            self.frames.len() as FrameId,
            frame.frags.into(),
        );
        // There is room: a frame has at least one slot.
        let _ = self.frames.push_within_capacity(frame);
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
        let frames = own
            .merge(flood, &self.next)
            .filter_map(|id| self.frames.get(usize::from(id)))
            // Only a receiver that understands the header could do what it asks for.
            .filter(|frame| frame.plain || !header.strips());
        let all = own.frames + flood.frames;
        let deliverable = if header.strips() {
            frames.clone().count() as u32
        } else {
            all
        };
        counters.bad_header.add_alone((all - deliverable).into());

        // From here to the commit nobody can interrupt: others wait for these slots.
        let pinned = bottom_half::disable();
        let slots = own.slots + flood.slots;
        let lease = ring.inbox.reserve(|free| {
            if slots <= free && !header.strips() {
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
        let (mut delivered, mut bytes) = (0, 0);
        if let Some(lease) = lease {
            let mut out = Out {
                source: walk.bufs,
                bufs: ring.mem.mem().bufs(),
                view: ring.mem.view(),
                at: lease.first(),
                refused: 0,
            };
            let mut left = lease.count();
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
            ring.counters.bad_buffer.add(out.refused);
            ring.inbox.commit(lease);
        }
        drop(pinned);
        ring.counters.frames.add(delivered.into());
        ring.counters.bytes.add(bytes);
        ring.counters.full.add((deliverable - delivered).into());
        if delivered > 0 {
            ring.wait.wake(bindings::POLLIN | bindings::POLLRDNORM);
        }
        true
    }

    /// Slots that a frame takes at the receiver: one fewer than it has if the first holds nothing but a
    /// header that is taken off.
    #[inline]
    fn slots_of(&self, frame: &Frame, header: Reheader) -> u32 {
        let slots = u32::from(frame.frags);
        if !header.strips() {
            return slots;
        }
        let first = self.frags.get(usize::from(frame.first));
        slots - u32::from(first.is_some_and(|slot| u32::from(slot.len) == header.skip))
    }

    /// Copies a frame into `slots` slots of the receiver.
    #[inline]
    fn put(&self, frame: &Frame, slots: u32, header: Reheader, out: &mut Out<'_>) {
        let first = usize::from(frame.first);
        let Some(frags) = self.frags.get(first..first + usize::from(frame.frags)) else {
            return;
        };
        let rfrags = (slots as u16) << NS_RFRAGS_SHIFT;
        match frags {
            [slot] if slot.flags & NS_INDIRECT == 0 && header == Reheader::NONE => {
                out.fill_simple(slot, rfrags)
            }
            [_alone, rest @ ..] if frags.len() > slots as usize => {
                self.put_chain(rest, Reheader::NONE, rfrags, out)
            }
            _ => self.put_chain(frags, header, rfrags, out),
        }
    }

    #[inline(never)]
    fn put_chain(&self, frags: &[Slot], header: Reheader, rfrags: u16, out: &mut Out<'_>) {
        let last = frags.len().saturating_sub(1);
        for (i, slot) in frags.iter().enumerate() {
            let header = if i == 0 { header } else { Reheader::NONE };
            let more = if i == last { 0 } else { NS_MOREFRAG };
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
    /// Copies a buffer into the next slot.
    #[inline]
    fn fill_simple(&mut self, slot: &Slot, flags: u16) {
        let len = u32::from(slot.len);
        let to = self.bufs.own(self.view.slot_buf(self.at));
        match self.source.get(slot.buf_idx).zip(to) {
            Some((from, to)) if len <= self.bufs.size() => {
                from.copy_to(0, &to, 0, len);
                self.done(slot.len, flags);
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
