// SPDX-License-Identifier: GPL-2.0

//! From transmit rings to the driver: each slot is copied into a frame of the kernel's, and comes
//! back when the driver has finished with that.

use crate::{
    abi::{
        consts::{ETH_HLEN, NS_REPORT},
        cursor::add,
    },
    nic::interface::{Nic, FRAME_EXTRA},
    refusal::Fallible,
    ring::{
        count::TxDrop,
        parts::{Part, Parts},
        TxQueue, TxSync,
    },
    sys::{
        bottom_half::Disabled,
        net::{
            completion::{Completions, Outgoing, Retry},
            transmit::Sending,
            Device, Packet,
        },
        task,
        wait::WaitQueue,
    },
};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// Frames that are handed over at a time. In between softirqs may run: on a virtual interface they
/// are what carries the frames on.
const CHUNK: u32 = 64;

/// The queue of a transmit ring, which hands its frames to the driver's queue of the same number.
pub(super) struct ToDriver {
    nic: Arc<Nic>,
    number: u16,
    completions: Arc<Completions>,
    /// Wakes who waits while the driver is full.
    retry: Retry,
    /// What the slots sent so far say about the next one.
    parts: Parts,
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
            parts: Parts::default(),
        })
    }
}

impl TxQueue for ToDriver {
    /// As far as the driver has room; where the process is being killed, the rest stays in the
    /// ring.
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let mut batch = Batch {
            sync,
            nic: &self.nic,
            number: self.number,
            completions: &self.completions,
            taken: 0,
            parts: self.parts,
        };
        while batch.left() > 0 && batch.goes_on() && task::go_on() {}
        let Batch { taken, parts, .. } = batch;
        self.parts = parts;
        sync.advance(taken);
        let freed = sync.reclaim(|slot| !self.completions.is_pending(slot));
        if sync.count() > 0 {
            self.retry.set(&self.completions, taken > 0 || freed);
        } else {
            self.retry.clear();
        }
    }
}

/// The interface that a chunk goes to.
#[derive(Clone, Copy)]
struct Link<'d> {
    device: &'d Device,
    /// Bytes of the longest frame that it sends.
    longest: u32,
}

struct Batch<'b> {
    sync: &'b TxSync<'b>,
    nic: &'b Nic,
    number: u16,
    completions: &'b Arc<Completions>,
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
    fn goes_on(&mut self) -> bool {
        let guard = rcu::read_lock();
        let sending = self
            .nic
            .device(&guard)
            .filter(|device| device.is_running())
            .and_then(|device| Some((device, Sending::begin(device, self.number)?)));
        let Some((device, sending)) = sending else {
            // No link, or no such queue any more.
            self.lose(self.left());
            return true;
        };
        let (want, before) = (CHUNK.min(self.left()), self.taken);
        self.chunk(device, sending, want);
        self.taken - before == want
    }

    /// Drops the frames of the next `count` slots, because the interface is down.
    fn lose(&mut self, count: u32) {
        let ring = self.sync.ring();
        let next = add(self.sync.first(), self.taken, ring.mem.slots());
        for cell in self.sync.view().around(next, count) {
            match self.parts.next(cell.flags(), true) {
                Part::Whole => ring.counters.drop(TxDrop::Down, 1),
                Part::Chain => ring.counters.drop(TxDrop::BadChain, 1),
                Part::Rest => {}
            }
        }
        self.taken += count;
    }

    /// Hands over the frames of up to `want` slots.
    fn chunk(&mut self, device: &Device, mut sending: Sending<'_>, want: u32) {
        let link = Link {
            device,
            longest: device.mtu().saturating_add(FRAME_EXTRA),
        };
        // One frame is held back, the one that is next: with each we say whether another follows.
        let mut held: Option<Outgoing> = None;
        for at in self.taken..self.taken + want {
            // Not to make a frame in vain.
            if held.is_none() && !sending.has_room() {
                return;
            }
            let mut parts = self.parts;
            match self.frame(link, at, &mut parts, sending.pinned()) {
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
                    if let Some(why) = why {
                        self.sync.ring().counters.drop(why, 1);
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

    /// The frame in slot number `at` from the first. `Err` says why there is none; `None` if
    /// that has been counted, or is not to be.
    fn frame(
        &self,
        link: Link<'_>,
        at: u32,
        parts: &mut Parts,
        pinned: &Disabled,
    ) -> Result<Outgoing, Option<TxDrop>> {
        let ring = self.sync.ring();
        let index = add(self.sync.first(), at, ring.mem.slots());
        let cell = self.sync.view().cell(index);
        let slot = cell.take();
        if slot.flags & NS_REPORT != 0 {
            cell.set_len_flags(slot.len, slot.flags & !NS_REPORT);
        }
        match parts.next(slot.flags, true) {
            Part::Whole => {}
            Part::Chain => return Err(Some(TxDrop::BadChain)),
            Part::Rest => return Err(None),
        }
        let buf = ring.mem.mem().bufs().get(slot.buf_idx);
        let buf = buf.ok_or(TxDrop::BadBuffer)?;
        let len = u32::from(slot.len);
        if len < ETH_HLEN as u32 || len > link.longest {
            return Err(Some(TxDrop::BadLength));
        }
        let bytes = buf.span(0, len).ok_or(TxDrop::BadLength)?;
        let completion = self.completions.start(index).ok_or(TxDrop::NoMemory)?;
        let packet = Packet::copy_of(link.device, self.number, bytes, pinned);
        Ok(Outgoing::new(packet.ok_or(TxDrop::NoMemory)?, completion))
    }
}
