// SPDX-License-Identifier: GPL-2.0

//! Filling a receive ring: reserve slots, copy, commit.

use super::{
    chain::Merge,
    forward::{Frame, Kind, Scratch, Sender, Starts, Walk},
    source::Source,
    virtio::Reheader,
};
use crate::{
    abi::{
        consts::{NS_BUF_CHANGED, NS_MOREFRAG, NS_RFRAGS_SHIFT},
        wire::Slot,
    },
    memory::{Buf, Bufs, SlotCell, SlotRun},
    ring::RxRing,
    sys::{bottom_half, copy::Copier, user::Caller},
};
use core::slice::Iter;

/// Frames for one ring.
pub(super) struct Load<'l> {
    pub(super) runs: Merge<'l>,
    /// How many frames these are, and how many slots they have.
    pub(super) frames: u32,
    pub(super) slots: u32,
    pub(super) header: Reheader,
    /// The sent slots of all frames of the pass, one by one, if buffers may be exchanged.
    pub(super) sent: Option<Walk<'l>>,
}

/// Flags of a received frame that has one slot.
pub(super) const ONE_SLOT: u16 = 1 << NS_RFRAGS_SHIFT;

impl Scratch {
    /// Brings frames into a ring, as many as fit, in order. Answers how many there was room for.
    pub(super) fn fill(&self, load: Load<'_>, sender: &Sender<'_>, ring: &RxRing) -> u32 {
        let (header, runs) = (load.header, &load.runs);
        let each = || {
            let runs = runs.clone();
            runs.filter_map(|run| self.frames.get(run.frames()))
                .flatten()
        };
        let (frames, mut slots) = (load.frames, load.slots);
        if header.strips() {
            slots = each().map(|frame| self.slots_of(frame, header)).sum();
        }
        // From here to the commit nobody can interrupt: others wait for these slots.
        let mut pinned = bottom_half::disable();
        let take = |free| {
            if slots <= free {
                return slots;
            }
            let mut taken = 0;
            for frame in each() {
                let more = taken + self.slots_of(frame, header);
                if more > free {
                    break;
                }
                taken = more;
            }
            taken
        };
        let lease = ring.reserve(take, &pinned);
        let Some(lease) = lease else {
            ring.counters.full.add(frames.into());
            return 0;
        };
        let bufs = ring.mem.mem().bufs();
        let mut copier = Copier::new(lease.count(), &mut pinned);
        let sent = load
            .sent
            .filter(|_| header == Reheader::NONE && bufs.is(&sender.bufs));
        let slots = Walk::new(ring.mem.view(), lease.first(), lease.count());
        let mut out = Out::new(sender, (bufs, slots), sent, &mut copier);
        let done = self.put(load.runs, header, &mut out);
        let refused = out.refused;
        drop(copier);
        ring.commit(lease, &pinned);
        drop(pinned);
        ring.counters.bad_buffer.add(refused);
        ring.counters.frames.add(done.frames.into());
        ring.counters.bytes.add(done.bytes);
        ring.counters.full.add((frames - done.frames).into());
        done.frames
    }

    /// Puts frames into the slots of `out`, as many as fit.
    #[inline]
    fn put(&self, runs: Merge<'_>, header: Reheader, out: &mut Out<'_, '_>) -> Done {
        let mut done = Done::default();
        for run in runs {
            let end = run.frames().end;
            let mut frames = self.frames.get(run.frames()).unwrap_or(&[]).iter();
            while let [frame, ..] = frames.as_slice() {
                if frame.kind == Kind::Simple && header == Reheader::NONE {
                    let at = (end - frames.as_slice().len()) as u32;
                    let alike = match (out.sent, out.starts) {
                        (None, None) => out.copy_alike(&mut frames),
                        (None, Some(starts)) => out.start_alike(&mut frames, starts, at),
                        (Some(sent), _) => out.swap_alike(&mut frames, sent.behind(at)),
                    };
                    if alike.frames == 0 {
                        return done;
                    }
                    done.frames += alike.frames;
                    done.bytes += alike.bytes;
                    continue;
                }
                let slots = self.slots_of(frame, header);
                if slots > out.slots.left() {
                    return done;
                }
                let at = (end - frames.as_slice().len()) as u32;
                frames.next();
                done.bytes += self.put_chain((frame, at), slots, header, out);
                done.frames += 1;
            }
        }
        done
    }

