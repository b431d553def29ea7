// SPDX-License-Identifier: GPL-2.0

//! Which interfaces are attached.
//!
//! An attachment is the kernel's own: it outlives the program that asked for it, and keeps the
//! module. It does not keep its network namespace: with that the interface goes away, and so does
//! the attachment.

use super::{
    transfer::Ends,
    worker::{self, Polling, WhenGone, WorkerThread},
};
use crate::{
    abi::{ext::FERROMAP_NR_SWAP, name::ValeName},
    binding::{self, Binding},
    memory::{Needs, Use},
    port::{Port, PortLabel},
    refusal::{refuse, Fallible, Name},
    registry::{self, Registry},
    ring::{RingSet, Selection, Shape},
    sys::module_ref::ModuleRef,
    sys::net::{device::DeviceId, NetNs},
    turn::{Taken, Turn},
};
use core::mem;
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
    workqueue::{self, Work, WorkItem},
};

/// All attachments.
#[pin_data]
pub(crate) struct Attachments {
    turn: Arc<Turn>,
    #[pin]
    list: Mutex<KVec<Attachment>>,
    /// While a clearing-up is on its way.
    #[pin]
    clearing: Mutex<Option<ModuleRef>>,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Attachments { self.work }
}

/// An interface that is plugged into a switch. Fields go in this order.
struct Attachment {
    threads: KVec<WorkerThread<Attachments>>,
    polling: bool,
    ends: Arc<Ends>,
    _module: ModuleRef,
}

impl Attachments {
    pub(crate) fn new(turn: Arc<Turn>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Attachments {
                turn,
                list <- new_mutex!(KVec::new()),
                clearing <- new_mutex!(None),
                work <- new_work!("netmap::Attachments"),
            }),
            GFP_KERNEL,
        )
    }

    /// Plugs the interface of that name, which `nic` opens, into a switch, with or without its host
    /// rings. Returns the number of its port.
    pub(crate) fn attach(
        self: &Arc<Self>,
        registry: &Registry,
        turn: &Taken<'_>,
        name: &ValeName<'_>,
        with_host: bool,
        nic: impl FnOnce() -> Fallible<KBox<dyn Port>>,
    ) -> Fallible<u32> {
        let net = NetNs::current()?;
        // It would be refused below as well, but with more done in vain.
        if registry.switches.find(net.id(), name).is_some() {
            refuse!(
                EBUSY,
                "switch {} has a port {} already",
                Name(name.switch),
                Name(name.port)
            );
        }
        let nic = nic()?;
        let region = nic.rings().region().clone();
        let shape = nic.rings().shape();
        let whole = Shape {
            host_tx_rings: if with_host { shape.host_tx_rings } else { 0 },
            host_rx_rings: if with_host { shape.host_rx_rings } else { 0 },
            ..shape
        };
        // What one side receives the other sends.
        let facing = Shape {
            tx_slots: shape.rx_slots,
            rx_slots: shape.tx_slots,
            ..Shape::default()
        };
        let wire = Shape {
            tx_rings: shape.rx_rings,
            rx_rings: shape.tx_rings,
            ..facing
        };
        let host = Shape {
            tx_rings: whole.host_rx_rings,
            rx_rings: whole.host_tx_rings,
            ..facing
        };
        let memory = binding::supply(turn, &region, || {
            let ifs = Needs {
                ifs: if with_host { 3 } else { 2 },
                ..Needs::default()
            };
            ifs + nic.needs(&all(whole)) + wire.all_needs() + host.all_needs()
        })?;
        let nic = bind(nic, whole, &memory)?;
        let plug = |port: &[u8], shape: Shape| -> Fallible<Binding> {
            let name = ValeName {
                switch: name.switch,
                port,
            };
            let rings = RingSet::new(region.clone(), shape)?;
            let plugged = registry::plug(registry, net.id(), &name, rings)?;
            let bound = bind(plugged, shape, &memory)?;
            for ring in bound.held().tx() {
                // Its frames are nobody's but ours: they may change hands.
                ring.mem.view().set_flags(FERROMAP_NR_SWAP);
            }
            Ok(bound)
        };
        let wire = plug(name.port, wire)?;
        let host = if with_host {
            Some(plug(&PortLabel::new(&[name.port, b"^"]), host)?)
        } else {
            None
        };
        let index = wire.port().switch_index();
        let ends = Arc::new(Ends { nic, wire, host }, GFP_KERNEL_ACCOUNT)?;
        let attachment = Attachment {
            threads: worker::start(self, &ends, None)?,
            polling: false,
            ends,
            _module: ModuleRef::take().ok_or(ENODEV)?,
        };
        let mut list = self.list.lock();
        // Without room the attachment goes once the lock has: its threads are stopped then.
        list.reserve(1, GFP_KERNEL)?;
        // The room was reserved above.
        let _ = list.push_within_capacity(attachment);
        Ok(index.unwrap_or(0))
    }

    /// Pulls an interface out of a switch, or does nothing for a port that programs opened (quirk
    /// 12). Returns the number that its port had.
    pub(crate) fn detach(
        &self,
        registry: &Registry,
        _: &Taken<'_>,
        name: &ValeName<'_>,
    ) -> Fallible<u32> {
        let (rings, index) = find(registry, name)?;
        let mut list = self.list.lock();
        let Some(at) = list.iter().position(|one| one.has(&rings)) else {
            return Ok(index);
        };
        if list[at].polling {
            refuse!(
                EBUSY,
                "{} is being polled: end that first (vale-ctl -P {}:{})",
                Name(name.port),
                Name(name.switch),
                Name(name.port)
            );
        }
        let gone = list.remove(at);
        drop(list);
        drop(gone);
        Ok(index)
    }

    /// Calls `f` with the port that an interface is, if it is attached.
    pub(crate) fn port_of<T>(
        &self,
        interface: DeviceId,
        f: impl FnOnce(&dyn Port) -> T,
    ) -> Option<T> {
        let list = self.list.lock();
        let is_it = |one: &&Attachment| one.ends.nic.port().interface() == Some(interface);
        let attachment = list.iter().find(is_it)?;
        Some(f(attachment.ends.wire.port()))
    }

    /// Begins to poll the rings of an attached interface (`Some`), or ends it. In a turn, as all
    /// that takes attachments away: it is still there when its threads have been made.
    pub(crate) fn poll(
        self: &Arc<Self>,
        registry: &Registry,
        _: &Taken<'_>,
        name: &ValeName<'_>,
        polling: Option<Polling>,
    ) -> Fallible {
        let (rings, _) = find(registry, name)?;
        let ends = self.may_poll(&rings, name, polling)?;
        let mut threads = worker::start(self, &ends, polling)?;
        let mut list = self.list.lock();
        if let Some(one) = list.iter_mut().find(|one| one.has(&rings)) {
            mem::swap(&mut one.threads, &mut threads);
            one.polling = polling.is_some();
        }
        drop(list);
        // Both have worked side by side for a moment. Who found a ring taken went to sleep, and
        // those who had it have ended.
        drop(threads);
        ends.wake();
        Ok(())
    }

    /// What the attachment with these rings carries between, if that may be polled, or no more.
    fn may_poll(
        &self,
        rings: &Arc<RingSet>,
        name: &ValeName<'_>,
        polling: Option<Polling>,
    ) -> Fallible<Arc<Ends>> {
        let list = self.list.lock();
        let Some(one) = list.iter().find(|one| one.has(rings)) else {
            refuse!(
                EOPNOTSUPP,
                "{} is not an attached interface",
                Name(name.port)
            );
        };
        match polling {
            Some(_) if one.polling => {
                refuse!(EFAULT, "{} is being polled already", Name(name.port))
            }
            None if !one.polling => refuse!(EFAULT, "{} is not being polled", Name(name.port)),
            _ => {}
        }
        if let Some(Polling::Each { first, count }) = polling {
            let most = one.ends.nic.held().set().shape().rx_rings.into();
            if first.saturating_add(count) > most {
                refuse!(
                    EINVAL,
                    "{} has {} receive rings, and ring i would be polled on CPU i",
                    Name(name.port),
                    most
                );
            }
        }
        Ok(one.ends.clone())
    }
}

