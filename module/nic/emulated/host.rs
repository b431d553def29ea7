// SPDX-License-Identifier: GPL-2.0

//! From rings to the stack: each frame is copied, and arrives as if it came from the wire.

use crate::{
    abi::{
        consts::{ETH_HLEN, NS_BUF_CHANGED, NS_FORWARD, NS_REPORT},
        wire::Slot,
    },
    memory::{Bufs, SlotCell},
    nic::interface::Nic,
    ring::{
        count::TxDrop,
        parts::{Part, Parts},
        TxQueue, TxSync,
    },
    sys::{
        bottom_half::{self, Disabled},
        net::{Device, Packet},
        task,
    },
};
use kernel::sync::{rcu, Arc};

/// Frames that the stack gets at a time. In between, softirqs may run.
const CHUNK: usize = 64;

/// Slots of a ring after which others may have the CPU.
const BATCH: u32 = 1024;

/// The queue of a host transmit ring, which gives its frames to the stack.
pub(super) struct ToHost {
    nic: Arc<Nic>,
    /// What the slots sent so far say about the next one.
    parts: Parts,
}

impl ToHost {
    pub(super) fn new(nic: &Arc<Nic>) -> Self {
        ToHost {
            nic: nic.clone(),
            parts: Parts::default(),
        }
    }
}

impl TxQueue for ToHost {
    /// It takes everything: such a ring never fills up (item 105). Only where the process is being
    /// killed, the rest stays in the ring.
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let ring = sync.ring();
        let counters = &ring.counters;
        let parts = &mut self.parts;
        let mut slots = sync.slots().map(|cell| {
            let slot = cell.take();
            (cell, slot, parts.next(slot.flags, true))
        });
        let count = |given| match given {
            Ok(len) => {
                counters.bytes.add_alone(u64::from(len));
                counters.frames.add_alone(1);
            }
            Err(why) => counters.drop(why, 1),
        };
        let bufs = ring.mem.mem().bufs();
        let mut left = sync.count();
        let mut goes_on = true;
        while goes_on && left > 0 {
            let batch = left.min(BATCH);
            up(&self.nic, &bufs, slots.by_ref().take(batch as usize), count);
            left -= batch;
            goes_on = task::go_on();
        }
        drop(slots);
        sync.all_sent_but(left);
    }
}

/// A slot to go up, as it was taken, and what it is.
pub(super) type Going<'m> = (SlotCell<'m>, Slot, Part);

/// Gives the stack the frames in these slots, one by one, and tells of each how many bytes it had,
/// or why the stack does not get it.
pub(super) fn up<'m>(
    nic: &Nic,
    bufs: &Bufs<'_>,
    mut slots: impl Iterator<Item = Going<'m>>,
    mut tell: impl FnMut(Result<u32, TxDrop>),
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
                (Part::Chain, _) => Err(TxDrop::BadChain),
                (Part::Whole, Some(device)) => give(device, bufs, slot, &pinned),
                (Part::Whole, None) => Err(TxDrop::Down),
            });
        }
        left = given == CHUNK;
    }
}

fn give(device: &Device, bufs: &Bufs<'_>, slot: Slot, pinned: &Disabled) -> Result<u32, TxDrop> {
    let buf = bufs.get(slot.buf_idx).ok_or(TxDrop::BadBuffer)?;
    let len = u32::from(slot.len);
    if len < ETH_HLEN as u32 {
        return Err(TxDrop::BadLength);
    }
    let bytes = buf.span(0, len).ok_or(TxDrop::BadLength)?;
    let packet = Packet::copy_of(device, 0, bytes, pinned).ok_or(TxDrop::NoMemory)?;
    packet.up(device, pinned);
    Ok(len)
}
