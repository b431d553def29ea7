// SPDX-License-Identifier: GPL-2.0

//! Ports that stay when nobody has them open, and are network interfaces of the kernel.
//!
//! Such a port is made and deleted by requests, and can be plugged into a switch and pulled out
//! again. There it has two stations: programs have its rings, and behind the interface is the
//! stack. What the stack sends enters the switch; what the switch brings goes to a ring that a
//! program binds, or else to the stack. Nothing moves without a switch.
//!
//! The interface may be renamed and moved to another namespace, which changes nothing about where
//! it is plugged in, or be deleted by others than us, with whatever is behind it still in use.

use super::{
    scratch::Scratch,
    stack::Sent,
    switch::Occupant,
    switches::{Joined, Switches},
};
use crate::{
    abi::{
        consts::NS_MOREFRAG,
        name::{is_vale, ValeName},
    },
    live::{self, Counted},
    port::{Habits, Port, PortLabel},
    refusal::{refuse, Fallible, Name},
    ring::{
        count::TxDrop, Collect, Operator, Queues, RingSet, RxQueue, Selection, TxQueue, TxSync,
    },
    sys::{
        bottom_half::Disabled,
        module_ref::ModuleRef,
        net::{
            device::{DeviceId, Label},
            own::{is_legal, Behind, OwnDevice},
            Device, NetId, NetNs, Packet, Rtnl,
        },
        rcu::RcuSlot,
        wait::WaitQueue,
    },
};
use kernel::{
    prelude::*,
    sync::{new_mutex, rcu, Arc, Mutex, SetOnce, UniqueArc},
};

/// All persistent ports whose interface is there.
#[pin_data]
pub(crate) struct Persistents {
    #[pin]
    list: Mutex<KVec<Arc<Persistent>>>,
}

impl Persistents {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Persistents { list <- new_mutex!(KVec::new()) }),
            GFP_KERNEL,
        )
    }

    /// The port that is the interface of that name.
    pub(crate) fn find(&self, net: &NetNs, name: &[u8]) -> Option<Arc<Persistent>> {
        self.of(Device::find(net, name)?.id())
    }

    /// The port that is that interface.
    pub(crate) fn of(&self, interface: DeviceId) -> Option<Arc<Persistent>> {
        let list = self.list.lock();
        let mut all = list.iter();
        all.find(|port| port.id() == Some(interface)).cloned()
    }

    /// The port that has these rings.
    pub(crate) fn with(&self, rings: &Arc<RingSet>) -> Option<Arc<Persistent>> {
        let list = self.list.lock();
        let mut all = list.iter();
        all.find(|port| Arc::ptr_eq(&port.rings, rings)).cloned()
    }

    /// Makes a port, with the rings that `rings` makes: an interface of that name. `None` if there
    /// is one.
    pub(crate) fn make(
        self: &Arc<Self>,
        net: &NetNs,
        name: &[u8],
        life: Life,
        rings: impl FnOnce() -> Fallible<Arc<RingSet>>,
    ) -> Fallible<Option<Arc<Persistent>>> {
        if is_vale(name) || !is_legal(name) {
            refuse!(
                EINVAL,
                "{} cannot be an interface's name: that has 1 to 15 characters, none of them a \
                 space, a slash, a colon or a percent sign, and does not start with vale",
                Name(name)
            );
        }
        let rtnl = Rtnl::lock();
        if net.has_interface(name) {
            return Ok(None);
        }
        // Only under `rtnl` the list grows and shrinks: the room is still there below.
        self.list.lock().reserve(1, GFP_KERNEL)?;
        let rings = rings()?;
        let shape = rings.shape();
        let port = Arc::pin_init(
            pin_init!(Persistent {
                list: self.clone(),
                life,
                id: SetOnce::new(),
                rings,
                stack: Arc::new(RcuSlot::new(), GFP_KERNEL_ACCOUNT)?,
                plug: RcuSlot::new(),
                views <- new_mutex!(0),
                _module: ModuleRef::take().ok_or(ENODEV)?,
                _live: Counted::new(live::Kind::Persistent),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?;
        let queues = (shape.tx_rings, shape.rx_rings);
        let device = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT)?;
        let device = device.write(OwnDevice::new(net, name, queues, &port, &rtnl)?);
        port.id.populate(device.id());
        port.stack.replace(Some(device.into()));
        let _ = self.list.lock().push_within_capacity(port.clone());
        Ok(Some(port))
    }

    fn forget(&self, gone: &Persistent) {
        let mut list = self.list.lock();
        let at = list.iter().position(|port| core::ptr::eq(&**port, gone));
        let forgotten = at.and_then(|at| list.remove(at).ok());
        drop(list);
        drop(forgotten);
    }
}

/// How long a port is there, if nobody else deletes its interface.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    UntilDeleted,
    /// It was made for who opens it, and goes with the last one who has it open.
    WhileOpen,
}

