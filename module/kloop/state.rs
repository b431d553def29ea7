// SPDX-License-Identifier: GPL-2.0

//! Whether a file is in CSB mode, and whether its loop runs.

use super::{
    csb::{self, Csb, Entry},
    run::{self, End, Wishes},
    Rings,
};
use crate::{
    refusal::{refuse, Fallible},
    sys::{
        task,
        wait::{WaitQueue, FRAMES},
        waiting::WaitEntries,
    },
};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// The loop of a file, whether it runs or not.
#[pin_data]
pub(crate) struct KernelLoop {
    /// Whether the rings are synced by the loop only.
    csb_mode: AtomicBool,
    /// Whether whoever is [`busy`](State::busy) is to come to an end.
    stopping: AtomicBool,
    /// Who runs the loop, and who waits for its end.
    news: Arc<WaitQueue>,
    #[pin]
    state: Mutex<State>,
}

struct State {
    csb: Option<Csb>,
    /// Somebody runs the loop, or is about to enter CSB mode.
    busy: bool,
    /// There was a STOP for nobody: the next loop ends before it begins.
    stop_next: bool,
    /// How often somebody has come to an end.
    ended: u64,
}

impl KernelLoop {
    pub(crate) fn new() -> Fallible<Pin<KBox<Self>>> {
        let state = State {
            csb: None,
            busy: false,
            stop_next: false,
            ended: 0,
        };
        let news = WaitQueue::new(FRAMES)?;
        Ok(KBox::pin_init(
            pin_init!(KernelLoop {
                csb_mode: AtomicBool::new(false),
                stopping: AtomicBool::new(false),
                news,
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// Whether the file is in CSB mode: nothing but its loop syncs its rings. There is no way back.
    #[inline]
    pub(crate) fn is_csb(&self) -> bool {
        self.csb_mode.load(Relaxed)
    }

    /// Enters CSB mode, with arrays of the calling process at these addresses. May sleep for as
    /// long as the process likes.
    pub(crate) fn enable(&self, rings: &dyn Rings, atok: u64, ktoa: u64) -> Fallible {
        let (held, count) = (rings.held(), run::ways(rings).count());
        csb::check(held.selection().exclusive, atok, ktoa, count)?;
        if count == 0 {
            return Ok(());
        }
        let csb = Csb::of_caller(atok, ktoa)?;
        let mut state = self.state.lock();
        if state.busy {
            refuse!(EBUSY, "the loop is running: stop it first");
        }
        state.busy = true;
        drop(state);
        let written = self.write(rings, csb.entries());
        let mut state = self.state.lock();
        if written.is_ok() {
            state.csb = Some(csb);
            self.csb_mode.store(true, Relaxed);
        }
        self.end(&mut state);
        written
    }

    /// Tells the program where it is.
    fn write(&self, rings: &dyn Rings, entries: Fallible<impl Iterator<Item = Entry>>) -> Fallible {
        for (way, entry) in run::ways(rings).zip(entries?) {
            // Once it was in CSB mode, what the ring says is old.
            let (at, now) = way.position(!self.is_csb());
            entry.init(at, now).map_err(csb::gone)?;
        }
        Ok(())
    }

    /// Runs the loop in the calling thread until it is stopped. A signal is served on the way: the
    /// system call begins anew after it.
    pub(crate) fn start(&self, rings: &dyn Rings, wishes: &Wishes) -> Fallible {
        let mut state = self.state.lock();
        if state.busy {
            refuse!(EBUSY, "the loop of this file is running already");
        }
        let Some(csb) = &state.csb else {
            refuse!(
                EINVAL,
                "a loop needs CSB mode: bind the file with NETMAP_REQ_OPT_CSB, or say CSB_ENABLE"
            );
        };
        let entries = csb.entries()?;
        if core::mem::take(&mut state.stop_next) {
            return Ok(());
        }
        state.busy = true;
        drop(state);
        let stop = || self.stopping.load(Relaxed);
        let end = run::run(rings, entries, wishes, &self.news, stop);
        let stopped = self.end(&mut self.state.lock());
        match end? {
            End::Signal if !stopped => Err(ERESTARTNOINTR.into()),
            End::Signal | End::Stopped => Ok(()),
        }
    }

    /// Has the loop end, and waits until it has; or the next one before it begins. `EINTR` if the
    /// process is being killed meanwhile.
    pub(crate) fn stop(&self) -> Fallible {
        let mut room = WaitEntries::new(1)?;
        room.wait_on([self.news.spot()].into_iter(), |waiting| {
            let mut state = self.state.lock();
            if !state.busy {
                state.stop_next = true;
                return Ok(());
            }
            self.stopping.store(true, Relaxed);
            let before = state.ended;
            drop(state);
            self.news.wake();
            while self.state.lock().ended == before {
                if task::is_killed() {
                    return Err(EINTR.into());
                }
                waiting.sleep_unless_killed();
            }
            Ok(())
        })
    }

    /// Who was busy has come to an end. Returns whether he was told to.
    fn end(&self, state: &mut State) -> bool {
        state.busy = false;
        state.ended += 1;
        let told = self.stopping.swap(false, Relaxed);
        self.news.wake();
        told
    }
}
