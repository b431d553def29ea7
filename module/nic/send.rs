// SPDX-License-Identifier: GPL-2.0

//! From transmit rings to the driver: each slot is copied into a frame of the kernel's, and comes back when the
//! driver has finished with that.

use super::Nic;
use crate::{
    abi::{
        consts::{ETH_HLEN, NS_REPORT},
        cursor::add,
    },
    ring::{
        parts::{Part, Parts},
        TxSync,
    },
    sys::net::{
        tickets::{Outgoing, Tickets},
        transmit::Sending,
        Device, Packet,
    },
    sys::{bottom_half::Disabled, task},
};
use kernel::sync::{rcu, Arc};

/// Frames that are handed over at a time. In between softirqs may run: on a virtual interface they are what
/// carries the frames on.
const CHUNK: u32 = 64;

/// Bytes of a frame that do not count for the MTU: header and two VLAN tags.
pub(super) const FRAME_EXTRA: u32 = ETH_HLEN as u32 + 8;

/// Sends what a program has released on transmit ring `number`, as far as the driver has room; where the process is being
/// killed, the rest stays in the ring. Answers whether the program finds room past its `cur`.
pub(crate) fn send(nic: &Nic, number: u16, mut sync: TxSync<'_>) -> bool {
    let ring = sync.ring();
    let Some(tickets) = ring.tickets() else {
        return sync.nothing_sent();
    };
    let mut batch = Batch {
        sync: &sync,
        tickets,
        taken: 0,
        parts: sync.parts(),
    };
    while batch.left() > 0 && batch.goes_on(nic, number) && task::go_on() {}
    let Batch { taken, parts, .. } = batch;
    sync.keep_parts(parts);
    sync.taken(taken, |slot| !tickets.is_out(slot))
}

struct Batch<'b> {
    sync: &'b TxSync<'b>,
    tickets: &'b Arc<Tickets>,
    /// Slots that are through.
    taken: u32,
    /// What they say about the next one.
    parts: Parts,
}

impl Batch<'_> {
    /// Slots that are still to be sent.
    fn left(&self) -> u32 {
        self.sync.count() - self.taken
    }

    /// Hands the driver a few frames. False if it took not all of them, and is full.
    fn goes_on(&mut self, nic: &Nic, number: u16) -> bool {
        let guard = rcu::read_lock();
        let sending = nic
            .device(&guard)
            .filter(|device| device.is_running())
            .and_then(|device| Some((device, Sending::begin(device, number)?)));
        let Some((device, sending)) = sending else {
            // No link, or no such queue any more.
            self.lose(self.left());
            return true;
        };
        let (want, before) = (CHUNK.min(self.left()), self.taken);
        self.chunk(device, sending, number, want);
        self.taken - before == want
    }

    /// Drops the frames of the next `count` slots, because the interface is down.
    fn lose(&mut self, count: u32) {
        let ring = self.sync.ring();
        let next = add(self.sync.first(), self.taken, ring.mem.slots());
        for cell in self.sync.view().around(next, count) {
            match self.parts.pass(cell.flags(), true) {
                Part::Whole => ring.counters.down.add_alone(1),
                Part::Chain => ring.counters.bad_chain.add_alone(1),
                Part::Rest => {}
            }
        }
        self.taken += count;
    }

    /// Hands over the frames of up to `want` slots.
    fn chunk(&mut self, device: &Device, mut sending: Sending<'_>, queue: u16, want: u32) {
        let counters = &self.sync.ring().counters;
        let longest = device.mtu().saturating_add(FRAME_EXTRA);
        // One frame is held back, the one that is next: with each we say whether another follows.
        let mut held: Option<Outgoing> = None;
        for at in self.taken..self.taken + want {
            // Not to make a frame in vain.
            if held.is_none() && !sending.has_room() {
                return;
            }
            let mut parts = self.parts;
            match self.frame((device, sending.pinned()), queue, at, longest, &mut parts) {
                Ok(next) => {
                    let before = held.replace(next);
                    if !self.hand_over(&mut sending, before, true) {
                        return;
                    }
                }
                Err(why) => {
                    if !self.hand_over(&mut sending, held.take(), false) {
                        return;
                    }
                    match why {
                        Unfit::Buffer => counters.bad_buffer.add_alone(1),
                        Unfit::Length => counters.bad_length.add_alone(1),
                        Unfit::Part(Part::Chain) => counters.bad_chain.add_alone(1),
                        Unfit::Part(_) => {}
                        Unfit::NoMemory => counters.no_memory.add_alone(1),
                    }
                    // A whole frame leaves them as they were.
                    self.parts = parts;
                    self.taken += 1;
                }
            }
        }
        self.hand_over(&mut sending, held, false);
    }

    /// Hands over a frame, if there is one. False if the driver is full.
    fn hand_over(
        &mut self,
        sending: &mut Sending<'_>,
        packet: Option<Outgoing>,
        more: bool,
    ) -> bool {
        let Some(packet) = packet else {
            return true;
        };
        let len = packet.len();
        if !sending.send(packet, more) {
            return false;
        }
        let counters = &self.sync.ring().counters;
        counters.frames.add_alone(1);
        counters.bytes.add_alone(len.into());
        self.taken += 1;
        true
    }

    /// The frame in the slot `at` places from the first.
    fn frame(
        &self,
        (device, pinned): (&Device, &Disabled),
        queue: u16,
        at: u32,
        longest: u32,
        parts: &mut Parts,
    ) -> Result<Outgoing, Unfit> {
        let ring = self.sync.ring();
        let index = add(self.sync.first(), at, ring.mem.slots());
        let cell = self.sync.view().cell(index);
        let slot = cell.take();
        if slot.flags & NS_REPORT != 0 {
            cell.set_len_flags(slot.len, slot.flags & !NS_REPORT);
        }
        match parts.pass(slot.flags, true) {
            Part::Whole => {}
            part => return Err(Unfit::Part(part)),
        }
        let buf = ring.mem.mem().bufs().get(slot.buf_idx);
        let buf = buf.ok_or(Unfit::Buffer)?;
        let len = u32::from(slot.len);
        if len < ETH_HLEN as u32 || len > longest.min(buf.size()) {
            return Err(Unfit::Length);
        }
        let ticket = self.tickets.issue(index).ok_or(Unfit::NoMemory)?;
        let bytes = buf.span(0, len).ok_or(Unfit::Length)?;
        let packet = Packet::copy_of(device, queue, bytes, pinned).ok_or(Unfit::NoMemory)?;
        Ok(Outgoing::new(packet, ticket))
    }
}

/// Why a slot's frame cannot be sent.
enum Unfit {
    /// There is no such buffer.
    Buffer,
    /// Too short for a header, or too long for the buffer or the interface.
    Length,
    /// It belongs to a frame of several slots.
    Part(Part),
    /// The kernel has none for its copy. To wait might take for ever, as no driver tells when there is some again.
    NoMemory,
}
