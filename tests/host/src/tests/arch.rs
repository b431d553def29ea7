// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a processor does by an instruction of its own does the same as what is written out for any.
//! Masks are tested beside what uses them.

#![allow(unsafe_code)]

use crate::sys::arch::{copy_wide, copy_words, generic, leave_wide, prefetch_for_writing};

/// Has `copy` copy `len` bytes, from and to every place of a word: they arrive, and their
/// neighbours stay.
pub(super) fn check(len: usize, mut copy: impl FnMut(*const u8, *mut u8)) {
    const AROUND: usize = 64;
    for (ahead, behind) in (0..8).zip([3, 0, 6, 1, 7, 2, 5, 4]) {
        let from: Vec<u8> = (0..ahead + len).map(|i| (i * 7 + i / 256) as u8).collect();
        let mut to = vec![0xee; AROUND + behind + len + AROUND];
        let (source, start) = (&from[ahead..], AROUND + behind);
        copy(source.as_ptr(), to[start..start + len].as_mut_ptr());
        let (before, rest) = to.split_at(start);
        let (copied, after) = rest.split_at(len);
        assert_eq!(copied, source, "{len} bytes from {ahead} to {behind}");
        let beside = before.iter().chain(after);
        assert!(beside.clone().all(|&byte| byte == 0xee), "{len} bytes");
    }
}

#[test]
fn words_are_copied_one_by_one() {
    for words in (0..70).chain([255, 256, 1000]) {
        // SAFETY: `check` gives that many words of each.
        check(words * 8, |from, to| unsafe { copy_words(from, to, words) });
        // SAFETY: as before, `check` gives that many words.
        check(words * 8, |from, to| unsafe {
            generic::copy_words(from, to, words)
        });
    }
}

#[test]
fn wide_copies_are_exact_at_every_length() {
    #[cfg(target_arch = "x86_64")]
    let there = std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let there = true;
    for len in 64..700 {
        // SAFETY: `check` gives that many bytes of each; no registers are needed.
        check(len, |from, to| unsafe { generic::copy_wide(from, to, len) });
        if there {
            // SAFETY: as before; the registers are there, and nobody else's in a program.
            check(len, |from, to| unsafe { copy_wide(from, to, len) });
        }
    }
    if there {
        // SAFETY: the registers are there, and nothing is kept in them.
        unsafe { leave_wide() };
    }
    // SAFETY: it does nothing.
    unsafe { generic::leave_wide() };
}

#[test]
fn any_address_may_be_prefetched() {
    for at in [0, 1, 0x1000, usize::MAX] {
        prefetch_for_writing(std::ptr::without_provenance(at));
        generic::prefetch_for_writing(std::ptr::without_provenance(at));
    }
}
