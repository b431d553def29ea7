// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames in hexadecimal.

use common::out;
use std::fmt::Write;

/// Prints a frame, 16 bytes a line.
pub fn dump(frame: &[u8]) {
    // In one piece, so that lines of several threads do not mix.
    out::lines(&text(frame));
}

fn text(frame: &[u8]) -> String {
    let mut out = format!("frame of {} bytes\n", frame.len());
    for (i, line) in frame.chunks(16).enumerate() {
        let _ = write!(out, "{:5}:", i * 16);
        for byte in line {
            let _ = write!(out, " {byte:02x}");
        }
        let shown = line.iter().map(|&b| match b {
            b' '..=b'~' => b as char,
            _ => '.',
        });
        let gap = 3 * (16 - line.len()) + 2;
        out.extend(std::iter::repeat_n(' ', gap).chain(shown).chain(['\n']));
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_have_sixteen_bytes_and_their_characters() {
        let frame: Vec<u8> = (b'a'..=b'r').collect();
        let text = super::text(&frame);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "frame of 18 bytes");
        assert!(lines[1].starts_with("    0: 61 62") && lines[1].ends_with("  abcdefghijklmnop"));
        assert!(lines[2].starts_with("   16: 71 72 ") && lines[2].ends_with("  qr"));
    }
}
