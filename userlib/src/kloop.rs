// SPDX-License-Identifier: MIT OR Apache-2.0

//! A loop in the kernel that syncs a port's rings.

use crate::{
    binding::Binding,
    error::{Error, Result},
    port::{Interest, Port, Ready},
    raw::csb::Csb,
};
use ferromap_abi::options::NmKloopEventfds;
use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::eventfd::{EfdFlags, EventFd},
};
use std::{
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How a [`KernelLoop`] waits for something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pace {
    /// Not at all: it takes a CPU for itself, and moves frames at once.
    Busy,
    /// It sleeps for that long between rounds, in whole microseconds: up to a second.
    Sleep(Duration),
    /// It sleeps until frames come, or until it is [kicked](KernelLoop::kick).
    Kicked,
}

/// A loop in the kernel that syncs the rings of a [`Port`], so that the program moves frames
/// without any system call: it commits and receives batches as ever, and they are sent and come by
/// themselves. Made by [`Port::kernel_loop`]; it runs in a thread of its own until this is dropped.
///
/// ```no_run
/// use ferromap::{Pace, Port};
///
/// let mut port = Port::builder("vale0:a").exclusive(true).open()?;
/// let running = port.kernel_loop(Pace::Busy)?;
/// let (rx, tx) = port.pair().expect("a port of a switch has both");
/// while !tx.send(&[0xff; 60])? {}
/// while rx.recv(256).is_empty() {
///     std::hint::spin_loop();
/// }
/// running.stop()?;
/// # Ok::<(), ferromap::Error>(())
/// ```
#[doc(alias = "SYNC_KLOOP_START")]
pub struct KernelLoop {
    binding: Arc<Binding>,
    csb: Arc<Csb>,
    tx_rings: usize,
    /// By which the loop is woken, where it sleeps until it is.
    kick: Option<EventFd>,
    /// By which it wakes the program.
    news: EventFd,
    /// There until it has been waited for.
    thread: Option<JoinHandle<Result<()>>>,
}

impl Port {
    /// Starts a loop in the kernel that syncs all rings of this port. The port must be opened with
    /// [`exclusive`](crate::PortBuilder::exclusive).
    ///
    /// From then on, also when the loop has ended, `sync` and `poll` of the port and its rings fail
    /// with `EBUSY` and an error: [`KernelLoop::wait`] takes their place. Another loop may be
    /// started once this one has ended.
    #[doc(alias = "CSB_ENABLE")]
    pub fn kernel_loop(&mut self, pace: Pace) -> Result<KernelLoop> {
        let binding = self.binding().clone();
        let (tx_rings, rx_rings) = (self.tx_rings().len(), self.rx_rings().len());
        let failed = |errno| Error::request("SYNC_KLOOP_START", &binding.name, errno, None);
        let eventfd =
            || EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(failed);
        let news = eventfd()?;
        let kick = match pace {
            Pace::Kicked => Some(eventfd()?),
            _ => None,
        };
        let sleep_us = match pace {
            Pace::Sleep(time) => u32::try_from(time.as_micros().max(1)).unwrap_or(u32::MAX),
            _ => 0,
        };
        let fds = NmKloopEventfds {
            ioeventfd: kick.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            irqfd: news.as_raw_fd(),
        };
        let csb = Arc::new(Csb::new(tx_rings + rx_rings));
        binding.device.csb_enable(&binding.name, &csb)?;
        self.use_csb(&csb);
        (0..csb.len()).for_each(|ring| csb.want_signal(ring, false));
        // The kernel writes to the CSB as long as the thread is in its call, and so it has it.
        let (inside, memory) = (binding.clone(), csb.clone());
        let run = move || {
            let fds = vec![fds; memory.len()];
            let device = &inside.device;
            device.kloop_start(&inside.name, sleep_us, &fds, &memory)
        };
        let thread = std::thread::Builder::new().name("netmap loop".into());
        let thread = thread
            .spawn(run)
            .map_err(|e| failed(e.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw)))?;
        Ok(KernelLoop {
            binding,
            csb,
            tx_rings,
            kick,
            news,
            thread: Some(thread),
        })
    }
}

impl KernelLoop {
    /// Has the loop look at what was committed and released, if it sleeps: to be called after that
    /// with [`Pace::Kicked`]. It takes a system call only where the loop says that it needs one.
    pub fn kick(&self) -> Result<()> {
        match &self.kick {
            Some(kick) if self.csb.wants_kick() => kick
                .write(1)
                .map(drop)
                .map_err(|e| self.poll_failed(Some(e))),
            _ => Ok(()),
        }
    }

    /// Sleeps until there is something of `interest`, or `timeout` is over (`None`: for ever). A
    /// signal ends the sleep early. Fails if the loop has ended, with what ended it told by
    /// [`stop`](Self::stop).
    pub fn wait(&self, interest: Interest, timeout: Option<Duration>) -> Result<Ready> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (tx, rx) = (0..self.tx_rings, self.tx_rings..self.csb.len());
        let tx = if interest == Interest::Receive {
            0..0
        } else {
            tx
        };
        let rx = if interest == Interest::Send { 0..0 } else { rx };
        let want = |yes| {
            let all = tx.clone().chain(rx.clone());
            all.for_each(|ring| self.csb.want_signal(ring, yes));
        };
        want(true);
        let result = loop {
            let ready = Ready {
                receive: rx.clone().any(|ring| self.csb.is_ready(ring)),
                send: tx.clone().any(|ring| self.csb.is_ready(ring)),
            };
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if ready.receive || ready.send || left == Some(Duration::ZERO) {
                break Ok(ready);
            }
            if !self.is_running() {
                break Err(self.poll_failed(None));
            }
            match self.sleep(left) {
                Ok(()) => {}
                Err(Errno::EINTR) => break Ok(ready),
                Err(errno) => break Err(self.poll_failed(Some(errno))),
            }
        };
        want(false);
        result
    }

    /// Whether the loop has not ended by itself, which it does where the interface goes away.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the loop, and returns when it has ended. What was committed before that may not have
    /// been sent yet.
    #[doc(alias = "SYNC_KLOOP_STOP")]
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        // Told before it began, it does not begin.
        let told = if thread.is_finished() {
            Ok(())
        } else {
            self.binding.device.kloop_stop(&self.binding.name)
        };
        told.and(thread.join().unwrap_or(Ok(())))
    }

    /// Sleeps until the loop has news, a second at most: it may have ended without a word.
    fn sleep(&self, left: Option<Duration>) -> std::result::Result<(), Errno> {
        let most = Duration::from_secs(1);
        let left = left.map_or(most, |left| left.min(most));
        let ms = left.as_nanos().div_ceil(1_000_000);
        let limit = PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX);
        poll(
            &mut [PollFd::new(self.news.as_fd(), PollFlags::POLLIN)],
            limit,
        )?;
        match self.news.read() {
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn poll_failed(&self, errno: Option<Errno>) -> Error {
        Error::Poll {
            port: self.binding.name.clone(),
            errno,
        }
    }
}

impl Drop for KernelLoop {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`.
        let _ = self.end();
    }
}

impl std::fmt::Debug for KernelLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelLoop")
            .field("port", &self.binding.name)
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}
