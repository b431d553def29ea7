// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which processes have which ports, from `/proc/PID/fdinfo`.

use crate::facts::Facts;
use std::{collections::BTreeSet, io};

/// A process that has rings of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub process: String,
    pub port: String,
    pub rings: BTreeSet<(String, u32)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    pub all: Vec<Holder>,
    /// Processes of other users, which may have ports, too.
    pub unreadable: usize,
}

impl Holders {
    pub fn of<'a>(&'a self, port: &'a str) -> impl Iterator<Item = &'a Holder> {
        self.all.iter().filter(move |holder| holder.port == port)
    }
}

impl Holder {
    /// As in `tx0-3 rx0`.
    pub fn rings(&self) -> String {
        let mut parts: Vec<(&str, u32, u32)> = Vec::new();
        for (kind, number) in &self.rings {
            match parts.last_mut() {
                Some((k, _, last)) if k == kind && *last + 1 == *number => *last = *number,
                _ => parts.push((kind, *number, *number)),
            }
        }
        let part = |(kind, first, last): &(&str, u32, u32)| {
            if first == last {
                format!("{kind}{first}")
            } else {
                format!("{kind}{first}-{last}")
            }
        };
        parts.iter().map(part).collect::<Vec<_>>().join(" ")
    }
}

/// All of them that we may see.
pub fn find(facts: &Facts) -> Holders {
    let mut found = Holders::default();
    let mut pids: Vec<u32> = facts
        .names("proc")
        .unwrap_or_default()
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    pids.sort_unstable();
    for pid in pids {
        let folder = format!("proc/{pid}/fdinfo");
        let files = match facts.names(&folder) {
            Ok(files) => files,
            Err(e) => {
                // Others have ended while we looked.
                found.unreadable += usize::from(e.kind() == io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        for file in files {
            let text = facts.read(&format!("{folder}/{file}"));
            if let Some((port, rings)) = text.ok().as_deref().and_then(parse) {
                let process = || facts.line(&format!("proc/{pid}/comm"));
                note(&mut found.all, pid, process, port, rings);
            }
        }
    }
    found
}

/// A process may have several files of one port.
fn note(
    all: &mut Vec<Holder>,
    pid: u32,
    process: impl Fn() -> Option<String>,
    port: String,
    rings: BTreeSet<(String, u32)>,
) {
    match all.iter_mut().find(|h| h.pid == pid && h.port == port) {
        Some(holder) => holder.rings.extend(rings),
        None => all.push(Holder {
            pid,
            process: process().unwrap_or_else(|| "?".to_owned()),
            port,
            rings,
        }),
    }
}

/// The port of a file, and its rings: lines like `netmap-host-tx0-frames:`.
fn parse(text: &str) -> Option<(String, BTreeSet<(String, u32)>)> {
    let mut port = None;
    let mut rings = BTreeSet::new();
    for line in text.lines() {
        let Some((key, value)) = line.strip_prefix("netmap-").and_then(|l| l.split_once(':'))
        else {
            continue;
        };
        match key {
            "port" => port = Some(value.trim()),
            _ => rings.extend(ring(key)),
        }
    }
    // A file that is not bound has no rings and holds nothing.
    port.filter(|name| !name.starts_with('('))
        .map(|name| (name.to_owned(), rings))
}

fn ring(key: &str) -> Option<(String, u32)> {
    let (label, _counter) = key.rsplit_once('-')?;
    let kind = label.trim_end_matches(|c: char| c.is_ascii_digit());
    Some((kind.to_owned(), label[kind.len()..].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    const FILE: &str = "pos:\t0\nflags:\t02100002\nnetmap-port:\tvale0:a\nnetmap-region:\t2\n\
        netmap-tx0-frames:\t5\nnetmap-tx0-drop_full:\t0\nnetmap-tx1-frames:\t0\nnetmap-host-rx0-frames:\t0\n";

    #[test]
    fn the_rings_of_a_file_are_read() {
        let (port, rings) = parse(FILE).unwrap();
        let rings: Vec<_> = rings.iter().map(|(k, n)| (k.as_str(), *n)).collect();
        assert_eq!(port, "vale0:a");
        assert_eq!(rings, [("host-rx", 0), ("tx", 0), ("tx", 1)]);
        assert_eq!(parse("netmap-port:\t(not bound)\n"), None);
        assert_eq!(parse("pos:\t0\n"), None);
    }

    #[test]
    fn holders_are_found_and_merged() {
        let other = FILE.replace("tx0", "tx2");
        let machine = Machine::with(&[
            ("proc/7/comm", "pkt-gen\n"),
            ("proc/7/fdinfo/3", FILE),
            ("proc/7/fdinfo/4", &other),
            ("proc/9/comm", "sh\n"),
            ("proc/9/fdinfo/0", "pos:\t0\n"),
            ("proc/self/comm", "sh\n"),
        ]);
        let found = find(&machine.0);
        assert_eq!((found.all.len(), found.unreadable), (1, 0));
        let holder = found.of("vale0:a").next().unwrap();
        assert_eq!((holder.pid, holder.process.as_str()), (7, "pkt-gen"));
        assert_eq!(holder.rings(), "host-rx0 tx0-2");
        assert_eq!(found.of("vale0:b").count(), 0);
    }
}
