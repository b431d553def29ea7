// SPDX-License-Identifier: GPL-2.0

//! Filling a receive ring with the frames of a burst.

use super::{
    frame::{Frame, Kind, ONE_SLOT},
    origin::{Origin, Pieces},
    runs::Merge,
    scratch::Scratch,
    virtio::Reheader,
};
use crate::{
    abi::consts::{NETMAP_MAX_FRAGS, NS_MOREFRAG, NS_RFRAGS_SHIFT},
    memory::{SlotCell, SlotRun, Source},
    ring::{AfterBatch, Delivery, RxRing},
    sys::{bottom_half, copy::Copier},
};
use core::cell::Cell;

/// Frames for one ring.
pub(super) struct Load<'l> {
    pub(super) runs: Merge<'l>,
    /// How many frames these are, and how many slots they have.
    pub(super) frames: u32,
    pub(super) slots: u32,
    pub(super) header: Reheader,
    /// Set if some of them arrive.
    pub(super) due: &'l Cell<bool>,
}

/// What becomes of a frame on its way into a ring.
#[derive(Clone, Copy)]
pub(super) struct Change {
    header: Reheader,
    /// Bytes that each slot of the ring has room for.
    room: u32,
}

impl Change {
    /// For frames whose headers are to be like that there.
    pub(super) fn on(ring: &RxRing, header: Reheader) -> Self {
        let room = ring.mem.room();
        Change { header, room }
    }

    /// Bytes of a first slot of `len` that go into the receiver's first slot, where all of it, with
    /// a header that has grown, is too much for that.
    fn part_of(self, len: u32) -> Option<u32> {
        let Change { header, room } = self;
        let grows = header.len() > header.skip && len >= header.skip;
        (grows && header.len() < room && header.len() + (len - header.skip) > room)
            .then(|| room - header.len() + header.skip)
    }
}

impl Scratch {
    /// Brings frames into a ring, as many as fit, in order.
    pub(super) fn fill(&self, load: Load<'_>, origin: &impl Origin, ring: &RxRing) {
        let (header, runs) = (load.header, &load.runs);
        let change = Change::on(ring, header);
        let each = || {
            let runs = runs.clone();
            runs.filter_map(|run| self.frames.get(run.frames()))
                .flatten()
        };
        let (frames, mut slots) = (load.frames, load.slots);
        if header != Reheader::NONE {
            slots = each().map(|frame| self.slots_of(frame, change)).sum();
        }
        let take = |free| {
            if slots <= free {
                return slots;
            }
            let mut taken = 0;
            for frame in each() {
                let more = taken + self.slots_of(frame, change);
                if more > free {
                    break;
                }
                taken = more;
            }
            taken
        };
        let pinned = bottom_half::disable();
        let wake = AfterBatch(load.due);
        let Some(mut out) = ring.deliver(frames, take, wake, &pinned) else {
            return;
        };
        let mut copier = Copier::new(out.left(), &pinned);
        self.put(load.runs, change, origin, &mut out, &mut copier);
    }

    /// Puts frames into the slots of `out`, as many as fit.
    #[inline]
    fn put(
        &self,
        runs: Merge<'_>,
        change: Change,
        origin: &impl Origin,
        out: &mut Delivery<'_>,
        by: &mut Copier<'_>,
    ) {
        let plain = change.header == Reheader::NONE && !out.has_offsets();
        for run in runs {
            let end = run.frames().end;
            let mut frames = self.frames.get(run.frames()).unwrap_or(&[]);
            while let [frame, rest @ ..] = frames {
                let at = (end - frames.len()) as u32;
                if frame.kind == Kind::Simple && plain {
                    let alike = put_alike(frames, at, origin, out, by);
                    if alike == 0 {
                        return;
                    }
                    frames = frames.get(alike as usize..).unwrap_or(&[]);
                    continue;
                }
                let slots = self.slots_of(frame, change);
                if slots > out.left() {
                    return;
                }
                self.put_chain((frame, at), slots, change, origin, (out, by));
                frames = rest;
            }
        }
    }