    /// Slots that a frame takes at the receiver: one fewer than it has if the first holds nothing but a header that is
    /// taken off.
    #[inline]
    pub(super) fn slots_of(&self, frame: &Frame, header: Reheader) -> u32 {
        let slots = u32::from(frame.slots);
        if !header.strips() || frame.kind == Kind::Simple {
            return slots;
        }
        let first = self.frags.get(frame.place as usize);
        slots - u32::from(first.is_some_and(|slot| u32::from(slot.len) == header.skip))
    }

    /// Copies any frame, number `at`, into `slots` slots of the receiver. Answers the bytes it had.
    #[inline(never)]
    pub(super) fn put_chain(
        &self,
        (frame, at): (&Frame, u32),
        slots: u32,
        header: Reheader,
        out: &mut Out<'_, '_>,
    ) -> u64 {
        let alone = [frame.slot()];
        let starts = out.starts.filter(|_| frame.kind == Kind::Simple);
        let start = starts.and_then(|starts| Some((starts.bufs.get(at)?, starts.len)));
        let from = match frame.kind {
            Kind::Simple => out.source,
            Kind::Plain | Kind::Asking => out.chains,
        };
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
        for (i, slot) in frags.iter().enumerate() {
            let header = if i == 0 { header } else { Reheader::NONE };
            let more = if i + 1 == slots { 0 } else { NS_MOREFRAG };
            // The lease has room for the whole frame.
            if let Some(cell) = out.slots.next() {
                out.fill(cell, (slot, &from, start), header, rfrags | more);
            }
        }
        bytes
    }
}

/// Frames that found room.
#[derive(Default)]
struct Done {
    frames: u32,
    bytes: u64,
}

/// Slots of a receiver, to be filled one after the other.
pub(super) struct Out<'r, 'b> {
    /// The sender's slots, if buffers may be exchanged.
    sent: Option<Walk<'r>>,
    /// Where simple frames are, and fragments of others.
    source: Bufs<'r>,
    chains: Bufs<'r>,
    /// Whose memory addresses in slots mean.
    caller: Option<Caller<'r>>,
    /// Where the starts of simple frames are, if they are not with the rest.
    starts: Option<Starts<'r>>,
    /// The receiver's buffers.
    pub(super) bufs: Bufs<'r>,
    pub(super) slots: Walk<'r>,
    copier: &'r mut Copier<'b>,
    /// Slots that could not take their fragment.
    pub(super) refused: u64,
}

impl<'r, 'b> Out<'r, 'b> {
    /// For frames of `sender`, which are also in the slots `sent` if buffers may be exchanged.
    #[inline(always)]
    pub(super) fn new(
        sender: &Sender<'r>,
        (bufs, slots): (Bufs<'r>, Walk<'r>),
        sent: Option<Walk<'r>>,
        copier: &'r mut Copier<'b>,
    ) -> Self {
        Out {
            sent,
            source: sender.bufs,
            chains: sender.chains,
            caller: sender.caller,
            starts: sender.starts,
            bufs,
            slots,
            copier,
            refused: 0,
        }
    }
}

impl Out<'_, '_> {
    /// Copies simple frames until one is not, or the slots that lie side by side end.
    #[inline]
    fn copy_alike(&mut self, frames: &mut Iter<'_, Frame>) -> Done {
        self.each_alike(frames, |out, frame, cell| {
            if out.copy(frame, cell) {
                cell.set_len_flags(frame.len, ONE_SLOT);
            } else {
                out.refuse(cell, ONE_SLOT);
            }
        })
    }

