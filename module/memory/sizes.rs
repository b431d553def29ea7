// SPDX-License-Identifier: GPL-2.0

//! How large regions are: what the module's parameters ask for, and what a port needs.

use crate::{
    abi::layout::{
        Layout, PoolLimits, PoolRequest, PortNeeds, BUF_LIMITS, IF_LIMITS, PRIV_IF_LIMITS,
        RING_LIMITS,
    },
    params,
    refusal::{refuse, Fallible},
    sys::param::Param,
};
use kernel::prelude::*;

const PAGE: u32 = kernel::page::PAGE_SIZE as u32;

/// Where a region's sizes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A region with id 1: the module's parameters, read anew whenever nobody uses it.
    Global,
    /// A region for one port, at least as large as the `priv_*` parameters say.
    Private(PortNeeds),
}

/// A pool's parameters: their names, for telling people, and their values now.
struct Knobs {
    what: &'static str,
    size: (&'static str, &'static Param),
    count: (&'static str, &'static Param),
    limits: PoolLimits,
}

/// What the parameters of the three pools ask for, at least `floor`, within their limits.
fn ask(knobs: &[Knobs; 3], floor: &[PoolRequest; 3]) -> Fallible<Layout> {
    let mut want = *floor;
    for (knob, want) in knobs.iter().zip(&mut want) {
        let value = |param: &Param| u32::try_from(param.get()).unwrap_or(0);
        want.size = want.size.max(value(knob.size.1));
        want.count = want.count.max(value(knob.count.1));
        if !knob.limits.allow(*want) {
            refuse!(
                EINVAL,
                "{} {} of {} bytes: parameters {} and {} must come to {}..{} and {}..{}",
                want.count,
                knob.what,
                want.size,
                knob.count.0,
                knob.size.0,
                knob.limits.count.0,
                knob.limits.count.1,
                knob.limits.size.0,
                knob.limits.size.1
            );
        }
    }
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

static GLOBAL_KNOBS: [Knobs; 3] = [
    knobs!("netmap_ifs", if_size, if_num, IF_LIMITS),
    knobs!("rings", ring_size, ring_num, RING_LIMITS),
    knobs!("buffers", buf_size, buf_num, BUF_LIMITS),
];
static PRIVATE_KNOBS: [Knobs; 3] = [
    knobs!("netmap_ifs", priv_if_size, priv_if_num, PRIV_IF_LIMITS),
    knobs!("rings", priv_ring_size, priv_ring_num, RING_LIMITS),
    knobs!("buffers", priv_buf_size, priv_buf_num, BUF_LIMITS),
];

impl Kind {
    /// The layout that this kind of region would have if it were made now.
    pub(super) fn layout(&self) -> Fallible<Layout> {
        match self {
            Kind::Global => ask(&GLOBAL_KNOBS, &[PoolRequest { size: 0, count: 0 }; 3]),
            Kind::Private(needs) => match needs.pools(PAGE) {
                Some(floor) => ask(&PRIVATE_KNOBS, &floor),
                None => refuse!(ENOMEM, "the rings need more buffers than a region can have"),
            },
        }
    }
}
