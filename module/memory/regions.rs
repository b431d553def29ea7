// SPDX-License-Identifier: GPL-2.0

//! All regions, by id, and who keeps each of them there.

use super::region::{Kind, Region, COLOURS};
use crate::{
    abi::consts::GLOBAL_MEM_ID,
    refusal::{refuse, Answer},
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// All regions, by id.
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
    fn rarest_colour(&self) -> u8 {
        let used = |colour| {
            let colours = self.entries.iter().map(|e| e.region.colour());
            colours.filter(|&c| c == colour).count()
        };
        (0..COLOURS).min_by_key(|&colour| used(colour)).unwrap_or(0)
    }
}

impl Regions {
    /// The list with the global region in it.
    pub(crate) fn new() -> Answer<Arc<Self>> {
        let mut entries = KVec::new();
        entries.push(
            Entry {
                region: Region::new(GLOBAL_MEM_ID, Kind::Global, 0)?,
                holders: 1,
            },
            GFP_KERNEL,
        )?;
        let list = List {
            entries,
            last: GLOBAL_MEM_ID,
        };
        Ok(Arc::pin_init(
            pin_init!(Regions { list <- new_mutex!(list) }),
            GFP_KERNEL,
        )?)
    }

    /// The region with that id; 0 means the global one.
    pub(crate) fn find(self: &Arc<Self>, id: u16) -> Answer<RegionRef> {
        let id = if id == 0 { GLOBAL_MEM_ID } else { id };
        let mut list = self.list.lock();
        let Some(entry) = list.entries.iter_mut().find(|e| e.region.id() == id) else {
            refuse!(EINVAL, "there is no memory region {}", id);
        };
        entry.holders += 1;
        Ok(RegionRef {
            regions: self.clone(),
            region: entry.region.clone(),
        })
    }

    /// A new region under the next free id.
    pub(crate) fn create(self: &Arc<Self>, kind: Kind) -> Answer<RegionRef> {
        let mut list = self.list.lock();
        let mut id = list.last;
        loop {
            id = id.wrapping_add(1);
            if id == list.last {
                refuse!(ENOMEM, "all 65535 memory regions are in use");
            }
            if id != 0 && !list.entries.iter().any(|e| e.region.id() == id) {
                break;
            }
        }
        let region = Region::new(id, kind, list.rarest_colour())?;
        // Sizes that cannot be had are refused now, not when the port is already half made.
        region.layout()?;
        list.entries.push(
            Entry {
                region: region.clone(),
                holders: 1,
            },
            GFP_KERNEL,
        )?;
        list.last = id;
        Ok(RegionRef {
            regions: self.clone(),
            region,
        })
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

impl Drop for RegionRef {
    fn drop(&mut self) {
        let mut list = self.regions.list.lock();
        let at = list
            .entries
            .iter()
            .position(|e| e.region.id() == self.region.id());
        let Some(at) = at else { return };
        list.entries[at].holders -= 1;
        let gone = if list.entries[at].holders == 0 {
            list.entries.remove(at).ok()
        } else {
            None
        };
        // The memory goes without the list being locked: it may take a while.
        drop(list);
        drop(gone);
    }
}