/// A persistent port.
#[pin_data]
pub(crate) struct Persistent {
    list: Arc<Persistents>,
    life: Life,
    /// Its interface, since that was made.
    id: SetOnce<DeviceId>,
    rings: Arc<RingSet>,
    /// The interface; empty once that has gone away.
    stack: Arc<RcuSlot<OwnDevice>>,
    /// Where it is plugged in. Written under `rtnl`.
    plug: RcuSlot<Plug>,
    /// How many have it open.
    #[pin]
    views: Mutex<u32>,
    /// The interface's code is ours.
    _module: ModuleRef,
    _live: Counted,
}

/// Where a port is plugged in, and what it is called there.
struct Plug {
    joined: Joined,
    label: PortLabel,
}

impl Persistent {
    /// Its interface.
    pub(crate) fn id(&self) -> Option<DeviceId> {
        self.id.as_ref().copied()
    }

    pub(crate) fn rings(&self) -> &Arc<RingSet> {
        &self.rings
    }

    /// The name of its interface; nothing once that has gone away.
    fn name(&self) -> Label {
        let guard = rcu::read_lock();
        let device = self.stack.load(&guard);
        device.map_or(Label::new(&[]), |device| device.name())
    }

    /// A reference to the interface, for as long as `rtnl` is held.
    fn device(&self, _: &Rtnl) -> Fallible<OwnDevice> {
        let found = self.stack.load(&rcu::read_lock()).map(OwnDevice::again);
        let Some(device) = found else {
            refuse!(ENXIO, "the interface has gone away");
        };
        Ok(device)
    }

    /// Calls `f` with what it is called on the switch that it is plugged into.
    pub(crate) fn plugged<T>(&self, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let guard = rcu::read_lock();
        Some(f(&self.plug.load(&guard)?.label))
    }

    /// Length of the virtio-net header on its frames, in bytes.
    pub(crate) fn header(&self) -> u32 {
        self.joined(|joined| joined.member().header()).unwrap_or(0)
    }

    /// Calls `f` with where it is plugged in.
    fn joined<T>(&self, f: impl FnOnce(&Joined) -> T) -> Option<T> {
        let guard = rcu::read_lock();
        Some(f(&self.plug.load(&guard)?.joined))
    }

    /// Plugs it into a switch, as a port of that name. Returns its number there. It must not be
    /// plugged in.
    pub(crate) fn plug(
        &self,
        switches: &Arc<Switches>,
        net: NetId,
        name: &ValeName<'_>,
    ) -> Fallible<u32> {
        let rtnl = Rtnl::lock();
        let device = self.device(&rtnl)?;
        if self.rings.is_bound() {
            refuse!(
                EBUSY,
                "{} is open: a port is plugged in while no program has rings of it",
                Name(&device.name())
            );
        }
        let occupant = Occupant {
            rings: self.rings.clone(),
            operator: Operator::Programs,
            stack: Some(self.stack.clone()),
        };
        let plug = Plug {
            joined: switches.create(net, name, occupant)?,
            label: PortLabel::new(&[name.switch, b":", name.port]),
        };
        let index = plug.joined.member().index.into();
        self.plug.replace(Some(Arc::new(plug, GFP_KERNEL_ACCOUNT)?));
        device.set_link(true, &rtnl);
        Ok(index)
    }

    /// Pulls it out of its switch.
    pub(crate) fn unplug(&self) -> Fallible {
        let rtnl = Rtnl::lock();
        let device = self.device(&rtnl)?;
        device.set_link(false, &rtnl);
        drop(self.plug.replace(None));
        Ok(())
    }

    /// Deletes it, with its interface. Refused while somebody has it open, or it is plugged in.
    pub(crate) fn delete(&self) -> Fallible {
        let rtnl = Rtnl::lock();
        let device = self.device(&rtnl)?;
        if self.life == Life::WhileOpen {
            refuse!(
                EINVAL,
                "{} was made for the pipes on it, and goes with the last of them",
                Name(&device.name())
            );
        }
        let views = self.views.lock();
        if *views > 0 {
            refuse!(
                EBUSY,
                "{} is open: {} file(s) have it",
                Name(&device.name()),
                *views
            );
        }
        if let Some(label) = self.plugged(|label| PortLabel::new(&[label])) {
            refuse!(
                EBUSY,
                "{} is plugged in as {}: pull it out first (vale-ctl -d)",
                Name(&device.name()),
                Name(&label)
            );
        }
        // With the lock held: who opens it next finds it gone.
        device.remove(&rtnl);
        Ok(())
    }

