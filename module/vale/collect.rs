// SPDX-License-Identifier: GPL-2.0

//! The first half of a burst: read slots, check them, sort the frames by destination.
//!
//! Who decides where a frame goes is a parameter ([`Decide`]): the switch's table does
//! ([`ByTable`]), an XDP program first ([`Inspector`](super::inspect::Inspector)), or one that can
//! no longer work ([`Nowhere`](super::verdict::Nowhere)).

use super::{
    frame::{Dest, Frame, Kind, DROP, FLOOD},
    origin::source_of,
    scratch::{Scratch, Sorted},
    sender::Sender,
    switch::{Member, Switch},
    table::Mac,
    virtio::is_plain,
};
use crate::{
    abi::{
        consts::{ETH_HLEN, NETMAP_MAX_FRAGS, NS_INDIRECT, NS_MOREFRAG},
        wire::Slot,
    },
    memory::{Bufs, Head, SlotRun},
    ring::{count::TxDrop, Walk},
    sys::user::Caller,
};

/// Who decides where frames go.
pub(super) trait Decide {
    /// Whether memory of the process that slots name was brought in before, because nobody may
    /// sleep now.
    const BROUGHT_IN: bool;

    /// Takes simple frames that go somewhere, for as long as they come. Returns the slot after
    /// those, which it has taken, too.
    fn take_simple(
        &mut self,
        scratch: &mut Scratch,
        sender: &Sender<'_>,
        slots: &mut SlotRun<'_>,
        burst: &mut Burst,
    ) -> Option<Slot>;

    /// Where any frame goes, which was read and checked and starts with `head`. Its slots are the
    /// last of `scratch`, and may be replaced by others.
    fn decide(
        &mut self,
        scratch: &mut Scratch,
        frame: Frame,
        head: Head,
        sender: &Sender<'_>,
    ) -> Result<(Frame, Dest), TxDrop>;
}

/// Checks a slot that was read from the ring. Memory of the process is brought in, unless it was.
fn check<D: Decide>(
    slot: &Slot,
    bufs: &Bufs<'_>,
    caller: Option<Caller<'_>>,
) -> Result<(), TxDrop> {
    if u32::from(slot.len) > bufs.size() {
        return Err(TxDrop::BadLength);
    }
    let indirect = slot.flags & NS_INDIRECT != 0;
    if !indirect && u64::from(slot.len) + slot.ptr > bufs.size().into() {
        return Err(TxDrop::BadLength);
    }
    if indirect {
        let caller = caller.filter(|_| slot.ptr != 0).ok_or(TxDrop::BadAddress)?;
        if !D::BROUGHT_IN {
            // Now, while sleeping is allowed; the copies are made where it is not.
            caller.fault_in(slot.ptr, slot.len.into());
        }
    } else if bufs.get(slot.buf_idx).is_none() {
        return Err(TxDrop::BadBuffer);
    }
    Ok(())
}

/// How many of `slots` slots can have no more than `room` bytes, whatever they say when they are
/// read; at least one.
#[inline]
fn fitting(slots: u32, size: u32, room: u32) -> u32 {
    if u64::from(slots) * u64::from(size) <= room.into() {
        return slots;
    }
    room.checked_div(size).map_or(1, |fit| fit.max(1))
}

/// The start of the Ethernet header of a frame in these slots, behind a virtio-net header of
/// `header` bytes, and whether that one asks for nothing to be done.
fn ethernet(frags: &[Slot], header: u32, sender: &Sender<'_>) -> Result<(Head, bool), TxDrop> {
    let source =
        |slot: &Slot| source_of(slot, &sender.bufs, sender.caller).ok_or(TxDrop::BadBuffer);
    let [slot, rest @ ..] = frags else {
        return Err(TxDrop::BadLength);
    };
    let (first, len) = (source(slot)?, u32::from(slot.len));
    let head = if len >= header + ETH_HLEN as u32 {
        first.head(header, len)
    } else {
        // The virtio-net header may have a slot of its own.
        match rest.first() {
            Some(next) if header != 0 && len == header && usize::from(next.len) >= ETH_HLEN => {
                source(next)?.head(0, next.len.into())
            }
            _ => return Err(TxDrop::BadLength),
        }
    };
    let plain = header == 0 || first.head(0, len).is_some_and(|[word, _]| is_plain(word));
    Ok((head.ok_or(TxDrop::BadAddress)?, plain))
}

/// Where a frame goes. Learns where it came from.
#[inline]
pub(super) fn classify([low, high]: Head, switch: &Switch, from: &Member) -> Dest {
    let (to, sender) = (Mac::new(low), Mac::new(low >> 48 | high << 16));
    switch.learn(sender, from);
    if to.is_group() {
        return FLOOD;
    }
    match switch.table.find(to) {
        Some(port) if port == from.index => DROP,
        Some(port) => port,
        None => FLOOD,
    }
}

