// SPDX-License-Identifier: GPL-2.0

//! How large regions are, and of what.

use super::{
    knobs::{ask, GLOBAL_KNOBS, PAGE, PRIVATE_KNOBS},
    mem::PoolOf,
    user::UserMemory,
};
use crate::{
    abi::layout::{Layout, PoolRequest, PortNeeds},
    refusal::{refuse, Fallible},
    sys::pinned::Pinned,
};
use kernel::{fmt, prelude::*, sync::Arc};

/// Where a region's sizes come from, and its pages.
#[derive(Clone)]
pub(crate) enum Kind {
    /// A region with id 1: the module's parameters, read anew whenever nobody uses it.
    Global,
    /// A region for one port, at least as large as the `priv_*` parameters say.
    Private(PortNeeds),
    /// A region in memory of a process.
    Users(Arc<UserMemory>),
}

impl Kind {
    /// The layout that this kind of region would have if it were made now.
    pub(super) fn layout(&self) -> Fallible<Layout> {
        match self {
            Kind::Global => ask(&GLOBAL_KNOBS, &[PoolRequest { size: 0, count: 0 }; 3]),
            Kind::Private(needs) => match needs.pools(PAGE) {
                Some(floor) => ask(&PRIVATE_KNOBS, &floor),
                None => refuse!(ENOMEM, "the rings need more buffers than a region can have"),
            },
            Kind::Users(memory) => Ok(memory.layout()),
        }
    }

    /// The pages, where they are not the kernel's own.
    pub(super) fn pages(&self) -> Option<&Arc<Pinned>> {
        match self {
            Kind::Global | Kind::Private(_) => None,
            Kind::Users(memory) => Some(memory.pages()),
        }
    }

    /// What people raise who want more objects of a kind.
    pub(super) fn count_of(&self, of: PoolOf) -> Knob {
        self.knob(of, ["num", "objtotal"])
    }

    /// What people raise who want larger ones.
    pub(super) fn size_of(&self, of: PoolOf) -> Knob {
        self.knob(of, ["size", "objsize"])
    }

    fn knob(&self, of: PoolOf, [parameter, field]: [&'static str; 2]) -> Knob {
        match self {
            Kind::Global => Knob("parameter ", of.word(), "_", parameter),
            Kind::Private(_) => Knob("parameter priv_", of.word(), "_", parameter),
            Kind::Users(_) => Knob("nr_", of.word(), "_pool_", field),
        }
    }
}

/// The name of a parameter, or of a field in the option that gave the memory.
pub(super) struct Knob(&'static str, &'static str, &'static str, &'static str);

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [self.0, self.1, self.2, self.3]
            .into_iter()
            .try_for_each(|part| f.write_str(part))
    }
}
