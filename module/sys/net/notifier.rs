// SPDX-License-Identifier: GPL-2.0

//! Being notified that an interface, or a network namespace, goes away.

use super::{bindings, device::DeviceId, NetId, Rtnl};
use core::marker::PhantomPinned;
use kernel::{bindings::notifier_block, error::to_result, prelude::*, sync::Arc, types::Opaque};

/// Who wants to know.
pub(crate) trait Notified: Send + Sync + 'static {
    /// The interface is unregistered, or moves to another namespace: references to it must be
    /// dropped now.
    fn gone(&self, _device: DeviceId, _rtnl: &Rtnl) {}

    /// A namespace ends: no process is in it any more, its other interfaces have moved away or
    /// gone, and what else it is made of is taken down after this. Called under rtnl.
    ///
    /// When the notifier goes, this is called for every namespace that there is, as if they ended,
    /// and for each of them before [`gone`](Self::gone) is for its other interfaces.
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

// SAFETY: the block is on a list that only the kernel works on, under rtnl, which any thread may
// take to unregister it; the notified is `Send` and `Sync`.
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
                // it is dropped. May sleep here. Where registering fails, the kernel has taken the
                // block off again under rtnl, so that nobody is in the callback.
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
        // SAFETY: registered in `new`. The callback runs under rtnl, which unregistering holds: the
        // last calls are its own (net/core/dev.c, `unregister_netdevice_notifier`).
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
        // SAFETY: a `Block` begins with the block, and is there while that is registered. The
        // kernel names the interface, which is not freed before all have been notified, nor is its
        // namespace, and holds rtnl (`call_netdevice_notifiers_info` asserts it;
        // `unregister_netdevice_notifier` takes it).
        unsafe {
            let notified = &(*block.cast::<Block<W>>()).notified;
            let dev = (*info.cast::<bindings::netdev_notifier_info>()).dev;
            notified.gone(DeviceId::of(dev.cast()), &Rtnl::held());
            // A namespace's loopback interface goes only with it. It was the first that was
            // registered, and the last is notified first (net/core/dev.c,
            // `default_device_exit_batch`). Sockets, routes and the like are taken down later:
            // their exit functions were registered earlier (`net_dev_init`) and run in reverse
            // order.
            let net = bindings::dev_net(dev.cast());
            if (*net).loopback_dev.cast::<c_void>() == dev.cast::<c_void>() {
                notified.ended(NetId::of(net));
            }
        }
    }
    // NOTIFY_DONE
    0
}