/// The start of the Ethernet header of a simple frame: in one slot, in a buffer, without a
/// virtio-net header.
#[inline(always)]
fn start_of(frame: &Frame, bufs: &Bufs<'_>) -> Result<Head, TxDrop> {
    let len = u32::from(frame.len);
    if len < ETH_HLEN as u32 || len > bufs.size() {
        return Err(TxDrop::BadLength);
    }
    bufs.own_head(frame.first).ok_or(TxDrop::BadBuffer)
}

/// Whether a slot has a whole frame in its buffer. It is a simple one if the port has no virtio-net
/// headers, and if the buffer is none of the reserved ones.
#[inline(always)]
pub(super) fn is_whole(slot: &Slot) -> bool {
    slot.flags & (NS_MOREFRAG | NS_INDIRECT) == 0
}

/// Both addresses of a frame: frames that agree in them go the same way, and teach nothing new.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow(u64, u64);

impl Flow {
    /// No frame is of this one.
    pub(super) const NONE: Flow = Flow(0, u64::MAX);

    #[inline(always)]
    pub(super) fn of([low, high]: Head) -> Self {
        Flow(low, high & 0xffff_ffff)
    }
}

/// How much a burst takes.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) slots: u32,
    /// Or a frame more.
    pub(super) bytes: u32,
}

/// How far a burst has come.
pub(super) struct Burst {
    /// The addresses of the last frame that went somewhere, if its addresses sent it there.
    pub(super) flow: Flow,
    /// Where it went, and where the run of frames to there begins.
    pub(super) dest: Dest,
    first: usize,
    /// Slots of the run beyond one a frame.
    more_slots: u32,
    /// Frames that were dropped.
    pub(super) dropped: u64,
    /// Bytes of all frames.
    pub(super) bytes: u64,
}

impl Burst {
    /// The next frame, number `next`, goes to `dest`.
    #[inline]
    fn head_for(&mut self, dest: Dest, sorted: &mut Sorted, next: usize) {
        if dest != self.dest {
            self.end_run(sorted, next);
            self.dest = dest;
        }
    }

    /// Puts the run that is going on, up to frame number `next`, behind the others to its
    /// destination.
    fn end_run(&mut self, sorted: &mut Sorted, next: usize) {
        let frames = next - self.first;
        if frames != 0 {
            let slots = frames + self.more_slots as usize;
            sorted.push(self.dest, self.first, frames, slots);
        }
        self.first = next;
        self.more_slots = 0;
    }
}

