// SPDX-License-Identifier: MIT OR Apache-2.0

//! `xdp status`: the programs, with what they decided, in all or as rates.

use crate::{
    args::Status,
    counts::{Counts, ACTIONS},
    place::{Attached, Place},
    programs::Known,
    watch::Watchers,
};
use common::{
    json::Object,
    say,
    signals::Signals,
    table::{by_name, lay_out, Column},
    units::{count, ratio, wall_clock},
};
use ferromap::XdpCount;

/// A program on a device, with what could be learned of it.
#[derive(Clone, Debug)]
struct Row {
    at: Attached,
    name: Option<String>,
    tag: Option<String>,
    ours: bool,
    counts: Option<Counts>,
}

pub fn run(args: &Status) -> Result<(), String> {
    let Some(every) = args.watch.every() else {
        let rows = look(args, None)?;
        if args.json {
            rows.iter().for_each(|row| say!("{}", row.object(None)));
        } else {
            tell(&rows, args, None);
        }
        return Ok(());
    };
    let signals = Signals::block().map_err(|e| e.to_string())?;
    let mut watchers = Watchers::default();
    let mut before = look(args, Some(&mut watchers))?;
    args.watch.each(every, &signals, |seconds| {
        let after = look(args, Some(&mut watchers))?;
        let since: Vec<Row> = after.iter().map(|row| row.since(&before)).collect();
        if args.json {
            since
                .iter()
                .for_each(|row| say!("{}", row.object(Some(seconds))));
        } else {
            tell(&since, args, Some(seconds));
            say!("");
        }
        watchers.keep(|id| after.iter().any(|row| row.at.id == id));
        before = after;
        Ok(())
    })
}

/// The programs of the device that was asked for, or of all.
fn look(args: &Status, mut watchers: Option<&mut Watchers>) -> Result<Vec<Row>, String> {
    let mut found = match &args.device {
        Some(device) => Place::named(device)?.programs()?,
        // An interface may go while we look, and a module may be too old to be asked.
        None => Place::all()
            .iter()
            .flat_map(|place| place.programs().unwrap_or_default())
            .collect(),
    };
    found.sort_by(|a, b| by_name(&a.device, &b.device));
    Ok(found
        .into_iter()
        .map(|at| Row::new(at, watchers.as_deref_mut()))
        .collect())
}

fn tell(rows: &[Row], args: &Status, seconds: Option<f64>) {
    if rows.is_empty() {
        match &args.device {
            Some(device) => say!("There is no XDP program on {device}."),
            None => say!("There are no XDP programs."),
        }
        return;
    }
    lay_out(&columns(seconds), &table(rows, seconds))
        .iter()
        .for_each(|line| say!("{line}"));
    if rows.iter().any(|row| row.name.is_none()) {
        common::note!("xdp: more can be told to root only");
    } else if seconds.is_none() && rows.iter().any(|row| row.counts.is_none()) {
        common::note!(
            "xdp: programs with - do not count themselves; --watch counts them while it runs"
        );
    }
}

fn columns(seconds: Option<f64>) -> [Column; 9] {
    use Column::{Number, Text};
    let [frames, volume] = match seconds {
        None => ["FRAMES", "BYTES"],
        Some(_) => ["FRAMES/s", "BITS/s"],
    };
    [
        Text("DEVICE"),
        Text("MODE"),
        Number("ID"),
        Text("PROGRAM"),
        Text("TAG"),
        Text("BY"),
        Text("ACTION"),
        Number(frames),
        Number(volume),
    ]
}

/// A line for each action that a program decided for.
fn table(rows: &[Row], seconds: Option<f64>) -> Vec<Vec<String>> {
    let mut table = Vec::new();
    for row in rows {
        let known = |text: &Option<String>| match text.as_deref() {
            None | Some("") => "-".to_owned(),
            Some(text) => text.to_owned(),
        };
        let first = [
            row.at.device.clone(),
            row.at.mode.name().to_owned(),
            row.at.id.to_string(),
            known(&row.name),
            known(&row.tag),
            if row.ours { "xdp" } else { "-" }.to_owned(),
        ];
        for last in row.cells(seconds) {
            table.push(first.iter().cloned().chain(last).collect());
        }
    }
    table
}

impl Row {
    fn new(at: Attached, watchers: Option<&mut Watchers>) -> Self {
        let known = Known::of(at.id);
        let known = known.as_ref();
        let counts = at.counts.or_else(|| known?.counts());
        let counts = counts.or_else(|| watchers?.counts(at.id, known?));
        Row {
            name: known.map(Known::name),
            tag: known.map(Known::tag),
            ours: known.is_some_and(Known::is_ours),
            counts,
            at,
        }
    }

