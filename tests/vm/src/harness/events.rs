// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel tells of its own doings: its trace points, and calls of its functions.

use super::check::*;
use nix::mount::{mount, MsFlags};
use std::fs;
use std::path::Path;

const TRACING: &str = "/sys/kernel/tracing";

/// Something is noted each time that it happens, while this lives.
pub struct Events {
    enable: String,
    /// It is a probe of ours.
    probe: bool,
}

impl Events {
    /// A trace point, as `GROUP/NAME`.
    pub fn of(point: &str) -> Outcome<Self> {
        mounted()?;
        Self::begin(point, false)
    }

    /// Calls of a function of the kernel.
    pub fn calls_of(function: &str) -> Outcome<Self> {
        mounted()?;
        fs::write(
            format!("{TRACING}/kprobe_events"),
            format!("p:ferromap/probe {function}"),
        )?;
        Self::begin("ferromap/probe", true)
    }

    fn begin(point: &str, probe: bool) -> Outcome<Self> {
        let enable = format!("{TRACING}/events/{point}/enable");
        fs::write(format!("{TRACING}/trace"), "")?;
        fs::write(&enable, "1")?;
        Ok(Events { enable, probe })
    }

    /// A line for each, the oldest first.
    pub fn lines(&self) -> Outcome<Vec<String>> {
        let trace = fs::read_to_string(format!("{TRACING}/trace"))?;
        let lines = trace.lines().filter(|line| !line.starts_with('#'));
        Ok(lines.map(str::to_string).collect())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = fs::write(&self.enable, "0");
        if self.probe {
            let _ = fs::write(format!("{TRACING}/kprobe_events"), "");
        }
    }
}

/// The directory is a mount point of its own.
fn mounted() -> Outcome {
    if Path::new(TRACING).join("trace").exists() {
        return Ok(());
    }
    let kind = Some("tracefs");
    let done = mount(kind, TRACING, kind, MsFlags::empty(), None::<&str>);
    works("mount of tracefs", done)
}
