// SPDX-License-Identifier: GPL-2.0

//! The first half of a burst where an XDP program decides about each frame first, on a copy that
//! nobody else can change.

use super::{
    collect::{classify, is_whole, Burst, Decide, Flow},
    extent::Extent,
    frame::{Dest, Frame, Kind},
    origin::source_of,
    scratch::Scratch,
    sender::Sender,
    verdict::{destination, Decider},
    xdp::Workspace,
};
use crate::{
    abi::{
        consts::{ETH_HLEN, NETMAP_MAX_FRAGS},
        wire::Slot,
    },
    memory::{Bufs, Head, SlotRun, Staging},
    ring::count::TxDrop,
    sys::{bottom_half, copy::Copier, net::xdp::HEADROOM},
};
use core::ops::Range;

/// Most bytes of a virtio-net header.
const HEADER: usize = 12;

/// A program at work on a burst.
pub(super) struct Inspector<'p, E> {
    workspace: &'p mut Workspace,
    decider: Decider<'p>,
    /// What of a simple frame is copied to be looked at.
    extent: E,
}

impl<'p, E: Extent> Inspector<'p, E> {
    pub(super) fn new(workspace: &'p mut Workspace, decider: Decider<'p>, extent: E) -> Self {
        (workspace.low, workspace.high) = (0, 0);
        Inspector {
            workspace,
            decider,
            extent,
        }
    }

    /// Where the frames are now.
    pub(super) fn origin<'i>(&'i self, sender: &Sender<'i>) -> E::Origin<'i> {
        self.extent
            .origin(self.workspace.staging.bufs(), sender.bufs)
    }

    /// How many buffers are free.
    fn free(&self) -> u32 {
        let used = self.workspace.low + self.workspace.high;
        self.workspace.staging.count().saturating_sub(used)
    }
}

/// Has the program decide about frames, the first of which is in buffer `unit`.
#[inline(never)]
fn decide(
    sender: &Sender<'_>,
    frames: &mut [Frame],
    unit: u32,
    inspector: &mut Inspector<'_, impl Extent>,
) {
    let Workspace {
        staging,
        ingress,
        verdicts,
        ..
    } = &mut *inspector.workspace;
    inspector.decider.look(sender.from(), ingress, |looker| {
        for ((frame, verdict), unit) in frames.iter_mut().zip(verdicts.iter_mut()).zip(unit..) {
            let Some(mut area) = staging.area(unit) else {
                break;
            };
            let was = HEADROOM..HEADROOM + u32::from(frame.len);
            let (decided, now) = looker.decide(&mut area, was.clone());
            *verdict = decided;
            if now != was {
                frame.len = u16::try_from(now.end.wrapping_sub(now.start)).unwrap_or(u16::MAX);
                area.settle(now);
            }
        }
    });
}

impl<E: Extent> Decide for Inspector<'_, E> {
    const BROUGHT_IN: bool = true;

    /// In three steps, each of which does the same to all frames: what the next frame needs is then
    /// on its way while this one is worked on.
    fn take_simple(
        &mut self,
        scratch: &mut Scratch,
        sender: &Sender<'_>,
        slots: &mut SlotRun<'_>,
        burst: &mut Burst,
    ) -> Option<Slot> {
        let first = scratch.taken;
        let unit = self.extent.unit(self.workspace.low, first);
        self.workspace.low = unit;
        let (staged, odd) = scratch.stage_simple(sender, slots, burst, self);
        let staged = first..first + staged;
        let frames = scratch.frames.get_mut(staged.clone()).unwrap_or(&mut []);
        decide(sender, frames, unit, self);
        scratch.route(sender, staged, unit, burst, self);
        odd
    }

    /// The frame is shown in one piece.
    #[inline(never)]
    fn decide(
        &mut self,
        scratch: &mut Scratch,
        frame: Frame,
        _: Head,
        sender: &Sender<'_>,
    ) -> Result<(Frame, Dest), TxDrop> {
        self.workspace.low = self.extent.unit(self.workspace.low, scratch.taken);
        let (decider, header) = (self.decider, sender.header);
        let free = self.free();
        let Workspace {
            staging,
            ingress,
            high,
            ..
        } = &mut *self.workspace;
        let gathered = scratch.gather(&frame, sender, staging);
        if frame.kind != Kind::Simple {
            scratch.frags.truncate(frame.first as usize);
        }
        let sent = gathered?;
        let mut area = staging.long_area();
        // The program may write where the header is.
        let saved: [u8; HEADER] = area.save(HEADROOM);
        let (verdict, now) = decider.look(sender.from(), ingress, |looker| {
            looker.decide(&mut area, HEADROOM + header..HEADROOM + sent)
        });
        let ethernet = now.end - now.start;
        let start = now.start - header;
        area.put(start, saved.get(..header as usize).unwrap_or(&[]));
        area.settle(start..now.end);
        let len = header + ethernet;
        let bad = if ethernet < ETH_HLEN as u32 || len > staging.longest() {
            Some(TxDrop::BadLength)
        } else if len != sent && frame.kind == Kind::Asking {
            // Its header speaks of offsets that have moved.
            Some(TxDrop::BadHeader)
        } else {
            None
        };
        let dest = destination(verdict, bad, sender.member.index, || {
            let head = head_at(staging.long(), 0, header);
            classify(head, sender.switch, sender.member)
        })?;
        let kind = match frame.kind {
            Kind::Simple => Kind::Plain,
            kind => kind,
        };
        let frame = scratch.split((len, kind), staging, free, high);
        frame.map(|frame| (frame, dest)).ok_or(TxDrop::BadLength)
    }
}

