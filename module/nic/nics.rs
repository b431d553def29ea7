// SPDX-License-Identifier: GPL-2.0

//! The interfaces that are open.
//!
//! Locks, in this order: the kernel's lock for configuration (`rtnl`), the list, an interface's own
//! state.

use super::{
    emulated::{Emulated, Running},
    interface::{Nic, FRAME_EXTRA},
};
use crate::{
    abi::consts::NETMAP_MAX_FRAGS,
    memory::RegionRef,
    params,
    refusal::{refuse, Fallible, Name},
    ring::{Operator, RingSet, Shape},
    sys::net::{
        device::DeviceId,
        notifier::{Notified, Notifier},
        Device, NetNs, Rtnl,
    },
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::{new_mutex, rcu, Arc, Mutex},
};

/// The largest MTU that an interface can have whose receive rings are bound, where that is more
/// than a buffer has (section 7.3 of the interface).
const LONGEST_MTU: u32 = 32768;

/// All interfaces that are open.
#[pin_data]
pub(crate) struct Nics {
    #[pin]
    list: Mutex<KVec<Arc<OpenNic>>>,
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

    /// The open interface of that name. One that is not open yet is opened with the host rings that
    /// are wished for, in the region that `region` tells.
    pub(crate) fn open(
        self: &Arc<Self>,
        net: &NetNs,
        name: &[u8],
        wish: Shape,
        region: impl FnOnce() -> Fallible<RegionRef>,
    ) -> Fallible<NicRef> {
        if params::admode.get() == 1 {
            refuse!(
                EOPNOTSUPP,
                "{} has no native support, and parameter admode asks for that: set it to 0",
                Name(name)
            );
        }
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
        let known = list.iter().find(|open| open.nic.id() == device.id());
        let open = match known {
            Some(open) => open.clone(),
            None => {
                if !device.is_ethernet() {
                    refuse!(EINVAL, "{} does not carry Ethernet frames", Name(name));
                }
                let shape = Emulated::shape(&device, wish);
                let open = OpenNic::new(Nic::new(device, RingSet::new(region()?, shape)?)?)?;
                list.push(open.clone(), GFP_KERNEL)?;
                open
            }
        };
        open.state.lock().refs += 1;
        Ok(NicRef {
            nics: self.clone(),
            open,
        })
    }

    /// The rings of the interface of that name, if it is open.
    pub(crate) fn rings(&self, net: &NetNs, name: &[u8]) -> Option<Arc<RingSet>> {
        let device = Device::find(net, name)?;
        let list = self.list.lock();
        let open = list.iter().find(|open| open.nic.id() == device.id())?;
        Some(open.nic.rings.clone())
    }

    /// Calls `each` for every open interface, with how it is run.
    pub(crate) fn each(&self, mut each: impl FnMut(&Nic, &Emulated)) {
        for open in self.list.lock().iter() {
            each(&open.nic, &open.run);
        }
    }

    fn forget(&self, open: &Arc<OpenNic>) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|known| Arc::ptr_eq(known, open)) {
            let _ = list.remove(at);
        }
    }
}

impl Notified for Nics {
    fn gone(&self, device: DeviceId, rtnl: &Rtnl) {
        let open = self
            .list
            .lock()
            .iter()
            .find(|open| open.nic.id() == device)
            .cloned();
        if let Some(open) = open {
            self.forget(&open);
            open.let_go(rtnl);
        }
    }
}

/// An open interface, and how it is run.
#[pin_data]
struct OpenNic {
    nic: Arc<Nic>,
    run: Emulated,
    #[pin]
    state: Mutex<State>,
}

struct State {
    /// Who has it open, and of those, who has bound rings of it.
    refs: u32,
    users: u32,
    operator: Operator,
    /// While it is in netmap mode.
    running: Option<Running>,
}

