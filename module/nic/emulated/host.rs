// SPDX-License-Identifier: GPL-2.0

//! From rings to the stack: each frame is copied, and arrives as if it came from the wire.

use super::copied::{copied, For};
use crate::{
    abi::{
        consts::{NS_FORWARD, NS_REPORT},
        wire::Slot,
    },
    memory::Bufs,
    nic::interface::Nic,
    ring::{count::TxDrop, BadChain, Chain, Frames, TxQueue, TxSync},
    sys::{
        bottom_half,
        net::{packet::LONGEST, Device},
        task,
    },
};
use kernel::sync::{rcu, Arc};

/// Slots whose frames the stack gets at a time. In between, softirqs may run.
const CHUNK: u32 = 64;

/// Flags that have been seen to when a frame goes up.
pub(super) const DONE: u16 = NS_FORWARD | NS_REPORT;

/// The queue of a host transmit ring, which gives its frames to the stack.
pub(super) struct ToHost {
    nic: Arc<Nic>,
    /// The slots of a frame, and what they say about the next one.
    chain: Chain,
}

impl ToHost {
    pub(super) fn new(nic: &Arc<Nic>) -> Self {
        ToHost {
            nic: nic.clone(),
            chain: Chain::new(),
        }
    }
}

impl TxQueue for ToHost {
    /// It takes everything: such a ring never fills up (item 105). Only where the process is being
    /// killed, the rest stays in the ring, and a frame whose end is not there yet.
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let ring = sync.ring();
        let counters = &ring.counters;
        let count = |given| match given {
            Ok(len) => {
                counters.bytes.add_alone(u64::from(len));
                counters.frames.add_alone(1);
            }
            Err(why) => counters.drop(why, 1),
        };
        let bufs = ring.mem.mem().bufs();
        let mut frames = sync.frames(DONE, &mut self.chain);
        while up(&self.nic, &bufs, &mut frames, count) && task::go_on() {}
        let left = frames.left();
        sync.all_sent_but(left);
    }
}

/// Gives the stack some frames, one by one, and tells of each how many bytes it had, or why the
/// stack does not get it. Returns whether there may be more.
pub(super) fn up(
    nic: &Nic,
    bufs: &Bufs<'_>,
    frames: &mut Frames<'_, '_>,
    mut tell: impl FnMut(Result<u32, TxDrop>),
) -> bool {
    let guard = rcu::read_lock();
    let device = nic.device(&guard).filter(|device| device.is_up());
    let pinned = bottom_half::disable();
    let give = |device: &Device, slots: &[Slot]| {
        let to = For {
            device,
            queue: 0,
            longest: LONGEST,
        };
        let packet = copied(to, bufs, slots, &pinned)?;
        let len = packet.len();
        packet.up(device, &pinned);
        Ok(len)
    };
    let end = frames.left().saturating_sub(CHUNK);
    while frames.left() > end {
        let Some(next) = frames.next() else {
            return false;
        };
        tell(match (next, device) {
            (Err(BadChain), _) => Err(TxDrop::BadChain),
            (Ok(frame), Some(device)) => give(device, frame.slots()),
            (Ok(_), None) => Err(TxDrop::Down),
        });
    }
    frames.left() > 0
}
