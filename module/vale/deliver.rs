// SPDX-License-Identifier: GPL-2.0

//! The second half of a pass: for each destination reserve slots, copy, commit.

use super::{
    chain::Chain,
    forward::{bufs_of, Dest, Frame, Kind, Scratch, Walk, FLOOD},
    header::Reheader,
    source::Source,
    switch::{Member, Switch},
};
use crate::{
    abi::{
        consts::{NS_MOREFRAG, NS_RFRAGS_SHIFT},
        wire::Slot,
    },
    memory::{Bufs, SlotCell},
    ring::{RxRing, TxRing},
    sys::bottom_half,
};
use core::slice::Iter;
use kernel::{bindings, prelude::*, sync::rcu};

impl Scratch {
    /// The second half of a pass: brings every frame to its destination, and leaves the chains empty.
    pub(super) fn deliver(&mut self, ring: &TxRing, switch: &Switch, from: &Member, number: u16) {
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
                    self.deliver_to(ring, from, way, (chain, Chain::EMPTY), &guard, &mut news);
                }
                None => ring.counters.nobody.add_alone(chain.frames.into()),
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
                reached |= self.deliver_to(ring, from, (to, 0), (own, flood), &guard, &mut news);
            }
            if !reached {
                ring.counters.nobody.add_alone(flood.frames.into());
            }
        }
        self.news = news;
        drop(guard);
        for dest in self.touched.drain_all() {
            self.chains[usize::from(dest)] = Chain::EMPTY;
        }
    }

    /// Wakes whoever got frames of the batch. All at once: receivers that sleep on one CPU are then woken by
    /// a single interrupt.
    pub(super) fn wake(&mut self, switch: &Switch) {
        let guard = rcu::read_lock();
        for (port, ring) in self.news.drain_all() {
            let port = switch.member(port, &guard);
            if let Some(ring) = port.and_then(|port| port.rings.rx(ring, &guard)) {
                ring.wait.wake(bindings::POLLIN | bindings::POLLRDNORM);
            }
        }
    }

    /// Brings the frames of two chains, the port's own and flooded ones, to a ring of it: as many as fit, in
    /// order. Answers whether the ring is there at all; if it got frames, it is in the news.
    fn deliver_to(
        &self,
        from_ring: &TxRing,
        from: &Member,
        (to, number): (&Member, u16),
        (own, flood): (Chain, Chain),
        guard: &rcu::Guard,
        news: &mut KVec<(Dest, u16)>,
    ) -> bool {
        let counters = &from_ring.counters;
        let Some(ring) = to.rings.rx(number, guard) else {
            counters.nobody.add_alone(own.frames.into());
            return false;
        };
        let runs = own.merge(flood, &self.runs);
        let frames = runs.filter_map(|run| self.frames.get(run.frames()));
        let mut all = own.frames + flood.frames;
        let source = bufs_of(from_ring);
        let header = Reheader::between(from.header(), to.header());
        let delivered = if header == Reheader::NONE {
            // What is nearly always the case has a loop of its own.
            self.fill(
                frames,
                own.slots + flood.slots,
                Reheader::NONE,
                source,
                ring,
            )
        } else {
            let each = || frames.clone().flatten();
            let refused = each().filter(|frame| refused(frame, header)).count() as u32;
            counters.bad_header.add_alone(refused.into());
            all -= refused;
            let slots = each().map(|frame| self.slots_of(frame, header)).sum();
            self.fill(frames, slots, header, source, ring)
        };
        ring.counters.full.add((all - delivered).into());
        let arrived = (to.index, number);
        if delivered > 0 && !news.contains(&arrived) {
            // There is room for every port and ring.
            let _ = news.push_within_capacity(arrived);
        }
        true
    }

    /// Copies frames into a ring, as many as fit, in order. `slots` is what all of them take. Answers how
    /// many there was room for.
    #[inline(always)]
    fn fill<'f>(
        &self,
        runs: impl Iterator<Item = &'f [Frame]> + Clone,
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
            for frame in runs.clone().flatten() {
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
            slots: Walk::new(ring.mem.view(), lease.first(), lease.count()),
            refused: 0,
        };
        let (mut delivered, mut bytes) = (0, 0);
        'full: for run in runs {
            let mut frames = run.iter();
            loop {
                if header == Reheader::NONE {
                    let alike = out.fill_alike(&mut frames);
                    delivered += alike.frames;
                    bytes += alike.bytes;
                }
                let Some(frame) = frames.as_slice().first() else {
                    break;
                };
                let slots = self.slots_of(frame, header);
                if slots > out.slots.left() {
                    break 'full;
                }
                if frame.kind == Kind::Simple && header == Reheader::NONE {
                    // Only the ring's end was in the way.
                    continue;
                }
                frames.next();
                if slots != 0 {
                    bytes += self.put_chain(frame, slots, header, &mut out);
                    delivered += 1;
                }
            }
        }
        let refused = out.refused;
        ring.inbox.commit(lease);
        drop(pinned);
        ring.counters.bad_buffer.add(refused);
        ring.counters.frames.add(delivered.into());
        ring.counters.bytes.add(bytes);
        delivered
    }

    /// Slots that a frame takes at the receiver: none if it is refused, and one fewer than it has if the
    /// first holds nothing but a header that is taken off.
    #[inline]
    fn slots_of(&self, frame: &Frame, header: Reheader) -> u32 {
        let slots = u32::from(frame.slots);
        if !header.strips() || frame.kind == Kind::Simple {
            return slots;
        }
        if refused(frame, header) {
            return 0;
        }
        let first = self.frags.get(frame.place as usize);
        slots - u32::from(first.is_some_and(|slot| u32::from(slot.len) == header.skip))
    }

    /// Copies any frame into `slots` slots of the receiver. Answers the bytes it had.
    #[inline(never)]
    fn put_chain(&self, frame: &Frame, slots: u32, header: Reheader, out: &mut Out<'_>) -> u64 {
        let alone;
        let frags = match frame.kind {
            Kind::Simple => {
                alone = [Slot {
                    buf_idx: frame.place,
                    len: frame.len,
                    ..Slot::default()
                }];
                &alone[..]
            }
            _ => {
                let first = frame.place as usize;
                let frags = self.frags.get(first..first + usize::from(frame.slots));
                frags.unwrap_or(&[])
            }
        };
        let bytes = frags.iter().map(|slot| u64::from(slot.len)).sum();
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
            // The lease has room for the whole frame.
            if let Some(cell) = out.slots.next() {
                out.fill(cell, slot, header, rfrags | more);
            }
        }
        bytes
    }
}

