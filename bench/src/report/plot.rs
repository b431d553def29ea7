// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pictures: a line for each system.

use crate::record::{Record, Spread};
use anyhow::{anyhow, Result};
use plotters::prelude::*;
use std::path::Path;

/// The scenario that every system has.
const SCENARIO: &str = "1 to 1";
/// Pixels, and how many of them on the right the names of the lines get.
const SIZE: (u32, u32) = (1000, 560);
const NAMES: u32 = 190;
/// Colours that people with any kind of eyes can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// A line in a picture.
struct Line {
    name: String,
    /// What is on the horizontal axis, and million frames a second.
    points: Vec<(f64, f64)>,
}

/// Writes the pictures for which there is enough.
pub fn draw(records: &[Record], folder: &Path) -> Result<()> {
    let sizes = lines(records, |r| {
        let batch = r.batch?;
        // Which batch is only told where a system has more than one.
        Some((r.frame_bytes?, format!("{}, batch {batch}", r.system)))
    });
    picture(
        &folder.join("rate-over-frame-size.svg"),
        "Rate over frame size, 1 sender to 1 receiver",
        "bytes of a frame",
        &sizes,
    )?;
    let batches = lines(records, |r| {
        (r.frame_bytes == Some(60)).then_some((r.batch?, r.system.clone()))
    });
    picture(
        &folder.join("rate-over-batch.svg"),
        "Rate over batch, frames of 60 bytes, 1 sender to 1 receiver",
        "frames handed over at a time",
        &batches,
    )
}

/// Lines of at least two points. `place` says where a record is on the horizontal axis, and
/// on which line.
fn lines(records: &[Record], place: impl Fn(&Record) -> Option<(u64, String)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for record in records.iter().filter(|r| r.scenario == SCENARIO) {
        let (Some((x, name)), Some(pps)) = (place(record), record.pps) else {
            continue;
        };
        // There is no room for 0 on the axes.
        if x == 0 || pps.median <= 0.0 {
            continue;
        }
        let point = (x as f64, pps.median / 1e6);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                points: vec![point],
            }),
        }
    }
    lines.retain_mut(|line| {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line.points.len() > 1
    });
    lines
}

fn picture(path: &Path, title: &str, x_title: &str, lines: &[Line]) -> Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let mut places: Vec<f64> = points().map(|point| point.0).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let (Some(x), Some(y)) = (
        range(points().map(|point| point.0)),
        range(points().map(|point| point.1)),
    ) else {
        return Ok(());
    };
    chart(path, [title, x_title], lines, (x, y), places)
        .map_err(|why| anyhow!("{} cannot be drawn: {why}", path.display()))
}

/// Smallest and largest, with some room around.
fn range(values: impl Iterator<Item = f64>) -> Option<std::ops::Range<f64>> {
    let all = Spread::of(values)?;
    Some(all.min / 1.3..all.max * 1.3)
}

type Ranges = (std::ops::Range<f64>, std::ops::Range<f64>);

fn chart(
    path: &Path,
    [title, x_title]: [&str; 2],
    lines: &[Line],
    (x, y): Ranges,
    places: Vec<f64>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let rates = (-3..4).flat_map(|power| [1.0, 2.0, 5.0].map(|n| n * 10f64.powi(power)));
    let rates = rates.filter(|rate| y.contains(rate)).collect();
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .margin_right(NAMES)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(
            x.log_scale().with_key_points(places),
            y.log_scale().with_key_points(rates),
        )?;
    chart
        .configure_mesh()
        .x_desc(x_title)
        .y_desc("million frames a second")
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .bold_line_style(RGBColor(225, 225, 225))
        .x_label_formatter(&|x| x.to_string())
        .y_label_formatter(&|y| y.to_string())
        .draw()?;
    let mut at = (i32::try_from(SIZE.0 - NAMES)? + 12, 60);
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points = line.points.iter().copied();
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(4))?;
        // The library's own box of names covers lines, so they are written beside the chart.
        let dash = [(at.0, at.1 + 4), (at.0 + 18, at.1 + 8)];
        root.draw(&Rectangle::new(dash, colour.filled()))?;
        root.draw(&Text::new(
            &*line.name,
            (at.0 + 26, at.1),
            ("sans-serif", 13),
        ))?;
        at.1 += 22;
    }
    root.present()?;
    Ok(())
}
