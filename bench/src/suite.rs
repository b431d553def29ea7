// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs scenarios one after the other. Each result is written at once, so that what was measured
//! stays when a later scenario brings the kernel down.

use crate::{
    clock::{ticks, Rate},
    out,
    record::{Record, Spread},
    say,
    worker::group::Timing,
    yardstick::Yardstick,
};
use anyhow::{Context, Result};
use clap::Args;
use regex_lite::RegexBuilder;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the yardstick is measured at a time.
const YARDSTICK: Duration = Duration::from_millis(20);

/// What the subcommands that measure have in common.
#[derive(Args, Debug)]
pub struct Options {
    /// Run only scenarios whose title this regular expression finds
    #[arg(long, default_value = "", value_name = "PATTERN")]
    only: String,
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: u16,
    /// How long each repetition lasts, and what is measured between repetitions
    #[arg(long, default_value_t = 0.1, value_parser = seconds)]
    seconds: f64,
    /// How long each measurement warms up
    #[arg(long, default_value_t = 0.3, value_parser = seconds)]
    warm_up: f64,
    /// Append results to this file, one line of JSON each
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only name the scenarios
    #[arg(long)]
    list: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is a number of seconds between 0.001 and 3600".to_owned()),
    }
}

/// Something to be measured.
pub struct Scenario {
    /// What it is, in words that `--only` is compared with.
    pub title: String,
    /// Measures. An error is noted as a missing result.
    pub run: Run,
}

type Run = Box<dyn FnOnce(&Bench) -> Result<Vec<Record>>>;

impl Scenario {
    pub fn new(
        title: impl Into<String>,
        run: impl FnOnce(&Bench) -> Result<Vec<Record>> + 'static,
    ) -> Scenario {
        Scenario {
            title: title.into(),
            run: Box::new(run),
        }
    }
}

/// What scenarios share.
pub struct Bench {
    pub rate: Rate,
    pub timing: Timing,
}

impl Bench {
    /// Nanoseconds that a plain loop takes, now, to copy a frame of `bytes` between
    /// rings of `buffers`.
    pub fn yardstick(&self, bytes: usize, buffers: usize) -> Result<Spread> {
        let mut yardstick = Yardstick::new(bytes, buffers);
        // The median of many rounds, as for syncs: a program that has the CPU meanwhile
        // does not show.
        let mut measure = || {
            let end = ticks() + self.rate.ticks(YARDSTICK);
            let rounds = std::iter::from_fn(|| (ticks() < end).then(|| yardstick.round()));
            Spread::of(rounds.map(|took| self.rate.ns(took))).map(|all| all.median)
        };
        // The first time is the warm-up.
        measure();
        Spread::of((0..self.timing.windows).filter_map(|_| measure()))
            .context("the yardstick was not measured")
    }
}

/// Runs those of `scenarios` that were asked for. Returns whether all went well.
pub fn run(scenarios: Vec<Scenario>, options: &Options) -> Result<bool> {
    let only = RegexBuilder::new(&options.only)
        .case_insensitive(true)
        .build()
        .with_context(|| format!("--only {}", options.only))?;
    let chosen: Vec<Scenario> = scenarios
        .into_iter()
        .filter(|scenario| only.is_match(&scenario.title))
        .collect();
    if options.list {
        for scenario in &chosen {
            say!("{}", scenario.title);
        }
        return Ok(true);
    }
    let mut out = options.out.as_deref().map(append).transpose()?;
    let bench = Bench {
        rate: Rate::measure(),
        timing: Timing {
            warm_up: Duration::from_secs_f64(options.warm_up),
            window: Duration::from_secs_f64(options.seconds),
            windows: options.repeat.into(),
        },
    };
    let (count, mut well) = (chosen.len(), true);
    for (n, Scenario { title, run }) in chosen.into_iter().enumerate() {
        out::data(format!("[{:>2}/{count}] {title} ... ", n + 1).as_bytes());
        let records = run(&bench).unwrap_or_else(|why| {
            vec![Record {
                missing: Some(format!("{why:#}")),
                ..Record::new("", &title)
            }]
        });
        say!("{}", in_short(&records));
        for record in &records {
            well &= record.missing.is_none();
            if let Some(out) = &mut out {
                let mut line = serde_json::to_string(record)?;
                line.push('\n');
                out.write_all(line.as_bytes())?;
            }
        }
    }
    Ok(well)
}

fn in_short(records: &[Record]) -> String {
    match records {
        [] => "nothing".to_owned(),
        [one] => one.in_short(),
        some if some.len() <= 3 => {
            let words = some
                .iter()
                .map(|r| format!("{}: {}", r.scenario, r.in_short()));
            words.collect::<Vec<_>>().join("; ")
        }
        many => format!("{} results", many.len()),
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))
}
