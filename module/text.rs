// SPDX-License-Identifier: GPL-2.0

//! A short text that is held in place: a name, a sentence. Pure.

use core::{
    fmt::{self, Write},
    ops::Deref,
};

/// Up to `N` bytes. What does not fit is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<const N: usize> {
    /// Zero where the text does not reach.
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// The parts, one after the other.
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let mut text = Text {
            bytes: [0; N],
            len: 0,
        };
        for part in parts {
            text.push(part);
        }
        text
    }

    /// The same, and zeros as far as there is room.
    pub(crate) fn padded(&self) -> &[u8; N] {
        &self.bytes
    }

    /// One part more. False if not all of it fits.
    fn push(&mut self, part: &[u8]) -> bool {
        let room = self.bytes.get_mut(self.len..).unwrap_or(&mut []);
        let fits = part.len() <= room.len();
        for (to, byte) in room.iter_mut().zip(part) {
            *to = *byte;
            self.len += 1;
        }
        fits
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Adds to it. It fails where something does not fit, and has written what does.
impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part.as_bytes()).then_some(()).ok_or(fmt::Error)
    }
}

/// Writes bytes as one word, in the way of the kernel's own files: what is no visible character
/// of ASCII is three octal digits behind a `\`, and so is `\`.
pub(crate) fn write_word(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    for &byte in bytes {
        match byte {
            b'!'..=b'~' if byte != b'\\' => out.write_char(char::from(byte))?,
            byte => write!(out, "\\{byte:03o}")?,
        }
    }
    Ok(())
}
