// SPDX-License-Identifier: GPL-2.0

//! Threads that come to sync one ring at the same time. One of them does; the others do not wait,
//! and have seen the ring as it was before. If they go to sleep on that, who had the ring must wake
//! them.
//!
//! Pure: the parent module says what an atomic is, so that loom can try all interleavings.

use super::atomic::{
    fence, AtomicBool,
    Ordering::{Relaxed, SeqCst},
};

/// How a sync of a ring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synced {
    /// The program finds something past its `cur`.
    Ready,
    /// It does not.
    Waiting,
    /// The program's indexes made no sense; the ring is back at the kernel's own.
    Bad,
}

impl From<bool> for Synced {
    fn from(ready: bool) -> Self {
        if ready {
            Synced::Ready
        } else {
            Synced::Waiting
        }
    }
}

/// Word from those who came while somebody else had the ring.
pub(crate) struct Contention {
    missed: AtomicBool,
}

impl Contention {
    pub(crate) fn new() -> Self {
        Contention {
            missed: AtomicBool::new(false),
        }
    }

    /// The lock, or `None` if another thread has it: that one is told of it in
    /// [`serve`](Self::serve).
    pub(crate) fn enter<G>(&self, try_lock: impl Fn() -> Option<G>) -> Option<G> {
        try_lock().or_else(|| {
            self.missed.store(true, Relaxed);
            // Pairs with the fence in `take`: either the lock is free by now, or who lets go of it
            // finds the word.
            fence(SeqCst);
            try_lock()
        })
    }

    /// Syncs, and on behalf of those who came in vain meanwhile once more. If they have anything to
    /// look at then, `wake` is called. They must have joined the queue before they came.
    ///
    /// `sync` takes the lock by [`enter`](Self::enter), and returns `None` if another thread has
    /// it.
    pub(crate) fn serve(
        &self,
        sync: impl Fn() -> Option<Synced>,
        wake: impl FnOnce(),
    ) -> Option<Synced> {
        let done = sync();
        if done.is_some() && self.take() {
            // Not for the news that we have published ourselves, but for those that came behind our
            // back while they had not joined the queue.
            match sync() {
                // Somebody else has it: he finds our word, which is as good as theirs.
                None => {}
                // More have come. To go on for them might have no end; they look again.
                Some(Synced::Waiting) if !self.take() => {}
                _ => wake(),
            }
        }
        done
    }

    /// Takes the word, if there is one. To be called without the lock.
    fn take(&self) -> bool {
        fence(SeqCst);
        self.missed.load(Relaxed) && self.missed.swap(false, SeqCst)
    }
}
