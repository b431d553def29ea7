// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starting and ending a loop: items 176, 177 and 179, and what ends it otherwise.

use crate::harness::attach::attach;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::{made, two_places};
use crate::harness::raw::csb::*;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::running::*;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::signal::{kill, sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, getpid, ForkResult};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![
    item_176_a_loop_needs_csb_mode_and_a_binding,
    item_176_a_loop_sleeps_for_a_second_at_most,
    item_176_a_second_loop_is_refused,
    item_177_moving_head_moves_frames,
    item_179_stop_before_start,
    stop_does_not_wait_for_a_sleep,
    two_may_stop_one_loop,
    a_signal_is_served_and_the_loop_goes_on,
    a_killed_process_ends_its_loop,
    a_loop_holds_its_file_open,
    another_process_cannot_run_the_loop,
    a_loop_ends_when_its_interface_goes,
];

const MODES: [Mode; 7] = [
    Mode::Sleep(0),
    Mode::Sleep(1000),
    Mode::Sleep(1_000_000),
    Mode::Kicks(0),
    Mode::Kicks(NM_OPT_SYNC_KLOOP_DIRECT_TX),
    Mode::Kicks(NM_OPT_SYNC_KLOOP_DIRECT_RX),
    Mode::Kicks(DIRECT),
];

fn port(name: &str) -> Result<CsbPort, Errno> {
    CsbPort::bind(vale(name).slots(64, 64))
}

fn item_176_a_loop_needs_csb_mode_and_a_binding() -> Outcome {
    let device = Device::open()?;
    fails("START", kloop_start(&device, 0, 0), Errno::ENXIO)?;
    says(&device, Errno::ENXIO, &["not bound"])?;
    fails("STOP", kloop_stop(&device), Errno::ENXIO)?;
    let bound = vale("vale176:a").slots(64, 64).bind_on(device)?;
    fails("START", kloop_start(&bound.device, 0, 0), Errno::EINVAL)?;
    says(&bound.device, Errno::EINVAL, &["CSB_ENABLE"])
}

fn item_176_a_loop_sleeps_for_a_second_at_most() -> Outcome {
    let port = port("vale176:b")?;
    for us in [1_000_001, u32::MAX] {
        fails("START", kloop_start(port.device(), us, 0), Errno::EINVAL)?;
        says(port.device(), Errno::EINVAL, &["sleep_us", "1000000"])?;
    }
    let running = port.run(1_000_000)?;
    port.wait_for_loop()?;
    running.stop()
}

fn item_176_a_second_loop_is_refused() -> Outcome {
    let port = port("vale176:c")?;
    for us in [0, 1000] {
        let running = port.run(us)?;
        port.wait_for_loop()?;
        fails("START", kloop_start(port.device(), 0, 0), Errno::EBUSY)?;
        says(port.device(), Errno::EBUSY, &["running"])?;
        let mut again = Csb::new()?.option();
        let enabled = csb_enable(port.device(), &mut again);
        fails("CSB_ENABLE", enabled, Errno::EBUSY)?;
        same("status", again.statuses(), [Errno::EBUSY as u32])?;
        fails("NIOCTXSYNC", port.device().txsync(), Errno::EBUSY)?;
        running.stop()?;
    }
    Ok(())
}

fn item_177_moving_head_moves_frames() -> Outcome {
    let (a, b) = (port("vale177:a")?, port("vale177:b")?);
    let loops = [a.run(0)?, b.run(100)?];
    same("frames put", a.put(0, &numbered(0..10)), 10)?;
    let entry = b.rx_entry(0);
    wait_until("hwcur of the sender", || a.csb.hwcur(0) == 10)?;
    wait_until("hwtail of the sender", || a.csb.hwtail(0) == 9)?;
    wait_until("hwtail of the receiver", || b.csb.hwtail(entry) == 10)?;
    same("hwcur of the receiver", b.csb.hwcur(entry), 0)?;
    same("frames", numbers(&b.take(0)), (0..10).collect::<Vec<_>>())?;
    wait_until("hwcur of the receiver", || b.csb.hwcur(entry) == 10)?;
    same("tail in the ring itself", a.bound.tx(0).tail(), 63)?;
    same("need of kicks", a.csb.kern_need_kick(0), 0)?;
    loops.into_iter().try_for_each(Loop::stop)
}

