// SPDX-License-Identifier: GPL-2.0

//! Which monitor of a port is shown what, and when.
//!
//! Copies are made when a program hands frames over, or when frames reach a receive ring. Buffers
//! are exchanged where a frame is done with and its buffer still in the slot: then one zero-copy
//! monitor gets it, and passes it on to the next one by and by. Where the buffer is elsewhere by
//! then, which is said by the port's [`Habits`](crate::port::Habits), that one gets a copy as well.

use super::{
    audience::{Audience, What, Whom},
    show::{How, Show, Way},
};
use crate::{
    abi::{consts::NS_BUF_CHANGED, ext::FERROMAP_NR_SWAP},
    ring::{Place, RxSync, Sight, Watcher},
};

impl Audience {
    /// What is shown on ring `number` of a monitor.
    fn show<'s>(&'s self, sight: &'s Sight<'s>, way: Way, how: How, number: u16) -> Show<'s> {
        Show {
            audience: self,
            sight,
            way,
            how,
            number,
        }
    }

    /// Copies to all who want that, and to the first zero-copy monitor where the frame will not
    /// `stay`.
    fn copy(&self, show: Show<'_>, stays: bool, wants: impl Fn(What) -> bool) {
        for seat in self.who(|what| !what.zero_copy && wants(what)) {
            show.to(Whom::In(seat));
        }
        if !stays {
            show.to(Whom::FirstFrom(0));
        }
    }

    /// Whether the frames that a program sends stay in the buffers of their slots. Where they do
    /// not start with these, a zero-copy monitor could not tell.
    fn sent_stays(&self, sight: &Sight<'_>) -> bool {
        let swaps = sight.view().flags() & FERROMAP_NR_SWAP != 0;
        self.habits.keeps_sent && !swaps && !sight.has_offsets()
    }

    /// The same of those that it has received.
    fn received_stays(&self, sight: &Sight<'_>) -> bool {
        self.habits.keeps_received && !sight.has_offsets()
    }

    /// What the zero-copy monitor in a seat has done with goes on to the next one.
    pub(super) fn feed(&self, seat: usize, number: u16, sync: &RxSync<'_>) {
        let sight = sync.sight();
        let show = self.show(&sight, Way::Monitor, How::Exchanged, number);
        show.to(Whom::FirstFrom(seat + 1));
    }
}

impl Watcher for Audience {
    fn sending(&self, place: Place, sight: &Sight<'_>) {
        let show = self.show(sight, Way::Sent, How::Copied, self.number(place));
        self.copy(show, self.sent_stays(sight), |what| what.sent);
    }

    fn sent(&self, place: Place, sight: &Sight<'_>) {
        if self.sent_stays(sight) {
            let show = self.show(sight, Way::Sent, How::Exchanged, self.number(place));
            show.to(Whom::FirstFrom(0));
        }
    }

    /// In a delivery to a switch port or from an interface, all copies are made with bottom halves
    /// off: who fills slots keeps his CPU, since frames of others wait behind these, and once they
    /// are handed over their program may change what is to be shown. There can be
    /// [`MONITOR_MAX_PER_PORT`](crate::abi::consts::MONITOR_MAX_PER_PORT) copies of one receiver's
    /// part of a burst, 256 KiB or a longer frame, and none of them has more bytes than that.
    fn arriving(&self, place: Place, sight: &Sight<'_>) {
        let show = self.show(sight, Way::Received, How::Copied, self.number(place));
        self.copy(show, self.received_stays(sight), |what| what.received);
    }

    fn released(&self, place: Place, sight: &Sight<'_>) {
        if !self.received_stays(sight) {
            return;
        }
        let whole = |sight: &Sight<'_>| {
            let show = self.show(sight, Way::Received, How::Exchanged, self.number(place));
            show.to(Whom::FirstFrom(0));
        };
        if !self.habits.tells_changes {
            whole(sight);
            return;
        }
        // Where the buffer is another, the frame has gone elsewhere.
        let count = sight.count();
        let mut first = 0;
        for at in 0..=count {
            let changed = |at| sight.cell(at as i32).flags() & NS_BUF_CHANGED != 0;
            if at == count || changed(at) {
                if at > first {
                    whole(&sight.part(first..at));
                }
                first = at + 1;
            }
        }
    }

    fn over(&self) {
        self.end();
    }
}
