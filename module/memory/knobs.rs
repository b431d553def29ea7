// SPDX-License-Identifier: GPL-2.0

//! What the module's parameters ask for, and what a program may.

use super::mem::PoolOf;
use crate::{
    abi::layout::{
        Layout, PoolLimits, PoolRequest, BUF_LIMITS, IF_LIMITS, PRIV_IF_LIMITS, RING_LIMITS,
    },
    params,
    refusal::{refuse, Fallible},
    sys::param::Param,
};
use kernel::{fmt, prelude::*};

pub(super) const PAGE: u32 = kernel::page::PAGE_SIZE as u32;

/// A pool's parameters: their names, for telling people, and their values now.
pub(super) struct Knobs {
    what: &'static str,
    size: (&'static str, &'static Param),
    count: (&'static str, &'static Param),
    limits: PoolLimits,
}

impl Knobs {
    /// What the parameters ask for.
    fn now(&self) -> PoolRequest {
        let value = |param: &Param| u32::try_from(param.get()).unwrap_or(0);
        PoolRequest {
            size: value(self.size.1),
            count: value(self.count.1),
        }
    }

    /// Refuses what is outside the limits: the two that say so are to be changed.
    fn check(&self, want: PoolRequest, said: &dyn fmt::Display) -> Fallible {
        if self.limits.allow(want) {
            return Ok(());
        }
        refuse!(
            EINVAL,
            "{} {} of {} bytes: {} must come to {}..{} and {}..{}",
            want.count,
            self.what,
            want.size,
            said,
            self.limits.count.0,
            self.limits.count.1,
            self.limits.size.0,
            self.limits.size.1
        )
    }
}

/// What the parameters of the three pools ask for, at least `floor`, within their limits.
pub(super) fn ask(knobs: &[Knobs; 3], floor: &[PoolRequest; 3]) -> Fallible<Layout> {
    let mut want = *floor;
    for (knobs, want) in knobs.iter().zip(&mut want) {
        let now = knobs.now();
        want.size = want.size.max(now.size);
        want.count = want.count.max(now.count);
        let (count, size) = (knobs.count.0, knobs.size.0);
        knobs.check(*want, &fmt!("parameters {} and {}", count, size))?;
    }
    lay_out(&want)
}

/// What a process wants of memory of its own; 0 is what the parameters of private regions say.
pub(super) fn within_memory(wanted: [PoolRequest; 3]) -> Fallible<Layout> {
    let mut want = wanted;
    for ((knobs, want), of) in PRIVATE_KNOBS.iter().zip(&mut want).zip(PoolOf::ALL) {
        let now = knobs.now();
        let or = |wanted: u32, now: u32| if wanted == 0 { now } else { wanted };
        want.size = or(want.size, now.size);
        want.count = or(want.count, now.count);
        let word = of.word();
        knobs.check(*want, &fmt!("nr_{}_pool_objtotal and _objsize", word))?;
    }
    lay_out(&want)
}

fn lay_out(want: &[PoolRequest; 3]) -> Fallible<Layout> {
    match Layout::new(PAGE, want[0], want[1], want[2]) {
        Some(layout) => Ok(layout),
        None => refuse!(
            EINVAL,
            "no whole number of objects of {}, {} or {} bytes fills pages within 4 MiB",
            want[0].size,
            want[1].size,
            want[2].size
        ),
    }
}

macro_rules! knobs {
    ($what:literal, $size:ident, $count:ident, $limits:expr) => {
        Knobs {
            what: $what,
            size: (stringify!($size), &params::$size),
            count: (stringify!($count), &params::$count),
            limits: $limits,
        }
    };
}

/// Those of regions with id 1.
pub(super) static GLOBAL_KNOBS: [Knobs; 3] = [
    knobs!("netmap_ifs", if_size, if_num, IF_LIMITS),
    knobs!("rings", ring_size, ring_num, RING_LIMITS),
    knobs!("buffers", buf_size, buf_num, BUF_LIMITS),
];
/// Those of the others.
pub(super) static PRIVATE_KNOBS: [Knobs; 3] = [
    knobs!("netmap_ifs", priv_if_size, priv_if_num, PRIV_IF_LIMITS),
    knobs!("rings", priv_ring_size, priv_ring_num, RING_LIMITS),
    knobs!("buffers", priv_buf_size, priv_buf_num, BUF_LIMITS),
];