fn item_179_stop_before_start() -> Outcome {
    let port = port("vale179:a")?;
    for _ in 0..3 {
        works("STOP", kloop_stop(port.device()))?;
        works("STOP once more", kloop_stop(port.device()))?;
        // What is refused is no start.
        let refused = kloop_start(port.device(), u32::MAX, 0);
        fails("START", refused, Errno::EINVAL)?;
        works("START", kloop_start(port.device(), 1000, 0))?;
        // And the next one runs.
        let running = port.run(0)?;
        port.wait_for_loop()?;
        running.stop()?;
    }
    Ok(())
}

fn stop_does_not_wait_for_a_sleep() -> Outcome {
    let port = port("vale10:a")?;
    let start = Instant::now();
    for _ in 0..100 {
        let running = port.run(1_000_000)?;
        port.wait_for_loop()?;
        running.stop()?;
    }
    that(
        "less than a second each",
        start.elapsed() < Duration::from_secs(50),
    )
}

fn two_may_stop_one_loop() -> Outcome {
    let port = port("vale10:b")?;
    for us in [0, 1000, 1_000_000] {
        let running = port.run(us)?;
        port.wait_for_loop()?;
        // The second STOP may come when the loop has ended: then one is left for the next START.
        std::thread::scope(|scope| {
            let stops = [(); 2].map(|()| scope.spawn(|| kloop_stop(port.device())));
            stops.into_iter().try_for_each(|stop| match stop.join() {
                Ok(done) => works("STOP", done),
                Err(_) => fail("a thread died"),
            })
        })?;
        works("START", running.end())?;
        works("STOP", kloop_stop(port.device()))?;
        works("START", kloop_start(port.device(), 0, 0))?;
    }
    Ok(())
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

fn a_signal_is_served_and_the_loop_goes_on() -> Outcome {
    let handler = SigHandler::Handler(count_signal);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only adds to an atomic.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    let (a, b) = (port("vale10:c")?, port("vale10:d")?);
    for us in [0, 1000, 1_000_000] {
        let mut usr1 = SigSet::empty();
        usr1.add(Signal::SIGUSR1);
        usr1.thread_unblock()?;
        let loops = [a.run(us)?, b.run(100)?];
        a.wait_for_loop()?;
        // The only other thread that could get it is this one.
        usr1.thread_block()?;
        for _ in 0..20 {
            let before = SIGNALS.load(SeqCst);
            kill(getpid(), Signal::SIGUSR1)?;
            wait_until("the signal is served", || SIGNALS.load(SeqCst) > before)?;
        }
        let before = a.csb.hwcur(0);
        a.put(0, &numbered(0..7));
        wait_until("frames move", || {
            a.csb.hwcur(0) == a.bound.tx(0).after(before, 7)
        })?;
        let mut came = Vec::new();
        wait_until("they arrive", || {
            came.extend(numbers(&b.take(0)));
            came.len() == 7
        })?;
        same("frames", came, (0..7).collect::<Vec<_>>())?;
        for running in loops {
            that("the loop runs", !running.has_ended())?;
            running.stop()?;
        }
    }
    Ok(())
}

/// However it waits, and whatever its rings.
fn a_killed_process_ends_its_loop() -> Outcome {
    wire()?;
    let (host, far) = (Stack::on("fm0")?, Stack::on("fm1")?);
    let held = vale("vale10:e").slots(64, 64).bind()?;
    for mode in MODES {
        for reg in [
            vale("vale10:f").slots(64, 64),
            vale("fm0").mode(NR_REG_SW),
            vale("fm0").mode(NR_REG_NIC_SW),
        ] {
            killed_while(&reg, mode)?;
            let again = || reg.clone().flags(NR_EXCLUSIVE).bind().is_ok();
            wait_until("its port can be bound by another", again)?;
        }
        host.send(&frame(station(2), station(1), 1))?;
        let came = numbers(&far.wait_for(1)?);
        same(
            format!("after {mode:?} the host has its wire"),
            came,
            vec![1],
        )?;
    }
    drop(held);
    Ok(())
}

/// Kills a process in which such a loop runs.
fn killed_while(reg: &Reg, mode: Mode) -> Outcome {
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            let run = || -> Outcome {
                let _running = Running::start(reg.clone(), mode)?;
                std::io::Write::write_all(&mut &there, &[1])?;
                loop {
                    std::thread::park();
                }
            };
            let _ = run();
            std::process::exit(1);
        }
        ForkResult::Parent { child } => child,
    };
    drop(there);
    std::io::Read::read_exact(&mut &here, &mut [0])?;
    kill(child, Signal::SIGKILL)?;
    let killed = WaitStatus::Signaled(child, Signal::SIGKILL, false);
    same("how it ended", waitpid(child, None)?, killed)
}

