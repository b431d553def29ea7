// SPDX-License-Identifier: GPL-2.0

//! From rings to the stack behind a persistent port: each frame is copied, and arrives there as if
//! from a wire. What its virtio-net header asks for is left to the stack, which does it as for
//! frames of a guest.

use super::{
    fill::Load,
    frame::{Frame, Kind},
    origin::Pieces,
    scratch::Scratch,
    virtio::Asked,
};
use crate::{
    ring::count::{TxCounters, TxDrop},
    sys::{
        bottom_half::{self, Disabled},
        net::{
            own::OwnDevice,
            packet::{LONGEST, VIRTIO_NET_HDR},
            Packet,
        },
    },
};
use core::ops::Range;

impl Scratch {
    /// Gives the stack the frames of `load`, which all have headers of `header` bytes, in order.
    #[inline(never)]
    pub(super) fn up(
        &self,
        load: Load<'_>,
        header: u32,
        origin: &dyn Pieces,
        counters: &TxCounters,
        stack: &OwnDevice,
    ) {
        let pinned = bottom_half::disable();
        for run in load.runs {
            let Range { start, end } = run.frames();
            let frames = self.frames.get(start..end).unwrap_or(&[]);
            for (frame, at) in frames.iter().zip(start as u32..) {
                match self.packet((frame, at), header, origin, stack, &pinned) {
                    // What it does not take it counts.
                    Ok(packet) => drop(stack.receive(packet, &pinned)),
                    Err(why) => counters.drop(why, 1),
                }
            }
        }
    }

    /// A copy of any frame, number `at`, as the stack wants it.
    fn packet(
        &self,
        (frame, at): (&Frame, u32),
        header: u32,
        origin: &dyn Pieces,
        stack: &OwnDevice,
        pinned: &Disabled,
    ) -> Result<Packet, TxDrop> {
        let alone = [frame.slot()];
        let slots = self.slots_in(frame, &alone);
        let pieces = || {
            slots.iter().map(|slot| {
                let source = match frame.kind {
                    Kind::Simple => origin.simple(frame, at),
                    Kind::Plain | Kind::Asking => origin.fragment(slot),
                };
                (source, u32::from(slot.len))
            })
        };
        let all: u32 = pieces().map(|(_, len)| len).sum();
        let mut asked = [0; VIRTIO_NET_HDR];
        if frame.kind == Kind::Asking {
            // It is in the first slot, whole (`collect`).
            let (first, _) = pieces().next().ok_or(TxDrop::BadLength)?;
            let first = first.ok_or(TxDrop::BadBuffer)?;
            first.read(0, &mut asked).map_err(|_| TxDrop::BadAddress)?;
        }
        let mut lost = TxDrop::NoMemory;
        let fill = |mut room: &mut [u8]| {
            let mut skip = header;
            for (source, len) in pieces() {
                let from = skip.min(len);
                skip -= from;
                let Some((to, rest)) = room.split_at_mut_checked((len - from) as usize) else {
                    return false;
                };
                let Some(source) = source else {
                    lost = TxDrop::BadBuffer;
                    return false;
                };
                if source.read(from, to).is_err() {
                    lost = TxDrop::BadAddress;
                    return false;
                }
                room = rest;
            }
            true
        };
        let len = all.saturating_sub(header);
        if len > LONGEST {
            return Err(TxDrop::BadLength);
        }
        let mut packet = Packet::filled(stack, 0, len, pinned, fill).ok_or(lost)?;
        if frame.kind == Kind::Asking {
            // What no ring would get the stack does not get either.
            let sound = Asked::read(&asked, len).is_some() && packet.ask(&asked);
            if !sound {
                return Err(TxDrop::BadHeader);
            }
        }
        Ok(packet)
    }
}
