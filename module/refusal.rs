// SPDX-License-Identifier: GPL-2.0

//! Why a request is refused: the errno that the interface documents, and the reason in words.

use crate::{abi::ext::WHY_TEXT, text::Text};
use kernel::{
    alloc::AllocError,
    error::Error,
    fmt::{self, Write},
    prelude::*,
    str::BStr,
};

/// A sentence in ASCII.
type Sentence = Text<WHY_TEXT>;

/// An error on its way to the program.
pub(crate) struct Refusal {
    pub(crate) errno: Error,
    /// In a box of its own: the kernel's stack is small and many functions return a refusal.
    /// Nothing if there is no story to tell, or no memory to tell it in.
    why: Option<KBox<Sentence>>,
}

/// What may be refused.
pub(crate) type Fallible<T = ()> = core::result::Result<T, Refusal>;

impl Refusal {
    #[cold]
    pub(crate) fn new(errno: Error, args: fmt::Arguments<'_>) -> Self {
        // Not charged: it tells one whose cgroup is full of just that, and the kernel would end him
        // for it.
        let mut why = KBox::new(Sentence::new(&[]), GFP_KERNEL).ok();
        if let Some(sentence) = &mut why {
            // What does not fit is cut.
            let _ = sentence.write_fmt(args);
        }
        Refusal { errno, why }
    }

    /// The reason in words, if there is one.
    pub(crate) fn why(&self) -> &[u8] {
        self.why.as_ref().map_or(&[], |sentence| sentence)
    }
}

impl From<Error> for Refusal {
    /// For errors that come from the kernel without a story. One always has the same: what is
    /// copied from and to programs fails so, wherever the address was found.
    fn from(errno: Error) -> Self {
        if errno == EFAULT {
            let what = fmt!("an address in the request is no memory that this process may use so");
            return Refusal::new(errno, what);
        }
        Refusal { errno, why: None }
    }
}

impl From<AllocError> for Refusal {
    fn from(_: AllocError) -> Self {
        Refusal::new(ENOMEM, fmt!("the kernel is out of memory"))
    }
}

/// Leaves the function with a [`Refusal`]: `refuse!(EINVAL, "mode {} is not one", mode)`.
macro_rules! refuse {
    ($errno:expr, $($text:tt)+) => {
        return Err($crate::refusal::Refusal::new($errno, kernel::prelude::fmt!($($text)+)))
    };
}
pub(crate) use refuse;

/// Bytes of a name, as the kernel shows what may not be text.
pub(crate) struct Name<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BStr::from_bytes(self.0).fmt(f)
    }
}
