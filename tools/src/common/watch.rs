// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reports at intervals: how often, how many, and when they end.

use crate::{cli::seconds, signals::Signals};
use std::time::{Duration, Instant};

/// What people say about it.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Watch {
    /// Show rates, every second or every so many seconds
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        value_parser = seconds,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1"
    )]
    pub watch: Option<Duration>,

    /// End after so many intervals; this implies --watch
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

impl Watch {
    /// Between two reports, if there is more than one.
    pub fn every(&self) -> Option<Duration> {
        self.watch.or(self.count.map(|_| Duration::from_secs(1)))
    }

    /// Calls `report` at the end of each interval, with its seconds, until there were enough or a
    /// signal comes.
    pub fn each<E>(
        &self,
        every: Duration,
        signals: &Signals,
        mut report: impl FnMut(f64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = Instant::now();
        let mut left = self.count;
        while left != Some(0) {
            if signals.wait((last + every).saturating_duration_since(Instant::now())) {
                break;
            }
            let now = Instant::now();
            report((now - last).as_secs_f64())?;
            last = now;
            left = left.map(|n| n - 1);
        }
        Ok(())
    }
}
