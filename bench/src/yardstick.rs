// SPDX-License-Identifier: MIT OR Apache-2.0

//! What figures of different machines are laid side by side with: how long a plain loop takes to
//! copy a frame between two rings of buffers on one CPU.

use crate::clock::ticks;
use std::hint::black_box;

/// Bytes of a buffer, as netmap has them.
pub const BUFFER: usize = 2048;
/// Buffers start at a page, as in a region.
const PAGE: usize = 4096;

/// Two rings of buffers with a frame in each.
pub struct Yardstick {
    from: Vec<u8>,
    to: Vec<u8>,
    bytes: usize,
    buffers: usize,
}

impl Yardstick {
    /// For frames of `bytes`, at most [`BUFFER`], and rings of `buffers`.
    pub fn new(bytes: usize, buffers: usize) -> Yardstick {
        Yardstick {
            from: ring(buffers, 1),
            to: ring(buffers, 2),
            bytes,
            buffers,
        }
    }

    /// Copies all frames of a ring once. Returns how many ticks a frame took.
    pub fn round(&mut self) -> f64 {
        let from = pages(&mut self.from, self.buffers);
        let to = pages(&mut self.to, self.buffers);
        let before = ticks();
        copy(from, to, black_box(self.bytes));
        black_box(to);
        (ticks() - before) as f64 / self.buffers as f64
    }
}

fn ring(buffers: usize, byte: u8) -> Vec<u8> {
    vec![byte; buffers * BUFFER + PAGE]
}

fn pages(ring: &mut [u8], buffers: usize) -> &mut [u8] {
    let skip = ring.as_ptr().align_offset(PAGE);
    &mut ring[skip..][..buffers * BUFFER]
}

/// One round: a frame from each buffer to its counterpart.
#[inline(never)]
fn copy(from: &[u8], to: &mut [u8], bytes: usize) {
    for (from, to) in from.chunks_exact(BUFFER).zip(to.chunks_exact_mut(BUFFER)) {
        to[..bytes].copy_from_slice(&from[..bytes]);
    }
}