impl WhenGone for Attachments {
    /// Has what is left of such interfaces cleared up, later.
    fn gone(self: Arc<Self>) {
        let mut clearing = self.clearing.lock();
        if clearing.is_none() {
            // Without one the module is about to go, and all that is attached with it.
            let Some(module) = ModuleRef::take() else {
                return;
            };
            *clearing = Some(module);
            let _ = workqueue::system_long().enqueue(self.clone());
        }
    }
}

impl WorkItem for Attachments {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let module = this.clearing.lock().take();
        let turn = this.turn.take();
        loop {
            let mut list = this.list.lock();
            let Some(at) = list.iter().position(|one| !one.ends.nic.port().is_there()) else {
                break;
            };
            let gone = list.remove(at);
            drop(list);
            drop(gone);
        }
        drop(turn);
        drop(this);
        // With this the module may be unloaded.
        drop(module);
    }
}

impl Attachment {
    fn has(&self, rings: &Arc<RingSet>) -> bool {
        let is = |binding: &Binding| Arc::ptr_eq(binding.held().set(), rings);
        is(&self.ends.wire)
    }
}

/// The rings and the number of the port of that name.
fn find(registry: &Registry, name: &ValeName<'_>) -> Fallible<(Arc<RingSet>, u32)> {
    let Some(joined) = registry.switches.find(NetNs::current()?.id(), name) else {
        refuse!(
            ENXIO,
            "there is no port {}:{}",
            Name(name.switch),
            Name(name.port)
        );
    };
    let member = joined.member();
    Ok((member.rings.clone(), member.index.into()))
}

/// Binds all rings of that shape, for the kernel alone.
fn bind(port: KBox<dyn Port>, shape: Shape, memory: &Use) -> Fallible<Binding> {
    // Its rings lie where others can write, and its threads have no memory to send.
    Binding::new(port, all(shape), None, memory, 0, 0, None)
}

/// All rings of that shape.
fn all(shape: Shape) -> Selection {
    Selection {
        tx: 0..shape.host_tx().end,
        rx: 0..shape.host_rx().end,
        exclusive: true,
    }
}
