// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a function fails: a number for the program, and words for people.

use nix::errno::Errno;

pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) words: String,
}

pub(crate) type Fallible<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(errno: Errno, words: impl Into<String>) -> Self {
        let words = words.into();
        Failure { errno, words }
    }

    /// `EINVAL`.
    pub(crate) fn invalid(words: impl Into<String>) -> Self {
        Failure::new(Errno::EINVAL, words)
    }

    /// What the system said of a file or of memory.
    pub(crate) fn system(what: &str, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
        Failure::new(errno, format!("{what}: {}", errno.desc()))
    }
}

impl From<ferromap::Error> for Failure {
    fn from(error: ferromap::Error) -> Self {
        let errno = error.errno().unwrap_or(Errno::EINVAL);
        Failure::new(errno, error.to_string())
    }
}
