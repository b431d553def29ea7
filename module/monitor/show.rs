// SPDX-License-Identifier: GPL-2.0

//! Bringing frames into a monitor's ring. Whatever the program that is watched writes into its
//! slots meanwhile, and the monitor's into its own, each slot is read once, and what was read is
//! checked.

use super::{
    audience::{Audience, Chosen, Whom},
    whole::{Batch, Step},
};
use crate::{
    abi::{
        consts::{NETMAP_MAX_FRAGS, NS_BUF_CHANGED, NS_INDIRECT, NS_MOREFRAG, NS_TXMON},
        wire::Slot,
    },
    memory::{SlotCell, Source},
    ring::{count::RxDrop, AfterBatch, Delivery, Sight, Walk},
    sys::{
        bottom_half::{self, Disabled},
        copy::Copier,
        task,
    },
};
use core::{cell::Cell, ops::Range};
use kernel::sync::rcu;

/// Slots that are shown without letting go of the CPU. A frame may have [`NETMAP_MAX_FRAGS`] slots.
const CHUNK: u32 = 512;
/// And about how many bytes, where these are copied; and where buffers are exchanged, since some
/// may have to be copied all the same.
const COPIED_BYTES: u32 = 256 << 10;
const EXCHANGED_BYTES: u32 = 1 << 20;

/// How frames get into a monitor's ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Copied,
    /// With the buffers that they are in.
    Exchanged,
}

/// From which direction of the port they are, which a flag says.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Sent,
    Received,
    /// They come from another monitor's ring, and have the flag already.
    Monitor,
}

impl Way {
    /// The flags that such a frame does not have, and those that it has, whatever those in the slot
    /// where it was.
    fn off_on(self) -> (u16, u16) {
        match self {
            Way::Sent => (0, NS_TXMON),
            Way::Received => (NS_TXMON, 0),
            Way::Monitor => (0, 0),
        }
    }
}

/// What is shown to whom.
#[derive(Clone, Copy)]
pub(super) struct Show<'s> {
    pub(super) audience: &'s Audience,
    pub(super) sight: &'s Sight<'s>,
    pub(super) way: Way,
    pub(super) how: How,
    /// The number of the monitor's ring.
    pub(super) number: u16,
}

