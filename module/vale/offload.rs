// SPDX-License-Identifier: GPL-2.0

//! What the virtio-net headers of frames ask for, done for a receiver that has none: checksums are
//! finished, and long frames segmented.
//!
//! The headers of a frame are fetched once, and everything is decided on that copy. The payload
//! goes from the sender's slots to the receiver's buffers directly, and is summed up there: whoever
//! changes it meanwhile has a frame with a wrong checksum.

use super::{
    checksum::Sum,
    fill::{Change, Load},
    frame::{Frame, Kind, ONE_SLOT},
    headers::{Headers, MOST},
    origin::Pieces,
    scratch::Scratch,
    segment::Segments,
    virtio::{Asked, Cut, Field, Reheader, LOOKED_AT},
};
use crate::{
    abi::{
        consts::{NETMAP_MAX_FRAGS, NS_RFRAGS_SHIFT},
        wire::Slot,
    },
    memory::{Buf, Source},
    ring::{
        count::{RxDrop, TxCounters, TxDrop},
        AfterBatch, Delivery, RxRing,
    },
    sys::{bottom_half, copy::Copier, random},
};
use core::cell::Cell;
use kernel::prelude::*;

/// Why a frame does not arrive.
enum Lost {
    /// The ring has no room for all of it, which is counted.
    Full,
    /// It is the sender's fault, and counted there.
    Bad(TxDrop),
}

/// Where a frame goes: into a ring, and a flag that is set if it arrives.
type To<'t> = (&'t RxRing, &'t Cell<bool>);

impl Scratch {
    /// Whether a frame of these asks for something.
    pub(super) fn asks(&self, load: &Load<'_>) -> bool {
        let mut runs = load.runs.clone();
        runs.any(|run| {
            let frames = self.frames.get(run.frames()).unwrap_or(&[]);
            frames.iter().any(|frame| frame.kind == Kind::Asking)
        })
    }

    /// As [`fill`](Self::fill), for frames whose headers are taken off and that ask for something.
    /// They are segmented into frames of at most `longest` bytes.
    #[inline(never)]
    pub(super) fn carry_out(
        &self,
        load: Load<'_>,
        longest: u32,
        origin: &dyn Pieces,
        sent: &TxCounters,
        ring: &RxRing,
    ) {
        let (header, due) = (load.header, load.due);
        let mut left = load.frames;
        let frames = load
            .runs
            .filter_map(|run| self.frames.get(run.frames()))
            .flatten();
        for frame in frames {
            left -= 1;
            let to = (ring, due);
            let put = match frame.kind {
                Kind::Simple | Kind::Plain => self.put_plain(frame, header, origin, to),
                Kind::Asking => self.put_asking(frame, header, longest, origin, to),
            };
            match put {
                Ok(()) => {}
                // So that frames keep their order, those behind it do not come either.
                Err(Lost::Full) => {
                    ring.counters.drop(RxDrop::Full, left.into());
                    break;
                }
                Err(Lost::Bad(why)) => sent.drop(why, 1),
            }
        }
    }

    /// Brings one frame that asks for nothing into a ring.
    fn put_plain(
        &self,
        frame: &Frame,
        header: Reheader,
        origin: &dyn Pieces,
        to: To<'_>,
    ) -> Result<(), Lost> {
        let change = Change::on(to.0, header);
        let slots = self.slots_of(frame, change);
        with_slots(slots, to, |out| {
            let to = (out, &mut Copier::narrow());
            self.put_chain((frame, 0), slots, change, origin, to)
        })
    }

    /// Does what the header of a frame asks for.
    fn put_asking(
        &self,
        frame: &Frame,
        header: Reheader,
        longest: u32,
        origin: &dyn Pieces,
        to: To<'_>,
    ) -> Result<(), Lost> {
        let alone = [frame.slot()];
        let frags = self.slots_in(frame, &alone);
        let all: u32 = frags.iter().map(|slot| u32::from(slot.len)).sum();
        let len = all.saturating_sub(header.skip);
        let mut bytes = Bytes {
            frags,
            origin,
            at: 0,
        };
        let unreadable = |_| Lost::Bad(TxDrop::BadAddress);
        let bad_header = || Lost::Bad(TxDrop::BadHeader);
        let mut looked_at = [0; LOOKED_AT];
        bytes.clone().read(&mut looked_at).map_err(unreadable)?;
        let asked = Asked::read(&looked_at, len).ok_or_else(bad_header)?;
        bytes.skip(header.skip);
        let size = to.0.mem.room();
        let Some(cut) = asked.cut else {
            let slots = len.div_ceil(size.max(1));
            if slots > NETMAP_MAX_FRAGS as u32 {
                return Err(Lost::Bad(TxDrop::BadLength));
            }
            return with_slots(slots, to, |out| {
                put_whole(bytes, (len, size, slots), asked.checksum, out)
            });
        };
        let mut headers = [0; MOST];
        let there = (len as usize).min(MOST);
        let start = headers.get_mut(..there).unwrap_or(&mut []);
        // What is behind the headers need not be readable: then its segments arrive empty.
        let read = bytes.clone().read_start(start);
        let headers = Headers::new(headers, read);
        let id = match cut {
            Cut::Fragments => random::word(),
            _ => 0,
        };
        let segments = Segments::read(&asked, cut, headers, len, (longest, size), id);
        let segments = segments.ok_or_else(|| match read {
            _ if read < there => Lost::Bad(TxDrop::BadAddress),
            _ => bad_header(),
        })?;
        with_slots(segments.count(), to, |out| {
            put_segments(bytes, segments, out)
        })
    }
}

