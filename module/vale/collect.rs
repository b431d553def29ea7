// SPDX-License-Identifier: GPL-2.0

//! The first pass of a batch: read slots, check them, sort the frames by destination.

use super::{
    chain::{Chain, FrameId},
    forward::{Body, Dest, Frame, Scratch, Walk, DROP, FLOOD},
    header::is_plain,
    source::Source,
    switch::{Member, Switch},
    table::Mac,
};
use crate::{
    abi::{
        consts::{ETH_HLEN, NETMAP_MAX_FRAGS, NS_INDIRECT, NS_MOREFRAG},
        wire::Slot,
    },
    memory::{Bufs, Head},
    ring::count::{Counter, TxCounters},
    sys::user,
};

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
    pub(super) fn collect<'r>(
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
}
