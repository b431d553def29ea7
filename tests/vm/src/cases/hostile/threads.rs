// SPDX-License-Identifier: MIT OR Apache-2.0

//! Threads that get into each other's way: closing during a sync, binding one file at once, polling
//! what another closes.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::{vale_find, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::sync::Barrier;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    hostile_close_in_the_middle_of_a_sync,
    hostile_close_while_another_polls,
    hostile_close_what_epoll_watches,
    hostile_register_at_once_binds_once,
    hostile_opening_one_port_at_once,
    hostile_signals_interrupt_poll,
];

/// A call on a descriptor by number, which may be closed already.
fn sync_raw(fd: i32, command: u32) -> Result<i32, Errno> {
    // SAFETY: the command has no argument; for a wrong descriptor it returns an errno.
    Errno::result(unsafe { libc::ioctl(fd, command.into(), 0) })
}

fn hostile_close_in_the_middle_of_a_sync() -> Outcome {
    let listener = vale("vale930:b").slots(64, 64).bind()?;
    for round in 0..40u64 {
        let a = vale("vale930:a").slots(64, 64).bind()?;
        let (fd, started, ended) = (a.device.raw(), AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| -> Outcome {
            let threads = [NIOCTXSYNC, NIOCRXSYNC].map(|command| {
                let (started, ended) = (&started, &ended);
                scope.spawn(move || {
                    started.fetch_add(1, SeqCst);
                    // Nothing else opens files meanwhile, so the number stays free once it is
                    // closed.
                    let error = loop {
                        if let Err(e) = sync_raw(fd, command) {
                            break e;
                        }
                    };
                    ended.fetch_add(1, SeqCst);
                    error
                })
            });
            wait_until("the threads run", || started.load(SeqCst) == 2)?;
            for frame in numbered(0..30) {
                a.tx(0).put(&frame);
            }
            std::thread::sleep(Duration::from_micros(round * 20));
            let Bound { map, device, .. } = a;
            // The mapping goes first or last: what holds the file when the descriptor is gone.
            if round % 2 == 0 {
                drop(map);
                drop(device);
            } else {
                drop(device);
                drop(map);
            }
            for thread in threads {
                let error = thread.join().unwrap_or(Errno::UnknownErrno);
                same("what the threads see at the end", error, Errno::EBADF)?;
            }
            Ok(())
        })?;
        same("the port has gone", vale_find("vale930:a")?.1, VALE_NO_PORT)?;
        let came = got(&listener)?;
        that(
            format!("whole frames, got {came:?}"),
            came.iter().copied().eq(0..came.len() as u32),
        )?;
    }
    Ok(())
}

/// Whether the thread sleeps in poll.
fn sleeps(thread: i32) -> bool {
    let read = |file| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
    let polls = read("syscall").is_ok_and(|text| text.starts_with(&format!("{} ", libc::SYS_poll)));
    polls && read("stat").is_ok_and(|text| text.rsplit(')').next().unwrap_or("").starts_with(" S"))
}

fn hostile_close_while_another_polls() -> Outcome {
    let sender = vale("vale931:b").slots(64, 64).bind()?;
    for round in 0..10 {
        let a = vale("vale931:a").slots(64, 64).bind()?;
        let fd = a.device.raw();
        let poller = AtomicI32::new(0);
        std::thread::scope(|scope| -> Outcome {
            let thread = scope.spawn(|| {
                let mut poll = libc::pollfd {
                    fd,
                    events: libc::POLLIN,
                    revents: 0,
                };
                poller.store(nix::unistd::gettid().as_raw(), SeqCst);
                // SAFETY: one entry, which lives during the call.
                let count = unsafe { libc::poll(&mut poll, 1, 20_000) };
                (count, poll.revents)
            });
            wait_until("the thread sleeps", || sleeps(poller.load(SeqCst)))?;
            drop(a);
            // The sleeper holds the file: the port is still there, and frames wake it. Then it
            // finds that the descriptor is closed.
            works("the port", vale_find("vale931:a"))?;
            differs("its index", vale_find("vale931:a")?.1, VALE_NO_PORT)?;
            let woken = Instant::now();
            while !thread.is_finished() && woken.elapsed() < PATIENCE {
                sender.send(&numbered(0..1))?;
                std::thread::sleep(Duration::from_millis(1));
            }
            let (count, events) = thread.join().unwrap_or((-1, 0));
            let told = (count, events);
            same(
                format!("round {round}: what poll said"),
                told,
                (1, libc::POLLNVAL),
            )
        })?;
        same("the port has gone", vale_find("vale931:a")?.1, VALE_NO_PORT)?;
    }
    Ok(())
}

