// SPDX-License-Identifier: GPL-2.0

//! Who takes frames off an interface, before the stack sees them or sends them, and how a frame is
//! brought to him: ours alone, and whole.

use super::{
    bindings,
    packet::{Side, FROM_US},
    Packet,
};
use crate::sys::bottom_half::{self, Disabled};
use core::ptr::NonNull;
use kernel::{bindings::sk_buff, sync::rcu};

/// Who takes the frames of an interface.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Where frames go.
    type Target<'r>;

    /// Where frames of this queue go. `None` if they are not taken, but go on.
    fn target<'r>(
        &'r self,
        from: Side,
        queue: u16,
        guard: &'r rcu::Guard,
    ) -> Option<Self::Target<'r>>;

    /// A frame, whole.
    fn receive(target: &Self::Target<'_>, packet: &Packet, pinned: &Disabled);

    /// A frame that could not be made whole.
    fn lost(target: &Self::Target<'_>);
}

/// Brings a frame to its target: our own copy if others have it too, and whole.
///
/// # Safety
///
/// The frame, a reference to which is the caller's, is given to us. Its data start `behind` bytes
/// after its Ethernet header, which is in front of them, and RCU is held.
pub(super) unsafe fn take<R: Receiver>(
    target: &R::Target<'_>,
    skb: *mut sk_buff,
    behind: u32,
    from: Side,
) {
    // The stack calls us with bottom halves off, and packet sockets that bypass the queueing
    // discipline with them on (docs/locks.md). Where they are off this costs next to nothing.
    let pinned = bottom_half::disable();
    // SAFETY: the frame is given to us by the caller. `skb_share_check` gives the reference back as
    // the only one, or a clone with one of its own. What is before its data is the Ethernet header,
    // which the caller says was passed over.
    let packet = unsafe {
        let skb = bindings::skb_share_check(skb, kernel::bindings::GFP_ATOMIC);
        let Some(skb) = NonNull::new(skb) else {
            return R::lost(target);
        };
        bindings::skb_push(skb.as_ptr(), behind);
        Packet::from_raw(skb)
    };
    let whole = packet.complete(from, |packet| {
        R::receive(target, &packet, &pinned);
        packet.consumed(&pinned);
    });
    if !whole {
        R::lost(target);
    }
}

/// The queue by which a frame has come from the wire. `None` for what the host sent to itself and
/// others, and for what a program sent up to the host.
///
/// # Safety
///
/// The frame must be there, on its way from an interface to the stack.
pub(super) unsafe fn arrival(skb: *mut sk_buff) -> Option<u16> {
    // SAFETY: the caller says that the frame is there; these fields of it are only read.
    let (kind, priority, queue) = unsafe {
        let headers = (*skb).__bindgen_anon_4.headers.as_ref();
        (headers.pkt_type(), headers.priority, (*skb).queue_mapping)
    };
    let from_wire = u32::from(kind) != bindings::PACKET_LOOPBACK && priority != FROM_US;
    from_wire.then(|| queue.saturating_sub(1))
}
