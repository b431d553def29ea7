// SPDX-License-Identifier: GPL-2.0

//! The first half of a pass: read slots, check them, sort the frames by destination.

use super::{
    chain::{FrameId, Run, RunId},
    forward::{Dest, Frame, Kind, Scratch, Sender, Sorted, Walk, DROP, FLOOD},
    inspect::Inspector,
    source::Source,
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
    ring::count::{Counter, TxCounters},
    sys::user::Caller,
};

/// Why a frame is dropped before anybody looks where it goes.
#[derive(Clone, Copy)]
pub(super) enum Bad {
    Length,
    Buffer,
    Chain,
    Address,
}

impl TxCounters {
    /// Where such frames are counted.
    #[cold]
    pub(super) fn bad(&self, bad: Bad) -> &Counter {
        match bad {
            Bad::Length => &self.bad_length,
            Bad::Buffer => &self.bad_buffer,
            Bad::Chain => &self.bad_chain,
            Bad::Address => &self.bad_address,
        }
    }
}

/// Checks a slot that was read from the ring. Memory of the process is brought in, unless `there` says that it was.
fn check(slot: &Slot, bufs: &Bufs<'_>, caller: Option<Caller<'_>>, there: bool) -> Result<(), Bad> {
    if u32::from(slot.len) > bufs.size() {
        return Err(Bad::Length);
    }
    if slot.flags & NS_INDIRECT != 0 {
        let caller = caller.filter(|_| slot.ptr != 0).ok_or(Bad::Address)?;
        if !there {
            // Now, while sleeping is allowed; the copies are made where it is not.
            caller.fault_in(slot.ptr, slot.len.into());
        }
    } else if bufs.get(slot.buf_idx).is_none() {
        return Err(Bad::Buffer);
    }
    Ok(())
}

/// How many of `slots` slots can have no more than `room` bytes, whatever they say when they are read; at least one.
#[inline]
fn fitting(slots: u32, size: u32, room: u32) -> u32 {
    if u64::from(slots) * u64::from(size) <= room.into() {
        return slots;
    }
    room.checked_div(size).map_or(1, |fit| fit.max(1))
}

/// The start of the Ethernet header of a frame in these slots, behind a virtio-net header of `header`
/// bytes, and whether that one asks for nothing to be done.
fn ethernet(frags: &[Slot], header: u32, sender: &Sender<'_>) -> Result<(Head, bool), Bad> {
    let source = |slot: &Slot| Source::of(slot, &sender.bufs, sender.caller).ok_or(Bad::Buffer);
    let [slot, rest @ ..] = frags else {
        return Err(Bad::Length);
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
            _ => return Err(Bad::Length),
        }
    };
    let plain = header == 0 || first.head(0, len).is_some_and(|[word, _]| is_plain(word));
    Ok((head.ok_or(Bad::Address)?, plain))
}

