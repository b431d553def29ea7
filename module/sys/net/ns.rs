// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and the interface names in them.

use super::bindings;
use crate::{abi::consts::NETMAP_REQ_IFNAMSIZ, sys::file::Asker};
use core::ptr::NonNull;
use kernel::{prelude::*, sync::rcu};

/// A reference to a network namespace: it stays alive while this does. For the time of a request
/// only: see [`home`](super::home).
pub(crate) struct NetNs(NonNull<bindings::net>);

// SAFETY: a namespace is reference counted and has its own locks.
unsafe impl Send for NetNs {}
// SAFETY: references may be taken and given back by any thread, and what is read never changes.
unsafe impl Sync for NetNs {}

/// Which namespace, without keeping it alive. The kernel gives no number twice (`net_cookie`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetId(u64);

impl NetId {
    /// # Safety
    ///
    /// It must be a namespace that is there.
    pub(super) unsafe fn of(net: *const bindings::net) -> Self {
        // SAFETY: the caller vouches for the namespace; its cookie is written once, when it is
        // made.
        NetId(unsafe { (*net).net_cookie })
    }

    /// That of the machine itself.
    pub(crate) fn initial() -> Self {
        // SAFETY: the initial namespace is there for ever; this is written once, before modules are
        // loaded.
        NetId(unsafe { kernel::bindings::init_net.net_cookie })
    }
}

impl NetNs {
    pub(crate) fn id(&self) -> NetId {
        // SAFETY: our reference keeps the namespace alive.
        unsafe { NetId::of(self.as_ptr()) }
    }

    /// The namespace of the calling process.
    pub(crate) fn current() -> Result<Self> {
        // SAFETY: `get_current` is the running task; its `nsproxy` is its own to read and never
        // changes under its feet. It is null only when a task is past the point where it could call
        // us.
        let net = unsafe {
            let nsproxy = (*bindings::get_current())
                .nsproxy
                .cast::<bindings::nsproxy>();
            if nsproxy.is_null() {
                return Err(ESRCH);
            }
            (*nsproxy).net_ns
        };
        // SAFETY: the task's reference keeps the namespace alive while we take our own.
        NonNull::new(unsafe { bindings::get_net(net) })
            .map(NetNs)
            .ok_or(ESRCH)
    }

    /// Whether the calling process may change how its network works (`CAP_NET_ADMIN`).
    pub(crate) fn may_administrate(&self) -> bool {
        // SAFETY: the namespace is alive and keeps its user namespace; that never changes.
        unsafe { bindings::ns_capable((*self.as_ptr()).user_ns, bindings::CAP_NET_ADMIN as i32) }
    }

    /// Whether whoever opened the file could do that when he opened it.
    pub(crate) fn may_be_administrated_by(&self, asker: &Asker<'_>) -> bool {
        // SAFETY: the namespace is alive and keeps its user namespace, and the asker has the file
        // open.
        unsafe {
            bindings::file_ns_capable(
                asker.file().cast(),
                (*self.as_ptr()).user_ns,
                bindings::CAP_NET_ADMIN as i32,
            )
        }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0.as_ptr()
    }

    /// Whether the namespace has a network interface of this name.
    pub(crate) fn has_interface(&self, name: &[u8]) -> bool {
        let Some(name) = interface_name(name) else {
            return false;
        };
        let _guard = rcu::read_lock();
        // SAFETY: the namespace is alive, the name is NUL-terminated, RCU is held.
        let dev = unsafe { bindings::dev_get_by_name_rcu(self.0.as_ptr(), name.as_ptr().cast()) };
        !dev.is_null()
    }
}

/// A name, or an alternative one, with a NUL behind it; `None` if it is longer than a request can
/// carry.
pub(super) fn interface_name(name: &[u8]) -> Option<[u8; NETMAP_REQ_IFNAMSIZ]> {
    let mut out = [0; NETMAP_REQ_IFNAMSIZ];
    if name.len() >= out.len() {
        return None;
    }
    out[..name.len()].copy_from_slice(name);
    Some(out)
}

impl Drop for NetNs {
    fn drop(&mut self) {
        // SAFETY: gives back the reference taken in `current`.
        unsafe { bindings::put_net(self.0.as_ptr()) };
    }
}
