// SPDX-License-Identifier: MIT OR Apache-2.0

//! A minute in which ports of all kinds are opened and closed, interfaces attached and detached,
//! made, renamed and deleted, loops run and stopped, programs put on ports, and rings synced and
//! polled, by threads that know nothing of each other. Then nothing is left, and the module can be
//! unloaded.
//!
//! - [`open`]: ports that are open for a moment, by every way to open one.
//! - [`around`]: what is done to ports meanwhile by who does not have them open.

mod around;
mod open;

use crate::harness::check::*;
use crate::harness::module::{load, unload_when_unused};
use crate::harness::random::Random;
use crate::harness::raw::request::vale_list;
use crate::harness::traces::write_parameter;
use crate::harness::wire::wire;
use crate::harness::Case;
use nix::errno::Errno;
use std::time::{Duration, Instant};

pub const CASES: &[Case] = crate::cases![; slow: hostile_minute_of_comings_and_goings];

const MINUTE: Duration = Duration::from_secs(60);

/// Names of ports, all of them in each other's way. Of some, pipes make the base.
const NAMES: [&str; 18] = [
    "vale942:a",
    "vale942:b",
    "vale942:fp942",
    "vale942:a{1",
    "vale942:a}1",
    "vale942:fp942{1",
    "fm1",
    "fm1{2",
    "fm1}2",
    "fp942",
    "fp942}1",
    "vale943:a",
    "vale944:e",
    "vale944:e}1",
    "rp942",
    "rp942{1",
    "sp942}1",
    "pp942{1{2",
];

/// What a thread does, over and over. Whether it could.
type Deed = fn(&mut Random) -> Result<(), Errno>;

const DEEDS: [(&str, Deed); 14] = [
    ("open", open::open),
    ("open", open::open),
    ("open within memory of its own", open::within_own_memory),
    ("open with offsets", open::with_offsets),
    ("open by the old call", open::by_old_call),
    ("attach", around::attach),
    ("attach a persistent port", around::attach_persistent),
    ("make and delete", around::make),
    ("rename", around::rename),
    ("run a loop", around::run_loop),
    ("put programs on ports", around::put_programs),
    ("attach by the old calls", around::attach_by_old_calls),
    ("ask", around::ask),
    ("ask by the old calls", around::ask_by_old_calls),
];

fn hostile_minute_of_comings_and_goings() -> Outcome {
    wire()?;
    write_parameter("buf_num", "20480")?;
    write_parameter("priv_buf_num", "64")?;
    write_parameter("generic_ringsize", "64")?;
    let end = Instant::now() + MINUTE;
    std::thread::scope(|scope| -> Outcome {
        let threads: Vec<_> = DEEDS
            .iter()
            .zip(0..)
            .map(|((what, deed), seed)| {
                scope.spawn(move || -> Outcome {
                    let (mut random, mut done) = (Random::new(seed), 0);
                    while Instant::now() < end {
                        let came = deed(&mut random);
                        documented(what, came)?;
                        done += u32::from(came.is_ok());
                    }
                    that(format!("{what} works often, not {done} times"), done > 20)
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| fail("a thread panicked")))
    })?;
    same("ports left", vale_list()?, vec![])?;
    unload_when_unused()?;
    works("loading", load(""))
}
