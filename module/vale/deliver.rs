// SPDX-License-Identifier: GPL-2.0

//! The second pass of a batch: for each destination reserve slots, copy, commit, wake.

use super::{
    chain::Chain,
    forward::{Body, Dest, Frame, Scratch, Walk, FLOOD},
    header::Reheader,
    source::Source,
    switch::{Member, Switch},
};
use crate::{
    abi::{
        consts::{NS_MOREFRAG, NS_RFRAGS_SHIFT},
        cursor,
        wire::Slot,
    },
    memory::{Bufs, RingView},
    ring::RxRing,
    sys::bottom_half,
};
use kernel::{bindings, prelude::*, sync::rcu};

impl Scratch {
    /// Brings every frame to its destination, and leaves the chains empty.
    pub(super) fn deliver(&mut self, walk: &Walk<'_>, switch: &Switch, from: &Member, number: u16) {
        let counters = &walk.ring.counters;
        let guard = rcu::read_lock();
        let flood = self.chains[usize::from(FLOOD)];
        let mut news = core::mem::replace(&mut self.news, KVec::new());
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
                    self.deliver_to(walk, from, way, (chain, Chain::EMPTY), &guard, &mut news);
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
                reached |= self.deliver_to(walk, from, (to, 0), (own, flood), &guard, &mut news);
            }
            if !reached {
                counters.nobody.add_alone(flood.frames.into());
            }
        }
        // All at once: receivers that sleep on one CPU are then woken by a single interrupt.
        for (port, ring) in news.drain_all() {
            let port = switch.member(port, &guard);
            if let Some(ring) = port.and_then(|port| port.rings.rx(ring, &guard)) {
                ring.wait.wake(bindings::POLLIN | bindings::POLLRDNORM);
            }
        }
        self.news = news;
        drop(guard);
        for dest in self.touched.drain_all() {
            self.chains[usize::from(dest)] = Chain::EMPTY;
        }
    }

    /// Brings the frames of two chains, the port's own and flooded ones, to a ring of it: as many as fit, in
    /// order. Answers whether the ring is there at all; if it got frames, it is in the news.
    fn deliver_to(
        &self,
        walk: &Walk<'_>,
        from: &Member,
        (to, number): (&Member, u16),
        (own, flood): (Chain, Chain),
        guard: &rcu::Guard,
        news: &mut KVec<(Dest, u16)>,
    ) -> bool {
        let counters = &walk.ring.counters;
        let Some(ring) = to.rings.rx(number, guard) else {
            counters.nobody.add_alone(own.frames.into());
            return false;
        };
        let header = Reheader::between(from.header(), to.header());
        let (mut all, mut slots) = (own.frames + flood.frames, own.slots + flood.slots);
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
                    all = good;
                    slots = frames.clone().map(|f| self.slots_of(f, header)).sum();
                }
                self.fill(frames, slots, header, walk.bufs, ring)
            }
        };
        ring.counters.full.add((all - delivered).into());
        if delivered > 0 {
            // There is room for every port and ring.
            let _ = news.push_within_capacity((to.index, number));
        }
        true
    }

    /// Copies frames into a ring, as many as fit, in order. `slots` is what all of them take. Answers how many there was room for.
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