impl Scratch {
    /// The first half of a burst: reads slots, checks them, and sorts the frames by destination.
    /// Returns the way behind those it took.
    #[inline(never)]
    pub(super) fn collect<'r>(
        &mut self,
        sender: &Sender<'_>,
        mut walk: Walk<'r>,
        most: Most,
        by: &mut impl Decide,
    ) -> Walk<'r> {
        self.clear(sender.switch.table.now());
        let mut burst = Burst {
            flow: Flow::NONE,
            dest: DROP,
            first: 0,
            more_slots: 0,
            dropped: 0,
            bytes: 0,
        };
        let end = walk.left().saturating_sub(most.slots);
        while walk.left() > end && burst.bytes < most.bytes.into() {
            let room = most.bytes - burst.bytes as u32;
            let mut slots = walk.ahead(fitting(walk.left() - end, sender.bufs.size(), room));
            let before = slots.left();
            let odd = if sender.has_simple() {
                by.take_simple(self, sender, &mut slots, &mut burst)
            } else {
                slots.next().map(|cell| sender.take(cell))
            };
            let walked = before - slots.left();
            let Some(slot) = odd else {
                walk.advance(walked);
                continue;
            };
            walk.advance(walked - 1);
            let at_odd = walk;
            walk.advance(1);
            if !self.take_odd(sender, slot, &mut walk, end, &mut burst, by) {
                walk = at_odd;
                break;
            }
        }
        burst.end_run(&mut self.sorted, self.taken);
        let counters = &sender.ring.counters;
        counters.frames.add_alone(self.taken as u64 + burst.dropped);
        counters.bytes.add_alone(burst.bytes);
        walk
    }

    /// Takes a frame that starts with `slot` and is not simple, or goes nowhere. `false`, and
    /// nothing taken, if it does not fit the burst, which ends when `end` slots are left.
    #[inline(never)]
    fn take_odd<D: Decide>(
        &mut self,
        sender: &Sender<'_>,
        slot: Slot,
        walk: &mut Walk<'_>,
        end: u32,
        burst: &mut Burst,
        by: &mut D,
    ) -> bool {
        let simple = is_whole(&slot) && sender.bufs.is_own(slot.buf_idx);
        let (frame, bytes, verdict) = if sender.has_simple() && simple {
            let frame = Frame::simple(slot.buf_idx, slot.len);
            (frame, slot.len.into(), start_of(&frame, &sender.bufs))
        } else {
            match self.take_chain::<D>(slot, walk, end, sender) {
                Some(chained) => chained,
                None => return false,
            }
        };
        burst.bytes += bytes;
        match verdict.and_then(|head| by.decide(self, frame, head, sender)) {
            Ok((frame, dest)) => {
                // The next simple frame is not to follow this one.
                burst.flow = Flow::NONE;
                self.push(frame, dest, burst);
            }
            Err(why) => {
                // Its slots make room for those behind it: there is room for those of a burst.
                if frame.kind != Kind::Simple {
                    self.frags.truncate(frame.first as usize);
                }
                burst.dropped += 1;
                sender.ring.counters.drop(why, 1);
            }
        }
        true
    }

    /// Puts a frame behind the others of the burst, and of its destination.
    #[inline]
    pub(super) fn push(&mut self, frame: Frame, dest: Dest, burst: &mut Burst) {
        burst.head_for(dest, &mut self.sorted, self.taken);
        burst.more_slots += u32::from(frame.slots) - 1;
        // There is room: a frame has at least one slot.
        if let Some(to) = self.frames.get_mut(self.taken) {
            *to = frame;
            self.taken += 1;
        }
    }

    /// Any frame: a chain of slots that starts with `slot`, to be read further. `None`, and nothing
    /// taken, if it does not fit the burst, which ends when `end` slots are left.
    #[inline(never)]
    fn take_chain<D: Decide>(
        &mut self,
        mut slot: Slot,
        walk: &mut Walk<'_>,
        end: u32,
        sender: &Sender<'_>,
    ) -> Option<(Frame, u64, Result<Head, TxDrop>)> {
        let first = self.frags.len();
        let alone = self.taken == 0;
        let (mut verdict, mut bytes) = (Ok(()), 0);
        loop {
            verdict = verdict.and(check::<D>(&slot, &sender.bufs, sender.caller));
            bytes += u64::from(slot.len);
            if self.frags.len() - first < NETMAP_MAX_FRAGS {
                // There is room: a burst ends before a chain that does not fit.
                let _ = self.frags.push_within_capacity(slot);
            } else {
                verdict = Err(TxDrop::BadChain);
            }
            // A chain that the program has not finished ends here.
            if slot.flags & NS_MOREFRAG == 0 || walk.left() == 0 {
                break;
            }
            if walk.left() <= end && !alone {
                self.frags.truncate(first);
                return None;
            }
            let Some(cell) = walk.next() else { break };
            slot = sender.take(cell);
        }
        let frags = self.frags.get(first..).unwrap_or(&[]);
        let head = verdict.and_then(|()| ethernet(frags, sender.header, sender));
        let frame = Frame {
            first: first as u32,
            len: 0,
            slots: frags.len() as u8,
            kind: match head {
                Ok((_, true)) => Kind::Plain,
                _ => Kind::Asking,
            },
        };
        Some((frame, bytes, head.map(|(head, _)| head)))
    }
}

/// The table of the switch decides.
pub(super) struct ByTable;

impl Decide for ByTable {
    const BROUGHT_IN: bool = false;

    #[inline(always)]
    fn take_simple(
        &mut self,
        scratch: &mut Scratch,
        sender: &Sender<'_>,
        slots: &mut SlotRun<'_>,
        burst: &mut Burst,
    ) -> Option<Slot> {
        let (mut flow, first) = (burst.flow, scratch.taken);
        let room = scratch.frames.get_mut(first..).unwrap_or(&mut []);
        let (mut taken, mut bytes) = (0, 0u64);
        let mut odd = None;
        // A copy, which stays in registers.
        let mut run = *slots;
        // There is room: a frame has at least one slot.
        for (to, cell) in room.iter_mut().zip(&mut run) {
            let Some((buf, len)) = cell.ordinary() else {
                odd = Some(cell.take());
                break;
            };
            let frame = Frame::simple(buf, len);
            let Ok(head) = start_of(&frame, &sender.bufs) else {
                odd = Some(frame.slot());
                break;
            };
            if Flow::of(head) != flow {
                let dest = classify(head, sender.switch, sender.member);
                if dest == DROP {
                    odd = Some(frame.slot());
                    break;
                }
                flow = Flow::of(head);
                burst.head_for(dest, &mut scratch.sorted, first + taken);
            }
            *to = frame;
            bytes = bytes.wrapping_add(frame.len.into());
            taken += 1;
        }
        *slots = run;
        scratch.taken = first + taken;
        burst.flow = flow;
        burst.bytes += bytes;
        odd
    }

    fn decide(
        &mut self,
        _: &mut Scratch,
        frame: Frame,
        head: Head,
        sender: &Sender<'_>,
    ) -> Result<(Frame, Dest), TxDrop> {
        match classify(head, sender.switch, sender.member) {
            DROP => Err(TxDrop::Loop),
            dest => Ok((frame, dest)),
        }
    }
}
