// SPDX-License-Identifier: MIT OR Apache-2.0

//! ^C and SIGTERM. The first has the tool end in order; the second ends it at once, as does the
//! first if the tool does not come to its end: its output may be stuck where nobody reads it.

use crate::out;
use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::{
        eventfd::{EfdFlags, EventFd},
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    Result,
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long a tool may take to end in order.
const PATIENCE: Duration = Duration::from_secs(10);

/// A descriptor that is readable from the first signal on.
pub struct Signals(Arc<EventFd>);

impl Signals {
    /// To be called before any other thread starts: only then no thread but ours sees the signals.
    /// Ours is there so that they are taken whatever the others do.
    pub fn block() -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        let from = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
        let came = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let tell = came.clone();
        thread::spawn(move || forward(&from, &tell));
        Ok(Signals(came))
    }

    /// Sleeps that long, or until a signal comes. Says whether one did.
    pub fn wait(&self, most: Duration) -> bool {
        readable(self.as_fd(), most)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn forward(from: &SignalFd, came: &EventFd) {
    let Some(first) = next(from) else { return };
    // The counter of an eventfd does not overflow from one.
    let _ = came.write(1);
    readable(from.as_fd(), PATIENCE);
    out::end_by(first);
}

fn next(from: &SignalFd) -> Option<Signal> {
    loop {
        match from.read_signal() {
            Ok(Some(info)) => return Signal::try_from(info.ssi_signo as i32).ok(),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

fn readable(fd: BorrowedFd<'_>, most: Duration) -> bool {
    let begun = Instant::now();
    loop {
        let left = most.saturating_sub(begun.elapsed());
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        match poll(&mut fds, timeout(left)) {
            // A stop and a continue is no end.
            Err(Errno::EINTR) => {}
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}

/// For poll: milliseconds, rounded up, so that a short wait is not a spin.
pub fn timeout(most: Duration) -> PollTimeout {
    PollTimeout::try_from(most.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}
