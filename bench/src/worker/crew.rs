// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts workers, gives them a common schedule, and ends those that hang.

use super::{Outcome, Role, Schedule, Task};
use crate::{
    clock::{ticks, Rate},
    cpu::spawn_on,
};
use anyhow::{anyhow, bail, Context, Result};
use serde::Serialize;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{channel, Receiver, RecvTimeoutError},
    time::Duration,
};

/// How long a worker may take to open its port, and to come to an end.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long workers run.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub warm_up: Duration,
    /// How long a rate is measured, and then again how long syncs are timed.
    pub window: Duration,
    /// How often.
    pub windows: usize,
}

/// Runs one worker a task, all at the same time; outcomes are in the order of the tasks.
pub fn run(tasks: &[Task], timing: Timing, rate: Rate) -> Result<Vec<Outcome>> {
    // One after the other, receivers first: a switch is to know them before frames for them come.
    let mut crew = Vec::new();
    let (senders, receivers): (Vec<usize>, Vec<usize>) =
        (0..tasks.len()).partition(|&i| matches!(tasks[i].role, Role::Send { .. }));
    for i in receivers.into_iter().chain(senders) {
        let mut worker = Worker::start(&tasks[i])?;
        let ready = worker.line(PATIENCE)?;
        if ready != "\"ready\"" {
            bail!("{}: it said {ready} and not that it is ready", worker.name);
        }
        crew.push((i, worker));
    }
    let schedule = Schedule {
        start: ticks() + rate.ticks(timing.warm_up),
        length: rate.ticks(timing.window),
        windows: timing.windows,
        rate,
    };
    for (_, worker) in &mut crew {
        worker.tell(&schedule)?;
    }
    let length = timing.warm_up + timing.window * u32::try_from(2 * timing.windows)?;
    let mut outcomes = crew
        .into_iter()
        .map(|(i, mut worker)| {
            let line = worker.line(length + PATIENCE)?;
            let outcome: Outcome = serde_json::from_str(&line)
                .with_context(|| format!("{}: it said {line}", worker.name))?;
            if outcome.damaged > 0 {
                bail!(
                    "{}: {} of the first {} slots arrived damaged",
                    worker.name,
                    outcome.damaged,
                    outcome.checked
                );
            }
            worker.end()?;
            Ok((i, outcome))
        })
        .collect::<Result<Vec<_>>>()?;
    outcomes.sort_by_key(|(i, _)| *i);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// A child process. It is ended when this is dropped.
struct Worker {
    child: Child,
    name: String,
    lines: Receiver<std::io::Result<String>>,
}

impl Worker {
    fn start(task: &Task) -> Result<Worker> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = spawn_on(task.cpu, &mut command)?;
        let (to, lines) = channel();
        let out = child.stdout.take().context("no pipe from the worker")?;
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        let mut worker = Worker {
            child,
            name: format!("worker of {}", task.port),
            lines,
        };
        worker.tell(task)?;
        Ok(worker)
    }

    fn tell(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(what)?;
        line.push('\n');
        let pipe = self.child.stdin.as_mut().context("no pipe to the worker")?;
        pipe.write_all(line.as_bytes())
            .with_context(|| format!("{}: it does not listen", self.name))
    }

    fn line(&mut self, patience: Duration) -> Result<String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(line?),
            Err(RecvTimeoutError::Timeout) => Err(anyhow!(
                "{}: no answer for {} s; it was ended",
                self.name,
                patience.as_secs()
            )),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                Err(anyhow!(
                    "{}: it ended with {status}; what it said is above",
                    self.name
                ))
            }
        }
    }

    fn end(mut self) -> Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{}: it ended with {status}", self.name);
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to end; where it is stuck in the kernel, nothing ends
        // it, and the others are still to be measured.
        let _ = self.child.kill();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
