// SPDX-License-Identifier: GPL-2.0

//! From transmit rings to the driver: each frame is copied into one of the kernel's, and its slots
//! come back when the driver has finished with that.

use super::copied::{copied, For};
use crate::{
    abi::{consts::NS_REPORT, wire::Slot},
    nic::interface::{Nic, FRAME_EXTRA},
    refusal::Fallible,
    ring::{count::TxDrop, BadChain, Chain, Frames, TxQueue, TxSync},
    sys::{
        bottom_half::Disabled,
        net::{
            completion::{Completions, Outgoing, Retry},
            transmit::Sending,
            Device,
        },
        task,
        wait::WaitQueue,
    },
};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// Slots whose frames are handed over at a time. In between softirqs may run: on a virtual
/// interface they are what carries the frames on.
const CHUNK: u32 = 64;

/// The queue of a transmit ring, which hands its frames to the driver's queue of the same number.
pub(super) struct ToDriver {
    nic: Arc<Nic>,
    number: u16,
    completions: Arc<Completions>,
    /// Wakes who waits while the driver is full.
    retry: Retry,
    /// The slots of a frame, and what they say about the next one.
    chain: Chain,
}

impl ToDriver {
    pub(super) fn new(
        nic: &Arc<Nic>,
        number: u16,
        slots: u32,
        waiters: &Arc<WaitQueue>,
    ) -> Fallible<Self> {
        Ok(ToDriver {
            nic: nic.clone(),
            number,
            completions: Completions::new(slots, waiters.clone())?,
            retry: Retry::default(),
            chain: Chain::new(),
        })
    }
}

impl TxQueue for ToDriver {
    /// As far as the driver has room; where the process is being killed, the rest stays in the
    /// ring. So does a frame whose end is not there yet.
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let mut batch = Batch {
            sync,
            nic: &self.nic,
            number: self.number,
            completions: &self.completions,
            taken: 0,
            ended: false,
        };
        let mut frames = sync.frames(NS_REPORT, &mut self.chain);
        while frames.left() > 0 && batch.goes_on(&mut frames) && task::go_on() {}
        let Batch { taken, ended, .. } = batch;
        sync.advance(taken);
        let freed = sync.reclaim(|slot| !self.completions.is_pending(slot));
        // What is left where all has been looked at waits for the program.
        if sync.count() > 0 && !ended {
            self.retry.set(&self.completions, taken > 0 || freed);
        } else {
            self.retry.clear();
        }
    }
}

struct Batch<'b> {
    sync: &'b TxSync<'b>,
    nic: &'b Nic,
    number: u16,
    completions: &'b Arc<Completions>,
    /// Slots that are through.
    taken: u32,
    /// There is no other whole frame.
    ended: bool,
}

/// A frame that is next to be handed over, and how many slots it has.
type Held = Option<(Outgoing, u32)>;

impl Batch<'_> {
    /// Hands the driver a few frames. False if it is full, or if there are no more.
    fn goes_on(&mut self, frames: &mut Frames<'_, '_>) -> bool {
        let guard = rcu::read_lock();
        let sending = self
            .nic
            .device(&guard)
            .filter(|device| device.is_running())
            .and_then(|device| Some((device, Sending::begin(device, self.number)?)));
        let Some((device, sending)) = sending else {
            // No link, or no such queue any more.
            self.lose(frames);
            return false;
        };
        self.chunk(device, sending, frames) && !self.ended
    }

    /// Drops all frames, because the interface is down.
    fn lose(&mut self, frames: &mut Frames<'_, '_>) {
        let counters = &self.sync.ring().counters;
        while let Some(frame) = frames.next() {
            let why = frame.map_or(TxDrop::BadChain, |_| TxDrop::Down);
            counters.drop(why, 1);
        }
        self.has_come_to(frames);
        self.ended = true;
    }

    /// All frames that were passed are through.
    fn has_come_to(&mut self, frames: &Frames<'_, '_>) {
        self.taken = self.sync.count() - frames.left();
    }

    /// Hands over some frames. False if the driver is full.
    fn chunk(
        &mut self,
        device: &Device,
        mut sending: Sending<'_>,
        frames: &mut Frames<'_, '_>,
    ) -> bool {
        let to = For {
            device,
            queue: self.number,
            longest: device.mtu().saturating_add(FRAME_EXTRA),
        };
        // One frame is held back, the one that is next: with each we say whether another follows.
        let mut held: Held = None;
        let end = frames.left().saturating_sub(CHUNK);
        while frames.left() > end {
            // Not to make a frame in vain.
            if held.is_none() && !sending.has_room() {
                return false;
            }
            let next = match frames.alone() {
                Some((first, slot)) => self.outgoing(to, first, &[slot], sending.pinned()),
                None => match frames.next() {
                    Some(Ok(frame)) => {
                        self.outgoing(to, frame.first(), frame.slots(), sending.pinned())
                    }
                    Some(Err(BadChain)) => Err(TxDrop::BadChain),
                    None => {
                        self.ended = true;
                        break;
                    }
                },
            };
            match next {
                Ok(next) => {
                    if held.is_none() {
                        // Slots of a frame that was dropped before may have come first.
                        self.taken = self.sync.count() - frames.left() - next.1;
                    }
                    let before = held.replace(next);
                    if !self.hand_over(&mut sending, before, true) {
                        return false;
                    }
                }
                Err(why) => {
                    if !self.hand_over(&mut sending, held.take(), false) {
                        // Back to the frame that was not taken.
                        frames.step_back();
                        return false;
                    }
                    self.sync.ring().counters.drop(why, 1);
                    self.has_come_to(frames);
                }
            }
        }
        if !self.hand_over(&mut sending, held, false) {
            self.ended = false;
            return false;
        }
        self.has_come_to(frames);
        true
    }

    /// Hands over a frame, if there is one. False if the driver is full.
    #[inline]
    fn hand_over(&mut self, sending: &mut Sending<'_>, held: Held, more: bool) -> bool {
        let Some((packet, slots)) = held else {
            return true;
        };
        let len = packet.len();
        if !sending.send(packet, more) {
            return false;
        }
        let counters = &self.sync.ring().counters;
        counters.frames.add_alone(1);
        counters.bytes.add_alone(len.into());
        self.taken += slots;
        true
    }

    /// The kernel's copy of a frame. The completion is that of its `first` slot, so that no slot of
    /// it is free again before all are. A part of the loop, as [`copied`] is.
    #[inline(always)]
    fn outgoing(
        &self,
        to: For<'_>,
        first: u32,
        slots: &[Slot],
        pinned: &Disabled,
    ) -> Result<(Outgoing, u32), TxDrop> {
        let bufs = self.sync.ring().mem.mem().bufs();
        let packet = copied(to, &bufs, slots, pinned)?;
        let completion = self.completions.start(first);
        let completion = completion.ok_or(TxDrop::NoMemory)?;
        Ok((Outgoing::new(packet, completion), slots.len() as u32))
    }
}
