// SPDX-License-Identifier: GPL-2.0

//! Network namespaces that XDP programs work in, without keeping them alive.
//!
//! What a program is on may outlive the process that put it there: an attached interface. If that
//! kept its namespace alive, a NIC in there would never come back to the initial one.

use super::{
    bindings,
    notifier::{Notified, Notifier},
    NetId, NetNs,
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering::*},
};
use kernel::{
    prelude::*,
    sync::{new_mutex, rcu, Arc, Mutex},
};

/// A namespace, until it ends.
///
/// # Invariants
///
/// `net` is null, or a namespace for which `List` has not been told [`Notified::ended`], or is just
/// being told so and waits for RCU: what programs look for in it is there for at least as long as
/// somebody who read it stays in the same RCU section.
pub(crate) struct Home {
    id: NetId,
    net: AtomicPtr<bindings::net>,
}

impl Home {
    /// The namespace, if it is still there.
    #[inline]
    pub(crate) fn look<'g>(&self, _: &'g rcu::Guard) -> Option<Inhabited<'g>> {
        NonNull::new(self.net.load(Acquire)).map(|net| Inhabited(net, PhantomData))
    }
}

/// A namespace that does not end meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Inhabited<'g>(NonNull<bindings::net>, PhantomData<&'g ()>);

impl Inhabited<'_> {
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0.as_ptr()
    }
}

/// All homes.
pub(crate) struct Homes {
    list: Arc<List>,
    /// Tells the list which namespaces end. When it goes it tells so of all: after that nobody
    /// finds a namespace in a home that has outlived us.
    _notifier: Pin<KBox<Notifier<List>>>,
}

#[pin_data]
struct List {
    #[pin]
    homes: Mutex<KVec<Arc<Home>>>,
}

impl Homes {
    pub(crate) fn new() -> Result<Self> {
        let list = Arc::pin_init(
            pin_init!(List { homes <- new_mutex!(KVec::new()) }),
            GFP_KERNEL,
        )?;
        let notifier = KBox::try_pin_init(Notifier::new(list.clone()), GFP_KERNEL)?;
        Ok(Homes {
            list,
            _notifier: notifier,
        })
    }

    /// A namespace as a home. The reference keeps it from ending before it is on the list.
    pub(crate) fn of(&self, net: &NetNs) -> Result<Arc<Home>> {
        let mut list = self.list.homes.lock();
        if let Some(known) = list.iter().find(|home| home.id == net.id()) {
            return Ok(known.clone());
        }
        // INVARIANT: the caller's reference keeps the namespace from ending before this returns. So
        // `ended`, which finds the home on the list, whose lock we hold, comes later; and it does
        // come, as the notifier lives as long as `self`.
        let home = Home {
            id: net.id(),
            net: AtomicPtr::new(net.as_ptr()),
        };
        let home = Arc::new(home, GFP_KERNEL_ACCOUNT)?;
        list.push(home.clone(), GFP_KERNEL)?;
        Ok(home)
    }
}

impl Notified for List {
    fn ended(&self, net: NetId) {
        let mut list = self.homes.lock();
        let Some(at) = list.iter().position(|home| home.id == net) else {
            return;
        };
        let Ok(home) = list.remove(at) else {
            return;
        };
        home.net.store(core::ptr::null_mut(), Release);
        // SAFETY: may sleep here, in a notifier, with rtnl and the mutex held. Whoever read the
        // namespace did so under RCU and has gone when this returns; it is taken down only after
        // the notifier that we are in.
        unsafe { bindings::synchronize_net() };
    }
}