/// Where a frame goes. Learns where it came from.
#[inline]
pub(super) fn classify([low, high]: Head, switch: &Switch, from: &Member) -> Dest {
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
#[inline(always)]
fn start_of(frame: &Frame, bufs: &Bufs<'_>) -> Result<Head, Bad> {
    let len = u32::from(frame.len);
    if len < ETH_HLEN as u32 || len > bufs.size() {
        return Err(Bad::Length);
    }
    Ok(bufs.get(frame.place).ok_or(Bad::Buffer)?.head(0))
}

/// Whether a slot is a simple frame, if its port has no virtio-net headers.
#[inline(always)]
pub(super) fn is_simple(slot: &Slot) -> bool {
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

/// How far a pass has come.
pub(super) struct Pass {
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

impl Scratch {
    /// The first half of a pass: reads up to `limit` slots and `room` bytes or a frame more, checks them, and sorts the
    /// frames by destination. With an inspector, a program decides about each first. Answers the way behind those it took.
    pub(super) fn collect<'r>(
        &mut self,
        sender: &Sender<'_>,
        mut walk: Walk<'r>,
        (limit, room): (u32, u32),
        mut inspector: Option<&mut Inspector<'_>>,
    ) -> Walk<'r> {
        self.taken = 0;
        self.frags.clear();
        self.sorted.runs.clear();
        self.asked = sender.switch.table.now();
        let mut pass = Pass {
            flow: Flow::NONE,
            dest: DROP,
            first: 0,
            more_slots: 0,
            dropped: 0,
            bytes: 0,
        };
        let end = walk.left().saturating_sub(limit);
        while walk.left() > end && pass.bytes < room.into() {
            let room = room - pass.bytes as u32;
            let mut slots = walk.ahead(fitting(walk.left() - end, sender.bufs.size(), room));
            let before = slots.left();
            let odd = match &mut inspector {
                _ if sender.header != 0 => slots.next().map(|cell| cell.take()),
                None => self.take_simple(sender, &mut slots, &mut pass),
                Some(inspector) => self.inspect_simple(sender, &mut slots, &mut pass, inspector),
            };
            let passed = before - slots.left();
            let Some(slot) = odd else {
                walk.pass_over(passed);
                continue;
            };
            walk.pass_over(passed - 1);
            let at_odd = walk;
            walk.pass_over(1);
            let inspector = inspector.as_deref_mut();
            if !self.take_odd(sender, slot, &mut walk, end, &mut pass, inspector) {
                walk = at_odd;
                break;
            }
        }
        self.sorted.end_run(&mut pass, self.taken);
        let counters = &sender.ring.counters;
        counters.frames.add_alone(self.taken as u64 + pass.dropped);
        counters.bytes.add_alone(pass.bytes);
        walk
    }

    /// Takes simple frames that go somewhere, for as long as they come. Answers the slot after those, which it
    /// has passed, too.
    #[inline(always)]
    fn take_simple(
        &mut self,
        sender: &Sender<'_>,
        slots: &mut SlotRun<'_>,
        pass: &mut Pass,
    ) -> Option<Slot> {
        let (mut flow, first) = (pass.flow, self.taken);
        let room = self.frames.get_mut(first..).unwrap_or(&mut []);
        let (mut taken, mut bytes) = (0, 0u64);
        let mut odd = None;
        // A copy, which is kept in registers.
        let mut run = *slots;
        // There is room: a frame has at least one slot.
        for (place, cell) in room.iter_mut().zip(&mut run) {
            let frame = match cell.ordinary() {
                Some((buf, len)) => Frame::simple(buf, len),
                None => {
                    let slot = cell.take();
                    if !is_simple(&slot) {
                        odd = Some(slot);
                        break;
                    }
                    Frame::simple(slot.buf_idx, slot.len)
                }
            };
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
                self.sorted.turn_to(dest, pass, first + taken);
            }
            *place = frame;
            bytes = bytes.wrapping_add(frame.len.into());
            taken += 1;
        }
        *slots = run;
        self.taken = first + taken;
        pass.flow = flow;
        pass.bytes += bytes;
        odd
    }

    /// Takes a frame that starts with `slot` and is not simple, or goes nowhere. `false`, and nothing kept, if it
    /// does not fit the pass, which ends when `end` slots are left.
    #[inline(never)]
    fn take_odd(
        &mut self,
        sender: &Sender<'_>,
        slot: Slot,
        walk: &mut Walk<'_>,
        end: u32,
        pass: &mut Pass,
        inspector: Option<&mut Inspector<'_>>,
    ) -> bool {
        let header = sender.header;
        let (frame, bytes, verdict) = if header == 0 && is_simple(&slot) {
            let frame = Frame::simple(slot.buf_idx, slot.len);
            (frame, slot.len.into(), start_of(&frame, &sender.bufs))
        } else {
            let there = inspector.is_some();
            match self.take_chain(slot, walk, end, header, sender, there) {
                Some(chained) => chained,
                None => return false,
            }
        };
        pass.bytes += bytes;
        let counters = &sender.ring.counters;
        let kept = match (verdict, inspector) {
            (Err(bad), _) => Err(counters.bad(bad)),
            (Ok(_), Some(inspector)) => self.inspect_odd(frame, header, sender, inspector),
            (Ok(head), None) => match classify(head, sender.switch, sender.member) {
                DROP => Err(&counters.loops),
                dest => Ok((frame, dest)),
            },
        };
        match kept {
            Ok((frame, dest)) => {
                // The next simple frame is not to follow this one.
                pass.flow = Flow::NONE;
                self.keep(frame, dest, pass);
            }
            Err(why) => {
                // Its slots make room for those behind it: there are as many places as slots in a pass.
                if frame.kind != Kind::Simple {
                    self.frags.truncate(frame.place as usize);
                }
                pass.dropped += 1;
                why.add_alone(1);
            }
        }
        true
    }

    /// Puts a frame behind the others of the pass, and of its destination.
    #[inline]
    pub(super) fn keep(&mut self, frame: Frame, dest: Dest, pass: &mut Pass) {
        self.sorted.turn_to(dest, pass, self.taken);
        pass.more_slots += u32::from(frame.slots) - 1;
        // There is room: a frame has at least one slot.
        if let Some(place) = self.frames.get_mut(self.taken) {
            *place = frame;
            self.taken += 1;
        }
    }

    /// Any frame: a chain of slots that starts with `slot`, to be read further. `None`, and nothing kept, if
    /// it does not fit the pass, which ends when `end` slots are left.
    #[inline(never)]
    fn take_chain(
        &mut self,
        mut slot: Slot,
        walk: &mut Walk<'_>,
        end: u32,
        header: u32,
        sender: &Sender<'_>,
        there: bool,
    ) -> Option<(Frame, u64, Result<Head, Bad>)> {
        let first = self.frags.len();
        let alone = self.taken == 0;
        let (mut verdict, mut bytes) = (Ok(()), 0);
        loop {
            verdict = verdict.and(check(&slot, &sender.bufs, sender.caller, there));
            bytes += u64::from(slot.len);
            if self.frags.len() - first < NETMAP_MAX_FRAGS {
                // There is room: a pass ends before a chain that does not fit.
                let _ = self.frags.push_within_capacity(slot);
            } else {
                verdict = Err(Bad::Chain);
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
            slot = cell.take();
        }
        let frags = self.frags.get(first..).unwrap_or(&[]);
        let head = verdict.and_then(|()| ethernet(frags, header, sender));
        let frame = Frame {
            place: first as u32,
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

impl Sorted {
    /// The next frame, number `next`, goes to `dest`.
    #[inline]
    fn turn_to(&mut self, dest: Dest, pass: &mut Pass, next: usize) {
        if dest != pass.dest {
            self.end_run(pass, next);
            pass.dest = dest;
        }
    }

    /// Puts the run that is going on, up to frame number `next`, behind the others to its destination.
    fn end_run(&mut self, pass: &mut Pass, next: usize) {
        let frames = next - pass.first;
        if frames != 0 {
            let id = self.runs.len() as RunId;
            let slots = frames + pass.more_slots as usize;
            let run = Run::new(pass.first as FrameId, frames as u16, slots as u16);
            // There is room for as many runs as frames, and for every destination.
            let _ = self.runs.push_within_capacity(run);
            if let Some(chain) = self.chains.get_mut(usize::from(pass.dest)) {
                if chain.is_empty() {
                    let _ = self.touched.push_within_capacity(pass.dest);
                }
                chain.push(&mut self.runs, id);
            }
        }
        pass.first = next;
        pass.more_slots = 0;
    }
}