impl OpenNic {
    fn new(nic: Arc<Nic>) -> Result<Arc<Self>> {
        let state = State {
            refs: 0,
            users: 0,
            operator: Operator::Programs,
            running: None,
        };
        let run = Emulated::new(nic.clone())?;
        Arc::pin_init(
            pin_init!(OpenNic {
                nic,
                run,
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The interface has gone away, or the last binding has.
    fn let_go(&self, rtnl: &Rtnl) {
        let running = self.state.lock().running.take();
        if let Some(running) = running {
            running.stop(rtnl);
        }
        self.nic.let_go();
    }
}

/// Somebody's reference to an open interface.
pub(crate) struct NicRef {
    nics: Arc<Nics>,
    open: Arc<OpenNic>,
}

impl Deref for NicRef {
    type Target = Nic;

    fn deref(&self) -> &Nic {
        &self.open.nic
    }
}

impl NicRef {
    /// How it is run.
    pub(super) fn run(&self) -> &Emulated {
        &self.open.run
    }

    /// Puts the interface in netmap mode, if it is not. To be undone with
    /// [`leave_netmap_mode`](Self::leave_netmap_mode).
    pub(crate) fn enter_netmap_mode(&self, receives: bool, operator: Operator) -> Fallible {
        let rtnl = Rtnl::lock();
        let mut state = self.open.state.lock();
        self.is_free_of_switches(&state)?;
        if operator == Operator::Kernel && state.users > 0 {
            refuse!(
                EBUSY,
                "{} is open: {} file(s) have rings of it",
                Name(&self.name()),
                state.users
            );
        }
        let guard = rcu::read_lock();
        let found = self.device(&guard).map(Device::again);
        drop(guard);
        let Some(device) = found else {
            refuse!(ENXIO, "the interface has gone away");
        };
        let (mtu, size) = (device.mtu(), self.rings.region().layout()?.bufs.size);
        let new = match state.users {
            0 => Some(self.run().start(&device, &rtnl)?),
            _ => None,
        };
        // In a buffer, or in the slots that a frame can have.
        let in_slots = size.saturating_mul(NETMAP_MAX_FRAGS as u32);
        let most = size.max(LONGEST_MTU.min(in_slots.saturating_sub(FRAME_EXTRA)));
        if receives && mtu > most {
            // Dropped, it would take the lock that we hold.
            if let Some(running) = new {
                running.stop(&rtnl);
            }
            refuse!(
                EINVAL,
                "frames of {} do not fit: its MTU is {}, and with buffers of {} bytes it can be \
                 {} at most. Lower the MTU (ip link set {} mtu {})",
                Name(&self.name()),
                mtu,
                size,
                most,
                Name(&self.name()),
                // Then each fits one slot, which is what most programs expect.
                size.saturating_sub(FRAME_EXTRA)
            );
        }
        if new.is_some() {
            state.running = new;
        }
        state.users += 1;
        state.operator = operator;
        Ok(())
    }

    /// Refuses if it is attached to a switch.
    pub(super) fn bears_pipes(&self) -> Fallible {
        self.is_free_of_switches(&self.open.state.lock())
    }

    /// Whether it is attached to a switch.
    pub(super) fn is_attached(&self) -> bool {
        self.open.state.lock().operator == Operator::Kernel
    }

    fn is_free_of_switches(&self, state: &State) -> Fallible {
        if state.operator == Operator::Kernel {
            refuse!(
                EBUSY,
                "{} is attached to a switch: pull it out first (vale-ctl -d)",
                Name(&self.name())
            );
        }
        Ok(())
    }

    /// Undoes [`enter_netmap_mode`](Self::enter_netmap_mode).
    pub(crate) fn leave_netmap_mode(&self) {
        let rtnl = Rtnl::lock();
        let mut state = self.open.state.lock();
        state.users -= 1;
        let running = match state.users {
            0 => {
                state.operator = Operator::Programs;
                state.running.take()
            }
            _ => None,
        };
        drop(state);
        if let Some(running) = running {
            running.stop(&rtnl);
        }
    }
}

impl Drop for NicRef {
    fn drop(&mut self) {
        let rtnl = Rtnl::lock();
        let mut state = self.open.state.lock();
        state.refs -= 1;
        let last = state.refs == 0;
        drop(state);
        if last {
            self.nics.forget(&self.open);
            self.open.let_go(&rtnl);
        }
    }
}
