// SPDX-License-Identifier: MIT OR Apache-2.0

//! One ring, from the program's side.
//!
//! Who owns what: slots `head..tail` and the buffers they name are ours, all others the kernel's.
//! `head` and `cur` are written by us only, `tail` by the kernel only. [`Ring`] keeps private
//! copies of head and of the number of slots that are ours, and lends a buffer only for a slot
//! among these. Whatever else stands in the shared memory is fetched once, checked, and never
//! believed to stay.
//!
//! [`slot`] is one slot's words, [`offsets`] where frames start; [`View`] and [`Own`] are slots of
//! ours, to be looked at and to be changed.
//!
//! What this rests on, beyond the kernel: other processes that map the same region keep out of
//! slots that are not theirs, as the interface demands of them, just as they keep out of each
//! other's memory through `/proc/PID/mem`. See docs/decisions/0002.

mod offsets;
mod own;
mod slot;
mod view;

pub(crate) use own::Own;
pub(crate) use view::View;

use self::{offsets::Offsets, slot::SlotPtr};
use super::{
    buffers::Buffers,
    csb::Csb,
    region::{Region, RegionId},
};
use ferromap_abi::{
    cursor,
    wire::{RingHeader, Slot},
};
use std::{
    mem::offset_of,
    ptr::NonNull,
    sync::{
        atomic::{AtomicU32, Ordering},
        Arc,
    },
};

/// # Invariants
///
/// - `header` points to `256 + 16 * n` bytes inside `region`, and is aligned to 8.
/// - `n` is at least 1, `head < n` and `owned < n`.
/// - `head` and `owned` are written in this file only.
/// - No other `Ring` of this process is on the same ring (`binding.rs` sees to that).
pub(crate) struct Ring {
    region: Arc<Region>,
    header: NonNull<u8>,
    buffers: Buffers,
    n: u32,
    ringid: u16,
    /// What we last published.
    head: u32,
    /// How many slots from `head` on were ours when the tail was last read.
    owned: u32,
    /// How far ahead of head `cur` is published.
    ahead: u32,
    resets: u64,
    /// Where frames start in their buffers, by the mask when the tail was last read.
    offsets: Offsets,
    /// Where the indexes are in CSB mode, and which entry is the ring's.
    csb: Option<(Arc<Csb>, usize)>,
}

// SAFETY: the pointers lead into the region, which the `Arc` keeps, and which any
// thread may access.
unsafe impl Send for Ring {}
// SAFETY: `&self` methods only read: the fields, and memory that stays ours while
// `self` is borrowed.
unsafe impl Sync for Ring {}

