// SPDX-License-Identifier: GPL-2.0

//! Taking frames off an interface before the stack sees them, and before it sends them.

use super::{
    bindings,
    netfilter::Hooks,
    packet::{Side, FROM_US},
    Device, Packet, Rtnl,
};
use crate::{
    abi::consts::ETH_HLEN,
    sys::bottom_half::{self, Disabled},
};
use core::ptr::NonNull;
use kernel::{
    bindings::sk_buff,
    error::to_result,
    prelude::*,
    sync::{rcu, Arc},
};

/// Who takes the frames of an interface.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Where frames go.
    type Place<'r>;

    /// Where frames of this queue go. `None` if they are not taken, but go on.
    fn place<'r>(
        &'r self,
        from: Side,
        queue: u16,
        guard: &'r rcu::Guard,
    ) -> Option<Self::Place<'r>>;

    /// A frame, whole.
    fn receive(place: &Self::Place<'_>, packet: &Packet, pinned: &Disabled);

    /// A frame that could not be made whole.
    fn lost(place: &Self::Place<'_>);
}

/// The hooks of an interface: what it receives, and what the stack sends through it, is shown to the receiver first.
/// Dropping them without [`remove`](Self::remove) takes the lock for that.
pub(crate) struct Hook<R: Receiver> {
    /// Until it is hooked out.
    hooked: Option<(Hooks<R>, Claim<R>)>,
}

impl<R: Receiver> Hook<R> {
    /// Hooks in. `EBUSY` if another part of the kernel takes what the interface receives: it is in a bridge or a bond,
    /// for instance. `EINVAL` if the interface is of a kind that nobody can take frames of.
    pub(crate) fn new(device: Device, receiver: Arc<R>, _: &Rtnl) -> Result<Self> {
        let claim = Claim::new(device.again(), receiver.clone())?;
        let hooks = Hooks::new(device, receiver)?;
        Ok(Hook {
            hooked: Some((hooks, claim)),
        })
    }

    /// Hooks out. Nobody is in the receiver any more when this is done.
    pub(crate) fn remove(mut self, _: &Rtnl) {
        drop(self.hooked.take());
    }
}

impl<R: Receiver> Drop for Hook<R> {
    fn drop(&mut self) {
        if self.hooked.is_some() {
            let _rtnl = Rtnl::lock();
            drop(self.hooked.take());
        }
    }
}

/// The rx handler of an interface, of which there is one: while it is ours, no bridge, bond or macvlan can have the
/// interface (decision 17). It is made and dropped with the lock held.
struct Claim<R: Receiver> {
    device: Device,
    _receiver: Arc<R>,
}

impl<R: Receiver> Claim<R> {
    fn new(device: Device, receiver: Arc<R>) -> Result<Self> {
        let data = Arc::as_ptr(&receiver).cast_mut().cast();
        // SAFETY: the interface is alive and the lock is held. `handler` finds a receiver behind `data` until the claim is
        // dropped.
        to_result(unsafe {
            bindings::netdev_rx_handler_register(device.as_ptr().cast(), Some(handler::<R>), data)
        })?;
        Ok(Claim {
            device,
            _receiver: receiver,
        })
    }
}

impl<R: Receiver> Drop for Claim<R> {
    fn drop(&mut self) {
        // SAFETY: registered in `new`, once, and the lock is held. It waits for everybody who is in the handler.
        unsafe { bindings::netdev_rx_handler_unregister(self.device.as_ptr().cast()) };
    }
}

/// Takes a frame to its place: our own copy if others have it too, and whole.
///
/// # Safety
///
/// The frame is given to us; its data start `behind` bytes after its Ethernet header.
pub(super) unsafe fn take<R: Receiver>(
    place: &R::Place<'_>,
    skb: *mut sk_buff,
    behind: u32,
    from: Side,
) {
    // The stack calls us with bottom halves off, and packet sockets that bypass the queueing discipline with them on
    // (docs/locks.md). Where they are off this costs next to nothing.
    let pinned = bottom_half::disable();
    // SAFETY: the frame is given to us; what is before its data was passed over by the kernel.
    let packet = unsafe {
        let skb = bindings::skb_share_check(skb, kernel::bindings::GFP_ATOMIC);
        let Some(skb) = NonNull::new(skb) else {
            return R::lost(place);
        };
        bindings::skb_push(skb.as_ptr(), behind);
        Packet::from_raw(skb)
    };
    let whole = packet.complete(from, |packet| {
        R::receive(place, &packet, &pinned);
        packet.consumed(&pinned);
    });
    if !whole {
        R::lost(place);
    }
}

/// The queue by which a frame has come from the wire. `None` for what the host sent to itself and others, and for what a
/// program sent up to the host.
///
/// # Safety
///
/// The frame must be there, on its way from an interface to the stack.
pub(super) unsafe fn arrival(skb: *mut sk_buff) -> Option<u16> {
    // SAFETY: as the caller promises.
    let (kind, priority, queue) = unsafe {
        let headers = (*skb).__bindgen_anon_4.headers.as_ref();
        (headers.pkt_type(), headers.priority, (*skb).queue_mapping)
    };
    let from_wire = u32::from(kind) != bindings::PACKET_LOOPBACK && priority != FROM_US;
    from_wire.then(|| queue.saturating_sub(1))
}

/// Here comes what the ingress hook has let pass, and what traffic control brings round it (ifb, net/core/dev.c
/// `skb_skip_tc_classify`).
///
/// # Safety
///
/// Called by the kernel only, with what [`Claim::new`] registered.
unsafe extern "C" fn handler<R: Receiver>(slot: *mut *mut sk_buff) -> bindings::rx_handler_result {
    use bindings::{
        rx_handler_result_RX_HANDLER_CONSUMED as CONSUMED,
        rx_handler_result_RX_HANDLER_PASS as PASS,
    };
    // SAFETY: the kernel gives a frame that came through our interface, and RCU is held: handler and receiver
    // are there.
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
    if let Some(place) = queue.and_then(|queue| receiver.place(Side::Wire, queue, &guard)) {
        // SAFETY: the frame is given to us, and the kernel has passed over the Ethernet header.
        unsafe { take::<R>(&place, skb, ETH_HLEN as u32, Side::Wire) };
        return CONSUMED;
    }
    // SAFETY: the frame is there.
    let priority = unsafe { &mut (*skb).__bindgen_anon_4.headers.as_mut().priority };
    if *priority == FROM_US {
        *priority = 0;
    }
    PASS
}
