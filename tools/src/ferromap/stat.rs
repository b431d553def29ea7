// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ferromap stat`: what went through rings, in all or as rates.

use crate::{
    args::{bare, Stat},
    counters::{self, Port, Ring},
    facts::Facts,
    names,
};
use common::{
    causes,
    json::Object,
    note, say,
    signals::Signals,
    table::{by_name, lay_out, Column},
    units::{count, ratio, wall_clock},
};
use ferromap::PortSpec;
use std::error::Error;

pub fn run(facts: &Facts, args: &Stat) -> Result<(), Box<dyn Error>> {
    let mut before = ports(facts, args)?;
    if counters::only_own(facts) {
        note!(
            "{}: only ports of your own processes can be told of; root sees all",
            crate::TOOL
        );
    }
    let Some(every) = args.watch.every() else {
        if args.json {
            before.iter().for_each(|port| say!("{}", total(port)));
        } else {
            tell(&before, None);
        }
        return Ok(());
    };
    let signals = Signals::block()?;
    args.watch.each(every, &signals, |seconds| {
        // A port that was asked for may be closed and opened again.
        let after = match ports(facts, args) {
            Ok(ports) => ports,
            Err(why) if facts.module_is_loaded() => {
                note!("{}: {why}", crate::TOOL);
                Vec::new()
            }
            Err(why) => return Err(why.into()),
        };
        let since: Vec<Port> = after
            .iter()
            .map(|port| port.since(before.iter().find(|old| old.name == port.name)))
            .collect();
        if args.json {
            since
                .iter()
                .for_each(|port| say!("{}", interval(port, seconds)));
        } else {
            tell(&since, Some(seconds));
            say!("");
        }
        before = after;
        Ok(())
    })
}

/// The ports that were asked for.
fn ports(facts: &Facts, args: &Stat) -> Result<Vec<Port>, String> {
    let mut ports = counters::read(facts)?;
    ports.sort_by(|a, b| by_name(&a.name, &b.name));
    if let Some(name) = &args.port {
        let name = bare(name);
        PortSpec::check_length(name).map_err(|e| e.to_string())?;
        let name = counters::listed(&ports, facts, name);
        ports.retain(|port| names::is(&port.name, &name));
        if ports.is_empty() && counters::only_own(facts) {
            return Err(format!(
                "none of your processes has {name} open, and only root may see the others. Run \
                 this with sudo"
            ));
        }
        if ports.is_empty() {
            return Err(format!(
                "{name} is not open. ferromap info lists the ports that are"
            ));
        }
    }
    Ok(ports)
}

/// The table: what was counted, or rates if it was counted in so many seconds.
fn tell(ports: &[Port], seconds: Option<f64>) {
    if ports.is_empty() {
        say!("No port is open.");
        return;
    }
    lay_out(&columns(seconds), &table(ports, seconds))
        .iter()
        .for_each(|line| say!("{line}"));
}

fn columns(seconds: Option<f64>) -> [Column; 6] {
    use Column::{Number, Text};
    let [frames, volume, dropped] = match seconds {
        None => ["FRAMES", "BYTES", "DROPPED"],
        Some(_) => ["FRAMES/s", "BITS/s", "DROPPED/s"],
    };
    [
        Text("PORT"),
        Text("RING"),
        Number(frames),
        Number(volume),
        Number(dropped),
        Text("WHY"),
    ]
}

fn table(ports: &[Port], seconds: Option<f64>) -> Vec<Vec<String>> {
    let mut table = Vec::new();
    for port in ports {
        let mut rings = port.rings.clone();
        rings.extend(sums(port));
        if rings.is_empty() {
            // Nothing has come yet.
            rings.push(Ring {
                name: "-".to_owned(),
                ..Ring::default()
            });
        }
        table.extend(rings.iter().map(|ring| row(&port.name, ring, seconds)));
    }
    table
}

/// Where a port has several rings of a kind, their sum.
fn sums(port: &Port) -> Vec<Ring> {
    let mut sums: Vec<(Ring, usize)> = Vec::new();
    for ring in &port.rings {
        let name = format!("all {}", ring.direction());
        let at = sums.iter().position(|(sum, _)| sum.name == name);
        let at = at.unwrap_or_else(|| {
            let counters = Vec::new();
            sums.push((Ring { name, counters }, 0));
            sums.len() - 1
        });
        let (sum, rings) = &mut sums[at];
        *rings += 1;
        for (counter, value) in &ring.counters {
            sum.add(counter, *value);
        }
    }
    sums.retain(|(_, rings)| *rings > 1);
    sums.into_iter().map(|(sum, _)| sum).collect()
}

