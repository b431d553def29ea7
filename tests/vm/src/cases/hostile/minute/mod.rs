// SPDX-License-Identifier: MIT OR Apache-2.0

//! A minute in which ports of all kinds are opened and closed, interfaces attached and detached,
//! made, renamed and deleted, loops run and stopped, programs put on ports, and rings synced and
//! polled, by threads that know nothing of each other. Then nothing is left, and the module can be
//! unloaded.
//!
//! - [`deeds`]: what they do, what may come of it instead, and how often it must have been done.
//! - [`open`]: ports that are open for a moment, by every way to open one.
//! - [`interfaces`]: what is done to interfaces: attaching, making, renaming.
//! - [`programs`]: XDP programs put on ports and taken away.
//! - [`around`]: loops, and what is asked of ports by who does not have them open.
//! - [`old_calls`]: the same by the legacy calls.

mod around;
mod deeds;
mod interfaces;
mod old_calls;
mod open;
mod programs;

use crate::harness::check::*;
use crate::harness::module::{load, unload_when_unused};
use crate::harness::raw::request::vale_list;
use crate::harness::traces::write_parameter;
use crate::harness::wire::wire;
use crate::harness::Case;
use deeds::{Deeds, Work};

pub const CASES: &[Case] = crate::cases![; slow: hostile_minute_of_comings_and_goings];

/// What each thread does, over and over.
const THREADS: [fn(&mut Work) -> Outcome; 18] = [
    open::plainly,
    open::plainly,
    open::watching,
    open::nothing,
    open::within_own_memory,
    open::with_offsets,
    old_calls::open,
    old_calls::ask,
    old_calls::change,
    interfaces::attach,
    interfaces::attach_persistent,
    interfaces::make,
    interfaces::rename,
    around::run_loops,
    // Two, in each other's way.
    programs::put_on_ports,
    programs::put_on_ports,
    programs::give_to_kernel,
    around::ask,
];

fn hostile_minute_of_comings_and_goings() -> Outcome {
    wire()?;
    write_parameter("buf_num", "20480")?;
    write_parameter("priv_buf_num", "64")?;
    write_parameter("generic_ringsize", "64")?;
    let deeds = Deeds::new();
    std::thread::scope(|scope| -> Outcome {
        let threads: Vec<_> = THREADS
            .iter()
            .zip(0..)
            .map(|(thread, seed)| {
                let mut work = Work::new(seed, &deeds);
                scope.spawn(move || thread(&mut work))
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| fail("a thread panicked")))
    })?;
    deeds.were_done()?;
    same("ports left", vale_list()?, vec![])?;
    unload_when_unused()?;
    works("loading", load(""))
}
