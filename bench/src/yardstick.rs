// SPDX-License-Identifier: MIT OR Apache-2.0

//! What figures of different machines are laid side by side with: how long a plain loop takes to copy a
//! frame between two rings of buffers on one CPU.

use crate::{
    clock::{ticks, Rate},
    record::Spread,
};
use std::{hint::black_box, time::Duration};

/// Bytes of a buffer, as netmap has them.
const BUFFER: usize = 2048;
/// Buffers start at a page, as in a region.
const PAGE: usize = 4096;

/// Nanoseconds a frame of `bytes`, at most 2048, between rings of `buffers`: the median of many rounds, as for
/// syncs, so that a program that has the CPU meanwhile does not show. Measured `repeat` times for `time` each.
pub fn copy_ns(
    rate: Rate,
    bytes: usize,
    buffers: usize,
    repeat: usize,
    time: Duration,
) -> Option<Spread> {
    let (mut from, mut to) = (ring(buffers, 1), ring(buffers, 2));
    let (from, to) = (pages(&mut from, buffers), pages(&mut to, buffers));
    let mut rounds = || {
        let end = ticks() + rate.ticks(time);
        let mut times = Vec::new();
        loop {
            let before = ticks();
            copy(from, to, black_box(bytes));
            black_box(&mut *to);
            let after = ticks();
            times.push(rate.ns((after - before) as f64) / buffers as f64);
            if after >= end {
                return Spread::of(times).map(|all| all.median);
            }
        }
    };
    // The first time is the warm-up.
    rounds();
    Spread::of((0..repeat).filter_map(|_| rounds()))
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