    /// Opens it, unless its interface has gone away.
    pub(crate) fn open(self: Arc<Self>) -> Fallible<KBox<dyn Port>> {
        let mut views = self.views.lock();
        if !self.is_there() {
            refuse!(ENXIO, "the interface has gone away");
        }
        *views += 1;
        drop(views);
        let view = View {
            name: self.name(),
            _live: Counted::new(live::Kind::Port),
            port: self,
        };
        Ok(KBox::new(view, GFP_KERNEL_ACCOUNT)?)
    }

    fn is_there(&self) -> bool {
        self.stack.load(&rcu::read_lock()).is_some()
    }

    /// Deletes it if nobody has it open any more, and that is how long it was to be there.
    pub(crate) fn expire(&self) {
        if self.life == Life::UntilDeleted {
            return;
        }
        let rtnl = Rtnl::lock();
        let views = self.views.lock();
        if *views > 0 {
            return;
        }
        if let Ok(device) = self.device(&rtnl) {
            // With the lock held: who opens it next finds it gone.
            device.remove(&rtnl);
        }
    }
}

impl Behind for Persistent {
    fn sent(&self, frame: Packet, queue: u16, pinned: &Disabled) -> bool {
        let guard = &rcu::read_lock();
        self.plug.load(guard).is_some_and(|plug| {
            let (switch, from) = (&**plug.joined.switch(), &**plug.joined.member());
            let sent = Sent {
                switch,
                from,
                queue,
                guard,
                pinned,
            };
            sent.go(frame)
        })
    }

    fn gone(&self, _: &Rtnl) {
        self.list.forget(self);
        drop(self.plug.replace(None));
        drop(self.stack.replace(None));
        self.rings.abandon();
    }
}

/// A file's view of a persistent port.
struct View {
    port: Arc<Persistent>,
    /// The interface's name when this view was made.
    name: Label,
    _live: Counted,
}

impl Drop for View {
    fn drop(&mut self) {
        *self.port.views.lock() -= 1;
        self.port.expire();
    }
}

impl Port for View {
    fn rings(&self) -> &Arc<RingSet> {
        &self.port.rings
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn prepare(&mut self, _: &Selection) -> Fallible {
        if !self.is_there() {
            refuse!(ENXIO, "the interface has gone away");
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        self.port.is_there()
    }

    fn habits(&self) -> Habits {
        Habits {
            switched: true,
            ..Habits::default()
        }
    }

    fn interface(&self) -> Option<DeviceId> {
        self.port.id()
    }

    fn switch_index(&self) -> Option<u32> {
        self.port.joined(|joined| joined.member().index.into())
    }

    fn header(&self) -> u32 {
        self.port.header()
    }

    fn set_header(&self, len: u32) -> bool {
        let set = |joined: &Joined| joined.member().set_header(len);
        self.port.joined(set).is_some()
    }
}

impl Queues for View {
    fn tx_queue(&self, number: u16, _: u32, _: &Arc<WaitQueue>) -> Fallible<KBox<dyn TxQueue>> {
        let queue = Through {
            port: self.port.clone(),
            number,
            scratch: Scratch::new()?,
        };
        Ok(KBox::new(queue, GFP_KERNEL_ACCOUNT)?)
    }

    fn rx_queue(&self, _: u16) -> Fallible<KBox<dyn RxQueue>> {
        Ok(KBox::new(Collect, GFP_KERNEL_ACCOUNT)?)
    }
}

/// The queue of a transmit ring: it forwards through whatever switch the port is plugged into.
struct Through {
    port: Arc<Persistent>,
    number: u16,
    scratch: Scratch,
}

impl TxQueue for Through {
    fn sync(&mut self, sync: &mut TxSync<'_>) {
        let plugged = {
            let guard = rcu::read_lock();
            let plug = self.port.plug.load(&guard);
            plug.map(|plug| (plug.joined.switch().clone(), plug.joined.member().clone()))
        };
        if let Some((switch, member)) = plugged {
            let port = (&*switch, &*member);
            self.scratch.forward(port, self.number, sync);
            return;
        }
        let ends = |flags: u16| flags & NS_MOREFRAG == 0;
        let frames = sync.slots().filter(|cell| ends(cell.flags())).count();
        let counters = &sync.ring().counters;
        counters.drop(TxDrop::Nobody, frames as u64);
        sync.all_sent();
    }
}
