// SPDX-License-Identifier: GPL-2.0

//! The rx handler of an interface. It is there for being the only one, and meets what comes round
//! the ingress hook.

use super::{
    bindings,
    packet::{Side, FROM_US},
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

/// The rx handler of an interface, of which there is one: while it is ours, no bridge, bond or
/// macvlan can have the interface (decision 17). It is made and dropped with the lock held.
pub(super) struct RxHandler<R: Receiver> {
    device: Device,
    _receiver: Arc<R>,
}

impl<R: Receiver> RxHandler<R> {
    pub(super) fn new(device: Device, receiver: Arc<R>, _: &Rtnl) -> Result<Self> {
        let data = Arc::as_ptr(&receiver).cast_mut().cast();
        // SAFETY: the interface is alive by our reference and rtnl is held (`Rtnl`). `handler`
        // finds a receiver behind `data` until the claim is dropped.
        to_result(unsafe {
            bindings::netdev_rx_handler_register(device.as_ptr().cast(), Some(handler::<R>), data)
        })?;
        Ok(RxHandler {
            device,
            _receiver: receiver,
        })
    }
}

impl<R: Receiver> Drop for RxHandler<R> {
    fn drop(&mut self) {
        // SAFETY: registered in `new`, once, and `Hook`, which has the only ones, drops them under
        // rtnl. It clears the handler and waits for everybody who is in it (`synchronize_net`)
        // before it clears the data.
        unsafe { bindings::netdev_rx_handler_unregister(self.device.as_ptr().cast()) };
    }
}

/// Here comes what the ingress hook has let pass, and what traffic control brings round it (ifb,
/// net/core/dev.c `skb_skip_tc_classify`).
///
/// # Safety
///
/// Called by the kernel only, with what [`RxHandler::new`] registered.
unsafe extern "C" fn handler<R: Receiver>(slot: *mut *mut sk_buff) -> bindings::rx_handler_result {
    use bindings::{
        rx_handler_result_RX_HANDLER_CONSUMED as CONSUMED,
        rx_handler_result_RX_HANDLER_PASS as PASS,
    };
    // SAFETY: the kernel gives a frame that came through an interface with this handler, and holds
    // RCU (net/core/dev.c, `__netif_receive_skb_core`), for which unregistering waits before it
    // clears the data: the receiver, which `RxHandler` keeps, is there. The frame is on its way to
    // the stack.
    let (skb, receiver, queue) = unsafe {
        let skb = *slot;
        let dev: *const bindings::net_device = (*skb)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_1
            .dev
            .cast();
        (skb, &*(*dev).rx_handler_data.cast::<R>(), arrival(skb))
    };
    let guard = rcu::read_lock();
    if let Some(target) = queue.and_then(|queue| receiver.target(Side::Wire, queue, &guard)) {
        // SAFETY: the frame is given to us by `CONSUMED`, which the kernel is told below. It has
        // passed over the Ethernet header (`eth_type_trans`), and holds RCU.
        unsafe { take::<R>(&target, skb, ETH_HLEN as u32, Side::Wire) };
        return CONSUMED;
    }
    // SAFETY: `take` did not get it, so that it is still the kernel's, which waits for us.
    if unsafe { (*skb).__bindgen_anon_4.headers.as_ref().priority } == FROM_US {
        // SAFETY: the frame is given to us. What comes back is ours alone, and ours to pass on; or
        // it is gone, for want of memory.
        unsafe {
            let skb = bindings::skb_share_check(skb, kernel::bindings::GFP_ATOMIC);
            if skb.is_null() {
                return CONSUMED;
            }
            (*skb).__bindgen_anon_4.headers.as_mut().priority = 0;
            *slot = skb;
        }
    }
    PASS
}
