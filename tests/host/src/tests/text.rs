// SPDX-License-Identifier: MIT OR Apache-2.0

//! What does not fit is cut, and who wrote it is told.

use crate::text::{write_word, Text};
use std::fmt::Write;

#[test]
fn parts_follow_one_another_and_are_cut_at_the_end() {
    assert_eq!(&*Text::<8>::new(&[]), b"");
    assert_eq!(&*Text::<8>::new(&[b"vale", b"", b":0"]), b"vale:0");
    assert_eq!(&*Text::<8>::new(&[b"vale1234"]), b"vale1234");
    assert_eq!(&*Text::<8>::new(&[b"vale123", b":0", b"^"]), b"vale123:");
}

#[test]
fn the_same_bytes_are_the_same_text() {
    assert!(Text::<8>::new(&[b"ab", b"c"]) == Text::new(&[b"abc"]));
    assert!(Text::<8>::new(&[b"ab"]) != Text::new(&[b"ab\0"]));
    assert_eq!(Text::<4>::new(&[b"ab", b"c"]).padded(), b"abc\0");
}

#[test]
fn writing_fails_where_it_is_cut() {
    let mut text = Text::<8>::new(&[b"port"]);
    assert!(write!(text, "{{{}", 17).is_ok());
    assert_eq!(&*text, b"port{17");
    assert!(write!(text, "{}more", 23).is_err());
    assert_eq!(&*text, b"port{172");
}

#[test]
fn a_name_is_one_word_and_can_be_told_from_any_other() {
    let word = |bytes: &[u8]| {
        let mut word = String::new();
        write_word(bytes, &mut word).unwrap();
        word
    };
    assert_eq!(word(b"vale0:a{1/z#0"), "vale0:a{1/z#0");
    assert_eq!(word(b"a b\\c\n\x7f\xff\0"), r"a\040b\134c\012\177\377\000");
    assert_eq!(word(br"\040"), r"\134040");
    // It ends where the room does.
    let mut room = Text::<6>::new(&[]);
    assert!(write_word(b"ab c", &mut room).is_err());
}