    /// As [`copy_alike`](Self::copy_alike), but takes their starts, of frame number `at` and on, from elsewhere.
    #[inline(never)]
    fn start_alike(
        &mut self,
        frames: &mut Iter<'_, Frame>,
        starts: Starts<'_>,
        mut at: u32,
    ) -> Done {
        self.each_alike(frames, |out, frame, cell| {
            let from = out.source.known(frame.place).zip(starts.bufs.known(at));
            let to = out.bufs.own(cell.buf());
            at += 1;
            let len = u32::from(frame.len);
            let seen = starts.len.min(len);
            let copied = from.zip(to).is_some_and(|((rest, start), to)| {
                start.copy_start_to(&to, seen, out.copier)
                    && rest.copy_part_to(&to, seen..len, out.copier)
            });
            if copied {
                cell.set_len_flags(frame.len, ONE_SLOT);
            } else {
                out.refuse(cell, ONE_SLOT);
            }
        })
    }

    /// As [`copy_alike`](Self::copy_alike), but exchanges the buffers with those of `sent`, where the frames
    /// come from.
    #[inline(never)]
    fn swap_alike(&mut self, frames: &mut Iter<'_, Frame>, mut sent: Walk<'_>) -> Done {
        self.each_alike(frames, |out, frame, cell| {
            let theirs = cell.buf();
            let both = out.bufs.own(frame.place).and(out.bufs.own(theirs));
            match sent.next() {
                Some(from) if both.is_some() => {
                    from.set(theirs, frame.len, NS_BUF_CHANGED);
                    cell.set(frame.place, frame.len, ONE_SLOT | NS_BUF_CHANGED);
                }
                // One of them is nobody's.
                _ if out.copy(frame, cell) => cell.set_len_flags(frame.len, ONE_SLOT),
                _ => out.refuse(cell, ONE_SLOT),
            }
        })
    }

    #[inline(always)]
    fn each_alike(
        &mut self,
        frames: &mut Iter<'_, Frame>,
        mut put: impl FnMut(&mut Self, &Frame, SlotCell<'_>),
    ) -> Done {
        let mut slots: SlotRun<'_> = self.slots.ahead(u32::MAX);
        let before = slots.left();
        let mut bytes = 0u64;
        while let [frame, ..] = frames.as_slice() {
            if frame.kind != Kind::Simple {
                break;
            }
            let Some(cell) = slots.next() else {
                break;
            };
            frames.next();
            bytes = bytes.wrapping_add(frame.len.into());
            slots.prefetch();
            put(self, frame, cell);
        }
        let frames = before - slots.left();
        self.slots.pass_over(frames);
        Done { frames, bytes }
    }

    /// Copies a simple frame into the buffer of a slot, if both are there.
    #[inline(always)]
    fn copy(&mut self, frame: &Frame, cell: SlotCell<'_>) -> bool {
        let Some(from) = self.source.known(frame.place) else {
            return false;
        };
        let Some(to) = self.bufs.own(cell.buf()) else {
            return false;
        };
        from.copy_start_to(&to, frame.len.into(), self.copier)
    }

    /// Copies any fragment into a slot: from its buffers, and its start, if that is given with its length, from there.
    fn fill(
        &mut self,
        cell: SlotCell<'_>,
        (slot, bufs, start): (&Slot, &Bufs<'_>, Option<(Buf<'_>, u32)>),
        header: Reheader,
        flags: u16,
    ) {
        let body = u32::from(slot.len).saturating_sub(header.skip);
        let len = header.len() + body;
        let to = self.bufs.own(cell.buf());
        let copied = Source::of(slot, bufs, self.caller)
            .zip(to)
            .filter(|_| len <= self.bufs.size())
            .is_some_and(|(source, buf)| {
                buf.zero(header.keep, header.zeros);
                let mut seen = 0;
                if let Some((start, len)) = start {
                    seen = len.min(body);
                    start.copy_to(0, &buf, header.len(), seen);
                }
                let (from, to) = (header.skip + seen, header.len() + seen);
                (header.keep == 0 || source.copy_to(0, &buf, 0, header.keep).is_ok())
                    && source.copy_to(from, &buf, to, body - seen).is_ok()
            });
        if copied {
            cell.set_len_flags(len as u16, flags);
        } else {
            self.refuse(cell, flags);
        }
    }

    /// The slot could not take the fragment, or the fragment could not be read: it arrives empty.
    #[cold]
    pub(super) fn refuse(&mut self, cell: SlotCell<'_>, flags: u16) {
        self.refused += 1;
        cell.set_len_flags(0, flags);
    }
}