/// Reserves slots of a ring and has them filled. All of them, or none.
fn with_slots(
    slots: u32,
    (ring, due): To<'_>,
    fill: impl FnOnce(&mut Delivery<'_>),
) -> Result<(), Lost> {
    // To wait for so much room would hold up all frames behind it for ever.
    if slots >= ring.mem.slots() {
        return Err(Lost::Bad(TxDrop::BadLength));
    }
    let pinned = bottom_half::disable();
    let delivery = ring.deliver_one(slots, AfterBatch(due), &pinned);
    fill(&mut delivery.ok_or(Lost::Full)?);
    Ok(())
}

/// Copies a frame of `len` bytes into `slots` slots of `size` bytes, and finishes the checksum.
fn put_whole(
    mut bytes: Bytes<'_>,
    (len, size, slots): (u32, u32, u32),
    field: Option<Field>,
    out: &mut Delivery<'_>,
) {
    let rfrags = (slots as u16) << NS_RFRAGS_SHIFT;
    let mut sum = Sum::default();
    // Where the two bytes of the checksum are: they may be in two slots.
    let mut field_bytes = [None; 2];
    out.spread(len, size, rfrags, |buf, part| {
        let Some(buf) = bytes.next_to(buf, 0, part.end - part.start) else {
            return false;
        };
        let Some(field) = field else { return true };
        let from = field.start.clamp(part.start, part.end);
        let summed = Sum::of_words(buf.sum(from - part.start..part.end - part.start));
        // Past the start of what is summed up, or it is of no bytes.
        sum = sum.and(summed.at(from.wrapping_sub(field.start)));
        for (byte, at) in field_bytes.iter_mut().zip(field.at..) {
            if part.contains(&at) {
                *byte = Some((buf, at - part.start));
            }
        }
        true
    });
    for (to, byte) in field_bytes.iter().zip(sum.field_not_zero()) {
        if let Some((buf, at)) = to {
            // It is within the buffer, as it is within the fragment.
            let _ = buf.write(*at, &[byte]);
        }
    }
}

/// Cuts a frame into segments, a slot each.
fn put_segments(mut bytes: Bytes<'_>, mut segments: Segments, out: &mut Delivery<'_>) {
    let mut first = None;
    bytes.skip(segments.body(0).from.start);
    for i in 0..segments.count() {
        let body = segments.body(i);
        // There is room for all of them.
        let Some(cell) = out.next() else { break };
        let to = out.buf(cell);
        out.count(1, body.end().into());
        let Some(buf) = bytes.next_to(to, body.to, body.from.end - body.from.start) else {
            out.refuse(cell, ONE_SLOT);
            continue;
        };
        let sum = Sum::of_words(buf.sum(body.to..body.end()));
        // Segments are no longer than a buffer.
        let _ = buf.write(0, segments.head(i, sum));
        cell.set_len_flags(body.end() as u16, ONE_SLOT);
        if i == 0 {
            first = Some(buf);
        }
    }
    if let Some((buf, (at, field))) = first.zip(segments.late()) {
        let _ = buf.write(at, &field);
    }
}

/// The bytes of a frame, from its slots one after the other.
#[derive(Clone)]
struct Bytes<'f> {
    /// What is left, from `at` on in the first.
    frags: &'f [Slot],
    at: u32,
    origin: &'f dyn Pieces,
}

impl<'f> Bytes<'f> {
    /// Calls `each` for the next `len` bytes, as often as they are in different slots: with where
    /// they are, and how many were before. Goes on behind them also if it fails.
    fn next(
        &mut self,
        len: u32,
        mut each: impl FnMut((&Source<'f>, u32), u32, u32) -> Result,
    ) -> Result {
        let (mut done, mut all) = (0, Ok(()));
        while done < len {
            let [slot, rest @ ..] = self.frags else {
                return Err(EINVAL);
            };
            let piece = u32::from(slot.len).saturating_sub(self.at).min(len - done);
            let source = self.origin.fragment(slot).ok_or(EINVAL)?;
            all = all.and(each((&source, self.at), done, piece));
            self.at += piece;
            done += piece;
            if self.at >= u32::from(slot.len) {
                (self.frags, self.at) = (rest, 0);
            }
        }
        all
    }

    fn skip(&mut self, len: u32) {
        let _ = self.next(len, |_, _, _| Ok(()));
    }

    /// Fetches the next bytes into a private copy.
    fn read(&mut self, out: &mut [u8]) -> Result {
        self.next(out.len() as u32, |(source, from), at, len| {
            let (at, len) = (at as usize, len as usize);
            source.read(from, out.get_mut(at..at + len).unwrap_or(&mut []))
        })
    }

    /// Fetches as many of the next bytes into a private copy as can be read. Returns how many: what
    /// is behind them in `out` is anything.
    fn read_start(&self, out: &mut [u8]) -> usize {
        let (mut read, mut tried) = (0, out.len());
        // Mostly all can be; if not, by halves.
        let mut lost = tried + 1;
        while read + 1 < lost {
            let start = out.get_mut(..tried).unwrap_or(&mut []);
            match self.clone().read(start) {
                Ok(()) => read = tried,
                Err(_) => lost = tried,
            }
            tried = read.midpoint(lost);
        }
        read
    }

    /// Copies the next `len` bytes to `at` of a buffer. Returns the buffer, if it is there and
    /// could take them, and goes on behind them in any case.
    fn next_to<'b>(&mut self, buf: Option<Buf<'b>>, at: u32, len: u32) -> Option<Buf<'b>> {
        let Some(buf) = buf.filter(|buf| len <= buf.size().saturating_sub(at)) else {
            self.skip(len);
            return None;
        };
        let copied = self.next(len, |(source, from), done, piece| {
            source.copy_to(from, (&buf, at + done), piece, &mut Copier::narrow())
        });
        copied.is_ok().then_some(buf)
    }
}