    /// Slots that a frame takes at the receiver: one fewer than it has if the first holds nothing
    /// but a header that is taken off, and one more if the first gets too long by its header.
    #[inline]
    pub(super) fn slots_of(&self, frame: &Frame, change: Change) -> u32 {
        let slots = u32::from(frame.slots);
        if change.header == Reheader::NONE {
            return slots;
        }
        let alone = [frame.slot()];
        let first = self.slots_in(frame, &alone).first();
        let len = first.map_or(0, |slot| u32::from(slot.len));
        if change.header.strips() {
            slots - u32::from(frame.kind != Kind::Simple && len == change.header.skip)
        } else {
            let grows = slots < NETMAP_MAX_FRAGS as u32 && change.part_of(len).is_some();
            slots + u32::from(grows)
        }
    }

    /// Copies any frame, number `at`, into `slots` slots of the receiver.
    #[inline(never)]
    pub(super) fn put_chain(
        &self,
        (frame, at): (&Frame, u32),
        slots: u32,
        change: Change,
        origin: &dyn Pieces,
        (out, by): (&mut Delivery<'_>, &mut Copier<'_>),
    ) {
        let header = change.header;
        let alone = [frame.slot()];
        let frags = self.slots_in(frame, &alone);
        let bytes: u64 = frags.iter().map(|slot| u64::from(slot.len)).sum();
        let bytes = (bytes + u64::from(header.len())).saturating_sub(header.skip.into());
        let slots = slots as usize;
        let (frags, header) = if frags.len() > slots {
            // The first fragment was the header.
            (frags.get(1..).unwrap_or(&[]), Reheader::NONE)
        } else {
            (frags, header)
        };
        let rfrags = (slots as u16) << NS_RFRAGS_SHIFT;
        let mut left = slots;
        let mut put = |source, len, header| {
            left -= 1;
            let more = if left == 0 { 0 } else { NS_MOREFRAG };
            // There is room for the whole frame.
            if let Some(cell) = out.next() {
                put_fragment(cell, (source, len), header, rfrags | more, (out, by));
            }
        };
        let grows = slots > frags.len();
        for (i, slot) in frags.iter().enumerate() {
            let source = match frame.kind {
                Kind::Simple => origin.simple(frame, at),
                Kind::Plain | Kind::Asking => origin.fragment(slot),
            };
            let header = if i == 0 { header } else { Reheader::NONE };
            match change.part_of(slot.len.into()) {
                Some(part) if grows && i == 0 => {
                    put(source, part as u16, header);
                    let rest = Reheader {
                        skip: part,
                        ..Reheader::NONE
                    };
                    put(source, slot.len, rest);
                }
                _ => put(source, slot.len, header),
            }
        }
        out.count(1, bytes);
    }
}

/// Puts simple frames, of number `at` and on, into slots that lie side by side, until one is not
/// simple or these slots end. Returns how many. A function of its own, so that all that a frame
/// needs is in registers.
#[inline(never)]
fn put_alike<O: Origin>(
    frames: &[Frame],
    at: u32,
    origin: &O,
    out: &mut Delivery<'_>,
    by: &mut Copier<'_>,
) -> u32 {
    let (bufs, origin) = (*out.bufs(), *origin);
    let mut lies = origin.begin(at, &bufs);
    let mut slots: SlotRun<'_> = out.ahead();
    let before = slots.left();
    let mut bytes = 0u64;
    for frame in frames {
        if frame.kind != Kind::Simple {
            break;
        }
        let Some(cell) = slots.next() else {
            break;
        };
        slots.prefetch();
        bytes = bytes.wrapping_add(frame.len.into());
        if !origin.put(&mut lies, frame, cell, &bufs, by) {
            out.refuse(cell, ONE_SLOT);
        }
    }
    let done = before - slots.left();
    out.filled(done);
    out.count(done, bytes);
    done
}

/// Copies any fragment, which has `len` bytes, into a slot.
fn put_fragment(
    cell: SlotCell<'_>,
    (source, len): (Option<Source<'_>>, u16),
    header: Reheader,
    flags: u16,
    (out, by): (&mut Delivery<'_>, &mut Copier<'_>),
) {
    let body = u32::from(len).saturating_sub(header.skip);
    let len = header.len() + body;
    let copied = source
        .zip(out.buf(cell))
        .filter(|(_, buf)| len <= buf.size())
        .is_some_and(|(source, buf)| {
            buf.zero(header.keep, header.zeros);
            (header.keep == 0 || source.copy_to(0, (&buf, 0), header.keep, by).is_ok())
                && source
                    .copy_to(header.skip, (&buf, header.len()), body, by)
                    .is_ok()
        });
    if copied {
        cell.set_len_flags(len as u16, flags);
    } else {
        out.refuse(cell, flags);
    }
}
