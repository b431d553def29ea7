// SPDX-License-Identifier: MIT OR Apache-2.0

//! Received frames, each of one slot or several.

use ferromap::RxBatch;

/// Most slots of one frame; what says to be longer is damaged.
pub const MOST_SLOTS: usize = 64;

/// A received frame: its slots from one slot of a batch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub slots: usize,
    pub bytes: usize,
    /// Bytes of its longest slot.
    pub longest: usize,
}

impl Frame {
    /// The one that begins with slot `first`. It ends with the batch at the latest.
    pub fn at(received: &RxBatch<'_>, first: usize) -> Self {
        let mut frame = Frame {
            slots: 0,
            bytes: 0,
            longest: 0,
        };
        while let Some(slot) = received.slot(first + frame.slots) {
            frame.slots += 1;
            frame.bytes += slot.len();
            frame.longest = frame.longest.max(slot.len());
            if !slot.more_fragments() {
                break;
            }
        }
        frame
    }
}
