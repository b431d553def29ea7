// SPDX-License-Identifier: MIT OR Apache-2.0

//! The allocations of one operation, each of which fails in turn.

use crate::harness::check::*;
use crate::harness::failalloc::{FailAlloc, Failed, Span};
use crate::harness::raw::device::Mapping;
use crate::harness::raw::*;
use crate::harness::traces::{live, write_parameter};
use crate::harness::traffic::{wait_until, Neighbours};
use nix::errno::Errno;

/// `ENOMEM`, whatever failed.
pub fn refused<T>(_: Span, failed: Failed, result: &Result<T, Errno>) -> Outcome {
    if failed == Failed::Nothing {
        return works("with memory", result.as_ref().map(drop).map_err(|e| *e));
    }
    fails(
        format!("with {failed:?} failing"),
        result.as_ref().map(drop).map_err(|e| *e),
        Errno::ENOMEM,
    )
}

/// `ENOMEM`, or fewer extra buffers than the 20 that were asked for when only the first try for
/// them failed.
pub fn refused_or_fewer<T>(
    span: Span,
    failed: Failed,
    result: &Result<(T, u32), Errno>,
) -> Outcome {
    match (failed, span, result) {
        (Failed::Nothing, _, Ok((_, extra))) => same("extra buffers", *extra, 20),
        (_, Span::One, Ok((_, extra))) if *extra < 20 => Ok(()),
        _ => refused(span, failed, result),
    }
}

/// Tries something with every allocation failing in turn, each time on what `prepare` makes; what
/// an attempt may come to while something failed says `verdict`. Returns how many allocations
/// there are.
pub fn each_failure<P, T>(
    prepare: impl Fn() -> Outcome<P>,
    attempt: impl Fn(&P) -> Result<T, Errno>,
    verdict: impl Fn(Span, Failed, &Result<T, Errno>) -> Outcome,
) -> Outcome<u32> {
    each_failure_of(&FailAlloc::load()?, prepare, attempt, verdict)
}

/// The same of those that `fail_alloc` counts.
pub fn each_failure_of<P, T>(
    fail_alloc: &FailAlloc,
    prepare: impl Fn() -> Outcome<P>,
    attempt: impl Fn(&P) -> Result<T, Errno>,
    verdict: impl Fn(Span, Failed, &Result<T, Errno>) -> Outcome,
) -> Outcome<u32> {
    let neighbours = Neighbours::new("vale960")?;
    let mut allocations = 0;
    for span in [Span::One, Span::Rest] {
        allocations = 0;
        loop {
            let nth = allocations + 1;
            let here = |e: Failure| failure(format!("allocation {nth}, {span:?}: {e}"));
            let before = live();
            let mut prepared = prepare()?;
            let ready = live();
            fail_alloc.arm(nth, span)?;
            let result = attempt(&prepared);
            let (count, failed) = fail_alloc.disarm()?;
            if failed == Failed::Nothing {
                same("allocations", count, allocations).map_err(here)?;
                break;
            }
            verdict(span, failed, &result).map_err(here)?;
            neighbours.exchange(nth).map_err(here)?;
            if result.is_ok() {
                drop((result, prepared));
                prepared = prepare()?;
            } else {
                wait_until("nothing is left of it", || live() == ready).map_err(here)?;
            }
            let again = attempt(&prepared);
            neighbours.exchange(nth).map_err(here)?;
            verdict(span, Failed::Nothing, &again).map_err(here)?;
            drop((again, prepared));
            wait_until("nothing is left at all", || live() == before).map_err(here)?;
            allocations = nth;
            that("that it ends", nth < 1000)?;
        }
    }
    that("that it allocates", allocations > 0)?;
    Ok(allocations)
}

/// Binds this open device, maps the region and syncs.
pub fn bind(device: &Device, mut request: Reg) -> Result<Mapping, Errno> {
    request.send(device)?;
    let map = device.map(request.body.nr_memsize, 0)?;
    device.txsync()?;
    device.rxsync()?;
    Ok(map)
}

/// Has interfaces made from now on have 64 slots a ring, and region 1 as few buffers as suffice for
/// some of them, so that counting those that are free costs little.
pub fn small_rings() -> Outcome {
    write_parameter("generic_ringsize", "64")?;
    Ok(write_parameter("buf_num", "5000")?)
}

pub fn new_device() -> Outcome<Device> {
    Ok(Device::open()?)
}
