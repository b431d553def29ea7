// SPDX-License-Identifier: GPL-2.0

//! From rings to the stack: each frame is copied, and arrives as if it came from the wire.

use super::Nic;
use crate::{
    abi::{
        consts::{ETH_HLEN, NS_BUF_CHANGED, NS_FORWARD, NS_REPORT},
        wire::Slot,
    },
    memory::{Bufs, SlotCell},
    ring::{parts::Part, TxSync},
    sys::net::{Device, Packet},
    sys::{
        bottom_half::{self, Disabled},
        task,
    },
};
use kernel::sync::rcu;

/// Frames that the stack gets at a time. In between, softirqs may run.
const CHUNK: usize = 64;

/// Slots of a ring after which others may have the CPU.
const BATCH: u32 = 1024;

/// Gives the stack what a program has released on a host transmit ring. It takes everything: such a ring never
/// fills up (item 105). Only where the process is being killed, the rest stays in the ring. Answers whether the program
/// finds room past its `cur`.
pub(crate) fn inject(nic: &Nic, mut sync: TxSync<'_>) -> bool {
    let ring = sync.ring();
    let counters = &ring.counters;
    let mut parts = sync.parts();
    let mut slots = sync.slots().map(|cell| {
        let slot = cell.take();
        (cell, slot, parts.pass(slot.flags, true))
    });
    let tell = |given| {
        match given {
            Ok(len) => {
                counters.bytes.add_alone(u64::from(len));
                &counters.frames
            }
            Err(Unfit::Down) => &counters.down,
            Err(Unfit::Buffer) => &counters.bad_buffer,
            Err(Unfit::Length) => &counters.bad_length,
            Err(Unfit::Chain) => &counters.bad_chain,
            Err(Unfit::NoMemory) => &counters.no_memory,
        }
        .add_alone(1)
    };
    let mut left = sync.count();
    let mut goes_on = true;
    while goes_on && left > 0 {
        let batch = left.min(BATCH);
        up(
            nic,
            &ring.mem.mem().bufs(),
            slots.by_ref().take(batch as usize),
            tell,
        );
        left -= batch;
        goes_on = task::go_on();
    }
    sync.keep_parts(parts);
    sync.all_sent_but(left)
}

/// Why the stack does not get a frame.
pub(super) enum Unfit {
    /// The interface is down, or gone.
    Down,
    /// There is no such buffer.
    Buffer,
    /// Too short for a header, or too long for the buffer.
    Length,
    /// It has several slots.
    Chain,
    NoMemory,
}

/// A slot to go up, as it was taken, and what it is.
pub(super) type Going<'m> = (SlotCell<'m>, Slot, Part);

/// Gives the stack the frames in these slots, one by one, and tells of each how many bytes it had.
pub(super) fn up<'m>(
    nic: &Nic,
    bufs: &Bufs<'_>,
    mut slots: impl Iterator<Item = Going<'m>>,
    mut tell: impl FnMut(Result<u32, Unfit>),
) {
    let mut left = true;
    while left {
        let guard = rcu::read_lock();
        let device = nic.device(&guard).filter(|device| device.is_up());
        let pinned = bottom_half::disable();
        let mut given = 0;
        for (cell, slot, part) in slots.by_ref().take(CHUNK) {
            given += 1;
            let done = NS_BUF_CHANGED | NS_FORWARD | NS_REPORT;
            if slot.flags & done != 0 {
                cell.set_len_flags(slot.len, slot.flags & !done);
            }
            tell(match (part, device) {
                (Part::Rest, _) => continue,
                (Part::Chain, _) => Err(Unfit::Chain),
                (Part::Whole, Some(device)) => give(device, bufs, slot, &pinned),
                (Part::Whole, None) => Err(Unfit::Down),
            });
        }
        left = given == CHUNK;
    }
}

fn give(device: &Device, bufs: &Bufs<'_>, slot: Slot, pinned: &Disabled) -> Result<u32, Unfit> {
    let buf = bufs.get(slot.buf_idx).ok_or(Unfit::Buffer)?;
    let len = u32::from(slot.len);
    if len < ETH_HLEN as u32 || len > buf.size() {
        return Err(Unfit::Length);
    }
    let bytes = buf.span(0, len).ok_or(Unfit::Length)?;
    let packet = Packet::copy_of(device, 0, bytes, pinned).ok_or(Unfit::NoMemory)?;
    packet.up(device, pinned);
    Ok(len)
}
