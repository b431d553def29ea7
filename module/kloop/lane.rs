// SPDX-License-Identifier: GPL-2.0

//! A ring of a loop, with its entry of the CSB.

use super::{csb::Entry, Rings};
use crate::{
    abi::cursor::{prev, Claimed},
    ring::{Indexes, RxRing, TxRing},
    sys::{eventfd::Eventfd, wait::Spot},
};
use core::sync::atomic::{fence, Ordering::SeqCst};
use kernel::prelude::*;

/// How often a lane is served again while it has something to do, before the others are.
const PASSES: u32 = 16;

/// A ring, of either direction.
#[derive(Clone, Copy)]
pub(super) enum Way<'r> {
    Tx(&'r TxRing),
    Rx(&'r RxRing),
}

impl<'r> Way<'r> {
    /// Where who waits for news of the ring waits.
    pub(super) fn spot(self) -> Spot<'r> {
        match self {
            Way::Tx(ring) => ring.waiters().spot(),
            Way::Rx(ring) => ring.waiters().spot(),
        }
    }

    /// Where the program is, by what the ring says if that is to be `believed`, or else by what it
    /// said last; and how far the kernel has come.
    pub(super) fn position(self, believed: bool) -> (Claimed, Indexes) {
        match self {
            Way::Tx(ring) => ring.position(believed),
            Way::Rx(ring) => ring.position(believed),
        }
    }

    fn sync(self, claimed: Claimed, rings: &dyn Rings) -> Result<Indexes, Indexes> {
        match self {
            Way::Tx(ring) => ring.sync_at(claimed, rings.caller()),
            Way::Rx(ring) => ring.sync_at(claimed),
        }
    }

    /// Whether a sync would find nothing new: the program has not moved, and no frame is under way.
    fn rests_at(self, now: Indexes) -> bool {
        match self {
            Way::Tx(ring) => now.hwtail == prev(now.hwcur, ring.mem.slots()),
            Way::Rx(_) => false,
        }
    }
}

/// A ring in a loop.
pub(super) struct Lane<'r> {
    way: Way<'r>,
    entry: Entry,
    /// By which the program is woken.
    irq: Option<&'r Eventfd>,
    /// `head` as last seen, and what the program was told last.
    seen: Option<(u32, Indexes)>,
}

impl<'r> Lane<'r> {
    pub(super) fn new(way: Way<'r>, entry: Entry, irq: Option<&'r Eventfd>) -> Self {
        Lane {
            way,
            entry,
            irq,
            seen: None,
        }
    }

    /// Syncs the ring for as long as that moves anything, within bounds. Returns whether it did.
    /// Fails if the CSB cannot be accessed: then what was sent is sent, and what the program was
    /// not told of it is told the next time.
    pub(super) fn serve(&mut self, rings: &dyn Rings) -> Result<bool> {
        let mut moved = false;
        for _ in 0..PASSES {
            let claimed = self.entry.claimed()?;
            let stays =
                |&(head, now): &(u32, Indexes)| head == claimed.head && self.way.rests_at(now);
            if self.seen.as_ref().is_some_and(stays) {
                break;
            }
            let (head, now) = match self.way.sync(claimed, rings) {
                Ok(now) => (claimed.head, now),
                Err(now) => {
                    self.entry.reset(now.hwcur)?;
                    (now.hwcur, now)
                }
            };
            let before = self.seen;
            if before == Some((head, now)) {
                break;
            }
            self.entry.publish(now)?;
            self.seen = Some((head, now));
            if before.is_none_or(|(_, before)| before.hwtail != now.hwtail) {
                self.wake_program()?;
            }
            moved = true;
        }
        Ok(moved)
    }

    /// The program finds room or frames: wakes it if it wants that. It says so before it looks, and
    /// we have told it before we ask.
    fn wake_program(&self) -> Result {
        if let Some(irq) = self.irq {
            fence(SeqCst);
            if self.entry.wants_kick()? {
                irq.signal();
            }
        }
        Ok(())
    }

    /// Tells the program whether we want to be woken when it has moved `head`.
    pub(super) fn want_kick(&self, want: bool) -> Result {
        self.entry.want_kick(want)
    }

    /// Whether the program has moved `head` since we looked.
    pub(super) fn has_moved(&self) -> Result<bool> {
        let head = self.entry.claimed()?.head;
        Ok(self.seen.is_none_or(|(seen, _)| seen != head))
    }
}
