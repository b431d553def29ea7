// SPDX-License-Identifier: MIT OR Apache-2.0

//! Copies of every length: all bytes arrive, and none beside them is touched.

#![allow(unsafe_code)]

use super::arch::check;
use crate::{
    sys::bottom_half::Disabled,
    sys::copy::{copy, Copier},
};

/// Past the longest buffer, by more than any step of a copy.
const LONGEST: usize = 2048 + 200;

#[test]
fn copies_without_wide_registers_are_exact_at_every_length() {
    let mut by = Copier::narrow();
    for len in 0..LONGEST {
        check(len, |from, to| {
            // SAFETY: `check` gives that many bytes of each.
            unsafe { copy(from, to, len, &mut by) }
        });
    }
}

#[test]
fn copies_with_wide_registers_are_exact_at_every_length() {
    let mut by = Copier::new(u32::MAX, &Disabled);
    for len in 0..LONGEST {
        check(len, |from, to| {
            // SAFETY: `check` gives that many bytes of each.
            unsafe { copy(from, to, len, &mut by) }
        });
    }
}