fn row(port: &str, ring: &Ring, seconds: Option<f64>) -> Vec<String> {
    let bytes = ring.count("bytes");
    vec![
        port.to_owned(),
        ring.name.clone(),
        count(ring.count("frames"), seconds),
        match seconds {
            None => bytes.to_string(),
            Some(_) => count(bytes.saturating_mul(8), seconds),
        },
        count(ring.dropped(), seconds),
        why(ring, seconds),
    ]
}

/// Each cause with its share.
fn why(ring: &Ring, seconds: Option<f64>) -> String {
    let resets = ("resets", ring.count("resets"));
    let parts: Vec<String> = ring
        .drops()
        .chain([resets])
        .filter(|(_, n)| *n > 0)
        .map(|(cause, n)| format!("{} {}", count(n, seconds), causes::words(cause)))
        .collect();
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}

fn total(port: &Port) -> Object {
    object("total", port, None)
}

fn interval(port: &Port, seconds: f64) -> Object {
    object("interval", port, Some(seconds))
}

fn object(kind: &str, port: &Port, seconds: Option<f64>) -> Object {
    let rings = port.rings.iter().map(|ring| ring_object(ring, seconds));
    Object::new(kind)
        .plain("time", format!("{:.6}", wall_clock().as_secs_f64()))
        .maybe("seconds", seconds.map(|s| format!("{s:.6}")))
        .text("name", &port.name)
        .text("kind", port.kind.name())
        .maybe("region", port.region)
        .plain("dropped", port.rings.iter().map(Ring::dropped).sum::<u64>())
        .list("rings", rings)
}

fn ring_object(ring: &Ring, seconds: Option<f64>) -> Object {
    let (frames, bytes) = (ring.count("frames"), ring.count("bytes"));
    let mut drops = Object::default();
    for (cause, n) in ring.drops() {
        drops = drops.plain(cause, n);
    }
    let rate = |n: u64| seconds.map(|s| format!("{:.1}", ratio(n as f64, s)));
    Object::default()
        .text("name", &ring.name)
        .plain("frames", frames)
        .plain("bytes", bytes)
        .maybe("pps", rate(frames))
        .maybe("bps", rate(bytes.saturating_mul(8)))
        .plain("dropped", ring.dropped())
        .plain("drops", drops)
        .plain("resets", ring.count("resets"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        counters::{tests::TEXT, PORTS},
        facts::made_up::Machine,
    };

    fn open(text: &str) -> Vec<Port> {
        let machine = Machine::with(&[
            ("sys/module/netmap/parameters/admode", "0\n"),
            (PORTS, text),
        ]);
        counters::read(&machine.0).unwrap()
    }

    #[test]
    fn the_table_names_causes_in_words() {
        let ports = open(TEXT);
        let lines = lay_out(&columns(None), &table(&ports[..2], None));
        assert_eq!(
            lines,
            [
                "PORT        RING  FRAMES  BYTES  DROPPED  WHY",
                "vale0:a     tx0      123   7380        3  3 nobody there",
                "vale0:a     rx0        0      0        4  4 ring full",
                "vale0:eth0  -          0      0        0  -",
            ]
        );
    }

    #[test]
    fn rates_have_one_unit_a_column() {
        let ports = open(
            "eth0 emulated region 1\n  rx0 frames 3000\n  rx0 bytes 180000\n  rx0 drop_full 2\n",
        );
        let row = &table(&ports, Some(2.0))[0];
        assert_eq!(row[2..], ["1500", "720000", "1", "1 ring full"]);
        let heads = columns(Some(2.0)).map(Column::head);
        assert_eq!(heads[2..5], ["FRAMES/s", "BITS/s", "DROPPED/s"]);
    }

    #[test]
    fn several_rings_have_a_sum() {
        let ports = open("p\n  tx0 frames 1\n  tx1 frames 2\n  tx1 resets 1\n  rx0 frames 4\n");
        let rows = table(&ports, None);
        let names: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(names, ["tx0", "tx1", "rx0", "all tx"]);
        assert_eq!(rows[3][2..], ["3", "0", "0", "1 ring resets"]);
    }

    #[test]
    fn programs_get_all_of_it() {
        let text = total(&open(TEXT)[0]).to_string();
        assert!(text.starts_with(r#"{"type":"total","time":"#), "{text}");
        let tail = concat!(
            r#""name":"vale0:a","kind":"virtual","region":2,"dropped":7,"rings":[{"name":"tx0","#,
            r#""frames":123,"bytes":7380,"dropped":3,"drops":{"nobody":3},"resets":0},"#,
            r#"{"name":"rx0","frames":0,"bytes":0,"dropped":4,"drops":{"full":4},"resets":0}]}"#,
        );
        assert!(text.ends_with(tail), "{text}");
    }
}
