// SPDX-License-Identifier: MIT OR Apache-2.0

//! The pure files of the kernel module in which threads meet, on loom's atomics: each test runs
//! again for every interleaving, and every value that a relaxed load may see, up to a bound.
//!
//! A crate of its own, so that the files see loom's atomics without a compiler flag for everybody.

#![cfg(test)]

mod atomic;
#[path = "../../../module/ring/contention.rs"]
#[expect(dead_code, reason = "no program here writes nonsense into its ring")]
mod contention;
#[path = "../../../module/ring/inbox.rs"]
#[expect(dead_code, reason = "no monitor here asks how much room there is")]
mod inbox;
#[path = "../../../module/vale/table.rs"]
#[expect(dead_code, reason = "no table here has all its entries")]
mod table;

mod tests;

/// Tries all interleavings; with `switches`, those in which no more than so many times a thread is
/// stopped that could go on. Most mistakes show with two (Musuvathi and Qadeer, PLDI 2007); for
/// three threads in a ring, all would take hours.
fn every_interleaving(switches: Option<usize>, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = switches;
    model.check(test);
}
