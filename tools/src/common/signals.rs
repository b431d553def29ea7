// SPDX-License-Identifier: MIT OR Apache-2.0

//! ^C and SIGTERM, read from a descriptor, so that a tool can end in order.

use nix::{
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    Result,
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

/// A descriptor that is readable once the user wants the program to end.
pub struct Signals(SignalFd);

impl Signals {
    /// To be called before the first thread starts: only then the descriptor alone sees the signals.
    pub fn block() -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map(Signals)
    }

    /// Takes a signal that has come.
    pub fn take(&self) -> Result<()> {
        self.0.read_signal().map(drop)
    }

    /// Sleeps that long, or until a signal is there, which stays to be taken. Says whether one is.
    pub fn wait(&self, most: Duration) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout(most)).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// For poll: milliseconds, rounded up, so that a short wait is not a spin.
pub fn timeout(most: Duration) -> PollTimeout {
    PollTimeout::try_from(most.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}
