// SPDX-License-Identifier: GPL-2.0

//! The interfaces that are open.
//!
//! Locks, in this order: the kernel's lock for configuration (`rtnl`), the list, an interface's own
//! state.

use crate::{
    abi::consts::ETH_HLEN,
    live::{self, Counted},
    refusal::{refuse, Answer, Name, Refusal},
    ring::{count::Counter, Owner, RingSet},
    sys::{
        net::{
            device::{DeviceId, Label},
            hook::Hook,
            notifier::{Notified, Notifier},
            Device, NetNs, Rtnl,
        },
        rcu::RcuSlot,
    },
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::{new_mutex, rcu, Arc, Mutex},
};

/// Bytes of a frame that do not count for the MTU: header and two VLAN tags.
pub(super) const FRAME_EXTRA: u32 = ETH_HLEN as u32 + 8;

/// All interfaces that are open.
#[pin_data]
pub(crate) struct Nics {
    #[pin]
    list: Mutex<KVec<Arc<Nic>>>,
}

/// As long as it lives, interfaces that go away are let go of.
pub(crate) type NicNotifier = Pin<KBox<Notifier<Nics>>>;

impl Nics {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Nics { list <- new_mutex!(KVec::new()) }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn notifier(self: &Arc<Self>) -> Result<NicNotifier> {
        KBox::try_pin_init(Notifier::new(self.clone()), GFP_KERNEL)
    }

    /// The open interface of that name. One that is not open yet gets the rings that `rings` makes;
    /// it is asked with the lock for configuration held.
    pub(crate) fn open(
        self: &Arc<Self>,
        net: &NetNs,
        name: &[u8],
        rings: impl FnOnce(&Device) -> Answer<Arc<RingSet>>,
    ) -> Answer<NicRef> {
        // With the lock, what is found is not about to go away unseen.
        let _rtnl = Rtnl::lock();
        let Some(device) = Device::find(net, name) else {
            refuse!(
                ENXIO,
                "there is no network interface {}; a switch port is called valeSWITCH:PORT",
                Name(name)
            );
        };
        let mut list = self.list.lock();
        let known = list.iter().find(|nic| nic.id == device.id());
        let nic = match known {
            Some(nic) => nic.clone(),
            None => {
                let nic = Nic::new(&device, rings(&device)?)?;
                nic.device
                    .replace(Some(Arc::new(device, GFP_KERNEL_ACCOUNT)?));
                list.push(nic.clone(), GFP_KERNEL)?;
                nic
            }
        };
        nic.state.lock().refs += 1;
        Ok(NicRef {
            nics: self.clone(),
            nic,
        })
    }

    /// Calls `each` for every open interface.
    pub(crate) fn each(&self, mut each: impl FnMut(&Nic)) {
        for nic in self.list.lock().iter() {
            each(nic);
        }
    }

    fn forget(&self, nic: &Arc<Nic>) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|known| Arc::ptr_eq(known, nic)) {
            let _ = list.remove(at);
        }
    }
}

impl Notified for Nics {
    fn gone(&self, device: DeviceId, rtnl: &Rtnl) {
        let nic = self
            .list
            .lock()
            .iter()
            .find(|nic| nic.id == device)
            .cloned();
        if let Some(nic) = nic {
            self.forget(&nic);
            nic.let_go(rtnl);
        }
    }
}

/// An open interface.
#[pin_data]
pub(crate) struct Nic {
    id: DeviceId,
    name: Label,
    /// Empty once the interface has gone away.
    device: RcuSlot<Device>,
    pub(crate) rings: Arc<RingSet>,
    /// Frames of the host that nobody got: they were taken, and no host ring was bound.
    pub(crate) host_nobody: Counter,
    #[pin]
    state: Mutex<State>,
    _live: Counted,
}

struct State {
    /// Who has it open, and of those, who has bound rings of it.
    refs: u32,
    users: u32,
    owner: Owner,
    hook: Option<Hook<Nic>>,
}

