// SPDX-License-Identifier: GPL-2.0

//! Beginning to watch the rings of a port, and the end of it.

use super::{set::RingSet, watch::Watcher};
use kernel::{prelude::*, sync::Arc};

impl RingSet {
    /// Has `who` shown what passes through the rings, until nobody binds them any more. False if
    /// nobody does.
    pub(crate) fn watch(&self, who: Arc<dyn Watcher>) -> Result<bool> {
        let seats = self.seats.lock();
        let bound = seats.are_bound();
        if bound {
            self.watched.begin(who)?;
        }
        Ok(bound)
    }

    /// He is shown no more, if he still is.
    pub(crate) fn unwatch(&self, who: &Arc<dyn Watcher>) {
        let _seats = self.seats.lock();
        if self.watched.is_by(who) {
            drop(self.watched.end());
        }
    }

    /// What the rings belong to has gone away: wakes who waits at them, and tells who watches them.
    pub(crate) fn abandon(&self) {
        self.each_tx(|_, ring| ring.waiters().wake_in_vain());
        self.each_rx(|_, ring| ring.waiters().wake_in_vain());
        let seats = self.seats.lock();
        let watcher = self.end_watching(&seats);
        drop(seats);
        drop(watcher);
    }
}
