// SPDX-License-Identifier: GPL-2.0

//! All pipes there are. A pipe is there while somebody has one of its ends open.

use super::pair::{End, Pair, PipeName};
use crate::{
    abi::consts::PIPE_MAX_PER_BASE,
    port::{Port, PortLabel},
    refusal::{refuse, Fallible, Name},
    ring::{RingSet, Shape},
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

#[pin_data]
pub(crate) struct Pipes {
    #[pin]
    list: Mutex<KVec<Entry>>,
}

struct Entry {
    id: PortLabel,
    pair: Arc<Pair>,
    /// Who has one of its ends open.
    users: u32,
}

impl Entry {
    /// Whether it is a pipe that is built on the port with those rings.
    fn is_on(&self, base: &Arc<RingSet>) -> bool {
        Arc::ptr_eq(self.pair.base().rings(), base)
    }
}

impl Pipes {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Pipes {
                list <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// The pipe of that id on `base`, which is made with that wish if it is not there. One request
    /// at a time does.
    pub(super) fn open(
        self: &Arc<Self>,
        base: KBox<dyn Port>,
        id: &[u8],
        wish: Shape,
    ) -> Fallible<PipeRef> {
        let is_it = |entry: &Entry| entry.is_on(base.rings()) && &*entry.id == id;
        if let Some(known) = self.take(is_it) {
            return Ok(known);
        }
        base.bears_pipes()?;
        let siblings = |entry: &&Entry| entry.is_on(base.rings());
        let count = self.list.lock().iter().filter(siblings).count();
        if count >= PIPE_MAX_PER_BASE {
            refuse!(
                EINVAL,
                "{} has {} pipes, which is as many as a port can have",
                Name(base.name()),
                count
            );
        }
        let pair = Pair::new(base, wish)?;
        let entry = Entry {
            id: PortLabel::new(&[id]),
            pair: pair.clone(),
            users: 1,
        };
        self.list.lock().push(entry, GFP_KERNEL)?;
        Ok(PipeRef {
            pipes: self.clone(),
            pair,
        })
    }

    /// The pipe of that id on the port that has the rings `base`, if there is one.
    pub(super) fn find(self: &Arc<Self>, base: &Arc<RingSet>, id: &[u8]) -> Option<PipeRef> {
        self.take(|entry| entry.is_on(base) && &*entry.id == id)
    }

    /// The rings of that end of such a pipe.
    pub(crate) fn rings(&self, base: &Arc<RingSet>, name: PipeName<'_>) -> Option<Arc<RingSet>> {
        let list = self.list.lock();
        let mut all = list.iter();
        let entry = all.find(|entry| entry.is_on(base) && &*entry.id == name.id)?;
        Some(entry.pair.rings(End::new(name.master)).clone())
    }

    /// One user more for the first pipe of which `is_it` is true.
    fn take(self: &Arc<Self>, is_it: impl Fn(&Entry) -> bool) -> Option<PipeRef> {
        let mut list = self.list.lock();
        let entry = list.iter_mut().find(|entry| is_it(entry))?;
        entry.users += 1;
        Some(PipeRef {
            pipes: self.clone(),
            pair: entry.pair.clone(),
        })
    }

    /// Calls `each` for every end of every pipe: the name of its base, mark and id, and its rings.
    pub(crate) fn each(&self, mut each: impl FnMut([&[u8]; 3], &RingSet)) {
        for entry in self.list.lock().iter() {
            for end in [End::Master, End::Slave] {
                let base = entry.pair.base().name();
                each([base, end.mark(), &entry.id], entry.pair.rings(end));
            }
        }
    }

    /// One user less. With the last one the pipe goes, and whatever is in its rings.
    fn leave(&self, pair: &Arc<Pair>) {
        let mut list = self.list.lock();
        let Some(at) = list.iter().position(|entry| Arc::ptr_eq(&entry.pair, pair)) else {
            return;
        };
        list[at].users -= 1;
        let gone = (list[at].users == 0).then(|| list.remove(at));
        drop(list);
        // What goes with it takes locks of its own.
        drop(gone);
    }
}

/// Somebody's use of a pipe.
pub(super) struct PipeRef {
    pipes: Arc<Pipes>,
    pair: Arc<Pair>,
}

impl Deref for PipeRef {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

impl Drop for PipeRef {
    fn drop(&mut self) {
        self.pipes.leave(&self.pair);
    }
}
