// SPDX-License-Identifier: GPL-2.0

//! Regions: memory with an id, and who has which object of it.

use super::{
    access::{Claimant, Owner},
    mem::Mem,
    pool::{words, FreeMap},
    shared::IfView,
    sizes::Kind,
};
use crate::{
    abi::{consts::NETMAP_RESERVED_BUFS, layout::Layout},
    live::{self, Counted},
    params,
    refusal::{refuse, Fallible},
    sys::{
        param::Param,
        task,
        vmalloc::{self, Lack},
    },
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
    time::Instant,
};

/// A region: an id, and memory while it is used.
///
/// The memory is made for the first user and goes with the last, so that nobody finds what another
/// has left, and it is charged to one who uses it. A process may have had pages of it pinned: they
/// live on by themselves, and are nobody else's.
#[pin_data]
pub(crate) struct Region {
    id: u16,
    kind: Kind,
    owner: Owner,
    /// Where its buffers start to be handed out; see [`COLOURS`](super::mem::COLOURS).
    colour: u8,
    /// Held while memory is made, which may take long. Others who want to use it wait; nobody else
    /// does.
    #[pin]
    making: Mutex<()>,
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

/// A map of `count` objects with all free but what is `withheld`.
fn free_map(count: u32, withheld: impl Fn(u32) -> bool) -> Fallible<FreeMap<KVVec<u64>>> {
    let words = KVVec::from_elem(0, words(count), GFP_KERNEL_ACCOUNT)?;
    Ok(FreeMap::new(words, count, withheld))
}

impl Made {
    fn new(asked: Layout, kind: Kind, colour: u8) -> Fallible<Self> {
        let least = kind.least_bufs(&asked);
        let (mut layout, begun) = (asked, Instant::now());
        let mem = loop {
            let lack = match Mem::new(layout)? {
                Ok(mem) => break mem,
                Err(lack) => lack,
            };
            if !task::go_on() {
                // Nobody waits for it any more.
                return Err(EINTR.into());
            }
            // Half the spare buffers still serve.
            let smaller = layout.with_bufs((layout.bufs.count / 2).max(least));
            if smaller == layout {
                if lack == Lack::Others && vmalloc::wait_for_others(begun) {
                    continue;
                }
                refuse!(
                    ENOMEM,
                    "no memory for a region of {} KiB ({} buffers of {} bytes), on the machine or \
                     in the cgroup of who asks: lower {}",
                    layout.bytes() / 1024,
                    layout.bufs.count,
                    layout.bufs.size,
                    match kind {
                        Kind::Global => "parameter buf_num",
                        Kind::Private(_) => "the port's rings or slots, or parameter priv_buf_num",
                    }
                );
            }
            layout = smaller;
        };
        Ok(Made {
            ifs: free_map(layout.ifs.count, |_| false)?,
            rings: free_map(layout.rings.count, |_| false)?,
            bufs: free_map(layout.bufs.count, |index| index < NETMAP_RESERVED_BUFS)?
                .starting_at(mem.first_buf_of_colour(colour)),
            mem: Arc::new(mem, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

impl Region {
    pub(super) fn new(id: u16, kind: Kind, owner: Owner, colour: u8) -> Fallible<Arc<Self>> {
        let inner = Inner {
            made: None,
            users: 0,
        };
        Ok(Arc::pin_init(
            pin_init!(Region {
                id,
                kind,
                owner,
                colour,
                making <- new_mutex!(()),
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

    pub(super) fn colour(&self) -> u8 {
        self.colour
    }

    /// Whether it is the memory of a namespace's interfaces.
    pub(crate) fn is_namespaces(&self) -> bool {
        self.owner.is_namespaces()
    }

    /// Whether the region belongs to one port.
    pub(crate) fn is_private(&self) -> bool {
        self.kind != Kind::Global
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

    /// Begins a use of the region's objects. The first one makes the memory, which may take long:
    /// not while others wait for their turn.
    pub(crate) fn enter(self: &Arc<Self>) -> Fallible<Use> {
        if let Some(joined) = self.join() {
            return Ok(joined);
        }
        let _making = self.making.lock();
        // Somebody may have made it meanwhile.
        if let Some(joined) = self.join() {
            return Ok(joined);
        }
        let made = Made::new(self.kind.layout()?, self.kind, self.colour)?;
        if !self.is_private() && self.owner.is_initial() {
            tell(made.mem.layout());
        }
        let mem = made.mem.clone();
        *self.inner.lock() = Inner {
            made: Some(made),
            users: 1,
        };
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

/// A use of a region: objects can be taken while it lasts. The memory goes with the last use,
/// whatever programs did with the indexes.
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

    fn with<T>(&self, f: impl FnOnce(&mut Made) -> T) -> Option<T> {
        self.region.inner.lock().made.as_mut().map(f)
    }

    /// Takes a netmap_if with room for `rings` entries.
    pub(crate) fn take_if(&self, rings: usize) -> Fallible<(u32, IfView<'_>)> {
        let taken = self.with(|made| made.ifs.take()).flatten();
        let Some(index) = taken else {
            refuse!(
                ENOMEM,
                "all {} netmap_ifs of region {} are in use: raise parameter {}if_num",
                self.mem.layout().ifs.count,
                self.region.id,
                self.prefix()
            );
        };
        match self.mem.interface(index, rings) {
            Some(view) => Ok((index, view)),
            None => {
                self.give_if(index);
                refuse!(
                    ENOMEM,
                    "{} rings do not fit a netmap_if of {} bytes: raise parameter {}if_size",
                    rings,
                    self.mem.layout().ifs.size,
                    self.prefix()
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
                "all {} rings of region {} are in use: raise parameter {}ring_num",
                self.mem.layout().rings.count,
                self.region.id,
                self.prefix()
            );
        };
        if self.mem.ring(index, slots).is_none() {
            self.give_ring(index);
            refuse!(
                ENOMEM,
                "{} slots do not fit a ring of {} bytes: raise parameter {}ring_size",
                slots,
                self.mem.layout().rings.size,
                self.prefix()
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
            (enough, made.bufs.free())
        });
        match enough {
            Some((true, _)) => Ok(()),
            other => refuse!(
                ENOMEM,
                "{} buffers wanted, {} of {} left in region {}: raise parameter {}buf_num",
                count,
                other.map_or(0, |(_, free)| free),
                self.mem.layout().bufs.count,
                self.region.id,
                self.prefix()
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

    /// What the parameters of this region's kind are called.
    fn prefix(&self) -> &'static str {
        if self.region.is_private() {
            "priv_"
        } else {
            ""
        }
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