    /// With what was counted since. A program that was not there has counted all of it.
    fn since(&self, before: &[Row]) -> Row {
        let same = |old: &&Row| old.at.device == self.at.device && old.at.id == self.at.id;
        let old = before.iter().find(same).and_then(|old| old.counts);
        Row {
            counts: self.counts.map(|c| c.since(old.unwrap_or_default())),
            ..self.clone()
        }
    }

    /// The columns that differ between actions.
    fn cells(&self, seconds: Option<f64>) -> Vec<[String; 3]> {
        let Some(counts) = self.counts else {
            return vec![["-", "-", "-"].map(str::to_owned)];
        };
        let line = |action: &str, seen: XdpCount| {
            let volume = match seconds {
                None => seen.bytes,
                Some(_) => seen.bytes.saturating_mul(8),
            };
            [
                action.to_owned(),
                count(seen.packets, seconds),
                count(volume, seconds),
            ]
        };
        let lines: Vec<_> = counts.taken().map(|(action, c)| line(action, c)).collect();
        if lines.is_empty() {
            return vec![line("-", XdpCount::default())];
        }
        lines
    }

    fn object(&self, seconds: Option<f64>) -> Object {
        let rate = |n: u64| seconds.map(|s| format!("{:.1}", ratio(n as f64, s)));
        let counts = self.counts.map(|counts| {
            let mut object = Object::default();
            for (action, count) in ACTIONS.into_iter().zip(counts.0) {
                let fields = Object::default()
                    .plain("packets", count.packets)
                    .plain("bytes", count.bytes)
                    .maybe("pps", rate(count.packets))
                    .maybe("bps", rate(count.bytes.saturating_mul(8)));
                object = object.plain(action, fields);
            }
            object
        });
        let text = |text: &Option<String>| text.as_deref().map(common::json::quoted);
        Object::new(if seconds.is_some() {
            "interval"
        } else {
            "total"
        })
        .plain("time", format!("{:.6}", wall_clock().as_secs_f64()))
        .maybe("seconds", seconds.map(|s| format!("{s:.6}")))
        .text("device", &self.at.device)
        .text("mode", self.at.mode.name())
        .plain("id", self.at.id)
        .maybe("program", text(&self.name))
        .maybe("tag", text(&self.tag))
        .plain("ours", self.ours)
        .maybe("actions", counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Mode;

    fn row(counts: Option<Counts>) -> Row {
        Row {
            at: Attached {
                device: "eth0".into(),
                mode: Mode::Generic,
                id: 12,
                counts: None,
            },
            name: Some("drop".into()),
            tag: Some("57cd".into()),
            ours: true,
            counts,
        }
    }

    fn dropped(packets: u64, bytes: u64) -> Option<Counts> {
        let mut counts = Counts::default();
        counts.0[1] = XdpCount { packets, bytes };
        Some(counts)
    }

    #[test]
    fn each_action_has_a_line() {
        let rows = [
            row(dropped(2, 120)),
            row(None),
            row(Some(Counts::default())),
        ];
        assert_eq!(
            lay_out(&columns(None), &table(&rows, None)),
            [
                "DEVICE  MODE     ID  PROGRAM  TAG   BY   ACTION  FRAMES  BYTES",
                "eth0    generic  12  drop     57cd  xdp  drop         2    120",
                "eth0    generic  12  drop     57cd  xdp  -            -      -",
                "eth0    generic  12  drop     57cd  xdp  -            0      0",
            ]
        );
    }

    #[test]
    fn rates_are_of_the_interval() {
        let since = row(dropped(3002, 240)).since(&[row(dropped(2, 120))]);
        assert_eq!(since.cells(Some(2.0))[0], ["drop", "1500", "480"]);
    }

    #[test]
    fn programs_get_all_actions() {
        let text = row(dropped(2, 120)).object(None).to_string();
        let tail = concat!(
            r#""device":"eth0","mode":"generic","id":12,"program":"drop","tag":"57cd","#,
            r#""ours":true,"actions":{"aborted":{"packets":0,"bytes":0},"drop":{"packets":2,"#,
            r#""bytes":120},"pass":{"packets":0,"bytes":0},"tx":{"packets":0,"bytes":0},"#,
            r#""redirect":{"packets":0,"bytes":0}}}"#,
        );
        assert!(text.ends_with(tail), "{text}");
        assert!(!row(None).object(None).to_string().contains("actions"));
    }
}
