// SPDX-License-Identifier: MIT OR Apache-2.0

//! One ring, from the program's side.
//!
//! Who owns what: slots `head..tail` and the buffers they name are ours, all others the kernel's.
//! `head` and `cur` are written by us only, `tail` by the kernel only. [`Ring`] keeps private
//! copies of head and of the number of slots that are ours, and lends a buffer only for a slot
//! among these. Whatever else stands in the shared memory is fetched once, checked, and never
//! believed to stay.
//!
//! What this rests on, beyond the kernel: other processes that map the same region keep out of
//! slots that are not theirs, as the interface demands of them, just as they keep out of each
//! other's memory through `/proc/PID/mem`. See docs/decisions/0002.

use super::{
    buffers::Buffers,
    csb::Csb,
    region::{Region, RegionId},
};
use ferromap_abi::{
    consts::NS_BUF_CHANGED,
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
    /// Which bits of a slot's `ptr` are an offset, when the tail was last read; 0 for none.
    mask: u64,
    /// The largest offset, no more than a buffer has.
    max: u32,
    /// Whether that is the kernel's largest, too, so that slots may say another than they do.
    granted: bool,
    /// Bytes that a slot carries whatever its offset, so that nobody has to look at that.
    fits: u32,
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
            mask: 0,
            max: buf_size,
            granted: false,
            fits: 0,
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
        ring.note_mask(0);
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

    /// The kernel has granted offsets to the binding, up to `max`. Where only the other end of a
    /// pipe has asked for some, nobody says how large they may be.
    pub(crate) fn grant_offsets(&mut self, max: u64) {
        self.max = u32::try_from(max).map_or(self.max, |max| max.min(self.max));
        self.granted = true;
        self.note_mask(self.mask);
    }

    /// Bytes that there are in each slot whatever its offset, as far as the kernel tells.
    pub(crate) fn room(&self) -> u32 {
        self.buf_size() - if self.granted { self.max } else { 0 }
    }

    /// The first 8 bytes of slot `k` of ours: index, length, flags. Aligned to 8,
    /// inside the region.
    #[inline]
    fn slot_ptr(&self, k: u32) -> Option<NonNull<u64>> {
        let at = self.position(k)?;
        // SAFETY: a position is below `n`.
        Some(unsafe { self.slot_at(at) })
    }

    /// The same of the slot at `at`.
    ///
    /// # Safety
    ///
    /// `at < n`.
    #[inline]
    unsafe fn slot_at(&self, at: u32) -> NonNull<u64> {
        let by = RingHeader::SLOTS + at as usize * size_of::<Slot>();
        // SAFETY: `n` slots follow the header inside the region.
        unsafe { self.header.add(by) }.cast()
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
        if mask != self.mask {
            self.note_mask(mask);
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

    #[cold]
    #[inline(never)]
    fn note_mask(&mut self, mask: u64) {
        self.mask = mask;
        let behind = match (mask, self.granted) {
            (0, _) => self.buf_size(),
            (_, true) => self.buf_size() - self.max,
            (_, false) => 0,
        };
        // A buffer of 64 KiB is one byte longer than a slot can say.
        self.fits = behind.min(u16::MAX.into());
    }

    /// Whether slots say where their frames start.
    #[inline]
    pub(crate) fn has_offsets(&self) -> bool {
        self.mask != 0
    }

    /// Where in its buffer the frame of a slot starts: at the buffer's end at most. `slot` points
    /// to a slot of the ring.
    #[inline]
    fn offset(&self, slot: NonNull<u64>) -> u32 {
        if self.mask == 0 {
            0
        } else {
            self.offset_in(slot)
        }
    }

    /// `len`, or what there is behind the offset of slot `k` of ours.
    #[cold]
    #[inline(never)]
    fn cut(&self, k: u32, len: u16) -> usize {
        let offset = self.slot_ptr(k).map_or(0, |slot| self.offset(slot));
        (self.buffers.size() - offset).min(len.into()) as usize
    }

    /// The same of a ring with offsets.
    #[cold]
    #[inline(never)]
    fn offset_in(&self, slot: NonNull<u64>) -> u32 {
        let offset = fetch_ptr(slot) & self.mask;
        u32::try_from(offset).map_or(self.max, |offset| offset.min(self.max))
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

    /// Slot `k` of ours, fetched once, to be looked at.
    #[inline]
    pub(crate) fn view(&self, k: u32) -> View<'_> {
        View {
            ring: self,
            k,
            // Past our slots there is nothing: index 0 names no buffer.
            slot: self.slot_ptr(k).map_or_else(Slot::default, fetch),
        }
    }

    /// `count` slots of ours from slot `first` on, each fetched once, to be looked at.
    #[inline]
    pub(crate) fn views(&self, first: u32, count: u32) -> Views<'_> {
        let first = first.min(self.owned);
        Views {
            ring: self,
            at: cursor::add(self.head, first, self.n),
            k: first,
            end: first + count.min(self.owned - first),
        }
    }

    /// Calls `each` for the first `count` slots of ours, to be changed.
    #[inline]
    pub(crate) fn each(&mut self, count: u32, mut each: impl FnMut(Own<'_>)) {
        let count = count.min(self.owned);
        let (mut at, mut done) = (self.head, 0);
        // One run up to the ring's end, and one from its start: so that nobody asks at each slot
        // where the next one is.
        while done < count {
            let run = (count - done).min(self.n - at);
            // SAFETY: head is below `n`, and so is 0.
            let first = unsafe { self.slot_at(at) };
            for i in 0..run {
                // SAFETY: `i < n - at`, and a slot is two words.
                let slot = unsafe { first.add(2 * i as usize) };
                let (k, at) = (done + i, at + i);
                each(Own {
                    ring: self,
                    k,
                    at,
                    slot,
                });
            }
            (at, done) = (0, done + run);
        }
    }

    /// Slot `k` of ours, to be changed.
    #[inline]
    pub(crate) fn own(&mut self, k: u32) -> Option<Own<'_>> {
        let at = self.position(k)?;
        // SAFETY: a position is below `n`.
        let slot = unsafe { self.slot_at(at) };
        Some(Own {
            ring: self,
            k,
            at,
            slot,
        })
    }
}

/// Slots of ours, one after the other, without working out anew where each is.
///
/// # Invariant
///
/// `k <= end`, which is no more than `owned`, and `at` is where slot `k` of ours is, or would be.
/// They stay ours, since the ring cannot advance while it is borrowed here.
pub(crate) struct Views<'a> {
    ring: &'a Ring,
    at: u32,
    k: u32,
    end: u32,
}

