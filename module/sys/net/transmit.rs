// SPDX-License-Identifier: GPL-2.0

//! Handing frames to a driver, without a queueing discipline between.

use super::{bindings, completion::Outgoing, Device};
use crate::sys::bottom_half::{self, Disabled};

/// The lock of a transmit queue, held by us. Nobody can interrupt us: not to be kept for long.
pub(crate) struct Sending<'d> {
    queue: *mut bindings::netdev_queue,
    /// Whether the queue has a lock; some virtual interfaces go without.
    locks: bool,
    device: &'d Device,
    /// Whether packet taps want to see what is sent.
    shows: bool,
    pinned: Disabled,
}

impl<'d> Sending<'d> {
    /// Locks queue number `queue`. `None` if there is no such queue.
    pub(crate) fn begin(device: &'d Device, queue: u16) -> Option<Self> {
        let pinned = bottom_half::disable();
        // With bottom halves off it stays: who takes queues away waits for an RCU grace period
        // (netif_set_real_num_tx_queues).
        if u32::from(queue) >= device.queues().0 {
            return None;
        }
        // SAFETY: the interface is alive while `device` is borrowed, and has that queue. We stay on
        // this CPU while we have the lock, as bottom halves are off.
        unsafe {
            let dev = device.as_ptr();
            let txq = bindings::netdev_get_tx_queue(dev, queue.into());
            let locks = (*dev).__bindgen_anon_1.__bindgen_anon_1.lltx() == 0;
            if locks {
                bindings::__netif_tx_lock(txq, bindings::raw_smp_processor_id() as i32);
            }
            Some(Sending {
                queue: txq,
                locks,
                device,
                shows: device.has_taps(&pinned),
                pinned,
            })
        }
    }

    /// Proof that nobody can interrupt us.
    pub(crate) fn pinned(&self) -> &Disabled {
        &self.pinned
    }

    /// Whether the driver takes frames now.
    pub(crate) fn has_room(&self) -> bool {
        // SAFETY: the queue is one of the interface's, which go with it, and it is alive while
        // `device` is borrowed.
        !unsafe { bindings::netif_xmit_frozen_or_drv_stopped(self.queue) }
    }

    /// Hands a frame to the driver; with `more` it may wait for the next one before it tells the
    /// hardware. False if the driver has no room: then the frame is dropped as if it had never been
    /// made.
    pub(crate) fn send(&mut self, mut packet: Outgoing, more: bool) -> bool {
        if !self.has_room() {
            return false;
        }
        packet.packet().lift_vlan_tag();
        // Shown when it is sent, so that one is not shown again that has to wait; copied now, since
        // then it is gone.
        let shown = self.shows.then(|| packet.packet().share());
        let skb = packet.as_ptr();
        // SAFETY: the frame is given away, and comes back only from a driver that is busy. Bottom
        // halves are off and the queue's lock is held, if the driver wants it to be: both since
        // `begin`.
        let result =
            unsafe { bindings::netdev_start_xmit(skb, self.device.as_ptr(), self.queue, more) };
        if result == bindings::netdev_tx_NETDEV_TX_BUSY {
            return false;
        }
        // The driver has it, or has dropped it.
        core::mem::forget(packet);
        if let Some(shown) = shown.flatten() {
            shown.show_sent(self.device, &self.pinned);
        }
        true
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if self.locks {
            // SAFETY: locked in `begin`, on this CPU, which `pinned` has kept us on: it goes after
            // this.
            unsafe { bindings::__netif_tx_unlock(self.queue) };
        }
    }
}
