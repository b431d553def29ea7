// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which CPU a process runs on.

use anyhow::{Context, Result};
use nix::{
    sched::{sched_getaffinity, sched_setaffinity, CpuSet},
    unistd::Pid,
};
use std::process::{Child, Command};

/// Starts a process that stays on CPU number `wish`, counted round the CPUs there are.
///
/// It is started on that CPU, too: User Mode Linux makes what runs a program on the CPU that starts
/// it, and system calls are several times as dear when the program moves later.
pub fn spawn_on(wish: usize, command: &mut Command) -> Result<Child> {
    let me = Pid::from_raw(0);
    let before = sched_getaffinity(me)?;
    let allowed: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| before.is_set(cpu).unwrap_or(false))
        .collect();
    let cpu = *allowed
        .get(wish % allowed.len().max(1))
        .context("there is no CPU")?;
    let mut one = CpuSet::new();
    one.set(cpu)?;
    // A child has the CPUs of its parent.
    sched_setaffinity(me, &one).with_context(|| format!("CPU {cpu} cannot be chosen"))?;
    let child = command.spawn();
    sched_setaffinity(me, &before)?;
    child.with_context(|| format!("{command:?} cannot be started"))
}
