// SPDX-License-Identifier: GPL-2.0

//! Where in their buffers the frames of a ring start, if not where these do (section 4.12 of the
//! interface): programs say it in `ptr` of each slot, as far as a mask goes.
//!
//! Pure.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// What a ring with offsets goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    /// The bits of `ptr` that are an offset; some are.
    pub(crate) mask: u64,
    /// What is above counts as this, which is no more than a buffer has.
    pub(crate) max: u32,
    /// Bytes that may be written behind an offset; 0 for all up to the buffer's end.
    pub(crate) gap: u32,
}

/// Why there cannot be such offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// More bits than `ptr` has.
    Bits,
    /// The largest one is behind the buffer's end.
    Max,
    /// Or has more bits than there are for it.
    MaxBits,
    /// The first one is larger than the largest.
    Initial,
}

impl Offsets {
    /// As a program asks for, with buffers of `size` bytes.
    pub(crate) fn new(
        (bits, max, initial): (u32, u64, u64),
        gap: u64,
        size: u32,
    ) -> Result<Self, Unfit> {
        let mask = match bits {
            0 | 64 => u64::MAX,
            1..64 => (1 << bits) - 1,
            _ => return Err(Unfit::Bits),
        };
        if max > size.into() {
            return Err(Unfit::Max);
        }
        if max > mask {
            return Err(Unfit::MaxBits);
        }
        if initial > max {
            return Err(Unfit::Initial);
        }
        Ok(Offsets {
            mask,
            max: max as u32,
            gap: u32::try_from(gap).unwrap_or(u32::MAX),
        })
    }

    /// Whether a ring that has these is what somebody wants who asks for `other`.
    pub(crate) fn satisfy(&self, other: &Offsets) -> bool {
        other.mask <= self.mask && other.max <= self.max
    }

    /// The offset that `ptr` says.
    #[inline]
    pub(crate) fn at(&self, ptr: u64) -> u32 {
        (ptr & self.mask).min(self.max.into()) as u32
    }

    /// Bytes that can be written behind an offset, in a buffer of `size` bytes.
    pub(crate) fn room_at(&self, offset: u32, size: u32) -> u32 {
        let left = size.saturating_sub(offset);
        match self.gap {
            0 => left,
            gap => left.min(gap),
        }
    }

    /// The same wherever a slot says that it starts, unless `gap` lets it reach past the end.
    pub(crate) fn room(&self, size: u32) -> u32 {
        match self.gap {
            0 => size.saturating_sub(self.max),
            gap => gap.min(size),
        }
    }
}

/// The offsets of a ring, which may get some while it is used, and keeps them.
#[derive(Default)]
pub(super) struct OfRing {
    /// 0 for none.
    mask: AtomicU64,
    max: AtomicU32,
    gap: AtomicU32,
}

impl OfRing {
    #[inline(always)]
    pub(super) fn get(&self) -> Option<Offsets> {
        match self.mask.load(Acquire) {
            0 => None,
            mask => Some(self.with(mask)),
        }
    }

    #[cold]
    fn with(&self, mask: u64) -> Offsets {
        Offsets {
            mask,
            max: self.max.load(Relaxed),
            gap: self.gap.load(Relaxed),
        }
    }

    /// Sets them. One thread at a time does.
    pub(super) fn set(&self, offsets: &Offsets) {
        self.max.store(offsets.max, Relaxed);
        self.gap.store(offsets.gap, Relaxed);
        self.mask.store(offsets.mask, Release);
    }
}
