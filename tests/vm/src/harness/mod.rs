// SPDX-License-Identifier: MIT OR Apache-2.0

//! What runs cases ([`run`]) and what they are made of:
//!
//! - what they say: [`check`], and the reason of a refusal in [`why`];
//! - the device: [`raw`], and what it takes to load it: [`module`], [`failalloc`];
//! - around it: interfaces ([`wire`]), switches that have them ([`attach`]), XDP programs
//!   ([`programs`]), parameters and other traces of the module ([`traces`]), and what the kernel
//!   tells of itself ([`events`]);
//! - persistent ports: [`persistent`];
//! - regions that several share: [`roomy`];
//! - ports with loops: [`running`];
//! - frames: [`frame`], [`packets`], [`traffic`], and everybody's at once: [`exchange`];
//! - [`random`] numbers.

pub mod attach;
pub mod check;
pub mod events;
pub mod exchange;
pub mod failalloc;
pub mod frame;
pub mod model;
pub mod module;
pub mod packets;
pub mod persistent;
pub mod programs;
pub mod random;
pub mod raw;
pub mod roomy;
pub mod run;
pub mod running;
pub mod traces;
pub mod traffic;
pub mod why;
pub mod wire;

use check::Outcome;
use std::time::Duration;

/// One test.
pub struct Case {
    pub name: &'static str,
    pub run: fn() -> Outcome,
    /// How long it may take.
    pub limit: Duration,
}

impl Case {
    /// It may take what most may, on a slow emulated CPU with a margin.
    pub const fn new(name: &'static str, run: fn() -> Outcome) -> Self {
        let limit = Duration::from_secs(30);
        Case { name, run, limit }
    }

    /// One that does a thing thousands of times.
    pub const fn slow(name: &'static str, run: fn() -> Outcome) -> Self {
        let limit = Duration::from_secs(180);
        Case { name, run, limit }
    }
}

/// Builds the `CASES` of a file from function names: `cases![one, two]`, or
/// `cases![one; slow: two]`.
#[macro_export]
macro_rules! cases {
    ($($f:ident),* $(,)? $(; slow: $($s:ident),* $(,)?)?) => {
        &[
            $($crate::harness::Case::new(stringify!($f), $f),)*
            $($($crate::harness::Case::slow(stringify!($s), $s),)*)?
        ]
    };
}
