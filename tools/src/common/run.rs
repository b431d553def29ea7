// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tools that move frames have in common: how they begin, speak and end.

use crate::{cli::seconds, ports, signals::Signals};
use ferromap::Port;
use std::time::{Duration, Instant};

/// How long to wait for a link, if nobody said.
const WAIT: u64 = 2;

/// Between two looks at a link.
const LOOK: Duration = Duration::from_millis(50);

/// What people say about it.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Run {
    /// Seconds to wait for links; by default 2, and 0 where there is no wire
    #[arg(short, long, value_name = "SECONDS")]
    pub wait_link: Option<u64>,

    /// One JSON object a line: a report for each interval, and a summary
    #[arg(long)]
    pub json: bool,

    /// Stop after this many seconds, those of a wait for links included
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<Duration>,
}

impl Run {
    /// Waits until the links of all ports are up, but not after a signal, and tells people which
    /// are down then. Where there is no wire it waits only if told to. Returns when the tool is to
    /// end: the wait counts.
    pub fn begin(&self, tool: &str, ports: &[Port], signals: Signals) -> End {
        let begun = Instant::now();
        let any = ports.iter().any(ports::is_wired);
        let seconds = self.wait_link.unwrap_or(if any { WAIT } else { 0 });
        let most = Duration::from_secs(seconds).min(self.duration.unwrap_or(Duration::MAX));
        let up = || any && ports.iter().all(ports::is_up);
        if !most.is_zero() && !up() && !self.json {
            crate::say!("Wait {} secs for the link...", most.as_secs_f64());
        }
        loop {
            let left = most.saturating_sub(begun.elapsed());
            if left.is_zero() || up() || signals.wait(left.min(LOOK)) {
                break;
            }
        }
        ports::tell_lost_links(tool, ports);
        End {
            signals,
            at: self.duration.map(|duration| begun + duration),
        }
    }
}

/// What a tool ends by: a signal, or, if that was said, the time.
pub struct End {
    pub signals: Signals,
    at: Option<Instant>,
}

impl End {
    /// Whether either has come.
    pub fn has_come(&self) -> bool {
        self.is_over() || self.signals.wait(Duration::ZERO)
    }

    /// Whether the time is over. Costs no system call.
    pub fn is_over(&self) -> bool {
        self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// Until `next`, or until the time is over if that is sooner.
    pub fn left(&self, next: Instant) -> Duration {
        let until = self.at.map_or(next, |at| at.min(next));
        until.saturating_duration_since(Instant::now())
    }
}
