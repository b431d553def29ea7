// SPDX-License-Identifier: GPL-2.0

//! virtio-net headers in front of frames, where sender and receiver differ in their length.
//!
//! A header has 10 bytes, or 12 with the count of merged buffers (virtio 1.2, section 5.1.6). Its first two
//! bytes say whether a checksum is still to be computed and whether the frame is to be segmented.

/// What becomes of the header of a frame on its way from a port to another. Lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reheader {
    /// Left out at the start of the frame.
    pub(crate) skip: u32,
    /// Of those, copied all the same.
    pub(crate) keep: u32,
    /// Zeros put behind them.
    pub(crate) zeros: u32,
}

impl Reheader {
    /// Header and frame go through as they are.
    pub(crate) const NONE: Reheader = Reheader {
        skip: 0,
        keep: 0,
        zeros: 0,
    };

    /// For a frame from a port with headers of `from` bytes to one with `to`.
    pub(crate) const fn between(from: u32, to: u32) -> Self {
        if from == to {
            return Self::NONE;
        }
        let keep = if from < to { from } else { to };
        Reheader {
            skip: from,
            keep,
            zeros: to - keep,
        }
    }

    /// Bytes that stand before the frame at the receiver.
    pub(crate) const fn len(&self) -> u32 {
        self.keep + self.zeros
    }

    /// Whether headers are taken off for good, so that what they ask for would have to be done here.
    pub(crate) const fn strips(&self) -> bool {
        self.skip != 0 && self.len() == 0
    }
}

/// Whether the header that starts with `word` (first byte lowest) asks for nothing: no checksum, no
/// segmentation.
pub(crate) const fn is_plain(word: u64) -> bool {
    word & 0xffff == 0
}
