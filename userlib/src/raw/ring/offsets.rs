// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where in their buffers the frames of a ring start. Pure.

use super::slot::SlotPtr;

/// What the kernel says of a ring's offsets.
#[derive(Clone, Copy)]
pub(super) struct Offsets {
    /// Bytes of a buffer.
    size: u32,
    /// Which bits of a slot's `ptr` are an offset; 0 for none.
    mask: u64,
    /// The largest offset, no more than a buffer has.
    max: u32,
    /// Whether that is the kernel's largest, too, so that slots may say another than they do.
    granted: bool,
    /// Bytes that a slot carries whatever its offset, so that nobody has to look at that.
    fits: u32,
}

impl Offsets {
    /// Of a ring with buffers of so many bytes, whose frames start where these do.
    pub(super) fn none(size: u32) -> Self {
        let mut none = Offsets {
            size,
            mask: 0,
            max: size,
            granted: false,
            fits: 0,
        };
        none.note_mask(0);
        none
    }

    #[inline]
    pub(super) fn mask(&self) -> u64 {
        self.mask
    }

    #[cold]
    #[inline(never)]
    pub(super) fn note_mask(&mut self, mask: u64) {
        self.mask = mask;
        let behind = match (mask, self.granted) {
            (0, _) => self.size,
            (_, true) => self.size - self.max,
            (_, false) => 0,
        };
        // A buffer of 64 KiB is one byte longer than a slot can say.
        self.fits = behind.min(u16::MAX.into());
    }

    /// Up to `max` may be said.
    pub(super) fn grant(&mut self, max: u64) {
        self.max = u32::try_from(max).map_or(self.max, |max| max.min(self.max));
        self.granted = true;
        self.note_mask(self.mask);
    }

    /// Bytes that there are whatever the offset, as far as the kernel tells.
    pub(super) fn room(&self) -> u32 {
        self.size - if self.granted { self.max } else { 0 }
    }

    /// The same as far as slots can say it.
    #[inline]
    pub(super) fn fits(&self) -> u32 {
        self.fits
    }

    /// Where in its buffer the frame of a slot starts: at the buffer's end at most.
    #[inline]
    pub(super) fn of(&self, slot: SlotPtr) -> u32 {
        if self.mask == 0 {
            0
        } else {
            self.said_by(slot)
        }
    }

    #[cold]
    #[inline(never)]
    fn said_by(&self, slot: SlotPtr) -> u32 {
        let offset = slot.ptr() & self.mask;
        u32::try_from(offset).map_or(self.max, |offset| offset.min(self.max))
    }

    /// Bytes between the start of a slot's frame and the end of its buffer.
    #[inline]
    pub(super) fn behind(&self, slot: SlotPtr) -> u32 {
        self.size - self.of(slot)
    }

    /// Has a slot of ours say where its frame starts, as far as it can.
    pub(super) fn put(&self, slot: SlotPtr, offset: u32) {
        let mask = self.mask;
        if mask != 0 && self.granted {
            let offset = u64::from(offset.min(self.max)).min(mask);
            // Bits beside the mask are the program's.
            slot.set_ptr(slot.ptr() & !mask | offset & mask);
        }
    }
}
