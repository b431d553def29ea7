// SPDX-License-Identifier: MIT OR Apache-2.0

//! CSB mode (section 10 of the interface). No loop is ever started that nobody has told to stop.

use super::state::{Binding, Key, Rings, State};
use super::{Answer, Arrays};
use nix::errno::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// The longest sleep of a loop, in microseconds.
const MOST_SLEEP: u32 = 1_000_000;

/// What is wrong with arrays for these rings, before anybody writes there.
pub fn check(arrays: Arrays, rings: &Rings) -> Result<()> {
    let odd = matches!(arrays, Arrays::Unaligned | Arrays::Lapping);
    // Without rings they are not looked at.
    match has_some(rings) && (odd || !rings.exclusive) {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    }
}

/// Whether the file is in CSB mode then.
pub fn enter(arrays: Arrays, rings: &Rings) -> Result<bool> {
    match arrays {
        Arrays::Unreadable if has_some(rings) => Err(Errno::EFAULT),
        _ => Ok(has_some(rings)),
    }
}

fn has_some(rings: &Rings) -> bool {
    !rings.tx.is_empty() || !rings.rx.is_empty()
}

impl State {
    fn bound(&mut self, file: usize) -> Result<&mut Binding> {
        let key: Key = self.binding(file).ok_or(Errno::ENXIO)?;
        Ok(self.bindings.get_mut(&key).expect("a binding"))
    }

    /// CSB_ENABLE, which may be said again.
    pub fn enable_csb(&mut self, file: usize, arrays: Option<Arrays>) -> Result<Answer> {
        let binding = self.bound(file)?;
        let arrays = arrays.ok_or(Errno::EINVAL)?;
        check(arrays, &binding.rings)?;
        binding.csb |= enter(arrays, &binding.rings)?;
        Ok(Answer::Done)
    }

    /// SYNC_KLOOP_STOP: nobody runs, so the next START returns at once.
    pub fn stop_loop(&mut self, file: usize) -> Result<Answer> {
        self.bound(file)?.stopped = true;
        Ok(Answer::Done)
    }

    /// SYNC_KLOOP_START.
    pub fn start_loop(&mut self, file: usize, sleep_us: u32) -> Result<Answer> {
        let binding = self.bound(file)?;
        if sleep_us > MOST_SLEEP || !binding.csb {
            return Err(Errno::EINVAL);
        }
        assert!(binding.stopped, "a loop that would not end");
        binding.stopped = false;
        Ok(Answer::Done)
    }

    /// Whether a START returns.
    pub fn would_end(&self, file: usize) -> bool {
        let key = self.binding(file);
        key.is_none_or(|key| !self.bindings[&key].csb || self.bindings[&key].stopped)
    }

    /// Whether poll says POLLERR.
    pub fn has_poll_error(&self, file: usize) -> bool {
        let Some(binding) = self.binding(file).map(|key| &self.bindings[&key]) else {
            return true;
        };
        let watched = self.ports[&binding.port].watches;
        // A monitor's port has been closed.
        let ended = watched.is_some_and(|audience| !self.audiences.contains_key(&audience));
        binding.csb || ended
    }
}