impl Show<'_> {
    /// Shows whole frames to one of the monitors. Where its ring lacks room, it misses the oldest.
    pub(super) fn to(&self, whom: Whom) {
        let sight = self.sight;
        let batch = Batch {
            before: sight.before(),
            count: sight.count(),
            ends: self.is_switched(),
            goes_on: |at| sight.goes_on(at),
        };
        let Range { start, end } = batch.whole();
        // Once for all of it: who gets frames is woken.
        let Some(whom) = self.audience.choose(whom, self.number) else {
            return;
        };
        let Some(mut at) = self.begin(&batch, start..end, whom) else {
            return;
        };
        let due = Cell::new(false);
        let bytes = match self.how {
            How::Copied => COPIED_BYTES,
            How::Exchanged => EXCHANGED_BYTES,
        };
        let most = bytes.checked_div(sight.bufs().size()).unwrap_or(CHUNK);
        let most = most.clamp(NETMAP_MAX_FRAGS as u32, CHUNK) as i32;
        while let Some(step) = batch.next(at..end, most) {
            at = match step {
                Step::Show(slots) => {
                    self.chunk(&batch, slots.clone(), whom, &due);
                    slots.end
                }
                Step::Skip(slots) => {
                    self.miss(whom, RxDrop::BadChain, 1);
                    slots.end
                }
            };
            // The rest of a batch is missed where the process is being killed.
            if at < end && sight.is_unhurried() && !task::go_on() {
                break;
            }
        }
        if due.get() {
            self.wake(whom);
        }
    }

    /// Wakes who waits for frames, once for all of a batch.
    fn wake(&self, whom: Chosen) {
        let guard = rcu::read_lock();
        match self.audience.ring(whom, self.number, &guard) {
            Some(ring) if self.sight.is_unhurried() => ring.waiters().wake(),
            Some(ring) => ring.wake_soon(),
            None => {}
        }
    }

    /// Whether frames are on their way into a switch.
    fn is_switched(&self) -> bool {
        self.audience.habits.switched && matches!(self.way, Way::Sent)
    }

    /// Whether what a slot has is in memory of the process.
    fn is_elsewhere(&self, slot: Slot) -> bool {
        slot.flags & NS_INDIRECT != 0 && self.is_switched()
    }

    /// Where to begin for the rest to fit. `None` if there is no such ring.
    fn begin(
        &self,
        batch: &Batch<impl Fn(i32) -> bool>,
        slots: Range<i32>,
        whom: Chosen,
    ) -> Option<i32> {
        let guard = rcu::read_lock();
        let ring = self.audience.ring(whom, self.number, &guard)?;
        let at = batch.newest(&slots, ring.room());
        ring.counters
            .drop(RxDrop::Full, self.frames(slots.start..at));
        Some(at)
    }

    /// How many frames these slots are, the last of which ends one.
    fn frames(&self, slots: Range<i32>) -> u64 {
        let last = slots.end - 1;
        if slots.is_empty() {
            return 0;
        }
        u64::from(self.sight.ends(slots.start..last)) + 1
    }

    /// Counts frames that a monitor does not see.
    fn miss(&self, whom: Chosen, why: RxDrop, frames: u64) {
        let guard = rcu::read_lock();
        if let Some(ring) = self.audience.ring(whom, self.number, &guard) {
            ring.counters.drop(why, frames);
        }
    }

    /// Shows the frames in these slots.
    fn chunk(
        &self,
        batch: &Batch<impl Fn(i32) -> bool>,
        slots: Range<i32>,
        whom: Chosen,
        due: &Cell<bool>,
    ) {
        let guard = rcu::read_lock();
        let Some(ring) = self.audience.ring(whom, self.number, &guard) else {
            return;
        };
        let pinned = bottom_half::disable();
        // Others may have filled the ring meanwhile.
        let take = |free| (slots.end - batch.newest(&slots, free)) as u32;
        let delivery = ring.deliver(0, take, AfterBatch(due), &pinned);
        let left = delivery.as_ref().map_or(0, Delivery::left);
        let at = slots.end - left as i32;
        if at > slots.start {
            ring.counters
                .drop(RxDrop::Full, self.frames(slots.start..at));
        }
        let Some(mut out) = delivery else {
            return;
        };
        match self.how {
            // Where the region has grown this moment, one of them sees more of it than the other.
            How::Exchanged if self.sight.bufs().is(out.bufs()) => {
                self.exchange(at..slots.end, &mut out);
            }
            _ => self.copy(at..slots.end, &mut out, &pinned),
        }
    }

    /// Copies slot by slot.
    fn copy(&self, slots: Range<i32>, out: &mut Delivery<'_>, pinned: &Disabled) {
        let mut by = Copier::new(out.left(), pinned);
        let (mut frames, mut bytes) = (0, 0);
        let last = slots.end - 1;
        for at in slots {
            let slot = self.sight.cell(at).peek();
            let Some(cell) = out.next() else { break };
            let flags = self.flags(slot, at == last);
            match self.copy_slot(slot, cell, out, &mut by) {
                Some(len) => {
                    cell.set_len_flags(len, flags);
                    bytes += u64::from(len);
                }
                None => out.refuse(cell, flags),
            }
            frames += u32::from(flags & NS_MOREFRAG == 0);
        }
        out.count(frames, bytes);
    }

    /// The flags with which a slot is shown; the last one ends a frame, whatever is written there
    /// by now. Its buffer is the monitor's own, and what it had in memory is in that.
    fn flags(&self, slot: Slot, last: bool) -> u16 {
        let gone = NS_BUF_CHANGED | NS_INDIRECT | if last { NS_MOREFRAG } else { 0 };
        let (off, on) = self.way.off_on();
        slot.flags & !gone & !off | on
    }

    /// Copies what a slot has, as far as it fits. Returns how much that is; `None` if it is
    /// nowhere, or the monitor's slot cannot take it.
    fn copy_slot(
        &self,
        slot: Slot,
        cell: SlotCell<'_>,
        out: &Delivery<'_>,
        by: &mut Copier<'_>,
    ) -> Option<u16> {
        let to = out.buf(cell)?;
        let len = u32::from(slot.len).min(to.size());
        if self.is_elsewhere(slot) {
            let memory = Source::Process(self.sight.caller()?, slot.ptr);
            memory.copy_to(0, (&to, 0), len, by).ok()?;
            return Some(len as u16);
        }
        let from = self.sight.bufs().get(slot.buf_idx)?;
        let from = from.part_of(self.sight.start_of(slot), len);
        let len = len.min(from.size());
        from.copy_start_to(&to, len, by).then_some(len as u16)
    }

    /// Exchanges the buffers of slots with those of the monitor's. What names no buffer of its own
    /// stays where it is, and the monitor finds the slot empty. What is in no buffer is copied.
    fn exchange(&self, slots: Range<i32>, out: &mut Delivery<'_>) {
        let bufs = self.sight.bufs();
        let first = self.sight.index(slots.start);
        let mut from = Walk::new(self.sight.view(), first, slots.len() as u32);
        while from.left() > 0 {
            let (run, to) = (from.ahead(u32::MAX), out.ahead());
            let alike = run.left().min(to.left());
            let (done, bytes) = run.exchange_with(to, bufs, self.way.off_on());
            from.advance(done);
            out.filled(done);
            out.count(done, bytes);
            if done < alike {
                self.exchange_odd(&mut from, out);
            }
        }
    }

    /// The same for a slot of a frame that has several, one that names no buffer, or one with more
    /// bytes than a buffer has.
    #[cold]
    fn exchange_odd(&self, from: &mut Walk<'_>, out: &mut Delivery<'_>) {
        let (Some(cell), Some(to)) = (from.next(), out.next()) else {
            return;
        };
        let slot = cell.peek();
        let theirs = to.buf();
        let flags = self.flags(slot, from.left() == 0);
        let bufs = self.sight.bufs();
        let len = if self.is_elsewhere(slot) {
            let len = self.copy_slot(slot, to, out, &mut Copier::narrow());
            len.inspect(|&len| to.set_len_flags(len, flags))
        } else {
            let both = bufs.own(slot.buf_idx).and(bufs.own(theirs));
            both.map(|_| {
                // Programs write any length, and monitors are told of none past a buffer's end.
                let len = u32::from(slot.len).min(bufs.size()) as u16;
                cell.exchange((slot.buf_idx, len), (to, theirs), flags);
                len
            })
        };
        if len.is_none() {
            out.refuse(to, flags);
        }
        let frames = u32::from(flags & NS_MOREFRAG == 0);
        out.count(frames, len.unwrap_or(0).into());
    }
}
