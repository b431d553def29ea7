// SPDX-License-Identifier: GPL-2.0

//! From transmit rings to the driver: each slot is copied into a frame of the kernel's, and comes back when the
//! driver has finished with that.

use super::Nic;
use crate::{
    abi::{
        consts::{ETH_HLEN, NS_BUF_CHANGED, NS_REPORT},
        cursor::add,
    },
    net::{tickets::Tickets, transmit::Sending, Device, Packet},
    ring::TxSync,
};
use kernel::sync::{rcu, Arc};

/// Frames that are handed over at a time. In between softirqs may run: on a virtual interface they are what
/// carries the frames on.
const CHUNK: u32 = 64;

/// Bytes of a frame that do not count for the MTU: header and two VLAN tags.
const FRAME_EXTRA: u32 = ETH_HLEN as u32 + 8;

/// Sends what a program has released on transmit ring `number`, as far as the driver has room. Answers whether
/// the program finds room past its `cur`.
pub(crate) fn send(nic: &Nic, number: u16, sync: TxSync<'_>) -> bool {
    let ring = sync.ring();
    let Some(tickets) = ring.tickets() else {
        return sync.nothing_sent();
    };
    let mut batch = Batch {
        sync: &sync,
        tickets,
        taken: 0,
    };
    let count = sync.count();
    while batch.taken < count {
        let guard = rcu::read_lock();
        let sending = nic
            .device(&guard)
            .filter(|device| device.is_running())
            .and_then(|device| Some((device, Sending::begin(device, number)?)));
        let Some((device, sending)) = sending else {
            // No link, or no such queue any more.
            ring.counters.down.add_alone((count - batch.taken).into());
            batch.taken = count;
            break;
        };
        let want = CHUNK.min(count - batch.taken);
        let before = batch.taken;
        batch.chunk(device, sending, number, want);
        if batch.taken - before < want {
            // The driver is full.
            break;
        }
    }
    let taken = batch.taken;
    sync.taken(taken, |slot| !tickets.is_out(slot))
}

struct Batch<'b> {
    sync: &'b TxSync<'b>,
    tickets: &'b Arc<Tickets>,
    /// Slots that are through.
    taken: u32,
}

impl Batch<'_> {
    /// Hands over up to `want` frames.
    fn chunk(&mut self, device: &Device, mut sending: Sending<'_>, queue: u16, want: u32) {
        let end = self.taken + want;
        // One frame is held back: with each we say whether more come, and the next may turn out to be none.
        let mut held: Option<Packet> = None;
        let mut at = self.taken;
        while at < end && sending.has_room() {
            let Ok(next) = self.frame(device, queue, at) else {
                // Out of memory: later.
                break;
            };
            at += 1;
            let Some(next) = next else {
                continue;
            };
            if let Some(packet) = held.replace(next) {
                if sending.send(packet, true).is_err() {
                    // `held` has not been tried; it and the one before stay.
                    return;
                }
                // Everything before the one that is held now.
                self.taken = at - 1;
            }
        }
        if let Some(packet) = held {
            if sending.send(packet, false).is_err() {
                return;
            }
        }
        self.taken = at;
    }

    /// The frame in the slot `at` places from the first. `Ok(None)` if it is not one that can be sent, and an
    /// error if there is no memory.
    fn frame(&self, device: &Device, queue: u16, at: u32) -> Result<Option<Packet>, NoMemory> {
        let ring = self.sync.ring();
        let index = add(self.sync.first(), at, ring.mem.slots());
        let slot = ring.mem.view().slot(index);
        let done = NS_BUF_CHANGED | NS_REPORT;
        if slot.flags & done != 0 {
            for cell in ring.mem.view().run(index, 1) {
                cell.set_len_flags(slot.len, slot.flags & !done);
            }
        }
        let Some(buf) = ring.mem.mem().bufs().get(slot.buf_idx) else {
            ring.counters.bad_buffer.add_alone(1);
            return Ok(None);
        };
        let len = u32::from(slot.len);
        let longest = buf.size().min(device.mtu().saturating_add(FRAME_EXTRA));
        if len < ETH_HLEN as u32 || len > longest {
            ring.counters.bad_length.add_alone(1);
            return Ok(None);
        }
        let Some(ticket) = self.tickets.issue(index) else {
            return Err(NoMemory);
        };
        let packet = Packet::copy_of(device, queue, &buf, len).ok_or(NoMemory)?;
        ring.counters.frames.add_alone(1);
        ring.counters.bytes.add_alone(len.into());
        Ok(Some(packet.with_ticket(ticket)))
    }
}

/// There is none just now.
struct NoMemory;
