// SPDX-License-Identifier: GPL-2.0

//! Network interfaces.

use super::{bindings, NetNs};
use crate::{
    abi::{consts::IFNAMSIZ, name::trim},
    sys::bottom_half::Disabled,
    text::Text,
};
use core::{ops::Deref, ptr::NonNull};
use kernel::{prelude::*, types::NotThreadSafe};

/// The lock under which interfaces are configured, come and go.
pub(crate) struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Waits for it. It is not to be taken while a lock is held that is taken under it.
    pub(crate) fn lock() -> RtnlGuard {
        // SAFETY: may sleep here; the guard unlocks.
        unsafe { bindings::rtnl_lock() };
        RtnlGuard(Rtnl(NotThreadSafe))
    }

    /// For callbacks that the kernel calls with the lock held.
    ///
    /// # Safety
    ///
    /// The lock must be held by this thread for as long as what is returned lives.
    pub(super) unsafe fn held() -> Self {
        Rtnl(NotThreadSafe)
    }
}

/// The lock, held by us.
pub(crate) struct RtnlGuard(Rtnl);

impl Deref for RtnlGuard {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for RtnlGuard {
    fn drop(&mut self) {
        // SAFETY: taken in `Rtnl::lock`, by this thread: the guard cannot go to another.
        unsafe { bindings::rtnl_unlock() };
    }
}

/// Kinds of interfaces (`linux/if_arp.h`).
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;

/// Which interface, without holding it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId(usize);

impl DeviceId {
    pub(super) fn of(dev: *const bindings::net_device) -> Self {
        DeviceId(dev as usize)
    }
}

/// A name of an interface or of a kind, copied.
pub(crate) type Label = Text<IFNAMSIZ>;

/// A reference to an interface. Who holds one keeps the interface from going away, so it must be
/// dropped when the interface is unregistered.
pub(crate) struct Device(NonNull<bindings::net_device>);

// SAFETY: an interface is reference counted; what is read of it here may be read at any time.
unsafe impl Send for Device {}
// SAFETY: as many threads as want to may look at a device; what they read may change at any time.
unsafe impl Sync for Device {}

/// The feature of those that take frames which are lists of pieces.
pub(super) const LISTS: u64 = bindings::ferromap_features_FERROMAP_LISTS as u64;

/// A field of an interface, read once.
macro_rules! read {
    ($device:expr, $field:ident) => {
        // SAFETY: the reference keeps the interface alive, and the field is a plain value of it,
        // which others may write.
        unsafe { (&raw const (*$device.as_ptr()).$field).read_volatile() }
    };
}

impl Device {
    /// The interface of that name.
    pub(crate) fn find(net: &NetNs, name: &[u8]) -> Option<Self> {
        let name = super::ns::interface_name(name)?;
        // SAFETY: the namespace is alive, the name is NUL-terminated. It returns null or a
        // reference.
        let dev = unsafe { bindings::dev_get_by_name(net.as_ptr(), name.as_ptr().cast()) };
        NonNull::new(dev.cast()).map(Device)
    }

    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// The caller must have it, and give it up.
    pub(super) unsafe fn from_raw(dev: NonNull<bindings::net_device>) -> Self {
        Device(dev)
    }

    /// Another reference.
    pub(crate) fn again(&self) -> Self {
        // SAFETY: our own keeps the interface alive.
        unsafe { bindings::dev_hold(self.as_ptr().cast()) };
        Device(self.0)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::net_device {
        self.0.as_ptr()
    }

    pub(crate) fn id(&self) -> DeviceId {
        DeviceId::of(self.as_ptr())
    }

    /// Its name, for as long as nobody renames it.
    pub(crate) fn name(&self) -> Label {
        Label::new(&[trim(&read!(self, name))])
    }

    /// The largest payload of a frame, in bytes.
    pub(crate) fn mtu(&self) -> u32 {
        read!(self, mtu)
    }

    /// Bytes that its driver wants before a frame, and those of a cache line more.
    pub(super) fn headroom(&self) -> u32 {
        let needed = read!(self, needed_headroom);
        u32::from(needed) + bindings::ferromap_sizes_FERROMAP_CACHE_LINE
    }

    /// Whether its driver takes frames that are lists of pieces, as long as it is not a matter of
    /// what they are.
    pub(super) fn takes_lists(&self) -> bool {
        read!(self, features) & LISTS != 0
    }

    /// Queues in each direction: transmit, receive.
    pub(crate) fn queues(&self) -> (u32, u32) {
        let tx = read!(self, real_num_tx_queues);
        let rx = read!(self, real_num_rx_queues);
        (tx, rx)
    }

    /// Whether its frames are Ethernet frames.
    pub(crate) fn is_ethernet(&self) -> bool {
        let kind = read!(self, type_);
        let header = read!(self, hard_header_len);
        matches!(kind, ARPHRD_ETHER | ARPHRD_LOOPBACK)
            && usize::from(header) >= crate::abi::consts::ETH_HLEN
    }

    /// Whether packet taps want to see what is sent through it.
    pub(super) fn has_taps(&self, _: &Disabled) -> bool {
        // SAFETY: the interface is alive; with bottom halves off, what hangs on it stays.
        unsafe { bindings::dev_nit_active_rcu(self.as_ptr()) }
    }

    /// The bridge, bond or other interface that this one is a member of: its kind and its name.
    pub(crate) fn master(&self, rtnl: &Rtnl) -> Option<(Label, Label)> {
        // SAFETY: the interface is alive and the lock is held, under which a master comes and goes.
        let master = NonNull::new(unsafe { bindings::netdev_master_upper_dev_get(self.as_ptr()) })?;
        // SAFETY: the master is alive for as long as the lock is held, under which it is also
        // renamed.
        unsafe {
            Some((
                kind(master.as_ptr(), rtnl),
                Label::new(&[trim(&(*master.as_ptr()).name)]),
            ))
        }
    }

    /// Which kind of interface it is, as `ip link add type` calls it. Empty for those that nobody
    /// adds so.
    pub(crate) fn kind(&self, rtnl: &Rtnl) -> Label {
        // SAFETY: our reference keeps the interface alive.
        unsafe { kind(self.as_ptr(), rtnl) }
    }

    /// Whether it is up, with a link or without.
    pub(crate) fn is_up(&self) -> bool {
        // SAFETY: our reference keeps the interface alive.
        unsafe { bindings::netif_running(self.as_ptr()) }
    }

    /// Whether frames can leave now.
    pub(crate) fn is_running(&self) -> bool {
        // SAFETY: our reference keeps the interface alive.
        unsafe {
            bindings::netif_running(self.as_ptr()) && bindings::netif_carrier_ok(self.as_ptr())
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { bindings::dev_put(self.as_ptr().cast()) };
    }
}

/// See [`Device::kind`].
///
/// # Safety
///
/// The interface must be alive.
unsafe fn kind(dev: *const bindings::net_device, _: &Rtnl) -> Label {
    // SAFETY: the interface is alive. Its operations are null, or what goes no sooner than it can
    // be unregistered, for which the lock is taken.
    let kind = unsafe { (*dev).rtnl_link_ops.as_ref() }.map_or(core::ptr::null(), |ops| ops.kind);
    if kind.is_null() {
        return Label::new(&[]);
    }
    // SAFETY: a string of the driver's code, which goes after its interfaces.
    Label::new(&[unsafe { CStr::from_char_ptr(kind) }.to_bytes()])
}
