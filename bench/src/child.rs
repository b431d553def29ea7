// SPDX-License-Identifier: MIT OR Apache-2.0

//! Processes of this program that measure, each on a CPU of its own, and what they and we tell each
//! other: lines of JSON on their standard input and output.

use crate::cpu::spawn_on;
use anyhow::{bail, Context, Result};
use nix::{
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::{prctl::set_pdeathsig, signal::Signal},
};
use serde::{de::DeserializeOwned, Serialize};
use std::{
    io::{stdin, stdout, BufRead, BufReader, Write},
    os::fd::AsFd,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// How long a child may take to be ready, and to come to an end.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A process that we started. It is ended when this is dropped.
pub struct Child {
    process: std::process::Child,
    name: String,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Child {
    /// Starts `ferromap-bench COMMAND` on CPU number `cpu`, tells it its `task`, and waits until it
    /// is ready. Errors call it `name`.
    pub fn start(name: String, cpu: usize, command: &str, task: &impl Serialize) -> Result<Child> {
        let mut line = Command::new(std::env::current_exe()?);
        line.arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = spawn_on(cpu, &mut line)?;
        let mut child = Child {
            name,
            to: process.stdin.take().context("no pipe to the child")?,
            from: BufReader::new(process.stdout.take().context("no pipe from the child")?),
            process,
        };
        child.tell(task)?;
        let () = child.receive(PATIENCE)?;
        Ok(child)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn tell(&mut self, what: &impl Serialize) -> Result<()> {
        writeln!(self.to, "{}", serde_json::to_string(what)?)
            .with_context(|| format!("{}: it does not listen", self.name))
    }

    /// What it says next, for which it has `patience`.
    pub fn receive<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<T> {
        // It writes whole lines, so none is left in the buffer and reading one does not hang.
        let mut pipe = [PollFd::new(self.from.get_ref().as_fd(), PollFlags::POLLIN)];
        if poll(&mut pipe, PollTimeout::try_from(patience)?)? == 0 {
            bail!(
                "{}: silent for {} s; it was ended",
                self.name,
                patience.as_secs()
            );
        }
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            let status = self.process.wait()?;
            bail!(
                "{}: it ended with {status}; what it said is above",
                self.name
            );
        }
        serde_json::from_str(&line).with_context(|| format!("{}: it said {line}", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to end; where it is stuck in the kernel,
        // nothing ends it, and the others are still to be measured.
        let _ = self.process.kill();
        for _ in 0..100 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The child's side: its task.
pub fn task<T: DeserializeOwned>() -> Result<T> {
    // Whatever becomes of the parent, no sender stays behind.
    set_pdeathsig(Signal::SIGKILL)?;
    read()
}

/// The child's side: says that everything is open, and waits to be told more.
pub fn ready<T: DeserializeOwned>() -> Result<T> {
    say(&())?;
    read()
}

/// The child's side: tells the parent.
pub fn say(what: &impl Serialize) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    Ok(out.flush()?)
}

fn read<T: DeserializeOwned>() -> Result<T> {
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    serde_json::from_str(&line).context("a child is started by ferromap-bench, not by hand")
}
