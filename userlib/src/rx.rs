// SPDX-License-Identifier: MIT OR Apache-2.0

//! Receive rings.

use crate::{
    binding::{Binding, Claimed},
    counters::RingCounters,
    error::Result,
    raw::ring::{Own, Ring, View},
    slot::SlotFlags,
};
use ferromap_abi::consts::{NS_FORWARD, NS_RFRAGS_SHIFT};
use nix::poll::PollFlags;
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::Arc,
    time::Duration,
};

/// A receive ring. It can be moved to a thread of its own; the port stays bound while it lives.
///
/// What comes while it is full is lost, and counted: [`counters`](Self::counters).
pub struct RxRing {
    pub(crate) claimed: Claimed,
    pub(crate) binding: Arc<Binding>,
}

impl RxRing {
    /// Its number among the receive rings of the port; host rings come after all others.
    pub fn index(&self) -> usize {
        self.claimed.ring.ringid().into()
    }

    /// Whether it carries what the host stack sends.
    pub fn is_host(&self) -> bool {
        self.claimed.host
    }

    /// Slots of the ring. One of them is never in use.
    pub fn slots(&self) -> usize {
        self.claimed.ring.slots() as usize
    }

    /// Bytes of each buffer.
    pub fn buffer_size(&self) -> usize {
        self.claimed.ring.buf_size() as usize
    }

    /// How often the kernel found the ring's indexes damaged and set them back.
    pub fn resets(&self) -> u64 {
        self.claimed.ring.resets()
    }

    /// Slots that wait to be received, as of the last sync. No system call.
    pub fn available(&mut self) -> usize {
        self.ring().refresh() as usize
    }

    /// `NIOCRXSYNC` — gives released slots back and takes new packets; returns how many slots wait.
    ///
    /// The call serves all receive rings of the port, other threads' too, and never blocks.
    pub fn sync(&mut self) -> Result<usize> {
        self.binding.rxsync()?;
        Ok(self.ring().after_sync() as usize)
    }

    /// Syncs, and if nothing has come, sleeps until something comes or `timeout` is over (`None`:
    /// for ever). Returns how many slots wait. A signal ends the sleep early.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<usize> {
        self.binding.poll(PollFlags::POLLIN, timeout)?;
        Ok(self.ring().after_sync() as usize)
    }

    /// Lets [`poll`](Self::poll) sleep until more than `slots` slots wait: for programs
    /// that keep some.
    pub fn wake_after(&mut self, slots: usize) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        self.ring().wake_after(slots);
    }

    /// The next `max` slots that wait, or fewer. A packet of several slots is not torn, however
    /// long it is: the batch may be longer than `max` by its rest. No system call; the slots are
    /// released when the batch is dropped.
    #[inline]
    pub fn recv(&mut self, max: usize) -> RxBatch<'_> {
        let ring = &mut self.claimed.ring;
        let there = ring.refresh();
        let mut len = there.min(u32::try_from(max).unwrap_or(u32::MAX));
        while 0 < len && len < there && more(ring.view(len - 1)) {
            len += 1;
        }
        RxBatch {
            ring,
            len,
            release: len,
        }
    }

    /// What was counted on this ring, with the frames that were lost and why.
    pub fn counters(&self) -> Result<RingCounters> {
        self.binding.ring_counters("rx", self.index())
    }

    fn ring(&mut self) -> &mut Ring {
        &mut self.claimed.ring
    }
}

impl AsFd for RxRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.binding.device.fd()
    }
}

impl AsRawFd for RxRing {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

fn more(view: View<'_>) -> bool {
    SlotFlags(view.slot().flags).contains(SlotFlags::MORE_FRAGMENTS)
}

/// Received slots, lent by an [`RxRing`]. Dropping the batch releases them; the kernel hears of it
/// at the next sync or poll.
#[must_use = "dropping a batch releases its slots"]
pub struct RxBatch<'r> {
    ring: &'r mut Ring,
    len: u32,
    release: u32,
}

impl RxBatch<'_> {
    /// Slots in the batch.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing was there.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slot `i` of the batch.
    #[inline]
    pub fn slot(&self, i: usize) -> Option<RxSlot<'_>> {
        let k = u32::try_from(i).ok().filter(|&k| k < self.len)?;
        Some(RxSlot {
            view: self.ring.view(k),
        })
    }

    /// Slot `i` of the batch, to be changed or to give its buffer away.
    #[inline]
    pub fn slot_mut(&mut self, i: usize) -> Option<RxSlotMut<'_>> {
        let k = u32::try_from(i).ok().filter(|&k| k < self.len)?;
        let own = self.ring.own(k)?;
        Some(RxSlotMut { own })
    }

    /// Slot by slot.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RxSlot<'_>> {
        self.ring.views(0, self.len).map(|view| RxSlot { view })
    }

    /// Packet by packet, each of one or more slots.
    pub fn packets(&self) -> impl Iterator<Item = RxPacket<'_>> {
        let ring = &*self.ring;
        let mut views = ring.views(0, self.len);
        let mut at = 0;
        std::iter::from_fn(move || {
            let first = at;
            for view in &mut views {
                at += 1;
                if !more(view) {
                    break;
                }
            }
            (at > first).then_some(RxPacket {
                ring,
                first,
                count: at - first,
            })
        })
    }

    /// Releases only the first `slots` slots on drop; the others are there again in the next batch.
    pub fn release_only(&mut self, slots: usize) {
        self.release = u32::try_from(slots).unwrap_or(u32::MAX).min(self.len);
    }
}