fn hostile_close_what_epoll_watches() -> Outcome {
    let (a, b) = pair("vale932")?;
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let dup = a.device.dup()?;
    for (i, device) in [(1, &a.device), (2, &dup), (3, &b.device)] {
        epoll.add(device, EpollEvent::new(EpollFlags::EPOLLIN, i))?;
    }
    let wait = |ms: u16| -> Result<Vec<u64>, Errno> {
        let mut events = [EpollEvent::empty(); 8];
        let count = epoll.wait(&mut events, EpollTimeout::from(ms))?;
        let mut who: Vec<_> = events[..count].iter().map(EpollEvent::data).collect();
        who.sort_unstable();
        Ok(who)
    };
    a.send(&numbered(0..1))?;
    same("b has a frame", wait(5000)?, vec![3])?;
    b.recv()?;
    b.send(&numbered(0..1))?;
    same("both descriptors of a", wait(5000)?, vec![1, 2])?;
    // Closed one after the other, in threads that still wait.
    std::thread::scope(|scope| -> Outcome {
        let waiting = [scope.spawn(|| wait(300)), scope.spawn(|| wait(300))];
        drop(dup);
        drop(a);
        for thread in waiting {
            thread.join().unwrap_or(Err(Errno::UnknownErrno))?;
        }
        Ok(())
    })?;
    same("nothing is left of a", wait(0)?, vec![])?;
    same("the port has gone", vale_find("vale932:a")?.1, VALE_NO_PORT)?;
    let c = vale("vale932:c").slots(64, 64).bind()?;
    c.send(&numbered(0..1))?;
    same("b is still watched", wait(5000)?, vec![3])?;
    drop(epoll);
    same("at b", b.recv()?, numbered(0..1))
}

fn hostile_register_at_once_binds_once() -> Outcome {
    for _ in 0..40 {
        let device = Device::open()?;
        let barrier = Barrier::new(6);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|i| {
                    let (device, barrier) = (&device, &barrier);
                    scope.spawn(move || {
                        let mut request = vale(&format!("vale933:p{i}")).slots(64, 64);
                        barrier.wait();
                        request.send(device)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap_or(Err(Errno::UnknownErrno)))
                .collect()
        });
        let good = results.iter().filter(|result| result.is_ok()).count();
        let busy = results
            .iter()
            .filter(|result| **result == Err(Errno::EBUSY))
            .count();
        same(
            format!("bound and refused in {results:?}"),
            (good, busy),
            (1, 5),
        )?;
        same("ports", vale_list()?.len(), 1)?;
        works("sync", device.txsync())?;
    }
    Ok(())
}

fn hostile_opening_one_port_at_once() -> Outcome {
    small_region_one()?;
    // Threads open and close the same few ports all the time; each finds its port whole.
    let stop = Instant::now() + Duration::from_secs(1);
    let opened = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6u32)
            .map(|i| {
                let opened = &opened;
                scope.spawn(move || -> Outcome {
                    while Instant::now() < stop {
                        let port = shared(&format!("vale934:p{}", i % 2)).bind()?;
                        same("slots", (port.tx(0).n(), port.rx(0).n()), (64, 64))?;
                        works("sync", port.device.txsync())?;
                        works("sync", port.device.rxsync())?;
                        opened.fetch_add(1, SeqCst);
                    }
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| fail("a thread panicked")))
    })?;
    that("that ports were opened", opened.load(SeqCst) > 10)?;
    same("ports left", vale_list()?, vec![])
}

extern "C" fn nothing(_: i32) {}

fn hostile_signals_interrupt_poll() -> Outcome {
    let (a, b) = pair("vale935")?;
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    std::thread::scope(|scope| -> Outcome {
        let thread = scope.spawn(|| b.poll(PollFlags::POLLIN, 20_000));
        while !thread.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
            for pid in threads_but_me() {
                // SAFETY: the thread is of this process; for a number that has gone it returns an
                // errno.
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), pid, libc::SIGUSR1) };
            }
        }
        let result = thread.join().unwrap_or(Err(Errno::UnknownErrno));
        fails("the poll", result, Errno::EINTR)
    })?;
    a.send(&numbered(0..9))?;
    same("frames afterwards", b.recv()?, numbered(0..9))
}

fn threads_but_me() -> Vec<i32> {
    let me = nix::unistd::gettid().as_raw();
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&id| id != me)
        .collect()
}
