// SPDX-License-Identifier: GPL-2.0

//! Taking frames off an interface before the stack sees them (rx handlers).

use super::{bindings, Device, Packet, Rtnl};
use crate::abi::consts::ETH_HLEN;
use core::ptr::NonNull;
use kernel::{bindings::sk_buff, error::to_result, prelude::*, sync::Arc};

/// Who takes the frames of an interface.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Whether frames of this receive queue are taken; the others go on to the stack.
    fn takes(&self, queue: u16) -> bool;

    /// A frame arrived, whole. In a softirq, under RCU.
    fn receive(&self, packet: Packet, queue: u16);

    /// A frame arrived that could not be made whole.
    fn lost(&self, queue: u16);
}

/// The receive hook of an interface. Dropping it without [`remove`](Self::remove) takes the lock for that.
pub(crate) struct Hook<R: Receiver> {
    /// Until it is hooked out.
    device: Option<Device>,
    _receiver: Arc<R>,
}

impl<R: Receiver> Hook<R> {
    /// Hooks in. `EBUSY` if another module has the hook: the interface is in a bridge or a bond, for instance.
    pub(crate) fn new(device: Device, receiver: Arc<R>, _: &Rtnl) -> Result<Self> {
        let data = Arc::as_ptr(&receiver).cast_mut().cast();
        // SAFETY: the interface is alive and the lock is held. `handler` finds a receiver behind `data` until
        // the hook is removed, for as long as this lives.
        to_result(unsafe {
            bindings::netdev_rx_handler_register(device.as_ptr().cast(), Some(handler::<R>), data)
        })?;
        Ok(Hook {
            device: Some(device),
            _receiver: receiver,
        })
    }

    /// Hooks out. Nobody is in the receiver any more when this is done.
    pub(crate) fn remove(mut self, _: &Rtnl) {
        self.unhook();
    }

    /// To be called with the lock held.
    fn unhook(&mut self) {
        if let Some(device) = self.device.take() {
            // SAFETY: registered in `new`, once, and the lock is held. It waits for everybody who is in the
            // handler.
            unsafe { bindings::netdev_rx_handler_unregister(device.as_ptr().cast()) };
        }
    }
}

impl<R: Receiver> Drop for Hook<R> {
    fn drop(&mut self) {
        if self.device.is_some() {
            let _rtnl = Rtnl::lock();
            self.unhook();
        }
    }
}

/// # Safety
///
/// Called by the kernel only, with what [`Hook::new`] registered.
unsafe extern "C" fn handler<R: Receiver>(slot: *mut *mut sk_buff) -> bindings::rx_handler_result {
    use bindings::{
        rx_handler_result_RX_HANDLER_CONSUMED as CONSUMED,
        rx_handler_result_RX_HANDLER_PASS as PASS,
    };
    // SAFETY: the kernel gives a frame that came through our interface, and RCU is held: hook and receiver
    // are there.
    let (skb, receiver) = unsafe {
        let skb = *slot;
        let dev: *const bindings::net_device = (*skb)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_1
            .dev
            .cast();
        (skb, &*(*dev).rx_handler_data.cast::<R>())
    };
    // SAFETY: the frame is there.
    let queue = unsafe { (*skb).queue_mapping }.saturating_sub(1);
    if !receiver.takes(queue) {
        return PASS;
    }
    // SAFETY: the frame is given to us; if others have it too we get a copy, or null. Its Ethernet header
    // is right before its data: the kernel has passed over it.
    unsafe {
        let skb = bindings::skb_share_check(skb, kernel::bindings::GFP_ATOMIC);
        let Some(skb) = NonNull::new(skb) else {
            receiver.lost(queue);
            return CONSUMED;
        };
        bindings::skb_push(skb.as_ptr(), ETH_HLEN as u32);
        let packet = Packet::from_raw(skb);
        if !packet.complete(|packet| receiver.receive(packet, queue)) {
            receiver.lost(queue);
        }
    }
    CONSUMED
}
