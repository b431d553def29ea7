// SPDX-License-Identifier: GPL-2.0

//! What a sync needs to sort frames. Each transmit ring has one, which is made with its queue, so
//! that syncs allocate nothing.

use super::{
    frame::{Dest, Frame, Kind},
    ports::Marks,
    runs::{FrameId, Run, RunId, RunList},
    table::Moment,
};
use crate::abi::{consts::VALE_MAX_PORTS, wire::Slot};
use kernel::prelude::*;

/// Slots of a burst. Fewer cost more a batch; more fall out of the cache between the halves. At
/// least [`NETMAP_MAX_FRAGS`](crate::abi::consts::NETMAP_MAX_FRAGS), so that every chain fits.
pub(super) const BURST: usize = 128;

/// The frames of a burst, sorted.
pub(super) struct Scratch {
    /// Frames of this burst; the first `taken` count.
    pub(super) frames: KVec<Frame>,
    pub(super) taken: usize,
    /// The slots of frames that are not simple, read and checked.
    pub(super) frags: KVec<Slot>,
    pub(super) sorted: Sorted,
    /// When this burst began to ask the switch's table.
    pub(super) asked: Moment,
    pub(super) woken: Woken,
}

/// The frames of a burst by destination.
pub(super) struct Sorted {
    pub(super) runs: KVec<Run>,
    /// By destination; all are empty between bursts.
    pub(super) lists: KVec<RunList>,
    /// Destinations whose list is not empty.
    pub(super) touched: KVec<Dest>,
}

/// Who got frames of the batch and is to be woken.
#[derive(Default)]
pub(super) struct Woken {
    /// On the ring that gets the sender's unicast frames.
    pub(super) own: Marks,
    /// On ring 0, which gets floods.
    pub(super) flood: Marks,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let empty = Frame::simple(0, 0);
        Ok(Scratch {
            frames: KVec::from_elem(empty, BURST, GFP_KERNEL_ACCOUNT)?,
            taken: 0,
            frags: KVec::with_capacity(BURST, GFP_KERNEL_ACCOUNT)?,
            sorted: Sorted {
                runs: KVec::with_capacity(BURST, GFP_KERNEL_ACCOUNT)?,
                lists: KVec::from_elem(RunList::EMPTY, VALE_MAX_PORTS + 1, GFP_KERNEL_ACCOUNT)?,
                touched: KVec::with_capacity(VALE_MAX_PORTS + 1, GFP_KERNEL_ACCOUNT)?,
            },
            asked: Moment::default(),
            woken: Woken::default(),
        })
    }

    /// Forgets the frames of the last burst, which were delivered.
    pub(super) fn clear(&mut self, now: Moment) {
        self.taken = 0;
        self.frags.clear();
        self.sorted.runs.clear();
        self.asked = now;
    }

    /// The slots that a frame is in: `alone`, if it is simple.
    pub(super) fn slots_in<'f>(&'f self, frame: &Frame, alone: &'f [Slot]) -> &'f [Slot] {
        let first = frame.first as usize;
        match frame.kind {
            Kind::Simple => alone,
            Kind::Plain | Kind::Asking => {
                let frags = self.frags.get(first..first + usize::from(frame.slots));
                frags.unwrap_or(&[])
            }
        }
    }

    /// Whether each of the `slots` slots of the burst is a frame that is to be delivered, so that
    /// frames are numbered like slots.
    pub(super) fn is_one_by_one(&self, slots: u32) -> bool {
        self.frags.is_empty() && self.taken == slots as usize
    }
}

impl Sorted {
    /// Puts frames from number `first` on, `frames` of them in `slots` slots, behind the others to
    /// that destination.
    pub(super) fn push(&mut self, dest: Dest, first: usize, frames: usize, slots: usize) {
        let id = self.runs.len() as RunId;
        let run = Run::new(first as FrameId, frames as u16, slots as u16);
        // There is room for as many runs as frames, and for every destination.
        let _ = self.runs.push_within_capacity(run);
        if let Some(list) = self.lists.get_mut(usize::from(dest)) {
            if list.is_empty() {
                let _ = self.touched.push_within_capacity(dest);
            }
            list.push(&mut self.runs, id);
        }
    }
}