impl Nic {
    fn new(device: &Device, rings: Arc<RingSet>) -> Result<Arc<Self>> {
        let state = State {
            refs: 0,
            users: 0,
            owner: Owner::Programs,
            hook: None,
        };
        Arc::pin_init(
            pin_init!(Nic {
                id: device.id(),
                name: device.name(),
                device: RcuSlot::new(),
                rings,
                host_nobody: Counter::default(),
                state <- new_mutex!(state),
                _live: Counted::new(live::Kind::Nic),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.id
    }

    /// Its name, which may change; once it has gone away, that which it had when it was opened.
    pub(crate) fn name(&self) -> Label {
        let guard = rcu::read_lock();
        self.device(&guard).map_or(self.name, Device::name)
    }

    /// The interface, unless it has gone away.
    #[inline]
    pub(crate) fn device<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g Device> {
        self.device.load(guard)
    }

    /// The interface has gone away, or the last binding has.
    fn let_go(&self, rtnl: &Rtnl) {
        let hook = self.state.lock().hook.take();
        if let Some(hook) = hook {
            hook.remove(rtnl);
        }
        drop(self.device.replace(None));
        self.rings.each_tx(|_, ring| ring.waiters().wake_in_vain());
        self.rings.each_rx(|_, ring| ring.waiters().wake_in_vain());
    }
}

/// Somebody's reference to an open interface.
pub(crate) struct NicRef {
    nics: Arc<Nics>,
    nic: Arc<Nic>,
}

impl Deref for NicRef {
    type Target = Arc<Nic>;

    fn deref(&self) -> &Arc<Nic> {
        &self.nic
    }
}

impl NicRef {
    /// Puts the interface in netmap mode, if it is not. To be undone with
    /// [`leave_netmap_mode`](Self::leave_netmap_mode).
    pub(crate) fn enter_netmap_mode(&self, receives: bool, owner: Owner) -> Answer {
        let rtnl = Rtnl::lock();
        let mut state = self.nic.state.lock();
        if state.owner == Owner::Kernel {
            refuse!(
                EBUSY,
                "{} is attached to a switch: pull it out first (vale-ctl -d)",
                Name(&self.name())
            );
        }
        if owner == Owner::Kernel && state.users > 0 {
            refuse!(
                EBUSY,
                "{} is open: {} file(s) have rings of it",
                Name(&self.name()),
                state.users
            );
        }
        let guard = rcu::read_lock();
        let found = self.nic.device.load(&guard).map(Device::again);
        drop(guard);
        let Some(device) = found else {
            refuse!(ENXIO, "the interface has gone away");
        };
        let (mtu, size) = (device.mtu(), self.nic.rings.region().layout()?.bufs.size);
        let new = match state.users {
            0 => Some(self.hook_in(&device, &rtnl)?),
            _ => None,
        };
        if receives && mtu > size {
            // Dropped, it would take the lock that we hold.
            if let Some(hook) = new {
                hook.remove(&rtnl);
            }
            refuse!(
                EINVAL,
                "frames of {} do not fit: its MTU is {}, and a buffer has {} bytes. Lower the MTU \
                 (ip link set {} mtu {}) or raise the module's parameter buf_size",
                Name(&self.name()),
                mtu,
                size,
                Name(&self.name()),
                // Then each fits one slot, which is what goes on to other interfaces.
                size.saturating_sub(FRAME_EXTRA)
            );
        }
        if new.is_some() {
            state.hook = new;
        }
        state.users += 1;
        state.owner = owner;
        Ok(())
    }

    /// Begins to take the frames of the interface.
    fn hook_in(&self, device: &Device, rtnl: &Rtnl) -> Answer<Hook<Nic>> {
        match Hook::new(device.again(), self.nic.clone(), rtnl) {
            Ok(hook) => Ok(hook),
            Err(EBUSY) => Err(self.taken(device, rtnl)),
            Err(EINVAL) => refuse!(
                EINVAL,
                "{} is of kind {}, and the kernel lets nobody take frames of such an interface: \
                 open the one below it, by which they come and go",
                Name(&self.name()),
                Name(&device.kind(rtnl))
            ),
            Err(EOPNOTSUPP) => refuse!(
                EOPNOTSUPP,
                "this kernel lacks CONFIG_NETFILTER_INGRESS or CONFIG_NETFILTER_EGRESS, by which \
                 frames are met"
            ),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Says who takes the frames of the interface, which we cannot have for that.
    fn taken(&self, device: &Device, rtnl: &Rtnl) -> Refusal {
        if let Some((kind, master)) = device.master(rtnl) {
            let kind: &[u8] = match &*kind {
                b"" => b"interface",
                kind => kind,
            };
            return Refusal::new(
                EBUSY,
                fmt!(
                    "{} is in {} {}, which takes its frames: take it out (ip link set {} \
                     nomaster), or open that",
                    Name(&self.name()),
                    Name(kind),
                    Name(&master),
                    Name(&self.name())
                ),
            );
        }
        let kind = device.kind(rtnl);
        if matches!(&*kind, b"macvtap" | b"ipvtap") {
            return Refusal::new(
                EBUSY,
                fmt!(
                    "the frames of {}, a {}, go to whoever opens its /dev/tap: use that, or open \
                     the interface below it",
                    Name(&self.name()),
                    Name(&kind)
                ),
            );
        }
        Refusal::new(
            EBUSY,
            fmt!(
                "interfaces that were made on top of {} take its frames, as a macvlan or ipvlan \
                 does: delete them (ip link del), or open one of them. ferromap doctor {} tells \
                 which",
                Name(&self.name()),
                Name(&self.name())
            ),
        )
    }

    /// Undoes [`enter_netmap_mode`](Self::enter_netmap_mode).
    pub(crate) fn leave_netmap_mode(&self) {
        let rtnl = Rtnl::lock();
        let mut state = self.nic.state.lock();
        state.users -= 1;
        let hook = match state.users {
            0 => {
                state.owner = Owner::Programs;
                state.hook.take()
            }
            _ => None,
        };
        drop(state);
        if let Some(hook) = hook {
            hook.remove(&rtnl);
        }
    }
}

impl Drop for NicRef {
    fn drop(&mut self) {
        let rtnl = Rtnl::lock();
        let mut state = self.nic.state.lock();
        state.refs -= 1;
        let last = state.refs == 0;
        drop(state);
        if last {
            self.nics.forget(&self.nic);
            self.nic.let_go(&rtnl);
        }
    }
}