/// Like any system call: closing the descriptor does not end it.
fn a_loop_holds_its_file_open() -> Outcome {
    let a = port("vale10:g")?;
    let b = vale("vale10:h").slots(64, 64).bind()?;
    let running = a.run(0)?;
    a.wait_for_loop()?;
    let CsbPort { bound, csb, .. } = a;
    let (ring, map) = (bound.tx(0), bound.map.clone());
    drop(bound);
    ring.fill(0, &numbered(3..4)[0], 0);
    csb.set_head(0, 1);
    wait_until("it is sent", || csb.hwcur(0) == 1)?;
    same("frames", got(&b)?, [3])?;
    drop((map, ring));
    running.stop()
}

fn another_process_cannot_run_the_loop() -> Outcome {
    let port = port("vale10:i")?;
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let refused = kloop_start(port.device(), 0, 0);
            std::process::exit(refused.err().map_or(0, |e| e as i32));
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None)?;
            same(
                "START",
                status,
                WaitStatus::Exited(child, Errno::EINVAL as i32),
            )?;
            says(port.device(), Errno::EINVAL, &["another process"])?;
        }
    }
    let running = port.run(0)?;
    port.wait_for_loop()?;
    running.stop()
}

/// However it waits, and whatever its rings; a persistent port's, too, wherever that was moved.
fn a_loop_ends_when_its_interface_goes() -> Outcome {
    for mode in MODES {
        for reg_mode in [NR_REG_ALL_NIC, NR_REG_SW, NR_REG_NIC_SW] {
            wire()?;
            let running = Running::start(vale("fm0").mode(reg_mode), mode)?;
            ip("link del fm0")?;
            ends(running)?;
        }
        let there = two_places()?;
        made("p0")?;
        works("plugged in", attach("vale10:p0"))?;
        let [a] = ports("vale10", ["a"])?;
        let running = Running::start(vale("p0"), mode)?;
        there.take("p0")?;
        same("it sends on", running.send(0, &numbered(0..9))?, 9)?;
        let came = wait_for(&a, 9)?;
        same("frames", numbers(&came), (0..9).collect::<Vec<_>>())?;
        there.ip("link del p0")?;
        ends(running)?;
    }
    Ok(())
}

/// By itself, as there is nothing to sync any more.
fn ends(running: Running) -> Outcome {
    wait_until("the loop ends", || running.has_ended())?;
    let Running { port, kloop, .. } = running;
    fails("START", kloop.end(), Errno::ENXIO)?;
    fails("again", kloop_start(port.device(), 0, 0), Errno::ENXIO)
}
