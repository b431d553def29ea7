// SPDX-License-Identifier: GPL-2.0

//! Netfilter's hooks of an interface: taking frames that it receives, before everything else in the
//! stack but packet taps and traffic control (ingress), and frames that the stack sends through it,
//! before its queueing discipline and its driver see them (egress). What programs send through
//! netmap does not come by here.

use super::{
    bindings,
    packet::Side,
    receiver::{arrival, take, Receiver},
    Device, Rtnl,
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

// SAFETY: the hooks point to an interface, which is `Send`, and to a receiver, which is `Send` and
// `Sync`; any thread may unregister them.
unsafe impl<R: Receiver> Send for Hooks<R> {}

impl<R: Receiver> Hooks<R> {
    /// `EOPNOTSUPP` if the kernel was built without such hooks.
    pub(super) fn new(device: Device, receiver: Arc<R>, _: &Rtnl) -> Result<Self> {
        let ops = |hook, number, priority| {
            // SAFETY: all zeros are a value of each of its fields: numbers, and pointers that may
            // be null.
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
        // SAFETY: both find a receiver behind `priv_` until the value that has it is dropped. The
        // interface is alive by our reference, and rtnl is held, under which it changes namespaces
        // (net/core/dev.c, `__dev_change_net_namespace`): it is in the one that it names.
        let result = unsafe { bindings::nf_register_net_hooks(net_of(&device), ops.as_ptr(), 2) };
        if result != 0 {
            // SAFETY: may sleep here, under rtnl. The first hook may have been there for a moment,
            // and somebody in it, who has to leave before the receiver goes.
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
        // SAFETY: registered in `new`. The interface is still in the same namespace: `Hook` drops
        // this under rtnl, and in the notifier before the interface moves
        // (`__dev_change_net_namespace` notifies first). Nobody is in the hooks when the second
        // call returns, as they run under RCU (see `ingress` and `egress`).
        unsafe {
            bindings::nf_unregister_net_hooks(net_of(&self.device), self.ops.as_ptr(), 2);
            bindings::synchronize_net();
        }
    }
}

/// The namespace that the interface is in.
fn net_of(device: &Device) -> *mut bindings::net {
    // SAFETY: the interface is alive by the device's reference. While there is one, its namespace
    // is not freed: the end of that waits for the interface (net/core/dev.c,
    // `netdev_wait_allrefs_any`). Which namespace it names is one word to read.
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
    // SAFETY: RCU is held (net/core/dev.c, `netif_receive_skb_core` and its kin call this by
    // `nf_ingress`), and `Hooks` waits for it between unregistering and dropping the receiver. The
    // frame is the kernel's until we return, and on its way to the stack.
    let (receiver, queue) = unsafe { (&*receiver.cast::<R>(), arrival(skb)) };
    let guard = rcu::read_lock();
    let Some(target) = queue.and_then(|queue| receiver.target(Side::Wire, queue, &guard)) else {
        return NF_ACCEPT;
    };
    // SAFETY: the frame is given to us by `NF_STOLEN`, which the kernel is told below. It has
    // passed over the Ethernet header (`eth_type_trans`), and holds RCU.
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
    // SAFETY: RCU is held (net/core/dev.c, `__dev_queue_xmit`; net/packet/af_packet.c,
    // `nf_hook_direct_egress`'s `nf_hook_egress`), and `Hooks` waits for it between unregistering
    // and dropping the receiver. The kernel tells the interface.
    let (receiver, dev) = unsafe { (&*receiver.cast::<R>(), (*state).out) };
    // SAFETY: it is the interface of our `Hooks`, whose reference goes after what RCU waits for.
    // The number of its queues others may write. The frame is the kernel's until we return, and
    // `netdev_pick_tx` looks at it as the kernel would.
    let queue = unsafe {
        let dev: *mut bindings::net_device = dev.cast();
        match (&raw const (*dev).real_num_tx_queues).read_volatile() {
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
    // SAFETY: the frame is given to us by `NF_STOLEN`, which the kernel is told below. It starts
    // with its Ethernet header, as what is given to a driver does, and RCU is held.
    unsafe { take::<R>(&target, skb, 0, Side::Host) };
    NF_STOLEN
}
