// SPDX-License-Identifier: MIT OR Apache-2.0

//! A frame arrives while one thread syncs the ring and another one polls it: whichever finds the
//! other at work, the poller does not sleep with the frame there.

use crate::{
    atomic::{
        fence, AtomicBool, AtomicU32,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
    contention::{Contention, Synced},
    every_interleaving,
};
use loom::{sync::Arc, thread};

/// A ring for one frame.
struct Ring {
    contention: Contention,
    locked: AtomicBool,
    arrived: AtomicU32,
    tail: AtomicU32,
    /// The poller is on the wait queue, and has been woken there.
    joined: AtomicBool,
    woken: AtomicBool,
}

struct Locked<'r>(&'r Ring);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.locked.store(false, Release);
    }
}

impl Ring {
    /// As the module's wait queue.
    fn wake(&self) {
        fence(SeqCst);
        if self.joined.load(Relaxed) {
            self.woken.store(true, Relaxed);
        }
    }

    fn deliver(&self) {
        self.arrived.store(1, Release);
        self.wake();
    }

    fn try_lock(&self) -> Option<Locked<'_>> {
        let took = self.locked.compare_exchange(false, true, Acquire, Relaxed);
        took.ok().map(|_| Locked(self))
    }

    fn sync(&self) -> Option<Synced> {
        let once = || {
            let _locked = self.contention.enter(|| self.try_lock())?;
            let arrived = self.arrived.load(Acquire);
            self.tail.store(arrived, Release);
            Some(Synced::from(arrived > 0))
        };
        self.contention.serve(once, || self.wake())
    }

    /// Whether there is a frame; if not, the program goes to sleep.
    fn poll(&self) -> bool {
        self.joined.store(true, Relaxed);
        fence(SeqCst);
        let synced = self.sync();
        let ready = synced.map(|synced| synced == Synced::Ready);
        ready.unwrap_or_else(|| self.tail.load(Acquire) > 0)
    }
}

#[test]
fn nobody_sleeps_with_a_frame_there() {
    every_interleaving(Some(3), || {
        let ring = Arc::new(Ring {
            contention: Contention::new(),
            locked: AtomicBool::new(false),
            arrived: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            joined: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        });
        let spawn = |run: fn(&Ring)| {
            let ring = ring.clone();
            thread::spawn(move || run(&ring))
        };
        let others = [
            spawn(Ring::deliver),
            spawn(|ring| {
                ring.sync();
            }),
        ];
        let ready = ring.poll();
        for other in others {
            other.join().unwrap();
        }
        assert!(ready || ring.woken.load(Relaxed), "it sleeps");
    });
}
