// SPDX-License-Identifier: GPL-2.0

//! Why a request is refused: the errno that the interface documents, and the reason in words.

use crate::abi::ext::WHY_TEXT;
use core::fmt::{self, Write};
use kernel::{alloc::AllocError, error::Error, prelude::*};

/// A sentence of at most [`WHY_TEXT`] bytes; what does not fit is cut.
struct Sentence {
    bytes: [u8; WHY_TEXT],
    len: usize,
}

impl Sentence {
    const EMPTY: Sentence = Sentence {
        bytes: [0; WHY_TEXT],
        len: 0,
    };

    fn as_bytes(&self) -> &[u8] {
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
    /// In a box of its own: the kernel's stack is small and many functions answer a refusal. Nothing if
    /// there is no story to tell, or no memory to tell it in.
    why: Option<KBox<Sentence>>,
}

pub(crate) type Answer<T = ()> = core::result::Result<T, Refusal>;

impl Refusal {
    #[cold]
    pub(crate) fn new(errno: Error, args: fmt::Arguments<'_>) -> Self {
        // Not charged: it tells one whose cgroup is full of just that, and the kernel would end him for it.
        let mut why = KBox::new(Sentence::EMPTY, GFP_KERNEL).ok();
        if let Some(sentence) = &mut why {
            // It never fails: what does not fit is cut.
            let _ = sentence.write_fmt(args);
        }
        Refusal { errno, why }
    }

    /// The reason in words, if there is one.
    pub(crate) fn why(&self) -> &[u8] {
        self.why
            .as_ref()
            .map_or(&[], |sentence| sentence.as_bytes())
    }
}

impl From<Error> for Refusal {
    /// For errors that come from the kernel without a story.
    fn from(errno: Error) -> Self {
        Refusal { errno, why: None }
    }
}

impl From<AllocError> for Refusal {
    fn from(_: AllocError) -> Self {
        Refusal::new(ENOMEM, format_args!("the kernel is out of memory"))
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
