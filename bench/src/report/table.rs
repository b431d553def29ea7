// SPDX-License-Identifier: MIT OR Apache-2.0

//! The table that people read: a group for each scenario, a line for each measurement, and only
//! those columns that have something in them.

use crate::record::Record;
use std::fmt::Write;

/// Columns of a terminal.
const WIDTH: usize = 100;

/// The head of a column, and what a record has there.
type Column = (&'static str, fn(&Record) -> Option<String>);

const COLUMNS: [Column; 17] = [
    ("", |r| Some(r.system.clone())),
    ("bytes", |r| whole(r.frame_bytes)),
    ("batch", |r| whole(r.batch)),
    ("rings", |r| whole(r.slots)),
    ("Mpps", |r| r.pps.map(|pps| mega(pps.median))),
    ("min..max", |r| {
        r.pps
            .map(|pps| format!("{}..{}", mega(pps.min), mega(pps.max)))
    }),
    ("Gbit/s", |r| r.gbit_s.map(|x| format!("{x:.1}"))),
    ("kernel ns", |r| {
        r.kernel_ns_per_frame.map(|ns| format!("{:.1}", ns.median))
    }),
    ("copy ns", |r| r.yardstick_ns.map(|ns| format!("{ns:.1}"))),
    ("ratio", |r| r.ratio.map(|x| format!("{:.2}", x.median))),
    ("min..max", |r| {
        r.ratio.map(|x| format!("{:.2}..{:.2}", x.min, x.max))
    }),
    ("lost %", |r| r.lost.map(|x| format!("{:.1}", x * 100.0))),
    ("p50 us", |r| r.p50_us.map(|us| format!("{us:.1}"))),
    ("p99 us", |r| r.p99_us.map(|us| format!("{us:.1}"))),
    ("MB a port", |r| {
        r.bytes_per_port
            .map(|bytes| format!("{:.2}", bytes as f64 / 1e6))
    }),
    ("CPU %", |r| r.cpu_percent.map(|x| format!("{x:.1}"))),
    ("instructions", |r| {
        r.instructions_per_frame.map(|x| format!("{x:.0}"))
    }),
];

/// What the heads mean.
const LEGEND: &str = "\
kernel ns: time of a sync for each frame, less that of an empty sync. copy ns: a plain loop that
copies such a frame between rings of as many buffers, in turn with it. ratio: kernel ns over
copy ns. Rates are of frames that arrived.
";

fn whole(number: Option<u64>) -> Option<String> {
    number.map(|n| n.to_string())
}

fn mega(number: f64) -> String {
    let mega = number / 1e6;
    let digits = if mega < 1.0 { 3 } else { 1 };
    format!("{mega:.digits$}")
}

/// The whole table.
pub fn of(records: &[Record]) -> String {
    let mut scenarios: Vec<&str> = Vec::new();
    for record in records {
        if !scenarios.contains(&record.scenario.as_str()) {
            scenarios.push(&record.scenario);
        }
    }
    let mut text = String::new();
    for scenario in scenarios {
        let group = records.iter().filter(|r| r.scenario == scenario);
        let (measured, missing): (Vec<&Record>, Vec<&Record>) =
            group.partition(|r| r.missing.is_none());
        let _ = writeln!(text, "\n{scenario}");
        text.push_str(&lines(&measured));
        text.push_str(&gaps(&missing));
    }
    if records.iter().any(|r| r.ratio.is_some()) {
        text.push('\n');
        text.push_str(LEGEND);
    }
    text
}

fn lines(group: &[&Record]) -> String {
    if group.is_empty() {
        return String::new();
    }
    // Column by column: the head, then what each record has.
    let columns: Vec<Vec<String>> = COLUMNS
        .iter()
        .filter(|(_, of)| group.iter().any(|r| of(r).is_some()))
        .map(|(head, of)| {
            let cells = group.iter().map(|r| of(r).unwrap_or_default());
            std::iter::once((*head).to_owned()).chain(cells).collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .map(|cells| cells.iter().map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for n in 0..=group.len() {
        let mut line = String::new();
        for (i, (cells, &width)) in columns.iter().zip(&widths).enumerate() {
            let cell = &cells[n];
            let _ = match i {
                0 => write!(line, "  {cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        if let Some(record) = n.checked_sub(1).and_then(|n| group.get(n)) {
            let _ = write!(line, "  {}", record.note);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What could not be measured; what one system says of many measurements is told once.
fn gaps(missing: &[&Record]) -> String {
    let mut reasons: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for record in missing {
        let why = record.missing.as_deref().unwrap_or_default();
        let which = match (record.frame_bytes, record.batch) {
            (Some(bytes), Some(batch)) => format!("{bytes} bytes by {batch}"),
            _ => String::new(),
        };
        let known = reasons
            .iter_mut()
            .find(|r| (r.0, r.1) == (&record.system, why));
        match known {
            Some(known) => known.2.push(which),
            None => reasons.push((&record.system, why, vec![which])),
        }
    }
    reasons
        .iter()
        .map(|(system, why, which)| wrap(&format!("missing: {system} {}: {why}", which.join(", "))))
        .collect()
}

/// The words of `text` in lines that are indented and no longer than a terminal is wide.
fn wrap(text: &str) -> String {
    let mut lines = vec![" ".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("      {word}")),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Spread;

    #[test]
    fn only_columns_with_something_in_them() {
        let measured = Record {
            frame_bytes: Some(60),
            batch: Some(512),
            ..Record::new("vale", "1 to 1")
        }
        .rate(Spread::of([20e6, 21e6, 22e6]));
        let latency = Record {
            p50_us: Some(12.34),
            ..Record::new("vale", "ping-pong")
        };
        let text = of(&[measured, latency]);
        let expected = "
1 to 1
        bytes  batch  Mpps    min..max  Gbit/s
  vale     60    512  21.0  20.0..22.0    10.1

ping-pong
        p50 us
  vale    12.3
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_reason_is_told_once_and_wrapped() {
        let missing = |bytes| Record {
            frame_bytes: Some(bytes),
            batch: Some(8),
            missing: Some("there is no such program on this machine; ".repeat(3)),
            ..Record::new("memif", "1 to 1")
        };
        let text = of(&[missing(60), missing(256)]);
        assert!(
            text.contains("  missing: memif 60 bytes by 8, 256 bytes by 8: there"),
            "{text}"
        );
        assert_eq!(text.matches("memif").count(), 1, "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }
}
