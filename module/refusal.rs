// SPDX-License-Identifier: GPL-2.0

//! Why a request is refused: the errno that the interface documents, and the reason in words.

use crate::abi::ext::WHY_TEXT;
use core::fmt::{self, Write};
use kernel::{alloc::AllocError, error::Error};

/// A sentence of at most [`WHY_TEXT`] bytes; what does not fit is cut.
pub(crate) struct Sentence {
    bytes: [u8; WHY_TEXT],
    len: usize,
}

impl Sentence {
    pub(crate) const EMPTY: Sentence = Sentence {
        bytes: [0; WHY_TEXT],
        len: 0,
    };

    pub(crate) fn new(args: fmt::Arguments<'_>) -> Self {
        let mut sentence = Self::EMPTY;
        // It never fails: what does not fit is cut.
        let _ = sentence.write_fmt(args);
        sentence
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut take = text.len().min(WHY_TEXT - self.len);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}

/// An error on its way to the program.
pub(crate) struct Refusal {
    pub(crate) errno: Error,
    pub(crate) why: Sentence,
}

pub(crate) type Answer<T = ()> = core::result::Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(errno: Error, args: fmt::Arguments<'_>) -> Self {
        Refusal {
            errno,
            why: Sentence::new(args),
        }
    }
}

impl From<Error> for Refusal {
    /// For errors that come from the kernel without a story.
    fn from(errno: Error) -> Self {
        Refusal {
            errno,
            why: Sentence::EMPTY,
        }
    }
}

impl From<AllocError> for Refusal {
    fn from(_: AllocError) -> Self {
        Refusal::new(
            kernel::error::code::ENOMEM,
            format_args!("the kernel is out of memory"),
        )
    }
}

/// Leaves the function with a [`Refusal`]: `refuse!(EINVAL, "mode {} is not one", mode)`.
macro_rules! refuse {
    ($errno:expr, $($text:tt)+) => {
        return Err($crate::refusal::Refusal::new($errno, format_args!($($text)+)))
    };
}
pub(crate) use refuse;

/// Bytes of a name, as far as they can be shown.
pub(crate) struct Name<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            let shown = if byte.is_ascii_graphic() { byte } else { b'?' };
            f.write_char(char::from(shown))?;
        }
        Ok(())
    }
}

/// For the kernel's own macros, which have a `Display` of theirs.
impl kernel::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
