// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is returned to "why did that fail": whatever bytes are in it, a text comes out.

use ferromap_abi::{
    ext::{NmreqWhy, FERROMAP_REQ_FIRST, FERROMAP_REQ_WHY, WHY_TEXT},
    wire::Plain,
};
use proptest::prelude::*;

fn why(text: &[u8], len: u32) -> NmreqWhy {
    let mut why = NmreqWhy::zeroed();
    why.text[..text.len()].copy_from_slice(text);
    why.len = len;
    why
}

#[test]
fn extensions_are_numbered_where_netmap_has_nothing() {
    assert_eq!((FERROMAP_REQ_FIRST, FERROMAP_REQ_WHY), (0x1000, 0x1000));
}

#[test]
fn the_text_ends_where_its_length_says_or_where_it_breaks() {
    // (bytes, len, text)
    let table: [(&[u8], u32, &str); 7] = [
        (b"", 0, ""),
        (b"busy", 4, "busy"),
        (b"busy", 2, "bu"),
        (b"busy", 6, "busy\0\0"),
        ("caf\u{e9}".as_bytes(), 5, "caf\u{e9}"),
        ("caf\u{e9}".as_bytes(), 4, "caf"),
        (b"ok\xff\xfe", 4, "ok"),
    ];
    for (bytes, len, text) in table {
        assert_eq!(why(bytes, len).text(), text, "{bytes:?}, {len} bytes");
    }
}

#[test]
fn a_length_beyond_the_room_means_all_of_it() {
    let full = [b'x'; WHY_TEXT];
    for len in [WHY_TEXT as u32, WHY_TEXT as u32 + 1, u32::MAX] {
        assert_eq!(why(&full, len).text().len(), WHY_TEXT);
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_text_that_they_start_with(
        bytes in prop::collection::vec(any::<u8>(), WHY_TEXT), len: u32, small: bool
    ) {
        let why = why(&bytes, if small { len % 300 } else { len });
        let text = why.text();
        prop_assert!(bytes.starts_with(text.as_bytes()));
        prop_assert!(text.len() <= why.len as usize);
    }
}
