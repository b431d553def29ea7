// SPDX-License-Identifier: GPL-2.0

//! From rings to the stack: each frame is copied, and arrives as if it came from the wire.

use super::Nic;
use crate::{
    abi::consts::{ETH_HLEN, NS_BUF_CHANGED, NS_FORWARD, NS_REPORT},
    memory::{Bufs, SlotCell},
    net::{Device, Packet},
    ring::TxSync,
    sys::bottom_half::{self, Disabled},
};
use kernel::sync::rcu;

/// Frames that the stack gets at a time. In between, softirqs may run.
const CHUNK: usize = 64;

/// Gives the stack what a program has released on a host transmit ring. It takes everything: such a ring never
/// fills up (item 105). Answers whether the program finds room past its `cur`.
pub(crate) fn inject(nic: &Nic, sync: TxSync<'_>) -> bool {
    let ring = sync.ring();
    let counters = &ring.counters;
    up(nic, &ring.mem.mem().bufs(), sync.slots(), |given| {
        match given {
            Ok(len) => {
                counters.bytes.add_alone(len.into());
                &counters.frames
            }
            Err(Unfit::Down) => &counters.down,
            Err(Unfit::Buffer) => &counters.bad_buffer,
            Err(Unfit::Length) => &counters.bad_length,
            Err(Unfit::NoMemory) => &counters.no_memory,
        }
        .add_alone(1)
    });
    sync.all_sent()
}

/// Why the stack does not get a frame.
pub(super) enum Unfit {
    /// The interface is down, or gone.
    Down,
    /// There is no such buffer.
    Buffer,
    /// Too short for a header, or too long for the buffer.
    Length,
    NoMemory,
}

/// Gives the stack the frames in these slots, one by one, and tells of each how many bytes it had.
pub(super) fn up<'m>(
    nic: &Nic,
    bufs: &Bufs<'_>,
    mut cells: impl Iterator<Item = SlotCell<'m>>,
    mut tell: impl FnMut(Result<u32, Unfit>),
) {
    let mut left = true;
    while left {
        let guard = rcu::read_lock();
        let device = nic.device(&guard).filter(|device| device.is_up());
        let pinned = bottom_half::disable();
        let mut given = 0;
        for cell in cells.by_ref().take(CHUNK) {
            given += 1;
            tell(match device {
                Some(device) => give(device, bufs, cell, &pinned),
                None => Err(Unfit::Down),
            });
        }
        left = given == CHUNK;
    }
}

fn give(
    device: &Device,
    bufs: &Bufs<'_>,
    cell: SlotCell<'_>,
    pinned: &Disabled,
) -> Result<u32, Unfit> {
    let slot = cell.take();
    let done = NS_BUF_CHANGED | NS_FORWARD | NS_REPORT;
    if slot.flags & done != 0 {
        cell.set_len_flags(slot.len, slot.flags & !done);
    }
    let buf = bufs.get(slot.buf_idx).ok_or(Unfit::Buffer)?;
    let len = u32::from(slot.len);
    if len < ETH_HLEN as u32 || len > buf.size() {
        return Err(Unfit::Length);
    }
    let packet = Packet::copy_of(device, 0, &buf, len, pinned).ok_or(Unfit::NoMemory)?;
    packet.up(device, pinned);
    Ok(len)
}