impl Ring {
    /// The ring at `offset` of the region. Everything in its header is checked here, once.
    pub(crate) fn new(region: Arc<Region>, offset: usize) -> Result<Self, &'static str> {
        let header = region
            .at(offset, RingHeader::SLOTS, 8)
            .ok_or("a ring lies outside the region")?;
        // All in range, so these are there.
        let word = |field| region.read_u32(offset + field).unwrap_or(0);
        let n = word(offset_of!(RingHeader, num_slots));
        let buf_size = word(offset_of!(RingHeader, nr_buf_size));
        let ringid = word(offset_of!(RingHeader, ringid)) as u16;
        // Fewer than two slots cannot hold anything, and more than this no region has.
        if !(2..=1 << 24).contains(&n) {
            return Err("a ring has no sensible number of slots");
        }
        region
            .at(offset, RingHeader::bytes(n), 8)
            .ok_or("the slots of a ring lie outside the region")?;
        let to_bufs = region
            .read_i64(offset + offset_of!(RingHeader, buf_ofs))
            .unwrap_or(-1);
        let bufs_at = usize::try_from(to_bufs)
            .ok()
            .and_then(|by| offset.checked_add(by))
            .ok_or("the buffers lie outside the region")?;
        let buffers = Buffers::new(&region, bufs_at, buf_size)?;
        let mut ring = Ring {
            region,
            offsets: Offsets::none(buf_size),
            header,
            buffers,
            n,
            ringid,
            head: 0,
            owned: 0,
            ahead: 0,
            resets: 0,
            csb: None,
        };
        let head = ring
            .word(offset_of!(RingHeader, head))
            .load(Ordering::Relaxed);
        if head >= n {
            return Err("the head of a ring is past its end");
        }
        // A ring that somebody has used already goes on where they left it.
        ring.head = head;
        ring.refresh();
        Ok(ring)
    }

    /// One of the indexes in the header.
    fn word(&self, field: usize) -> &AtomicU32 {
        // SAFETY: in the header, which is in the region and aligned to 8; every field asked
        // for is an aligned 32-bit word that all sides access whole. An atomic may change
        // under a reference.
        unsafe { AtomicU32::from_ptr(self.header.add(field).cast().as_ptr()) }
    }

    /// Where we say `head`, and `cur`, and are told `tail`.
    fn indexes(&self) -> [&AtomicU32; 3] {
        match &self.csb {
            None => [
                self.word(offset_of!(RingHeader, head)),
                self.word(offset_of!(RingHeader, cur)),
                self.word(offset_of!(RingHeader, tail)),
            ],
            Some((csb, i)) => [csb.head(*i), csb.cur(*i), csb.tail(*i)],
        }
    }

    /// The kernel has put the ring's indexes into entry `i` of `csb`, where they are from now on.
    pub(crate) fn use_csb(&mut self, csb: Arc<Csb>, i: usize) {
        self.csb = Some((csb, i));
        let [head, ..] = self.indexes();
        let head = head.load(Ordering::Relaxed);
        if head < self.n {
            self.head = head;
        }
        self.refresh();
    }

    /// Slot `k` of ours.
    #[inline]
    fn slot(&self, k: u32) -> Option<SlotPtr> {
        let at = self.position(k)?;
        // SAFETY: a position is below `n`.
        Some(unsafe { self.slot_at(at) })
    }

    /// The slot at `at`.
    ///
    /// # Safety
    ///
    /// `at < n`.
    #[inline]
    unsafe fn slot_at(&self, at: u32) -> SlotPtr {
        let by = RingHeader::SLOTS + at as usize * size_of::<Slot>();
        // SAFETY: `n` slots follow the header inside the region, which is aligned to 8.
        unsafe { SlotPtr::new(self.header.add(by).cast()) }
    }

    /// The kernel has granted offsets to the binding, up to `max`. Where only the other end of a
    /// pipe has asked for some, nobody says how large they may be.
    pub(crate) fn grant_offsets(&mut self, max: u64) {
        self.offsets.grant(max);
    }

    /// Bytes that there are in each slot whatever its offset, as far as the kernel tells.
    pub(crate) fn room(&self) -> u32 {
        self.offsets.room()
    }

    /// Whether slots say where their frames start.
    #[inline]
    pub(crate) fn has_offsets(&self) -> bool {
        self.offsets.mask() != 0
    }

    pub(crate) fn slots(&self) -> u32 {
        self.n
    }
    pub(crate) fn buf_size(&self) -> u32 {
        self.buffers.size()
    }
    pub(crate) fn ringid(&self) -> u16 {
        self.ringid
    }
    pub(crate) fn region_id(&self) -> RegionId {
        self.region.id()
    }
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }
    pub(crate) fn resets(&self) -> u64 {
        self.resets
    }

    /// Reads the tail again and says how many slots are ours.
    #[inline]
    pub(crate) fn refresh(&mut self) -> u32 {
        // Pairs with the kernel's release of the tail: what it wrote into the slots before is seen.
        let [_, _, tail] = self.indexes();
        let tail = tail.load(Ordering::Acquire);
        self.owned = if tail < self.n {
            cursor::dist(self.head, tail, self.n)
        } else {
            0
        };
        let mask = self.read_mask();
        if mask != self.offsets.mask() {
            self.offsets.note_mask(mask);
        }
        self.owned
    }

    /// The kernel sets it once, before a tail.
    #[inline]
    fn read_mask(&self) -> u64 {
        // SAFETY: in the header, which is in the region and aligned to 8.
        unsafe {
            self.header
                .add(offset_of!(RingHeader, offset_mask))
                .cast::<u64>()
                .as_ptr()
                .read_volatile()
        }
    }

    /// To be called after a sync. Where the indexes were damaged, the kernel has put its own head
    /// into the ring, and from there it goes on.
    pub(crate) fn after_sync(&mut self) -> u32 {
        let [head, ..] = self.indexes();
        let head = head.load(Ordering::Relaxed);
        if head != self.head {
            self.resets += 1;
            if head < self.n {
                self.head = head;
            }
            self.publish();
        }
        self.refresh()
    }

    /// Whether all that was given to the kernel has been sent: head is right after the tail.
    pub(crate) fn drained(&mut self) -> bool {
        self.refresh() == self.n - 1
    }

    /// Has `poll` wait until more than `slots` slots are ours, from the next [`Self::advance`] on.
    pub(crate) fn wake_after(&mut self, slots: u32) {
        self.ahead = slots;
        self.publish();
    }

    /// Gives the first `count` of our slots to the kernel.
    #[inline]
    pub(crate) fn advance(&mut self, count: u32) {
        let count = count.min(self.owned);
        self.head = cursor::add(self.head, count, self.n);
        self.owned -= count;
        self.publish();
    }

    /// Sets or clears an `NR_*` flag of the ring.
    pub(crate) fn set_flag(&mut self, flag: u32, on: bool) {
        let flags = self.word(offset_of!(RingHeader, flags));
        if on {
            flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    fn publish(&mut self) {
        let cur = cursor::add(self.head, self.ahead.min(self.owned), self.n);
        let [head, cur_word, _] = self.indexes();
        cur_word.store(cur, Ordering::Relaxed);
        // Pairs with the kernel's acquire of the head at the start of a sync: our writes to the
        // slots and buffers come before.
        head.store(self.head, Ordering::Release);
    }

    /// Where slot `k` of ours is in the ring.
    #[inline]
    pub(crate) fn position(&self, k: u32) -> Option<u32> {
        (k < self.owned).then(|| cursor::add(self.head, k, self.n))
    }
}