impl<'a> Iterator for Views<'a> {
    type Item = View<'a>;

    #[inline]
    fn next(&mut self) -> Option<View<'a>> {
        if self.k == self.end {
            return None;
        }
        let (ring, k) = (self.ring, self.k);
        // SAFETY: by the invariant the slot is ours, and its position below `n`.
        let slot = fetch(unsafe { ring.slot_at(self.at) });
        (self.k, self.at) = (k + 1, cursor::next(self.at, ring.n));
        Some(View { ring, slot, k })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.k) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Views<'_> {}

/// Index, length and flags of a slot, all at once. `slot` points to a slot of a ring, as from
/// [`Ring::slot_at`].
#[inline]
fn fetch(slot: NonNull<u64>) -> Slot {
    // SAFETY: a slot of a ring is inside the region and aligned; the callers borrow the ring, which
    // keeps the region.
    let word = unsafe { slot.as_ptr().read_volatile() };
    let [a, b, c, d, l0, l1, f0, f1] = word.to_ne_bytes();
    Slot {
        buf_idx: u32::from_ne_bytes([a, b, c, d]),
        len: u16::from_ne_bytes([l0, l1]),
        flags: u16::from_ne_bytes([f0, f1]),
        ptr: 0,
    }
}

/// The second 8 bytes of a slot. `slot` points to a slot of a ring.
fn fetch_ptr(slot: NonNull<u64>) -> u64 {
    // SAFETY: as in `fetch`; a slot has 16 bytes.
    unsafe { slot.add(1).as_ptr().read_volatile() }
}

/// One of our slots, to be changed.
///
/// # Invariant
///
/// `slot` points to slot `k` of ours, which is at `at`. It stays ours, since the ring cannot
/// advance while it is borrowed here.
pub(crate) struct Own<'a> {
    ring: &'a mut Ring,
    k: u32,
    at: u32,
    slot: NonNull<u64>,
}

