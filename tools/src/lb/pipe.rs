// SPDX-License-Identifier: MIT OR Apache-2.0

//! The master's end of a pipe, into which frames are put.

use crate::queues::Kept;
use common::frames::Frame;
use ferromap::{ExtraBuffers, Port, Result, RxBatch, SlotFlags, TxRing};

/// What became of the frames for a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub frames: u64,
    pub bytes: u64,
    pub dropped: u64,
}

/// How a frame comes into a slot of another ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The slots exchange their buffers, so this is the last that is done with a received frame.
    Swap,
    Copy,
}

pub struct Pipe {
    /// As it was opened.
    pub name: String,
    pub port: Port,
    pub counts: Counts,
    /// Frames were put into the ring that the kernel has not heard of.
    fresh: bool,
    /// The kernel was asked for room in this turn.
    asked: bool,
}

impl Pipe {
    /// The error is a sentence for people.
    pub fn new(name: &str, mut port: Port) -> std::result::Result<Self, String> {
        if port.tx_rings().is_empty() {
            return Err(format!("{name} has no transmit ring"));
        }
        Ok(Pipe {
            name: name.to_owned(),
            port,
            counts: Counts::default(),
            fresh: false,
            asked: false,
        })
    }

    /// The constructor has seen that there is one.
    pub fn ring(&mut self) -> &mut TxRing {
        &mut self.port.tx_rings()[0]
    }

    /// Whether such a frame could ever go this way.
    pub fn takes(&mut self, frame: Frame) -> bool {
        let ring = self.ring();
        frame.slots < ring.slots() && frame.longest <= ring.slot_room()
    }

    /// Whether there is room for so many slots. The kernel is asked once a turn.
    pub fn has_room(&mut self, slots: usize) -> Result<bool> {
        if self.ring().free() >= slots {
            return Ok(true);
        }
        if self.asked {
            return Ok(false);
        }
        (self.asked, self.fresh) = (true, false);
        Ok(self.ring().sync()? >= slots)
    }

    /// Puts in a frame, of the slots of `received` from `first` on. There is room.
    pub fn put(
        &mut self,
        received: &mut RxBatch<'_>,
        first: usize,
        frame: Frame,
        how: How,
    ) -> Result<()> {
        let mut room = self.port.tx_rings()[0].reserve(frame.slots);
        for k in 0..frame.slots {
            let (Some(mut packet), Some(mut slot)) = (received.slot_mut(first + k), room.slot(k))
            else {
                break;
            };
            // None, where the slot names no buffer.
            let len = packet.get().bytes().len();
            match how {
                How::Swap => slot.swap(&mut packet)?,
                How::Copy => _ = slot.fill(packet.get().bytes()),
            }
            slot.set(len, goes_on(k + 1 < frame.slots));
        }
        room.commit(frame.slots);
        self.sent(frame.bytes);
        Ok(())
    }

    /// Puts in a frame that has waited. There is room.
    pub fn put_kept(&mut self, frame: &[Kept], extra: &mut ExtraBuffers) -> Result<()> {
        let mut room = self.port.tx_rings()[0].reserve(frame.len());
        for (k, kept) in frame.iter().enumerate() {
            let Some(mut slot) = room.slot(k) else { break };
            let swapped = extra.swap_tx(kept.buffer, &mut slot)?;
            slot.set(if swapped { kept.len } else { 0 }, goes_on(kept.more));
        }
        room.commit(frame.len());
        self.sent(frame.iter().map(|kept| kept.len).sum());
        Ok(())
    }

    fn sent(&mut self, bytes: usize) {
        self.fresh = true;
        self.counts.frames += 1;
        self.counts.bytes += bytes as u64;
    }

    /// Ends a turn: what was put in is the consumer's.
    pub fn hand_over(&mut self) -> Result<()> {
        self.asked = false;
        if std::mem::take(&mut self.fresh) {
            self.ring().sync()?;
        }
        Ok(())
    }
}

fn goes_on(more: bool) -> SlotFlags {
    if more {
        SlotFlags::MORE_FRAGMENTS
    } else {
        SlotFlags::NONE
    }
}
