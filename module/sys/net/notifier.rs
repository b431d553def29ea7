// SPDX-License-Identifier: GPL-2.0

//! Hearing that an interface, or a network namespace, goes away.

use super::{bindings, device::DeviceId, NetId, Rtnl};
use core::marker::PhantomPinned;
use kernel::{bindings::notifier_block, error::to_result, prelude::*, sync::Arc, types::Opaque};

/// Who wants to know.
pub(crate) trait Notified: Send + Sync + 'static {
    /// The interface is unregistered, or moves to another namespace: references to it must be
    /// dropped now.
    fn gone(&self, _device: DeviceId, _rtnl: &Rtnl) {}

    /// A namespace ends: nobody is in it any more, and what it is made of is taken down after this.
    /// Called with the lock for configuration held. When the last of them goes, it is called for
    /// all namespaces.
    fn ended(&self, _net: NetId) {}
}

/// As long as it lives, the notified is told.
#[pin_data(PinnedDrop)]
pub(crate) struct Notifier<W: Notified> {
    #[pin]
    block: Opaque<Block<W>>,
    #[pin]
    _pin: PhantomPinned,
}

/// What the kernel calls, with what we want to know then behind it.
#[repr(C)]
struct Block<W> {
    block: notifier_block,
    notified: Arc<W>,
}

// SAFETY: the block is only touched by the kernel, under its own lock; the notified is `Send` and
// `Sync`.
unsafe impl<W: Notified> Send for Notifier<W> {}
// SAFETY: a reference gives nothing to do with the block; the one who is notified is `Sync`.
unsafe impl<W: Notified> Sync for Notifier<W> {}

impl<W: Notified> Notifier<W> {
    pub(crate) fn new(notified: Arc<W>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|slot: *mut Block<W>| {
                let block = notifier_block {
                    notifier_call: Some(called::<W>),
                    next: core::ptr::null_mut(),
                    priority: 0,
                };
                // SAFETY: `slot` is memory for a block, which never moves; it is registered until
                // it is dropped.
                unsafe {
                    slot.write(Block { block, notified });
                    let result = to_result(bindings::register_netdevice_notifier(slot.cast()));
                    if result.is_err() {
                        core::ptr::drop_in_place(slot);
                    }
                    result
                }
            }),
            _pin: PhantomPinned,
        }? Error)
    }
}

#[pinned_drop]
impl<W: Notified> PinnedDrop for Notifier<W> {
    fn drop(self: Pin<&mut Self>) {
        let block = self.block.get();
        // SAFETY: registered in `new`. Nobody is in the callback when it is unregistered: it runs
        // under the lock that this takes.
        unsafe {
            bindings::unregister_netdevice_notifier(block.cast());
            core::ptr::drop_in_place(block);
        }
    }
}

/// # Safety
///
/// Called by the kernel only, with what [`Notifier::new`] registered.
unsafe extern "C" fn called<W: Notified>(
    block: *mut notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    if event == bindings::netdev_cmd_NETDEV_UNREGISTER as c_ulong {
        // SAFETY: the block is the first field of ours; the kernel names the interface, and holds
        // the lock for configuration.
        unsafe {
            let notified = &(*block.cast::<Block<W>>()).notified;
            let dev = (*info.cast::<bindings::netdev_notifier_info>()).dev;
            notified.gone(DeviceId::of(dev.cast()), &Rtnl::held());
            // The loopback interface is a namespace's last one, goes only with it, and before all
            // else that there is in it (net/core/dev.c, net_dev_init and
            // default_device_exit_batch).
            let net = bindings::dev_net(dev.cast());
            if (*net).loopback_dev.cast::<c_void>() == dev.cast::<c_void>() {
                notified.ended(NetId::of(net));
            }
        }
    }
    // NOTIFY_DONE
    0
}
