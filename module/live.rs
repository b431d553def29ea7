// SPDX-License-Identifier: GPL-2.0

//! How many objects of each kind are alive: the module's own leak check.
//!
//! The counts are shown in debugfs, and unloading the module complains about any that is not zero.

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    File,
    Binding,
    Port,
    Ring,
    Switch,
    Region,
    Memory,
    Nic,
    Staging,
    XdpProgram,
    Pipe,
    Persistent,
    Audience,
    BlockPage,
}

const NAMES: [&str; 14] = [
    "files",
    "bindings",
    "ports",
    "rings",
    "switches",
    "regions",
    "memories",
    "nics",
    "stagings",
    "xdp_programs",
    "pipes",
    "persistents",
    "audiences",
    "block_pages",
];
static COUNTS: [Atomic<isize>; NAMES.len()] = [const { Atomic::new(0) }; NAMES.len()];

/// One object. It is a field of what it counts.
pub(crate) struct Counted(Kind);

impl Counted {
    pub(crate) fn new(kind: Kind) -> Self {
        add(kind, 1);
        Counted(kind)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        add(self.0, -1);
    }
}

/// Counts things that no field is for, which have come or gone.
pub(crate) fn add(kind: Kind, count: isize) {
    COUNTS[kind as usize].add(count, Relaxed);
}

/// A line for each kind: its name and how many are alive.
pub(crate) fn each(mut line: impl FnMut(&str, isize)) {
    for (name, count) in NAMES.iter().zip(&COUNTS) {
        line(name, count.load(Relaxed));
    }
}

/// Says so, loudly, if anything is left. For the end of the module.
pub(crate) fn complain() {
    each(|name, count| {
        if count != 0 {
            pr_err!("BUG: {} {} left at unload\n", count, name);
        }
    });
}