/// Whether a receiver without headers cannot have the frame: only one that understands the header could do
/// what it asks for.
#[inline]
fn refused(frame: &Frame, header: Reheader) -> bool {
    header.strips() && frame.kind == Kind::Asking
}

/// The ring of `to` that gets unicast frames from transmit ring `number`.
#[inline]
fn unicast_ring(to: &Member, number: u16) -> u16 {
    let rings = to.rings.shape().rx_rings;
    if number < rings {
        return number;
    }
    number.checked_rem(rings).unwrap_or(0)
}

/// Slots of a receiver, to be filled one after the other.
struct Out<'r> {
    /// The sender's buffers.
    source: Bufs<'r>,
    /// The receiver's buffers.
    bufs: Bufs<'r>,
    slots: Walk<'r>,
    /// Slots that could not take their fragment.
    refused: u64,
}

/// What [`Out::fill_alike`] did.
struct Alike {
    frames: u32,
    bytes: u64,
}

impl Out<'_> {
    /// Copies simple frames until one is not, or the slots that lie side by side end.
    #[inline(always)]
    fn fill_alike(&mut self, frames: &mut Iter<'_, Frame>) -> Alike {
        let mut slots = self.slots.ahead(u32::MAX);
        let before = slots.left();
        let mut bytes = 0;
        while let [frame, ..] = frames.as_slice() {
            if frame.kind != Kind::Simple {
                break;
            }
            let Some(cell) = slots.next() else {
                break;
            };
            frames.next();
            bytes += u64::from(frame.len);
            let flags = 1 << NS_RFRAGS_SHIFT;
            if self.copy(frame, cell) {
                cell.set_len_flags(frame.len, flags);
            } else {
                self.refuse(cell, flags);
            }
        }
        let frames = before - slots.left();
        self.slots.pass_over(frames);
        Alike { frames, bytes }
    }

    /// Copies a simple frame into the buffer of a slot, if both are there.
    #[inline(always)]
    fn copy(&self, frame: &Frame, cell: SlotCell<'_>) -> bool {
        let Some(from) = self.source.get(frame.place) else {
            return false;
        };
        let Some(to) = self.bufs.own(cell.buf()) else {
            return false;
        };
        from.copy_start_to(&to, frame.len.into())
    }

    /// Copies any fragment into a slot.
    fn fill(&mut self, cell: SlotCell<'_>, slot: &Slot, header: Reheader, flags: u16) {
        let body = u32::from(slot.len).saturating_sub(header.skip);
        let len = header.len() + body;
        let to = self.bufs.own(cell.buf());
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
            cell.set_len_flags(len as u16, flags);
        } else {
            self.refuse(cell, flags);
        }
    }

    /// The slot could not take the fragment, or the fragment could not be read: it arrives empty.
    #[cold]
    fn refuse(&mut self, cell: SlotCell<'_>, flags: u16) {
        self.refused += 1;
        cell.set_len_flags(0, flags);
    }
}
