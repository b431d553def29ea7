// SPDX-License-Identifier: GPL-2.0

//! Taking frames that the stack sends through an interface, before its queueing discipline and its driver see them
//! (netfilter's egress hook). What programs send through netmap does not come by here.

use super::{
    bindings,
    packet::Side,
    receive::{take, Receiver},
    Device,
};
use kernel::{bindings::sk_buff, error::to_result, prelude::*, sync::Arc};

/// What a hook answers (`linux/netfilter.h`): the frame goes on, or is ours now.
const NF_ACCEPT: c_uint = 1;
const NF_STOLEN: c_uint = 2;

/// The hook of an interface, hooked in for as long as this lives.
pub(super) struct Diversion<R: Receiver> {
    ops: KBox<bindings::nf_hook_ops>,
    device: Device,
    _receiver: Arc<R>,
}

// SAFETY: the hook points to an interface and to a receiver, which may be used by any thread.
unsafe impl<R: Receiver> Send for Diversion<R> {}

impl<R: Receiver> Diversion<R> {
    /// `EOPNOTSUPP` if the kernel was built without such hooks.
    pub(super) fn new(device: Device, receiver: Arc<R>) -> Result<Self> {
        // SAFETY: all zeros are a hook that is not there.
        let mut ops: bindings::nf_hook_ops = unsafe { core::mem::zeroed() };
        ops.hook = Some(hook::<R>);
        ops.dev = device.as_ptr().cast();
        ops.priv_ = Arc::as_ptr(&receiver).cast_mut().cast();
        ops.pf = bindings::NFPROTO_NETDEV as u8;
        ops.hooknum = bindings::nf_dev_hooks_NF_NETDEV_EGRESS;
        // Behind whatever an administrator filters.
        ops.priority = i32::MAX;
        let ops = KBox::new(ops, GFP_KERNEL)?;
        // SAFETY: `hook` finds a receiver behind `priv_` until this is dropped. The interface is alive, and in
        // the namespace that it names.
        to_result(unsafe { bindings::nf_register_net_hook(net_of(&device), &raw const *ops) })?;
        Ok(Diversion {
            ops,
            device,
            _receiver: receiver,
        })
    }
}

impl<R: Receiver> Drop for Diversion<R> {
    fn drop(&mut self) {
        // SAFETY: registered in `new`; the interface is still in the same namespace, since it is hooked out before
        // it moves. Nobody is in the hook when the second call returns.
        unsafe {
            bindings::nf_unregister_net_hook(net_of(&self.device), &raw const *self.ops);
            bindings::synchronize_net();
        }
    }
}

/// The namespace that the interface is in.
fn net_of(device: &Device) -> *mut bindings::net {
    // SAFETY: the interface is alive, and keeps its namespace.
    unsafe { bindings::dev_net(device.as_ptr()) }
}

/// # Safety
///
/// Called by the kernel only, with what [`Diversion::new`] registered.
unsafe extern "C" fn hook<R: Receiver>(
    receiver: *mut c_void,
    skb: *mut sk_buff,
    state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: the receiver is there while the hook is; the kernel tells the interface.
    let (receiver, dev) = unsafe { (&*receiver.cast::<R>(), (*state).out) };
    // SAFETY: the interface is alive while the hook runs. The frame is ours to look at.
    let queue = unsafe {
        match (*dev.cast::<bindings::net_device>()).real_num_tx_queues {
            0 | 1 => 0,
            // The driver may choose another way; this is what the kernel does for those that do not.
            _ => bindings::netdev_pick_tx(dev.cast(), skb, core::ptr::null_mut()),
        }
    };
    if !receiver.takes(Side::Host, queue) {
        return NF_ACCEPT;
    }
    // SAFETY: the frame is given to us and starts with its Ethernet header.
    unsafe { take(receiver, skb, 0, Side::Host, queue) };
    NF_STOLEN
}
