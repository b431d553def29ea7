// SPDX-License-Identifier: MIT OR Apache-2.0

//! How a test says what it expects. The first thing that is not so ends the test, with what was
//! expected, what came, and the line of the test.

use nix::errno::Errno;
use std::fmt::{Debug, Display};
use std::panic::Location;

/// Why a test failed, and where in it.
pub struct Failure {
    text: String,
    at: &'static Location<'static>,
}

/// What tests and their helpers return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Rooms have files of the same name.
        let path = self.at.file();
        let file = path.rsplit_once("/src/").map_or(path, |(_, file)| file);
        write!(f, "{file}:{}: {}", self.at.line(), self.text)
    }
}

// `?` passes the line it stands on, so that a system call that must work needs no words of its own.
impl From<Errno> for Failure {
    #[track_caller]
    fn from(e: Errno) -> Self {
        failure(format!("a call that should work failed: {e}"))
    }
}

impl From<std::io::Error> for Failure {
    #[track_caller]
    fn from(e: std::io::Error) -> Self {
        failure(format!("a call that should work failed: {e}"))
    }
}

/// A failure in the test's own words.
#[track_caller]
pub fn failure(text: impl Into<String>) -> Failure {
    Failure {
        text: text.into(),
        at: Location::caller(),
    }
}

/// Ends the test in its own words.
#[track_caller]
pub fn fail<T>(text: impl Into<String>) -> Outcome<T> {
    Err(failure(text))
}

/// `got` is what it should be.
#[track_caller]
pub fn same<A: PartialEq<B> + Debug, B: Debug>(what: impl Display, got: A, want: B) -> Outcome {
    if got == want {
        Ok(())
    } else {
        fail(format!("{what}: expected {want:?}, got {got:?}"))
    }
}

/// `got` is not what it must not be.
#[track_caller]
pub fn differs<A: PartialEq<B> + Debug, B: Debug>(what: impl Display, got: A, no: B) -> Outcome {
    if got != no {
        Ok(())
    } else {
        fail(format!("{what}: expected anything but {no:?}"))
    }
}

/// The sentence `what` is true.
#[track_caller]
pub fn that(what: impl Display, is_so: bool) -> Outcome {
    if is_so {
        Ok(())
    } else {
        fail(format!("expected: {what}"))
    }
}

/// The call failed, and with this errno.
#[track_caller]
pub fn fails<T>(what: impl Display, got: Result<T, Errno>, want: Errno) -> Outcome {
    match got {
        Err(e) if e == want => Ok(()),
        Err(e) => fail(format!("{what}: expected {want:?}, got {e:?}")),
        Ok(_) => fail(format!("{what}: expected {want:?}, but it succeeded")),
    }
}

/// The call succeeded; unlike a bare `?` this says which one it was.
#[track_caller]
pub fn works<T>(what: impl Display, got: Result<T, Errno>) -> Outcome<T> {
    match got {
        Ok(value) => Ok(value),
        Err(e) => fail(format!("{what}: expected success, got {e:?}")),
    }
}

/// What a request may return.
const KNOWN: [Errno; 12] = [
    Errno::EINVAL,
    // For descriptors in options that are none.
    Errno::EBADF,
    Errno::EFAULT,
    Errno::ENOMEM,
    Errno::EBUSY,
    Errno::ENXIO,
    Errno::ENOENT,
    Errno::ENODEV,
    Errno::EEXIST,
    Errno::EIO,
    Errno::EOPNOTSUPP,
    Errno::EMSGSIZE,
];

/// That a request did not return an errno that it does not know.
#[track_caller]
pub fn documented<T>(what: &str, result: Result<T, Errno>) -> Outcome {
    match result {
        Err(e) if !KNOWN.contains(&e) => {
            fail(format!("{what}: got {e:?}, which no request returns"))
        }
        _ => Ok(()),
    }
}