impl Drop for RxBatch<'_> {
    fn drop(&mut self) {
        self.ring.advance(self.release);
    }
}

/// A received slot. It was fetched once: what another process writes into it later does not show,
/// but for an offset, which is looked at when it is needed.
#[derive(Clone, Copy)]
pub struct RxSlot<'b> {
    view: View<'b>,
}

impl<'b> RxSlot<'b> {
    /// Bytes in the slot; never more than a buffer holds.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a slot is not a collection")]
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// Where in its buffer the frame starts: 0, unless the port has
    /// [`offsets`](crate::PortBuilder::offsets), or the other end of its pipe.
    #[inline]
    pub fn offset(&self) -> usize {
        self.view.offset() as usize
    }

    /// The bytes. Empty if the slot names no buffer, which only a misbehaving peer brings about.
    #[inline]
    pub fn bytes(&self) -> &'b [u8] {
        self.view.bytes()
    }

    /// The flags, without the count of [`fragments`](Self::fragments).
    pub fn flags(&self) -> SlotFlags {
        SlotFlags(self.view.slot().flags & ((1 << NS_RFRAGS_SHIFT) - 1))
    }

    /// Whether the packet goes on in the next slot.
    pub fn more_fragments(&self) -> bool {
        more(self.view)
    }

    /// How many slots the packet has, where the port tells (switch ports do), else 0.
    #[doc(alias = "NS_RFRAGS")]
    pub fn fragments(&self) -> usize {
        (self.view.slot().flags >> NS_RFRAGS_SHIFT).into()
    }

    /// The buffer's number in the region.
    pub fn buffer_index(&self) -> u32 {
        self.view.slot().buf_idx
    }
}

/// A received packet: the slots up to the one without [`SlotFlags::MORE_FRAGMENTS`].
#[derive(Clone, Copy)]
pub struct RxPacket<'b> {
    ring: &'b Ring,
    first: u32,
    count: u32,
}

impl<'b> RxPacket<'b> {
    /// Its slots.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = RxSlot<'b>> {
        let views = self.ring.views(self.first, self.count);
        views.map(|view| RxSlot { view })
    }

    /// Bytes in all slots.
    #[expect(clippy::len_without_is_empty, reason = "a packet is not a collection")]
    pub fn len(&self) -> usize {
        self.slots().map(|slot| slot.len()).sum()
    }

    /// Copies the packet into `to` as far as it fits, and says how many bytes that were.
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        let mut done = 0;
        for slot in self.slots() {
            let bytes = slot.bytes();
            let part = bytes.len().min(to.len() - done);
            to[done..done + part].copy_from_slice(&bytes[..part]);
            done += part;
        }
        done
    }
}

/// A received slot that may be changed.
pub struct RxSlotMut<'b> {
    pub(crate) own: Own<'b>,
}

impl RxSlotMut<'_> {
    /// The slot as it is now.
    pub fn get(&self) -> RxSlot<'_> {
        RxSlot {
            view: self.own.view(),
        }
    }

    /// The whole buffer from the offset on, also past the packet's end. Empty if the slot names no
    /// buffer.
    pub fn buffer_mut(&mut self) -> &mut [u8] {
        self.own.buffer_mut()
    }

    /// Has the frame start `offset` bytes into the buffer, or at the largest offset that the port
    /// was granted; says where it starts then. What is in the buffer stays where it is. What comes
    /// next in this slot starts there, too, or behind it.
    pub fn set_offset(&mut self, offset: usize) -> usize {
        self.own
            .set_offset(u32::try_from(offset).unwrap_or(u32::MAX)) as usize
    }

    /// Marks the slot so that the kernel passes it on when it is released, where the ring was told
    /// to forward (`NR_FORWARD`, or the module's `fwd` parameter).
    #[doc(alias = "NS_FORWARD")]
    pub fn forward(&mut self) {
        let slot = self.own.get();
        self.own.set_len_flags(slot.len, slot.flags | NS_FORWARD);
    }
}