impl Own<'_> {
    pub(crate) fn ring(&self) -> &Ring {
        self.ring
    }

    /// Where the slot is in the ring.
    #[inline]
    pub(crate) fn position(&self) -> u32 {
        self.at
    }

    #[inline]
    pub(crate) fn get(&self) -> Slot {
        fetch(self.slot)
    }

    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        View {
            ring: self.ring,
            k: self.k,
            slot: self.get(),
        }
    }

    /// Sets length and flags. A mark that the buffer was changed stays, for the kernel has not
    /// seen it yet.
    #[inline]
    pub(crate) fn set_len_flags(&mut self, len: u16, flags: u16) {
        let flags = flags | (self.get().flags & NS_BUF_CHANGED);
        let ([l0, l1], [f0, f1]) = (len.to_ne_bytes(), flags.to_ne_bytes());
        let word = u32::from_ne_bytes([l0, l1, f0, f1]);
        // SAFETY: by the invariant; `len` and `flags` are the aligned second half of the
        // slot's first word.
        unsafe { self.slot.cast::<u32>().add(1).as_ptr().write_volatile(word) }
    }

    /// Where in its buffer the frame starts.
    #[inline]
    pub(crate) fn offset(&self) -> u32 {
        self.ring.offset(self.slot)
    }

    /// Bytes that the slot can say, up to the end of the buffer.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        let left = self.ring.buffers.size() - self.offset();
        left.min(u16::MAX.into()) as usize
    }

    /// `len`, or what there is room for.
    #[inline]
    pub(crate) fn cut(&self, len: usize) -> u16 {
        if len <= self.ring.fits as usize {
            len as u16
        } else {
            len.min(self.room()) as u16
        }
    }

    /// Says where the frame starts, as far as the ring can: what it is then.
    pub(crate) fn set_offset(&mut self, offset: u32) -> u32 {
        let Ring { mask, max, .. } = *self.ring;
        if mask != 0 && self.ring.granted {
            let offset = u64::from(offset.min(max)).min(mask);
            // Bits beside the mask are the program's.
            self.set_ptr(fetch_ptr(self.slot) & !mask | offset & mask);
        }
        self.offset()
    }

    /// The frame of `len` bytes in the buffer, which has just come into the slot, starts at `from`:
    /// the slot says so, or, where it cannot, the frame is moved to where the slot says.
    pub(crate) fn start_at(&mut self, from: u32, len: usize) {
        if from == self.offset() || self.set_offset(from) == from {
            return;
        }
        let to = self.offset() as usize;
        let size = self.ring.buffers.size() as usize;
        let from = (from as usize).min(size);
        let len = len.min(size - from).min(size - to);
        let whole = self.whole_mut(0);
        // Others may have written an index into the slot meanwhile that names none.
        if whole.len() == size {
            whole.copy_within(from..from + len, to);
        }
    }

    pub(crate) fn set_ptr(&mut self, ptr: u64) {
        // SAFETY: by the invariant; `ptr` is the second 8 bytes of the slot.
        unsafe { self.slot.add(1).as_ptr().write_volatile(ptr) }
    }

    /// Puts `index`, a buffer that the caller owns, into the slot, and returns the one that was
    /// there. `None`, and no change, if one of them names no buffer.
    pub(crate) fn exchange_buffer(&mut self, index: u32) -> Option<u32> {
        let slot = self.get();
        self.ring.buffers.at(index)?;
        self.ring.buffers.at(slot.buf_idx)?;
        // SAFETY: by the invariant; `buf_idx` is the first half of the slot's first word.
        unsafe { self.slot.cast::<u32>().as_ptr().write_volatile(index) }
        self.set_len_flags(slot.len, slot.flags | NS_BUF_CHANGED);
        Some(slot.buf_idx)
    }

    /// Takes the frame of `len` bytes that `other` has, by exchanging the buffers of the two slots,
    /// marking both; `other` keeps its offset. The caller has compared the regions. An index that
    /// names no buffer stays where it is: `false`.
    pub(crate) fn take_frame(&mut self, other: &mut Own<'_>, len: usize) -> bool {
        let (theirs, from) = (other.get().buf_idx, other.offset());
        let mine = self.exchange_buffer(theirs);
        if mine.is_some() {
            self.start_at(from, len);
        }
        match mine {
            Some(mine) => other.exchange_buffer(mine).is_some(),
            None => false,
        }
    }

    /// The buffer of the slot, from its offset on. Empty if it names none.
    #[inline]
    pub(crate) fn buffer_mut(&mut self) -> &mut [u8] {
        self.whole_mut(self.offset())
    }

    /// The buffer of the slot, from `offset` on.
    #[inline]
    fn whole_mut(&mut self, offset: u32) -> &mut [u8] {
        let size = self.ring.buffers.size();
        let (offset, len) = (offset as usize, size.saturating_sub(offset) as usize);
        match self.ring.buffers.at(self.get().buf_idx) {
            // SAFETY: inside the region, for it ends with the buffer. The slot is ours, and
            // `&mut self` keeps all other slices of this ring away; rings and extra buffers never
            // name the same buffer while both are ours.
            Some(at) if len > 0 => unsafe {
                std::slice::from_raw_parts_mut(at.as_ptr().add(offset), len)
            },
            _ => &mut [],
        }
    }
}

/// One of our slots as it was when it was fetched. It borrows the ring, so that the
/// slot stays ours.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    ring: &'a Ring,
    slot: Slot,
    /// Which of our slots it is, for its offset, which few want to know.
    k: u32,
}

impl<'a> View<'a> {
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Where in its buffer the frame starts; no more than the buffer has.
    #[inline]
    pub(crate) fn offset(&self) -> u32 {
        self.ring
            .slot_ptr(self.k)
            .map_or(0, |slot| self.ring.offset(slot))
    }

    /// Bytes in the slot, no more than its buffer holds behind the offset.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let len = self.slot.len;
        if u32::from(len) <= self.ring.fits {
            len.into()
        } else {
            self.ring.cut(self.k, len)
        }
    }

    /// The bytes of the slot. Empty if the slot was not ours or names no buffer.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        let offset = self.offset();
        match self.ring.buffers.at(self.slot.buf_idx) {
            // SAFETY: inside the region: the offset is no more than the buffer has, and the length
            // no more than is behind it. The slot was ours when it was fetched (else its index is
            // 0, which names no buffer) and is until `advance`, which takes `&mut Ring`; so the
            // kernel keeps out of its buffer while the slice lives, and so do mutable slices, which
            // take `&mut Ring` too.
            Some(at) => unsafe {
                let at = at.as_ptr().add(offset as usize);
                let left = self.ring.buffers.size() - offset;
                std::slice::from_raw_parts(at, left.min(self.slot.len.into()) as usize)
            },
            None => &[],
        }
    }
}
