// SPDX-License-Identifier: GPL-2.0

//! Indexes that programs choose, kept inside also where the processor runs ahead of a check.
//!
//! A processor guesses how a comparison ends and goes on. What it reads past an array meanwhile is
//! thrown away, but which cache lines it touched can be found out (Spectre, variant 1). So such an
//! index is not only compared: it goes through a mask, which the processor has to compute, as
//! `array_index_nospec` of linux/nospec.h does. Pure.

use super::arch::mask;
use core::ops::Range;

/// `index`, if it is below `count`, and otherwise 0, whatever the processor guesses.
#[inline(always)]
pub(crate) fn confine(index: usize, count: usize) -> usize {
    index & mask(index, count)
}

/// The same for numbers of 32 bits.
#[inline(always)]
pub(crate) fn confine32(index: u32, count: u32) -> u32 {
    confine(index as usize, count as usize) as u32
}

/// The range, if both of its edges are at most `count`, and otherwise an empty one.
#[inline(always)]
pub(crate) fn confine_range(range: Range<u16>, count: u16) -> Range<u16> {
    let edges = usize::from(count) + 1;
    let inside = mask(range.start.into(), edges) & mask(range.end.into(), edges);
    range.start & inside as u16..range.end & inside as u16
}
