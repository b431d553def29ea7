// SPDX-License-Identifier: MIT OR Apache-2.0

//! Transmit rings.

use crate::{
    binding::{Binding, Claimed},
    counters::RingCounters,
    error::{Error, Result},
    raw::ring::{Own, Ring},
    rx::RxSlotMut,
    slot::SlotFlags,
};
use ferromap_abi::{
    consts::{NETMAP_MAX_FRAGS, NS_INDIRECT, NS_MOREFRAG},
    ext::FERROMAP_NR_SWAP,
};
use nix::poll::PollFlags;
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::Arc,
    time::Duration,
};

/// A transmit ring. It can be moved to a thread of its own; the port stays bound while it lives.
pub struct TxRing {
    pub(crate) claimed: Claimed,
    pub(crate) binding: Arc<Binding>,
}

impl TxRing {
    /// Its number among the transmit rings of the port; host rings come after all others.
    pub fn index(&self) -> usize {
        self.claimed.ring.ringid().into()
    }

    /// Whether it leads into the host stack.
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

    /// Bytes that every slot can carry: a buffer's, without those that the largest of the port's
    /// [offsets](crate::PortBuilder::offsets) leaves out.
    pub fn slot_room(&self) -> usize {
        self.claimed.ring.room() as usize
    }

    /// How often the kernel found the ring's indexes damaged and set them back.
    pub fn resets(&self) -> u64 {
        self.claimed.ring.resets()
    }

    /// Slots that are free to be filled, as of the last sync. No system call.
    pub fn free(&mut self) -> usize {
        self.ring().refresh() as usize
    }

    /// Whether everything has been sent and every slot is free again, as of the last sync.
    pub fn is_drained(&mut self) -> bool {
        self.ring().drained()
    }

    /// `NIOCTXSYNC` — sends what was committed and takes back what has been sent; returns how many
    /// slots are free.
    ///
    /// The call serves all transmit rings of the port, other threads' too, and never blocks.
    pub fn sync(&mut self) -> Result<usize> {
        self.binding.txsync()?;
        Ok(self.ring().after_sync() as usize)
    }

    /// Syncs, and if no slot is free, sleeps until one is or `timeout` is over (`None`: for ever).
    /// Returns how many are free. A signal ends the sleep early.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<usize> {
        self.binding.poll(PollFlags::POLLOUT, timeout)?;
        Ok(self.ring().after_sync() as usize)
    }

    /// Lets [`poll`](Self::poll) sleep until more than `slots` slots are free.
    pub fn wake_after(&mut self, slots: usize) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        self.ring().wake_after(slots);
    }

    /// Ports of a Ferromap switch: lets the kernel hand frames over to receivers in the same region
    /// instead of copying them. A slot that was sent may then come back with another buffer
    /// ([`TxSlot::buffer_index`] tells), which holds anything. Frames to other regions, to several
    /// receivers or of several slots are copied as ever. Netmap itself always copies.
    #[doc(alias = "FERROMAP_NR_SWAP")]
    pub fn hand_over(&mut self, on: bool) {
        self.ring().set_flag(FERROMAP_NR_SWAP, on);
    }

    /// The next `max` free slots, or fewer, to be filled and committed. No system call.
    #[inline]
    pub fn reserve(&mut self, max: usize) -> TxBatch<'_> {
        let ring = &mut self.claimed.ring;
        let len = ring.refresh().min(u32::try_from(max).unwrap_or(u32::MAX));
        TxBatch { ring, len }
    }

    /// Copies one frame into the ring and commits it; a frame longer than a buffer takes several
    /// slots. `false` if there is no room now: sync or poll, and try again.
    pub fn send(&mut self, frame: &[u8]) -> Result<bool> {
        let slots = (self.slots() - 1).min(NETMAP_MAX_FRAGS);
        let most = slots * self.buffer_size();
        if frame.len() > most {
            let len = frame.len();
            return Err(Error::TooLong { len, most });
        }
        let mut batch = self.reserve(slots);
        // Slots may have room for less than a buffer: as much as is behind their offsets.
        let (mut need, mut most) = (0, 0);
        while need == 0 || most < frame.len() {
            let Some(slot) = batch.slot(need) else { break };
            (need, most) = (need + 1, most + slot.room());
        }
        if need == slots && most < frame.len() {
            return Err(Error::TooLong {
                len: frame.len(),
                most,
            });
        }
        if need == 0 || most < frame.len() {
            return Ok(false);
        }
        let mut rest = frame;
        for i in 0..need {
            let Some(mut slot) = batch.slot(i) else { break };
            let room = slot.room().min(rest.len());
            slot.fill(&rest[..room]);
            rest = &rest[room..];
            if i + 1 < need {
                slot.set(room, SlotFlags::MORE_FRAGMENTS);
            }
        }
        batch.commit(need);
        Ok(true)
    }

    /// What was counted on this ring, with the frames that were lost and why.
    pub fn counters(&self) -> Result<RingCounters> {
        self.binding.ring_counters("tx", self.index())
    }

    fn ring(&mut self) -> &mut Ring {
        &mut self.claimed.ring
    }
}

