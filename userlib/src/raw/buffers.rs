// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the buffers of a region are, and those that are in no ring.

use super::region::Region;
use ferromap_abi::consts::NETMAP_RESERVED_BUFS;
use std::{ptr::NonNull, sync::Arc};

/// The buffers of a region, as a ring's header describes them.
///
/// # Invariant
///
/// `count * size` bytes from `base` on are inside `region`.
#[derive(Clone)]
pub(crate) struct Buffers {
    region: Arc<Region>,
    /// Offset of buffer 0 in the region.
    offset: usize,
    base: NonNull<u8>,
    size: u32,
    count: u32,
}

// SAFETY: the pointer leads into the region, which the `Arc` keeps; only an address
// is computed here.
unsafe impl Send for Buffers {}
// SAFETY: nothing is read or written through the pointer, from whichever thread.
unsafe impl Sync for Buffers {}

impl Buffers {
    /// Buffers of `size` bytes from `offset` to the end of the region.
    pub(super) fn new(
        region: &Arc<Region>,
        offset: usize,
        size: u32,
    ) -> Result<Self, &'static str> {
        let base = region
            .at(offset, 0, 1)
            .ok_or("the buffers lie outside the region")?;
        // A slot's length has 16 bits.
        if size == 0 || size > 1 << 16 {
            return Err("the buffers have no sensible size");
        }
        let count = (region.len() - offset) / size as usize;
        Ok(Buffers {
            region: region.clone(),
            offset,
            base,
            size,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    /// Bytes of each buffer.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// The address of a buffer. Buffers 0 and 1 belong to nobody: the kernel puts 0
    /// into damaged slots.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<NonNull<u8>> {
        if index < NETMAP_RESERVED_BUFS || index >= self.count {
            return None;
        }
        // SAFETY: below `count`, so the whole buffer is inside the region.
        Some(unsafe { self.base.add(index as usize * self.size as usize) })
    }

    fn offset(&self, index: u32) -> usize {
        self.offset + index as usize * self.size as usize
    }
}

/// Extra buffers: a list that starts in a word of the binding's `netmap_if` and goes on through the
/// first word of each buffer. This takes them out, and puts back on drop what it has then, so that
/// the kernel finds them when the port is closed.
///
/// # Invariant
///
/// The indexes in `list` name buffers, each once, that are in no ring and in no other list. The
/// offsets beside them, where their frames start, are no more than a buffer has.
pub(crate) struct Loose {
    buffers: Buffers,
    /// Offset of the word that holds the first index.
    head_at: usize,
    list: Vec<(u32, u32)>,
    /// The same indexes, so that looking for one takes no longer in a long list.
    held: IndexSet,
}

/// Indexes of buffers, a bit for each that the region has.
struct IndexSet(Vec<u64>);

impl IndexSet {
    fn up_to(count: u32) -> Self {
        IndexSet(vec![0; (count as usize).div_ceil(64)])
    }

    fn place(index: u32) -> (usize, u64) {
        (index as usize / 64, 1 << (index % 64))
    }

    fn contains(&self, index: u32) -> bool {
        let (word, bit) = Self::place(index);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether it was not there before.
    fn insert(&mut self, index: u32) -> bool {
        let (word, bit) = Self::place(index);
        let Some(word) = self.0.get_mut(word) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn remove(&mut self, index: u32) {
        let (word, bit) = Self::place(index);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }
}

impl Loose {
    /// Takes the list whose first index is at `head_at`. It ends at an index that names no buffer
    /// or that was there before; more than `most` are not taken.
    pub(crate) fn take(buffers: Buffers, head_at: usize, most: u32) -> Self {
        let region = buffers.region.clone();
        let mut list = Vec::new();
        let mut held = IndexSet::up_to(buffers.count);
        let mut next = region.read_u32(head_at).unwrap_or(0);
        while buffers.at(next).is_some() && list.len() < most as usize && held.insert(next) {
            list.push((next, 0));
            next = region.read_u32(buffers.offset(next)).unwrap_or(0);
        }
        // Whatever comes after stays the kernel's to free.
        region.write_u32(head_at, next);
        Loose {
            buffers,
            head_at,
            list,
            held,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.buffers.region
    }

    /// The bytes of the `i`th of these buffers, from where its frame starts.
    pub(crate) fn bytes_mut(&mut self, i: usize) -> Option<&mut [u8]> {
        let &(index, offset) = self.list.get(i)?;
        let at = self.buffers.at(index)?;
        let len = (self.buffers.size - offset) as usize;
        // SAFETY: inside the region: by the invariant the offset is no more than the buffer has.
        // The buffer is only here, and the mutable borrow keeps a second slice away.
        Some(unsafe { std::slice::from_raw_parts_mut(at.as_ptr().add(offset as usize), len) })
    }

    /// Exchanges the `i`th of these buffers with that of a slot of the same region that is to be
    /// sent; its frame goes along.
    pub(crate) fn give(&mut self, i: usize, slot: &mut super::ring::Own<'_>) -> bool {
        let Some(&(_, offset)) = self.list.get(i) else {
            return false;
        };
        let given = self.exchange(i, slot, 0);
        if given {
            slot.start_at(offset, self.buffers.size as usize);
        }
        given
    }

    /// Exchanges the `i`th of these buffers with that of a slot of the same region that was
    /// received; its frame goes along.
    pub(crate) fn keep(&mut self, i: usize, slot: &mut super::ring::Own<'_>) -> bool {
        let offset = slot.offset().min(self.buffers.size);
        self.exchange(i, slot, offset)
    }

    /// The frame of what comes starts at `offset`.
    fn exchange(&mut self, i: usize, slot: &mut super::ring::Own<'_>, offset: u32) -> bool {
        let Some(&(index, _)) = self.list.get(i) else {
            return false;
        };
        // A damaged slot might name a buffer that is in the list already.
        if self.held.contains(slot.get().buf_idx) {
            return false;
        }
        match slot.exchange_buffer(index) {
            Some(got) => {
                self.held.remove(index);
                self.held.insert(got);
                self.list[i] = (got, offset);
                true
            }
            None => false,
        }
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        let region = &self.buffers.region;
        for &(index, _) in &self.list {
            let next = region.read_u32(self.head_at).unwrap_or(0);
            region.write_u32(self.buffers.offset(index), next);
            region.write_u32(self.head_at, index);
        }
    }
}
