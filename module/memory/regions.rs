// SPDX-License-Identifier: GPL-2.0

//! All regions, by id, and who keeps each of them there.

use super::{
    access::{Claimant, Owner},
    region::Region,
    sizes::Kind,
    user::UserMemory,
};
use crate::{
    abi::consts::GLOBAL_MEM_ID,
    refusal::{refuse, Fallible},
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// All regions. Numbers are given once on the whole machine, but for number 1, which every owner
/// has.
#[pin_data]
pub(crate) struct Regions {
    #[pin]
    list: Mutex<List>,
}

struct List {
    entries: KVec<Entry>,
    /// The id given last.
    last: u16,
}

struct Entry {
    region: Arc<Region>,
    /// How many [`RegionRef`]s there are.
    holders: usize,
}

impl List {
    fn add(&mut self, id: u16, kind: Kind, owner: Owner) -> Fallible<Arc<Region>> {
        let region = Region::new(id, kind, owner)?;
        let entry = Entry {
            region: region.clone(),
            holders: 1,
        };
        // The list is everybody's and outlives who made it longer.
        self.entries.push(entry, GFP_KERNEL)?;
        Ok(region)
    }

    /// A region under the next free id.
    fn add_next(&mut self, kind: Kind, claimant: &Claimant) -> Fallible<Arc<Region>> {
        let mut id = self.last;
        loop {
            id = id.wrapping_add(1);
            if id == self.last {
                refuse!(ENOMEM, "all 65534 memory regions are in use");
            }
            if id > GLOBAL_MEM_ID && !self.entries.iter().any(|e| e.region.id() == id) {
                break;
            }
        }
        let region = self.add(id, kind, claimant.alone())?;
        self.last = id;
        Ok(region)
    }
}

impl Regions {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let list = List {
            entries: KVec::new(),
            last: GLOBAL_MEM_ID,
        };
        Arc::pin_init(pin_init!(Regions { list <- new_mutex!(list) }), GFP_KERNEL)
    }

    fn hold(self: &Arc<Self>, region: Arc<Region>) -> RegionRef {
        RegionRef {
            regions: self.clone(),
            region,
        }
    }

    /// The region with that id, for whoever may use it by that; 0 and 1 mean
    /// [`shared`](Self::shared).
    pub(crate) fn find(self: &Arc<Self>, claimant: &Claimant, id: u16) -> Fallible<RegionRef> {
        if id == 0 || id == GLOBAL_MEM_ID {
            return self.shared(claimant);
        }
        let mut list = self.list.lock();
        let known = |e: &&mut Entry| e.region.id() == id && e.region.owner().is_near(claimant);
        let Some(entry) = list.entries.iter_mut().find(known) else {
            refuse!(
                EINVAL,
                "there is no memory region {} in this network namespace",
                id
            );
        };
        entry.region.admit(claimant)?;
        entry.holders += 1;
        Ok(self.hold(entry.region.clone()))
    }

    /// The region with id 1 of whoever asks.
    pub(crate) fn shared(self: &Arc<Self>, claimant: &Claimant) -> Fallible<RegionRef> {
        let owner = claimant.shared();
        let mut list = self.list.lock();
        let known = |e: &&mut Entry| e.region.id() == GLOBAL_MEM_ID && *e.region.owner() == owner;
        let region = match list.entries.iter_mut().find(known) {
            Some(entry) => {
                entry.holders += 1;
                entry.region.clone()
            }
            None => list.add(GLOBAL_MEM_ID, Kind::Global, owner)?,
        };
        Ok(self.hold(region))
    }

    /// A new region under the next free id.
    pub(crate) fn create(self: &Arc<Self>, claimant: &Claimant, kind: Kind) -> Fallible<RegionRef> {
        // Sizes that cannot be had are refused now, not when the port is already half made.
        kind.layout()?;
        let region = self.list.lock().add_next(kind, claimant)?;
        Ok(self.hold(region))
    }

    /// The region in this memory of a process: a new one, unless these very pages are one already.
    pub(crate) fn within(
        self: &Arc<Self>,
        claimant: &Claimant,
        memory: Arc<UserMemory>,
    ) -> Fallible<RegionRef> {
        let mut list = self.list.lock();
        // Also that of another namespace, which refuses: two would write over each other.
        let known = |e: &&mut Entry| e.region.is_in(&memory);
        let region = match list.entries.iter_mut().find(known) {
            Some(entry) => {
                entry.region.admit(claimant)?;
                entry.holders += 1;
                entry.region.clone()
            }
            None => list.add_next(Kind::Users(memory), claimant)?,
        };
        Ok(self.hold(region))
    }
}

/// Keeps a region findable by its id. The last one to go takes the region off the list.
pub(crate) struct RegionRef {
    regions: Arc<Regions>,
    region: Arc<Region>,
}

impl core::ops::Deref for RegionRef {
    type Target = Arc<Region>;

    fn deref(&self) -> &Arc<Region> {
        &self.region
    }
}

impl RegionRef {
    /// The position of this very region on the list: number 1 is there more than once.
    fn position(&self, list: &List) -> Option<usize> {
        let is_this = |e: &Entry| Arc::ptr_eq(&e.region, &self.region);
        list.entries.iter().position(is_this)
    }
}

impl Clone for RegionRef {
    fn clone(&self) -> Self {
        let mut list = self.regions.list.lock();
        if let Some(at) = self.position(&list) {
            list.entries[at].holders += 1;
        }
        self.regions.hold(self.region.clone())
    }
}

impl Drop for RegionRef {
    fn drop(&mut self) {
        let mut list = self.regions.list.lock();
        let Some(at) = self.position(&list) else {
            return;
        };
        list.entries[at].holders -= 1;
        if list.entries[at].holders == 0 {
            let gone = list.entries.remove(at).ok();
            drop(list);
            drop(gone);
        }
    }
}
