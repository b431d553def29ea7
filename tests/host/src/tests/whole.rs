// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which slots of a batch a monitor is shown.

use crate::whole::{Batch, Step};

/// Slots as a text: `+` goes on in the next one, `.` ends a frame. The first `before` are those
/// before the batch, and the very first is the one before these.
fn batch(text: &'static [u8], before: u32, ends: bool) -> Batch<impl Fn(i32) -> bool> {
    Batch {
        before,
        count: text.len() as u32 - before - 1,
        ends,
        goes_on: move |at| text[(at + before as i32 + 1) as usize] == b'+',
    }
}

#[test]
fn only_whole_frames_are_shown() {
    for (text, before, want) in [
        (&b"......"[..], 0, 0..5),
        (b".+.+..", 0, 0..5),
        (b"...+++", 0, 0..2),
        (b".+++++", 0, 0..0),
        // The rest of one whose beginning has gone.
        (b"+++...", 0, 3..5),
        (b"++++++", 0, 5..5),
        // One that waited for its end.
        (b"..++..", 3, -2..2),
        (b"..++++", 3, -2..-2),
        // What was whole before was shown before.
        (b"......", 3, 0..2),
        // The rest of one that was being taken.
        (b"+++...", 1, 2..4),
    ] {
        let got = batch(text, before, false).whole();
        assert_eq!(got, want, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn on_a_switch_a_frame_ends_with_the_batch() {
    let batch = batch(b"+++.++", 0, true);
    assert_eq!(batch.whole(), 0..5);
    assert_eq!(batch.next(3..5, 128), Some(Step::Show(3..5)));
}

#[test]
fn steps_end_where_frames_do() {
    let text = b"..++.+++++++..";
    let batch = batch(text, 0, false);
    assert_eq!(batch.next(0..13, 3), Some(Step::Show(0..1)));
    assert_eq!(batch.next(1..13, 3), Some(Step::Show(1..4)));
    // It is longer than a step.
    assert_eq!(batch.next(4..13, 3), Some(Step::Skip(4..12)));
    assert_eq!(batch.next(12..13, 3), Some(Step::Show(12..13)));
    assert_eq!(batch.next(13..13, 3), None);
}

#[test]
fn the_newest_frames_are_kept() {
    let text = b"..+..++.";
    let batch = batch(text, 0, false);
    let from = |room| batch.newest(&(0..7), room);
    let got: Vec<_> = (0..9).map(from).collect();
    assert_eq!(got, [7, 7, 7, 4, 3, 3, 1, 0, 0]);
}
