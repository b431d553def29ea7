// SPDX-License-Identifier: MIT OR Apache-2.0

//! CSB mode and loops.

use super::each::*;
use crate::harness::check::*;
use crate::harness::failalloc::Failed;
use crate::harness::raw::csb::*;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_fails_in_csb_enable,
    hostile_memory_fails_in_csb_within_a_region,
    hostile_memory_fails_in_loops,
];

fn hostile_memory_fails_in_csb_enable() -> Outcome {
    let prepare = || -> Outcome<(Bound, Csb)> {
        let bound = vale("vale961:c").slots(64, 64).flags(NR_EXCLUSIVE).bind()?;
        Ok((bound, Csb::new()?))
    };
    let attempt = |(bound, csb): &(Bound, Csb)| csb_enable(&bound.device, &mut csb.option());
    each_failure(prepare, attempt, refused).map(drop)
}

/// One whose CSB is gone goes all the way to where it runs.
fn hostile_memory_fails_in_loops() -> Outcome {
    let prepare = || -> Outcome<CsbPort> {
        let port = CsbPort::bind(vale("vale961:l").slots(64, 64))?;
        port.csb.unmap()?;
        Ok(port)
    };
    let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
    let start = |port: &CsbPort| {
        let mut fds = eventfds_option(&[(fd.as_raw_fd(), fd.as_raw_fd()); 2]);
        kloop_start(port.device(), 0, fds.first())
    };
    each_failure(prepare, start, |_, failed, result| match result {
        Err(Errno::ENOMEM) if failed != Failed::Nothing => Ok(()),
        // Perhaps without a word, for which there was no memory.
        result => fails("SYNC_KLOOP_START", *result, Errno::EFAULT),
    })?;
    let stop = |port: &CsbPort| kloop_stop(port.device());
    each_failure(prepare, stop, refused).map(drop)
}

/// The CSB lies where a region has no memory yet: it comes when the kernel writes there.
fn hostile_memory_fails_in_csb_within_a_region() -> Outcome {
    let prepare = || -> Outcome<(Bound, Bound)> {
        let bound = vale("vale961:c").slots(64, 64).flags(NR_EXCLUSIVE).bind()?;
        Ok((bound, vale("vale961:d").slots(64, 64).bind()?))
    };
    let attempt = |(bound, other): &(Bound, Bound)| {
        let last = other.map.at(other.reg.nr_memsize - 4096) as u64;
        csb_enable(&bound.device, &mut csb_option(last, last + 2048))
    };
    let count = each_failure(prepare, attempt, |span, failed, result| match result {
        Err(Errno::EFAULT) if failed != Failed::Nothing => Ok(()),
        result => refused(span, failed, result),
    })?;
    that(format!("some allocations, got {count}"), count > 4)
}
