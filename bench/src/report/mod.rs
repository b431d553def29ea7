// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes a table, pictures and one file of everything that was measured.

mod plot;
mod table;

use crate::{out, record::Record};
use anyhow::{Context, Result};
use clap::Args;
use std::{
    fs::{read_to_string, write},
    path::{Path, PathBuf},
};

/// What to report, and where to.
#[derive(Args, Debug)]
pub struct Options {
    /// Folder for results.json and the pictures
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Results, one line of JSON each
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Reports all of the files together.
pub fn run(options: &Options) -> Result<()> {
    let mut records = Vec::new();
    for file in &options.files {
        records.extend(read(file)?);
    }
    let json = options.to.join("results.json");
    write(&json, serde_json::to_string_pretty(&records)? + "\n")
        .with_context(|| format!("{} cannot be written", json.display()))?;
    out::data(table::of(&records).as_bytes());
    plot::draw(&records, &options.to)
}

fn read(file: &Path) -> Result<Vec<Record>> {
    let text =
        read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    text.lines()
        .enumerate()
        .map(|(n, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}, line {}: no result", file.display(), n + 1))
        })
        .collect()
}
