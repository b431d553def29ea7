// SPDX-License-Identifier: MIT OR Apache-2.0

//! Syncs that take long: what happens meanwhile, and how they end.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::vale_find;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use std::sync::atomic::{AtomicBool, Ordering::*};

pub const CASES: &[Case] = crate::cases![
    bursts_sender_that_stood_still_does_not_reach_a_newcomer,
    bursts_killed_sender_ends_between_bursts,
    bursts_of_large_buffers_arrive_in_parts,
];

/// A sender looked up the number of a port, slept, and brought the frame to another port that had
/// got the number meanwhile.
fn bursts_sender_that_stood_still_does_not_reach_a_newcomer() -> Outcome {
    let [a, b] = ports("vale141", ["a", "b"])?;
    b.send(&[frame(BROADCAST, station(2), 0)])?;
    a.recv()?;
    let number_of_b = vale_find("vale141:b")?;
    let page = SlowPage::new()?;
    a.tx(0).put(&frame(station(2), station(1), 1));
    a.tx(0).put_indirect(page.address());
    let c = std::thread::scope(|scope| -> Outcome<Bound> {
        let sender = scope.spawn(|| a.device.txsync());
        page.wait()?;
        drop(b);
        let c = vale("vale141:c").slots(64, 64).bind()?;
        same("the number", vale_find("vale141:c")?, number_of_b)?;
        page.come()?;
        let sent = sender.join().map_err(|_| failure("the sender panicked"))?;
        works("NIOCTXSYNC", sent)?;
        Ok(c)
    })?;
    same("what came", c.recv()?, Vec::<Vec<u8>>::new())?;
    same("for nobody", counter(&a, "tx0-drop_nobody")?, 1)?;
    // From the next sync on it is a port like others.
    c.send(&[frame(BROADCAST, station(2), 0)])?;
    a.send(&[frame(station(2), station(1), 5)])?;
    same("afterwards", got(&c)?, vec![5])
}

fn sleeps_for_the_page(process: Pid) -> bool {
    let stack = std::fs::read_to_string(format!("/proc/{process}/stack"));
    stack.is_ok_and(|stack| stack.contains("handle_userfault"))
}

/// A killed process went on sending until its ring was empty.
fn bursts_killed_sender_ends_between_bursts() -> Outcome {
    const FRAMES: u32 = 1000;
    let b = vale("vale142:b").slots(64, 2048).bind()?;
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            let send = || -> Outcome {
                let a = vale("vale142:a").slots(1024, 64).bind()?;
                let page = SlowPage::new()?;
                a.tx(0).put_indirect(page.address());
                for n in 0..FRAMES {
                    a.tx(0).put(&frame(BROADCAST, station(1), n));
                }
                Ok(a.device.txsync()?)
            };
            let failed = send().map_err(|why| crate::note!("child: {why}")).is_err();
            // SAFETY: always safe; the parent's destructors are not the child's to run.
            unsafe { libc::_exit(failed.into()) }
        }
        ForkResult::Parent { child } => child,
    };
    wait_until("the sender sleeps", || sleeps_for_the_page(child))?;
    kill(child, Signal::SIGKILL)?;
    let killed = WaitStatus::Signaled(child, Signal::SIGKILL, false);
    same("the sender", waitpid(child, None)?, killed)?;
    let came = got(&b)?.len();
    that(
        format!("it ends with its burst: {came} frames came"),
        came <= 128,
    )
}

/// A burst of buffers of 64 KiB kept the CPU for 8 MiB a receiver, and a receiver saw none of it
/// before all of it.
fn bursts_of_large_buffers_arrive_in_parts() -> Outcome {
    use crate::harness::traces::write_parameter;
    write_parameter("priv_buf_size", "65536")?;
    let [a, b] = ports("vale143", ["a", "b"])?;
    write_parameter("priv_buf_size", "2048")?;
    let (tx, rx) = (a.tx(0), b.rx(0));
    same("a buffer", tx.buf_size(), 65536)?;
    let long = frame_of(60_000, BROADCAST, station(1), 1);
    for slot in tx.slots() {
        tx.write_buf(slot.buf_idx, &long[..64]);
    }
    let (stop, parts) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) && b.device.rxsync().is_ok() {
                let came = rx.space();
                rx.set_head_cur(rx.after(rx.head(), came));
                if (1..63).contains(&came) {
                    parts.store(true, Relaxed);
                }
            }
        });
        let send = || -> Outcome {
            for _ in 0..300 {
                for i in tx.owned() {
                    tx.edit_slot(i, |slot| slot.len = 60_000);
                }
                tx.set_head_cur(tx.tail());
                a.device.txsync()?;
                if parts.load(Relaxed) {
                    return Ok(());
                }
            }
            fail("all frames of a sync came at once, each time")
        };
        let sent = send();
        stop.store(true, Relaxed);
        sent
    })
}
