// SPDX-License-Identifier: GPL-2.0

//! Who watches the rings of a port: monitors are shown what passes through them.
//!
//! Most ports are watched by nobody. A ring finds that out with two loads, once a sync or delivery.

use super::{mem::RingMem, offsets::Offsets, walk::Walk};
use crate::{
    abi::{consts::NS_MOREFRAG, cursor::add, wire::Slot},
    memory::{Bufs, RingView, SlotCell},
    sys::{rcu::RcuSlot, user::Caller},
};
use core::ops::Range;
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// Which of a port's rings of one direction.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// One of those that lead to the machine's own stack, which are counted apart.
    pub(crate) host: bool,
    pub(crate) number: u16,
}

/// Who is shown what passes through the rings of a port.
pub(crate) trait Watcher: Send + Sync {
    /// A program has released these slots for sending; nobody has taken them yet.
    fn sending(&self, place: Place, sight: &Sight<'_>);

    /// These slots, which have been sent, are about to be the program's again. Their buffers may be
    /// exchanged.
    fn sent(&self, place: Place, sight: &Sight<'_>);

    /// Frames have reached these slots, whether or not anybody is going to read them. May be called
    /// in a softirq.
    fn arriving(&self, place: Place, sight: &Sight<'_>);

    /// A program has done with the frames in these slots, and nobody has got them back yet. Their
    /// buffers may be exchanged.
    fn released(&self, place: Place, sight: &Sight<'_>);

    /// Nobody has the port bound any more, or it has gone away. Called with a lock held; wakes, but
    /// never waits.
    fn over(&self);
}

/// Consecutive slots of a ring, which programs may be writing to.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'r> {
    view: RingView<'r>,
    bufs: Bufs<'r>,
    offsets: Option<Offsets>,
    slots: u32,
    first: u32,
    count: u32,
    /// How many slots right before these have been released as well, and not been taken: in them a
    /// frame may begin that goes on here.
    before: u32,
    caller: Option<Caller<'r>>,
    /// Whether who is shown this may take his time: nothing is held but the ring's own lock.
    unhurried: bool,
}

impl<'r> Sight<'r> {
    /// `count` slots of a ring from `first` on.
    pub(super) fn new(mem: &'r RingMem, first: u32, count: u32) -> Self {
        Sight {
            view: mem.view(),
            bufs: mem.mem().bufs(),
            offsets: mem.offsets(),
            slots: mem.slots(),
            first,
            count,
            before: 0,
            caller: None,
            unhurried: true,
        }
    }

    /// The same some of whose slots were to be sent before, by who asks for it.
    pub(super) fn behind(self, before: u32, caller: Option<Caller<'r>>) -> Self {
        Sight {
            before,
            caller,
            ..self
        }
    }

    /// The same for who must not sleep.
    pub(super) fn in_a_hurry(self) -> Self {
        Sight {
            unhurried: false,
            ..self
        }
    }

    /// Some of these slots. What is before them is not looked at but for how it ends.
    pub(crate) fn part(self, part: Range<u32>) -> Self {
        Sight {
            first: add(self.first, part.start, self.slots),
            count: part.end.saturating_sub(part.start),
            before: 0,
            ..self
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn before(&self) -> u32 {
        self.before
    }

    pub(crate) fn view(&self) -> RingView<'r> {
        self.view
    }

    /// The buffers that the slots name.
    pub(crate) fn bufs(&self) -> &Bufs<'r> {
        &self.bufs
    }

    /// Whether frames do not start where their buffers do.
    pub(crate) fn has_offsets(&self) -> bool {
        self.offsets.is_some()
    }

    /// Where in its buffer the frame of a slot starts.
    pub(crate) fn start_of(&self, slot: Slot) -> u32 {
        self.offsets.map_or(0, |offsets| offsets.at(slot.ptr))
    }

    /// Whose memory the addresses in slots mean (`NS_INDIRECT`).
    pub(crate) fn caller(&self) -> Option<Caller<'r>> {
        self.caller
    }

    pub(crate) fn is_unhurried(&self) -> bool {
        self.unhurried
    }

    /// Where in the ring slot `at` of these is. Those [`before`](Self::before) have negative
    /// numbers.
    pub(crate) fn index(&self, at: i32) -> u32 {
        // Both are less than a ring has slots, of which there are few.
        match at.checked_neg() {
            Some(back @ 1..) => add(
                self.first,
                self.slots.saturating_sub(back as u32),
                self.slots,
            ),
            _ => add(self.first, at as u32, self.slots),
        }
    }

    pub(crate) fn cell(&self, at: i32) -> SlotCell<'r> {
        self.view.cell(self.index(at))
    }

    /// In how many of these slots a frame ends.
    pub(crate) fn ends(&self, slots: Range<i32>) -> u32 {
        let walk = Walk::new(self.view, self.index(slots.start), slots.len() as u32);
        let ends = walk.filter(|cell| cell.flags() & NS_MOREFRAG == 0);
        // A ring has fewer slots than that.
        ends.count() as u32
    }

    /// Whether the frame goes on behind that slot.
    pub(crate) fn goes_on(&self, at: i32) -> bool {
        self.cell(at).flags() & NS_MOREFRAG != 0
    }
}

/// Who watches the rings of a port, if somebody does.
pub(super) struct Watched(RcuSlot<Who>);

struct Who(Arc<dyn Watcher>);

impl Watched {
    pub(super) fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(Watched(RcuSlot::new()), GFP_KERNEL_ACCOUNT)?)
    }

    /// What a ring of the port shows.
    pub(super) fn tap(self: &Arc<Self>, place: Place) -> Tap {
        Tap {
            watched: self.clone(),
            place,
        }
    }

    /// Somebody begins to watch. Nobody else may be.
    pub(super) fn begin(&self, who: Arc<dyn Watcher>) -> Result {
        self.0
            .replace(Some(Arc::new(Who(who), GFP_KERNEL_ACCOUNT)?));
        Ok(())
    }

    /// Whether it is he who watches.
    pub(super) fn is_by(&self, who: &Arc<dyn Watcher>) -> bool {
        let guard = rcu::read_lock();
        let there = self.0.load(&guard);
        there.is_some_and(|there| core::ptr::addr_eq(&*there.0, &**who))
    }

    /// Nobody watches any more. Returns who did, and may still be shown something by a sync that
    /// has begun before.
    pub(super) fn end(&self) -> Option<Arc<dyn Watcher>> {
        Some(self.0.replace(None)?.0.clone())
    }
}

/// Where a ring shows what passes through it.
pub(super) struct Tap {
    watched: Arc<Watched>,
    place: Place,
}

impl Tap {
    #[inline(always)]
    pub(super) fn is_watched(&self) -> bool {
        self.watched.0.is_there()
    }

    /// Calls `f` with who watches. He may take his time, and so may who lets go of him at the end.
    #[cold]
    pub(super) fn show(&self, f: impl FnOnce(&dyn Watcher, Place)) {
        let guard = rcu::read_lock();
        let who = self.watched.0.load(&guard).map(|who| who.0.clone());
        drop(guard);
        if let Some(who) = who {
            f(&*who, self.place);
        }
    }

    /// The same for who must not sleep.
    #[cold]
    pub(super) fn show_at_once(&self, f: impl FnOnce(&dyn Watcher, Place)) {
        let guard = rcu::read_lock();
        if let Some(who) = self.watched.0.load(&guard) {
            f(&*who.0, self.place);
        }
    }
}
