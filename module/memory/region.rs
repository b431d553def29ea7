// SPDX-License-Identifier: GPL-2.0

//! Regions: memory with an id, and who has which object of it.

use super::{
    access::{Claimant, Owner},
    pool::{words, FreeMap},
    IfView, Mem,
};
use crate::{
    abi::{
        consts::NETMAP_RESERVED_BUFS,
        layout::{
            Layout, PoolLimits, PoolRequest, PortNeeds, BUF_LIMITS, IF_LIMITS, PRIV_IF_LIMITS,
            RING_LIMITS,
        },
    },
    live::{self, Counted},
    params,
    refusal::{refuse, Answer},
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

const PAGE: u32 = kernel::page::PAGE_SIZE as u32;

/// Where a region's sizes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A region with id 1: the module's parameters, read anew whenever nobody uses it.
    Global,
    /// A region for one port, at least as large as the `priv_*` parameters say.
    Private(PortNeeds),
}

/// A pool's parameters: their names, for telling people, and their values now.
struct Knobs {
    what: &'static str,
    size: (&'static str, &'static Param),
    count: (&'static str, &'static Param),
    limits: PoolLimits,
}

/// What the parameters of the three pools ask for, at least `floor`, within their limits.
fn ask(knobs: &[Knobs; 3], floor: &[PoolRequest; 3]) -> Answer<Layout> {
    let mut want = *floor;
    for (knob, want) in knobs.iter().zip(&mut want) {
        let value = |param: &Param| u32::try_from(param.get()).unwrap_or(0);
        want.size = want.size.max(value(knob.size.1));
        want.count = want.count.max(value(knob.count.1));
        if !knob.limits.allow(*want) {
            refuse!(
                EINVAL,
                "{} {} of {} bytes: parameters {} and {} must come to {}..{} and {}..{}",
                want.count,
                knob.what,
                want.size,
                knob.count.0,
                knob.size.0,
                knob.limits.count.0,
                knob.limits.count.1,
                knob.limits.size.0,
                knob.limits.size.1
            );
        }
    }
    match Layout::new(PAGE, want[0], want[1], want[2]) {
        Some(layout) => Ok(layout),
        None => refuse!(
            EINVAL,
            "no whole number of objects of {}, {} or {} bytes fills pages within 4 MiB",
            want[0].size,
            want[1].size,
            want[2].size
        ),
    }
}

macro_rules! knobs {
    ($what:literal, $size:ident, $count:ident, $limits:expr) => {
        Knobs {
            what: $what,
            size: (stringify!($size), &params::$size),
            count: (stringify!($count), &params::$count),
            limits: $limits,
        }
    };
}

static GLOBAL_KNOBS: [Knobs; 3] = [
    knobs!("netmap_ifs", if_size, if_num, IF_LIMITS),
    knobs!("rings", ring_size, ring_num, RING_LIMITS),
    knobs!("buffers", buf_size, buf_num, BUF_LIMITS),
];
static PRIVATE_KNOBS: [Knobs; 3] = [
    knobs!("netmap_ifs", priv_if_size, priv_if_num, PRIV_IF_LIMITS),
    knobs!("rings", priv_ring_size, priv_ring_num, RING_LIMITS),
    knobs!("buffers", priv_buf_size, priv_buf_num, BUF_LIMITS),
];

impl Kind {
    /// The layout that this kind of region would have if it were made now.
    pub(super) fn layout(&self) -> Answer<Layout> {
        match self {
            Kind::Global => ask(&GLOBAL_KNOBS, &[PoolRequest { size: 0, count: 0 }; 3]),
            Kind::Private(needs) => match needs.pools(PAGE) {
                Some(floor) => ask(&PRIVATE_KNOBS, &floor),
                None => refuse!(ENOMEM, "the rings need more buffers than a region can have"),
            },
        }
    }
}

impl Kind {
    /// How few buffers still make a region worth having when memory is short: an eighth of the
    /// global one; what a port's rings need, without the extra buffers.
    fn least_bufs(&self, asked: &Layout) -> u32 {
        let least = match self {
            Kind::Global => asked.bufs.count / 8,
            Kind::Private(needs) => PortNeeds {
                extra_bufs: 0,
                ..*needs
            }
            .pools(PAGE)
            .map_or(asked.bufs.count, |[_, _, bufs]| bufs.count),
        };
        least.min(asked.bufs.count)
    }
}

/// Regions are large and alike, so the buffers of several ports at work would lie at the same place
/// modulo any power of two, and fall on the same entries of a cache or TLB that is indexed by
/// address (QEMU's is, and has one entry a place: two ports that collide run at two thirds of their
/// speed). So each region starts to hand out its buffers at one of this many places, the one that
/// the fewest others use.
pub(super) const COLOURS: u8 = 8;

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
    /// Where its buffers start to be handed out; see [`COLOURS`].
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

impl Made {
    fn new(asked: Layout, kind: Kind, colour: u8) -> Answer<Self> {
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
                    "no memory for a region of {} KiB ({} buffers of {} bytes), on the machine or in the cgroup of who asks: lower {}",
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
        let map = |count: u32, reserved| -> Answer<_> {
            Ok(FreeMap::new(
                KVVec::from_elem(0, words(count), GFP_KERNEL_ACCOUNT)?,
                count,
                reserved,
            ))
        };
        Ok(Made {
            ifs: map(layout.ifs.count, 0)?,
            rings: map(layout.rings.count, 0)?,
            bufs: map(layout.bufs.count, NETMAP_RESERVED_BUFS)?
                .starting_at(mem.first_buf_of_colour(colour)),
            mem: Arc::new(mem, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

impl Region {
    pub(super) fn new(id: u16, kind: Kind, owner: Owner, colour: u8) -> Answer<Arc<Self>> {
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
    pub(crate) fn admit(&self, claimant: &Claimant) -> Answer {
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
    pub(crate) fn layout(&self) -> Answer<Layout> {
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
    pub(crate) fn enter(self: &Arc<Self>) -> Answer<Use> {
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
    pub(crate) fn take_if(&self, rings: usize) -> Answer<(u32, IfView<'_>)> {
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
    pub(crate) fn take_ring(&self, slots: u32) -> Answer<u32> {
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
    pub(crate) fn take_bufs(&self, count: u32, mut f: impl FnMut(u32)) -> Answer {
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
