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
    let child = on(wish, || command.spawn())?;
    child.with_context(|| format!("{command:?} cannot be started"))
}

/// Does something on that CPU. Processes and threads that it starts stay there.
pub fn on<T>(wish: usize, f: impl FnOnce() -> T) -> Result<T> {
    let me = Pid::from_raw(0);
    let before = sched_getaffinity(me)?;
    // One that stays on a CPU may start others elsewhere. The kernel leaves out what is not
    // allowed.
    let mut all = CpuSet::new();
    (0..CpuSet::count()).try_for_each(|cpu| all.set(cpu))?;
    sched_setaffinity(me, &all)?;
    let all = sched_getaffinity(me)?;
    let allowed: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| all.is_set(cpu).unwrap_or(false))
        .collect();
    let cpu = *allowed
        .get(wish % allowed.len().max(1))
        .context("there is no CPU")?;
    let mut one = CpuSet::new();
    one.set(cpu)?;
    // A child has the CPUs of its parent.
    sched_setaffinity(me, &one).with_context(|| format!("CPU {cpu} cannot be chosen"))?;
    let done = f();
    sched_setaffinity(me, &before)?;
    Ok(done)
}