impl AsFd for TxRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.binding.device.fd()
    }
}

impl AsRawFd for TxRing {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Free slots, lent by a [`TxRing`]. [`commit`](Self::commit) hands the filled ones over; without
/// it nothing is sent.
#[must_use = "nothing is sent without `commit`"]
pub struct TxBatch<'r> {
    ring: &'r mut Ring,
    len: u32,
}

impl TxBatch<'_> {
    /// Slots in the batch.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether no slot was free.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slot `i` of the batch.
    #[inline]
    pub fn slot(&mut self, i: usize) -> Option<TxSlot<'_>> {
        let k = u32::try_from(i).ok().filter(|&k| k < self.len)?;
        let own = self.ring.own(k)?;
        Some(TxSlot { own })
    }

    /// Slot by slot, all of the batch: less work than asking for each [`slot`](Self::slot).
    #[inline]
    pub fn for_each(&mut self, mut each: impl FnMut(TxSlot<'_>)) {
        self.ring.each(self.len, |own| each(TxSlot { own }));
    }

    /// Marks the first `slots` slots as ready. They are sent at the next sync or poll.
    #[inline]
    pub fn commit(self, slots: usize) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX).min(self.len);
        self.ring.advance(slots);
    }
}

/// A free slot. It may still hold what it carried last.
pub struct TxSlot<'b> {
    pub(crate) own: Own<'b>,
}

impl TxSlot<'_> {
    /// Where the slot is in the ring: the same slot comes by again after a round.
    #[inline]
    pub fn position(&self) -> usize {
        self.own.position() as usize
    }

    /// The buffer's number in the region. If it is what it was a round ago, so is the content.
    #[inline]
    pub fn buffer_index(&self) -> u32 {
        self.own.get().buf_idx
    }

    /// Where in its buffer the frame starts: 0, unless the port has
    /// [`offsets`](crate::PortBuilder::offsets), or the other end of its pipe.
    #[inline]
    #[doc(alias = "offset_mask")]
    pub fn offset(&self) -> usize {
        self.own.offset() as usize
    }

    /// Has the frame start `offset` bytes into the buffer, or at the largest offset that the port
    /// was granted; says where it starts then. It stays so when the slot comes by again. What is in
    /// the buffer stays where it is.
    pub fn set_offset(&mut self, offset: usize) -> usize {
        self.own
            .set_offset(u32::try_from(offset).unwrap_or(u32::MAX)) as usize
    }

    /// Bytes that the slot can carry: a buffer's, without those before the offset.
    #[inline]
    pub fn room(&self) -> usize {
        self.own.room()
    }

    /// The whole buffer, from the offset on. Empty if the slot names no buffer, which only a
    /// misbehaving peer brings about.
    #[inline]
    pub fn buffer_mut(&mut self) -> &mut [u8] {
        self.own.buffer_mut()
    }

    /// Says that the slot carries `len` bytes, cut at the buffer's end.
    #[inline]
    pub fn set(&mut self, len: usize, flags: SlotFlags) {
        self.own.set_len_flags(self.own.cut(len), flags.bits());
    }

    /// Copies `bytes` in as far as they fit, sets the length, and says how many bytes that were.
    #[inline]
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let buffer = self.buffer_mut();
        let len = bytes.len().min(buffer.len()).min(u16::MAX.into());
        buffer[..len].copy_from_slice(&bytes[..len]);
        self.set(len, SlotFlags::NONE);
        len
    }

    /// Switch ports only: has the kernel take the data from `bytes` and not from the buffer. They
    /// must fit a buffer. They live as long as the program, since nobody says when the kernel has
    /// read them. Only the process that opened the port can send so, and only as long as no other
    /// can write its slots: after a fork, such frames of both are dropped, as they are in
    /// [`Memory`](crate::Memory) of the program's. Where the slot says an offset it has no place
    /// for an address, and the bytes are copied.
    #[doc(alias = "NS_INDIRECT")]
    pub fn set_indirect(&mut self, bytes: &'static [u8], flags: SlotFlags) {
        if self.own.ring().has_offsets() {
            let len = self.fill(bytes);
            return self.set(len, flags);
        }
        self.own.set_ptr(bytes.as_ptr() as u64);
        self.set(bytes.len(), SlotFlags(flags.0 | NS_INDIRECT));
    }

    /// Sends a received slot without a copy: the two slots exchange their buffers, and this one
    /// takes the length. It takes the offset, too; where its ring has none so large, the frame is
    /// moved within its buffer. The received slot keeps its own for what comes next. The rings must
    /// be of the same region. If one of the slots names no buffer,
    /// which only a misbehaving peer brings about, nothing is exchanged and this slot has length 0,
    /// which ports drop.
    pub fn swap(&mut self, from: &mut RxSlotMut<'_>) -> Result<()> {
        if self.own.ring().region_id() != from.own.ring().region_id() {
            return Err(Error::DifferentRegions);
        }
        let received = from.own.get();
        let swapped = self.own.take_frame(&mut from.own, received.len.into());
        let len = if swapped { received.len } else { 0 };
        self.own.set_len_flags(len, received.flags & NS_MOREFRAG);
        Ok(())
    }
}
