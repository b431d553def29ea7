// SPDX-License-Identifier: GPL-2.0

//! Regions: memory with an id, and who has which object of it.

use super::{
    access::{Claimant, Owner},
    mem::{Mem, PoolOf},
    needs::Needs,
    pool::{words, FreeMap},
    shared::IfView,
    sizes::Kind,
    user::UserMemory,
};
use crate::{
    abi::layout::Layout,
    live::{self, Counted},
    params,
    refusal::{refuse, Fallible, Refusal},
    sys::param::Param,
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// A region: an id, and memory while it is used.
///
/// The memory goes with the last user, so that nobody finds what another has left. It comes when
/// somebody is going to take objects of it, and is charged to him. A process may have had pages of
/// it pinned: they live on by themselves, and are nobody else's.
#[pin_data]
pub(crate) struct Region {
    id: u16,
    kind: Kind,
    owner: Owner,
    /// Only ever held for a moment.
    #[pin]
    inner: Mutex<Inner>,
    _live: Counted,
}

struct Inner {
    /// There while there are users.
    made: Option<Made>,
    /// How many [`Use`]s there are.
    users: u32,
}

/// Memory, and which of its objects are free.
struct Made {
    mem: Arc<Mem>,
    ifs: FreeMap<KVVec<u64>>,
    rings: FreeMap<KVVec<u64>>,
    bufs: FreeMap<KVVec<u64>>,
}

/// A map of `count` objects, none of which is there.
fn free_map(count: u32) -> Fallible<FreeMap<KVVec<u64>>> {
    let words = KVVec::from_elem(0, words(count), GFP_KERNEL_ACCOUNT)?;
    Ok(FreeMap::new(words, count))
}

impl Made {
    fn new(kind: &Kind) -> Fallible<Self> {
        let layout = kind.layout()?;
        Ok(Made {
            ifs: free_map(layout.ifs.count)?,
            rings: free_map(layout.rings.count)?,
            bufs: free_map(layout.bufs.count)?,
            mem: Mem::new(layout, kind.pages())?,
        })
    }

    fn map(&mut self, of: PoolOf) -> &mut FreeMap<KVVec<u64>> {
        match of {
            PoolOf::Ifs => &mut self.ifs,
            PoolOf::Rings => &mut self.rings,
            PoolOf::Bufs => &mut self.bufs,
        }
    }

    /// Has what is there of a pool handed out.
    fn open_up(&mut self, of: PoolOf) {
        let there = self.mem.stretch(of).count();
        self.map(of).grow_to(there, |index| index < of.withheld());
    }

    /// How many objects have to be there for `count` to be free, if they are not.
    fn there_for(&mut self, of: PoolOf, count: u32) -> Option<u32> {
        let map = self.map(of);
        // They come first.
        let withheld = of.withheld().saturating_sub(map.there());
        map.there_for(count)?;
        map.there_for(count.saturating_add(withheld))
    }
}

impl Region {
    pub(super) fn new(id: u16, kind: Kind, owner: Owner) -> Fallible<Arc<Self>> {
        let inner = Inner {
            made: None,
            users: 0,
        };
        Ok(Arc::pin_init(
            pin_init!(Region {
                id,
                kind,
                owner,
                inner <- new_mutex!(inner),
                _live: Counted::new(live::Kind::Region),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Refuses who may not use the region by its id, or by the name of a port that lies in it.
    pub(crate) fn admit(&self, claimant: &Claimant) -> Fallible {
        self.owner.admit(claimant, self.id)
    }

    /// Whether it is the memory of a namespace's interfaces.
    pub(crate) fn is_namespaces(&self) -> bool {
        self.owner.is_namespaces()
    }

    /// Whether the region belongs to one port.
    pub(crate) fn is_private(&self) -> bool {
        !matches!(self.kind, Kind::Global)
    }

    /// Whether it is in these very pages of a process.
    pub(super) fn is_in(&self, memory: &UserMemory) -> bool {
        matches!(&self.kind, Kind::Users(own) if own.is_same(memory))
    }

    /// The layout as it is, or as it would be if somebody used the region now.
    pub(crate) fn layout(&self) -> Fallible<Layout> {
        let made = self.inner.lock().made.as_ref().map(|m| *m.mem.layout());
        made.map_or_else(|| self.kind.layout(), Ok)
    }

    /// One user more, if there are any.
    fn join(self: &Arc<Self>) -> Option<Use> {
        let mut inner = self.inner.lock();
        let mem = inner.made.as_ref()?.mem.clone();
        inner.users += 1;
        drop(inner);
        Some(Use {
            region: self.clone(),
            mem,
        })
    }

    /// Begins a use of the region's objects, none of which need to be there yet.
    pub(crate) fn enter(self: &Arc<Self>) -> Fallible<Use> {
        if let Some(joined) = self.join() {
            return Ok(joined);
        }
        let mut made = Made::new(&self.kind)?;
        // What is there from the start.
        PoolOf::ALL.into_iter().for_each(|of| made.open_up(of));
        let mem = made.mem.clone();
        let mut inner = self.inner.lock();
        if inner.made.is_some() {
            // Somebody has begun meanwhile. What is not needed goes when the lock has.
            drop(inner);
            drop(made);
            return self.enter();
        }
        *inner = Inner {
            made: Some(made),
            users: 1,
        };
        drop(inner);
        if !self.is_private() && self.owner.is_initial() {
            tell(mem.layout());
        }
        Ok(Use {
            region: self.clone(),
            mem,
        })
    }
}

/// Shows the actual sizes of the initial namespace's region 1 where people look for them.
fn tell(layout: &Layout) {
    let show = |param: &Param, value: u32| param.set(value.try_into().unwrap_or(i32::MAX));
    show(&params::if_curr_size, layout.ifs.size);
    show(&params::if_curr_num, layout.ifs.count);
    show(&params::ring_curr_size, layout.rings.size);
    show(&params::ring_curr_num, layout.rings.count);
    show(&params::buf_curr_size, layout.bufs.size);
    show(&params::buf_curr_num, layout.bufs.count);
}

/// A use of a region: objects can be taken while it lasts, as many as were
/// [supplied](Self::supply). The memory goes with the last use, whatever programs did with the
/// indexes.
pub(crate) struct Use {
    region: Arc<Region>,
    mem: Arc<Mem>,
}

impl Use {
    pub(crate) fn mem(&self) -> &Arc<Mem> {
        &self.mem
    }

    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Whether as many objects as that can be taken, or else all that there can be are there.
    pub(crate) fn has(&self, needs: &Needs) -> bool {
        let bufs = needs.bufs.saturating_add(needs.extra_bufs);
        self.with(|made| {
            let lacks = |map: &FreeMap<_>, count| map.there_for(count).is_some();
            let lacking = lacks(&made.ifs, needs.ifs) || lacks(&made.rings, needs.rings);
            !lacking && !lacks(&made.bufs, bufs)
        })
        .unwrap_or(false)
    }

    /// Brings in what there is too little of, which may take long: not while others wait for their
    /// turn. It is charged to the caller. Of extra buffers there may come fewer.
    pub(crate) fn supply(&self, needs: &Needs) -> Fallible {
        self.stock(PoolOf::Ifs, needs.ifs)?;
        self.stock(PoolOf::Rings, needs.rings)?;
        let mut extra = needs.extra_bufs.min(self.mem.layout().bufs.count);
        loop {
            match self.stock(PoolOf::Bufs, needs.bufs.saturating_add(extra)) {
                // Half of them still serve.
                Err(refusal) if extra > 0 && refusal.errno == ENOMEM => extra /= 2,
                done => return done,
            }
        }
    }

    /// Sees to it that `count` objects of a pool are free, as far as there can be as many.
    fn stock(&self, of: PoolOf, count: u32) -> Fallible {
        let wanted = self.with(|made| {
            // A program may have touched some and brought them in by that.
            made.open_up(of);
            made.there_for(of, count)
        });
        let Some(there) = wanted.flatten() else {
            return Ok(());
        };
        let stretch = self.mem.stretch(of);
        let more = there.saturating_sub(stretch.count());
        match stretch.grow(there) {
            Ok(()) => {}
            Err(e) if e == ENOMEM => return Err(self.poor(of, more)),
            Err(e) => return Err(e.into()),
        }
        self.with(|made| made.open_up(of));
        Ok(())
    }

    /// Why there are not `more` objects of a pool.
    fn poor(&self, of: PoolOf, more: u32) -> Refusal {
        let layout = self.mem.layout();
        let (what, size) = match of {
            PoolOf::Ifs => ("netmap_ifs", layout.ifs.size),
            PoolOf::Rings => ("rings", layout.rings.size),
            PoolOf::Bufs => ("buffers", layout.bufs.size),
        };
        Refusal::new(
            ENOMEM,
            fmt!(
                "no memory for {} more {} of {} bytes in region {}, on the machine or in the \
                 cgroup of who asks: lower the port's rings or slots, or {}",
                more,
                what,
                size,
                self.region.id,
                self.region.kind.size_of(PoolOf::Bufs)
            ),
        )
    }

    fn with<T>(&self, f: impl FnOnce(&mut Made) -> T) -> Option<T> {
        self.region.inner.lock().made.as_mut().map(f)
    }

    /// Takes a netmap_if with room for `rings` entries.
    pub(crate) fn take_if(&self, rings: usize) -> Fallible<(u32, IfView<'_>)> {
        let taken = self.with(|made| made.ifs.take()).flatten();
        let Some(index) = taken else {
            refuse!(
                ENOMEM,
                "all {} netmap_ifs of region {} are in use: raise {}",
                self.mem.layout().ifs.count,
                self.region.id,
                self.region.kind.count_of(PoolOf::Ifs)
            );
        };
        match self.mem.interface(index, rings) {
            Some(view) => Ok((index, view)),
            None => {
                self.give_if(index);
                refuse!(
                    ENOMEM,
                    "{} rings do not fit a netmap_if of {} bytes: raise {}",
                    rings,
                    self.mem.layout().ifs.size,
                    self.region.kind.size_of(PoolOf::Ifs)
                )
            }
        }
    }

    pub(crate) fn give_if(&self, index: u32) {
        self.with(|made| made.ifs.give(index));
    }

    /// Takes a ring with room for `slots` slots.
    pub(crate) fn take_ring(&self, slots: u32) -> Fallible<u32> {
        let taken = self.with(|made| made.rings.take()).flatten();
        let Some(index) = taken else {
            refuse!(
                ENOMEM,
                "all {} rings of region {} are in use: raise {}",
                self.mem.layout().rings.count,
                self.region.id,
                self.region.kind.count_of(PoolOf::Rings)
            );
        };
        if self.mem.ring(index, slots).is_none() {
            self.give_ring(index);
            refuse!(
                ENOMEM,
                "{} slots do not fit a ring of {} bytes: raise {}",
                slots,
                self.mem.layout().rings.size,
                self.region.kind.size_of(PoolOf::Rings)
            );
        }
        Ok(index)
    }

    pub(crate) fn give_ring(&self, index: u32) {
        self.with(|made| made.rings.give(index));
    }

    /// Takes `count` buffers and hands each to `f`; all or none.
    pub(crate) fn take_bufs(&self, count: u32, mut f: impl FnMut(u32)) -> Fallible {
        let enough = self.with(|made| {
            let enough = made.bufs.free() >= count;
            if enough {
                (0..count).filter_map(|_| made.bufs.take()).for_each(&mut f);
            }
            (enough, made.bufs.left())
        });
        match enough {
            Some((true, _)) => Ok(()),
            other => refuse!(
                ENOMEM,
                "{} buffers wanted, {} of {} left in region {}: raise {}",
                count,
                other.map_or(0, |(_, left)| left),
                self.mem.layout().bufs.count,
                self.region.id,
                self.region.kind.count_of(PoolOf::Bufs)
            ),
        }
    }

    /// Takes one buffer, if there is one.
    pub(crate) fn take_buf(&self) -> Option<u32> {
        self.with(|made| made.bufs.take()).flatten()
    }

    /// Gives a buffer back. False for an index that cannot be given back: programs put any number
    /// into slots and lists.
    pub(crate) fn give_buf(&self, index: u32) -> bool {
        self.with(|made| made.bufs.give(index)).unwrap_or(false)
    }
}

impl Clone for Use {
    fn clone(&self) -> Self {
        self.region.inner.lock().users += 1;
        Use {
            region: self.region.clone(),
            mem: self.mem.clone(),
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut inner = self.region.inner.lock();
        inner.users -= 1;
        let gone = match inner.users {
            0 => inner.made.take(),
            _ => None,
        };
        drop(inner);
        drop(gone);
    }
}