impl Scratch {
    /// Copies simple frames, or their starts, to buffers of the workspace for as long as they come.
    /// Returns how many, and the slot after those.
    #[inline(never)]
    fn stage_simple(
        &mut self,
        sender: &Sender<'_>,
        slots: &mut SlotRun<'_>,
        burst: &mut Burst,
        inspector: &mut Inspector<'_, impl Extent>,
    ) -> (usize, Option<Slot>) {
        let pinned = bottom_half::disable();
        let mut copier = Copier::new(slots.left(), &pinned);
        let free = inspector.free();
        let Workspace { staging, low, .. } = &mut *inspector.workspace;
        let lens = ETH_HLEN as u32..=staging.size();
        let to = staging.bufs();
        let extent = inspector.extent;
        let (mut staged, mut bytes, mut odd) = (0, 0, None);
        let room = self.frames.get_mut(self.taken..).unwrap_or(&mut []);
        for (to_frame, cell) in room.iter_mut().zip(slots) {
            let slot = cell.take();
            let (len, unit) = (u32::from(slot.len), *low + staged);
            let both = sender.bufs.own(slot.buf_idx).zip(to.known(unit));
            let good = is_whole(&slot) && lens.contains(&len) && staged < free;
            let copied = both.is_some_and(|(from, to)| {
                good && len <= from.size() && from.copy_start_to(&to, extent.of(len), &mut copier)
            });
            if !copied {
                odd = Some(slot);
                break;
            }
            *to_frame = Frame::simple(extent.home(slot.buf_idx, unit), slot.len);
            bytes += u64::from(len);
            staged += 1;
        }
        *low += staged;
        burst.bytes += bytes;
        (staged as usize, odd)
    }

    /// Sorts frames, the first of which is in buffer `unit`, by where they go after what was
    /// decided about them, and leaves out those that go nowhere.
    #[inline(never)]
    fn route(
        &mut self,
        sender: &Sender<'_>,
        staged: Range<usize>,
        unit: u32,
        burst: &mut Burst,
        inspector: &Inspector<'_, impl Extent>,
    ) {
        let workspace = &*inspector.workspace;
        let counters = &sender.ring.counters;
        let lens = ETH_HLEN as u32..=workspace.staging.size();
        let bufs = workspace.staging.bufs();
        for ((at, &verdict), unit) in staged.zip(workspace.verdicts.iter()).zip(unit..) {
            let Some(&frame) = self.frames.get(at) else {
                break;
            };
            let mut flow = Flow::NONE;
            let bad = (!lens.contains(&frame.len.into())).then_some(TxDrop::BadLength);
            let dest = destination(verdict, bad, sender.member.index, || {
                let head = head_at(bufs, unit, 0);
                flow = Flow::of(head);
                if flow == burst.flow {
                    burst.dest
                } else {
                    classify(head, sender.switch, sender.member)
                }
            });
            match dest {
                Ok(dest) => {
                    burst.flow = flow;
                    inspector.extent.renumber(bufs, unit, self.taken);
                    self.push(frame, dest, burst);
                }
                Err(why) => {
                    burst.dropped += 1;
                    counters.drop(why, 1);
                }
            }
        }
    }

    /// Copies a frame to where it is long in one piece. Returns its bytes.
    fn gather(&self, frame: &Frame, sender: &Sender<'_>, staging: &Staging) -> Result<u32, TxDrop> {
        let alone = [frame.slot()];
        let frags = self.slots_in(frame, &alone);
        let bytes = frags.iter().map(|slot| u32::from(slot.len)).sum();
        let to = staging.long().get(0).ok_or(TxDrop::BadLength)?;
        if bytes > staging.longest() {
            return Err(TxDrop::BadLength);
        }
        let mut at = 0;
        for slot in frags {
            let len = u32::from(slot.len);
            let source = source_of(slot, &sender.bufs, sender.caller).ok_or(TxDrop::BadBuffer)?;
            source
                .copy_to(0, (&to, at), len, &mut Copier::narrow())
                .map_err(|_| TxDrop::BadAddress)?;
            at += len;
        }
        Ok(bytes)
    }

    /// Splits the long frame over buffers again, from the last back, of which `high` are in use and
    /// `free` are not. `None` if there are not enough.
    fn split(
        &mut self,
        (len, kind): (u32, Kind),
        staging: &Staging,
        free: u32,
        high: &mut u32,
    ) -> Option<Frame> {
        let size = staging.size();
        let slots = len.div_ceil(size);
        let room = (self.frags.capacity() - self.frags.len()) as u32;
        if slots > room.min(free).min(NETMAP_MAX_FRAGS as u32) {
            return None;
        }
        let first = self.frags.len() as u32;
        let (from, bufs) = (staging.long().get(0)?, staging.bufs());
        for at in (0..len).step_by(size as usize) {
            *high += 1;
            let unit = staging.count() - *high;
            let piece = size.min(len - at);
            let to = (&bufs.get(unit)?, 0);
            from.copy_to(at, to, piece, &mut Copier::narrow());
            let slot = Slot {
                buf_idx: unit,
                len: piece as u16,
                ..Slot::default()
            };
            // There is room, as was found above.
            let _ = self.frags.push_within_capacity(slot);
        }
        Some(Frame {
            first,
            len: 0,
            slots: slots as u8,
            kind,
        })
    }
}

/// The start of the Ethernet header that is at `at` in buffer `index`.
#[inline(always)]
fn head_at(bufs: Bufs<'_>, index: u32, at: u32) -> Head {
    bufs.known(index).map_or([0; 2], |buf| buf.head(at))
}
