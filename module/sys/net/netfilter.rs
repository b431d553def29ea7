// SPDX-License-Identifier: GPL-2.0

//! Netfilter's hooks of an interface: taking frames that it receives, before everything else in the
//! stack but packet taps and traffic control (ingress), and frames that the stack sends through it,
//! before its queueing discipline and its driver see them (egress). What programs send through
//! netmap does not come by here.

use super::{
    bindings,
    packet::Side,
    receiver::{arrival, take, Receiver},
    Device,
};
use crate::abi::consts::ETH_HLEN;
use kernel::{
    bindings::sk_buff,
    error::to_result,
    prelude::*,
    sync::{rcu, Arc},
};

/// What a hook returns (`linux/netfilter.h`): the frame goes on, or is ours now.
const NF_ACCEPT: c_uint = 1;
const NF_STOLEN: c_uint = 2;

/// The hooks of an interface, hooked in for as long as this lives.
pub(super) struct Hooks<R: Receiver> {
    ops: KBox<[bindings::nf_hook_ops; 2]>,
    device: Device,
    _receiver: Arc<R>,
}

// SAFETY: the hooks point to an interface and to a receiver, which may be used by any thread.
unsafe impl<R: Receiver> Send for Hooks<R> {}

impl<R: Receiver> Hooks<R> {
    /// `EOPNOTSUPP` if the kernel was built without such hooks.
    pub(super) fn new(device: Device, receiver: Arc<R>) -> Result<Self> {
        let ops = |hook, number, priority| {
            // SAFETY: all zeros are a hook that is not there.
            let mut ops: bindings::nf_hook_ops = unsafe { core::mem::zeroed() };
            ops.hook = Some(hook);
            ops.dev = device.as_ptr().cast();
            ops.priv_ = Arc::as_ptr(&receiver).cast_mut().cast();
            ops.pf = bindings::NFPROTO_NETDEV as u8;
            ops.hooknum = number;
            ops.priority = priority;
            ops
        };
        let ops = [
            // What an administrator filters is what passes between us and the stack.
            ops(
                ingress::<R>,
                bindings::nf_dev_hooks_NF_NETDEV_INGRESS,
                i32::MIN,
            ),
            ops(
                egress::<R>,
                bindings::nf_dev_hooks_NF_NETDEV_EGRESS,
                i32::MAX,
            ),
        ];
        let ops = KBox::new(ops, GFP_KERNEL_ACCOUNT)?;
        // SAFETY: both find a receiver behind `priv_` until this is dropped. The interface is
        // alive, and in the namespace that it names.
        let result = unsafe { bindings::nf_register_net_hooks(net_of(&device), ops.as_ptr(), 2) };
        if result != 0 {
            // SAFETY: may sleep here. The first hook may have been there for a moment, and somebody
            // in it.
            unsafe { bindings::synchronize_net() };
        }
        to_result(result)?;
        Ok(Hooks {
            ops,
            device,
            _receiver: receiver,
        })
    }
}

impl<R: Receiver> Drop for Hooks<R> {
    fn drop(&mut self) {
        // SAFETY: registered in `new`; the interface is still in the same namespace, since it is
        // hooked out before it moves. Nobody is in the hooks when the second call returns: they run
        // under RCU.
        unsafe {
            bindings::nf_unregister_net_hooks(net_of(&self.device), self.ops.as_ptr(), 2);
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
/// Called by the kernel only, with what [`Hooks::new`] registered.
unsafe extern "C" fn ingress<R: Receiver>(
    receiver: *mut c_void,
    skb: *mut sk_buff,
    _: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: the receiver is there while the hook is; the frame is ours to look at.
    let (receiver, queue) = unsafe { (&*receiver.cast::<R>(), arrival(skb)) };
    let guard = rcu::read_lock();
    let Some(target) = queue.and_then(|queue| receiver.target(Side::Wire, queue, &guard)) else {
        return NF_ACCEPT;
    };
    // SAFETY: the frame is given to us, and the kernel has passed over the Ethernet header.
    unsafe { take::<R>(&target, skb, ETH_HLEN as u32, Side::Wire) };
    NF_STOLEN
}

/// # Safety
///
/// Called by the kernel only, with what [`Hooks::new`] registered.
unsafe extern "C" fn egress<R: Receiver>(
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
            // The driver may choose another way; this is what the kernel does for those that do
            // not.
            _ => bindings::netdev_pick_tx(dev.cast(), skb, core::ptr::null_mut()),
        }
    };
    let guard = rcu::read_lock();
    let Some(target) = receiver.target(Side::Host, queue, &guard) else {
        return NF_ACCEPT;
    };
    // SAFETY: the frame is given to us and starts with its Ethernet header.
    unsafe { take::<R>(&target, skb, 0, Side::Host) };
    NF_STOLEN
}
