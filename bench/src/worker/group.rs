// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts workers, gives them a common schedule, and ends those that hang.

use super::{Outcome, Role, Schedule, Task, PHASES};
use crate::{
    child::{Child, PATIENCE},
    clock::{ticks, Rate},
};
use anyhow::{bail, Result};
use std::time::Duration;

/// How long workers run.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub warm_up: Duration,
    /// How long a rate is measured, then syncs are timed, then copies.
    pub window: Duration,
    /// How often.
    pub windows: usize,
}

/// Runs one worker a task, all at the same time; outcomes are in the order of the tasks.
pub fn run(tasks: &[Task], timing: Timing, rate: Rate) -> Result<Vec<Outcome>> {
    // One after the other, receivers first: a switch is to know them before frames for them come.
    // Monitors need a port to watch.
    let mut workers = Vec::new();
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|&i| match tasks[i].role {
        Role::Send { .. } => 1,
        Role::Watch { .. } => 2,
        _ => 0,
    });
    for i in order {
        let task = &tasks[i];
        let name = format!("worker of {}", task.port);
        workers.push((i, Child::start(name, task.cpu, "worker", task)?));
    }
    let schedule = Schedule {
        start: ticks() + rate.ticks(timing.warm_up),
        length: rate.ticks(timing.window),
        windows: timing.windows,
        rate,
    };
    for (_, worker) in &mut workers {
        worker.tell(&schedule)?;
    }
    let length = timing.warm_up + timing.window * u32::try_from(PHASES.len() * timing.windows)?;
    let mut outcomes = workers
        .into_iter()
        .map(|(i, mut worker)| {
            let outcome: Outcome = worker.receive(length + PATIENCE)?;
            if outcome.damaged > 0 {
                bail!(
                    "{}: {} of the first {} slots arrived damaged",
                    tasks[i].port,
                    outcome.damaged,
                    outcome.checked
                );
            }
            Ok((i, outcome))
        })
        .collect::<Result<Vec<_>>>()?;
    outcomes.sort_by_key(|(i, _)| *i);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}
