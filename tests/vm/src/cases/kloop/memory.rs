// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a loop whose CSB is taken away, or takes long to come.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::csb::*;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::unistd::ftruncate;
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    hostile_csb_unmapped_under_a_loop,
    hostile_csb_made_read_only_under_a_loop,
    hostile_csb_truncated_under_a_loop,
    hostile_csb_remapped_under_a_loop,
    hostile_csb_that_takes_its_time,
    hostile_csb_rewritten_all_the_time,
];

/// That a loop ends once `take_away` has done its work; and that what was sent goes on from there
/// with another CSB.
fn ends(name: &str, csb: Csb, take_away: impl Fn(&Csb) -> Result<(), Errno>) -> Outcome {
    let b = vale(&format!("{name}b")).slots(64, 64).bind()?;
    let a = vale(&format!("{name}a")).slots(64, 64);
    let a = a.flags(NR_EXCLUSIVE).bind()?;
    works("CSB_ENABLE", csb_enable(&a.device, &mut csb.option()))?;
    let a = CsbPort::of(a, csb);
    let kick = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
    let fds = [(kick.as_raw_fd(), -1); 2];
    let running = a.run_with(1000, Some(eventfds_option(&fds)))?;
    a.wait_for_loop()?;
    a.put(0, &numbered(0..10));
    kick.write(1)?;
    wait_until("they are sent", || a.csb.hwcur(0) == 10)?;
    take_away(&a.csb)?;
    kick.write(1)?;
    wait_until("the loop ends", || running.has_ended())?;
    fails("START", running.end(), Errno::EFAULT)?;
    says(a.device(), Errno::EFAULT, &["CSB", "mapped"])?;
    fails("START", kloop_start(a.device(), 0, 0), Errno::EFAULT)?;
    fails("NIOCTXSYNC", a.device().txsync(), Errno::EBUSY)?;

    let other = Csb::new()?;
    works("CSB_ENABLE", csb_enable(a.device(), &mut other.option()))?;
    same("head", other.head(0), 10)?;
    let a = CsbPort::of(a.bound, other);
    let running = a.run(0)?;
    a.put(0, &numbered(10..20));
    wait_until("they are sent", || a.csb.hwcur(0) == 20)?;
    running.stop()?;
    same("frames", got(&b)?, (0..20).collect::<Vec<_>>())
}

fn hostile_csb_unmapped_under_a_loop() -> Outcome {
    ends("vale10:a", Csb::new()?, Csb::unmap)
}

fn hostile_csb_made_read_only_under_a_loop() -> Outcome {
    let read_only = |csb: &Csb| csb.protect(libc::PROT_READ);
    ends("vale10:b", Csb::new()?, read_only)
}

fn hostile_csb_truncated_under_a_loop() -> Outcome {
    let file = memfd_create(c"csb", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&file, 4096)?;
    let csb = Csb::of_file(file.as_raw_fd())?;
    ends("vale10:c", csb, |_| ftruncate(&file, 0))
}

/// What is there then counts: zeros, which a ring makes sense of or not.
fn hostile_csb_remapped_under_a_loop() -> Outcome {
    let a = CsbPort::bind(vale("vale10:d").slots(64, 64))?;
    let running = a.run(0)?;
    a.put(0, &numbered(0..10));
    wait_until("they are sent", || a.csb.hwcur(0) == 10)?;
    for _ in 0..50 {
        a.csb.remap()?;
        a.csb.set_head(0, 99);
        wait_until("the loop puts head back", || a.csb.head(0) < 64)?;
    }
    that("the loop runs", !running.has_ended())?;
    running.stop()
}

/// Nobody waits for a page of another's CSB.
fn hostile_csb_that_takes_its_time() -> Outcome {
    let slow = SlowPage::new()?;
    let (at, dead) = (slow.address(), Errno::EDEADLK);
    std::thread::scope(|scope| {
        let register = scope.spawn(|| {
            let mut options = csb_option(at, at + 2048);
            let ask = vale("vale10:e").slots(64, 64).flags(NR_EXCLUSIVE);
            ask.options(options.first()).bind()
        });
        slow.wait()?;
        for i in 0..5 {
            let other = vale(&format!("vale10:f{i}")).slots(64, 64).bind()?;
            works("NIOCTXSYNC", other.device.txsync())?;
        }
        that("it waits", !register.is_finished())?;
        slow.come()?;
        let bound = works("REGISTER", register.join().unwrap_or(Err(dead)))?;
        fails("NIOCTXSYNC", bound.device.txsync(), Errno::EBUSY)
    })?;

    let slow = SlowPage::new()?;
    let at = slow.address();
    let bound = vale("vale10:g").slots(64, 64).flags(NR_EXCLUSIVE).bind()?;
    std::thread::scope(|scope| {
        let device = &bound.device;
        let enable = scope.spawn(move || {
            let mut options = csb_option(at, at + 2048);
            csb_enable(device, &mut options)
        });
        slow.wait()?;
        // Nor is there a way past it.
        fails("START", kloop_start(device, 0, 0), Errno::EBUSY)?;
        slow.come()?;
        works("CSB_ENABLE", enable.join().unwrap_or(Err(dead)))
    })
}

/// Two threads that write everything into it while the loop runs; then it works.
fn hostile_csb_rewritten_all_the_time() -> Outcome {
    let (a, b) = (
        CsbPort::bind(vale("vale10:h").slots(64, 64))?,
        vale("vale10:i").slots(64, 64).bind()?,
    );
    let running = a.run(0)?;
    std::thread::scope(|scope| {
        for seed in [1u32, 77] {
            let csb = &a.csb;
            scope.spawn(move || {
                let mut random = seed;
                for _ in 0..20_000 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    csb.set_head((random >> 8) as usize % 2, random >> (random % 32));
                }
            });
        }
    });
    that("the loop runs", !running.has_ended())?;
    a.csb.set_head(0, 64);
    wait_until("head is put back", || a.csb.head(0) < 64)?;
    let before = a.csb.hwcur(0);
    b.recv()?;
    a.put(0, &numbered(0..5));
    wait_until("they are sent", || {
        a.csb.hwcur(0) == a.bound.tx(0).after(before, 5)
    })?;
    running.stop()?;
    same("frames", got(&b)?, (0..5).collect::<Vec<_>>())
}
