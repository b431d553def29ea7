// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which processes have which ports, from `/proc/PID/fdinfo`.

use crate::{facts::Facts, names};
use ferromap::Counters;
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
        self.all
            .iter()
            .filter(move |holder| names::is(&holder.port, port))
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
    let (files, unreadable) = files(facts);
    found.unreadable = unreadable;
    for (pid, file) in files {
        let process = || facts.line(&format!("proc/{pid}/comm"));
        let rings = file.rings.iter().filter_map(|ring| ring_number(&ring.name));
        let rings = rings.collect();
        note(&mut found.all, pid, process, file.port, rings);
    }
    found
}

/// What the files of ports tell that processes have open, and how many processes we may not look
/// into.
pub fn files(facts: &Facts) -> (Vec<(u32, Counters)>, usize) {
    let (mut found, mut unreadable) = (Vec::new(), 0);
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
                unreadable += usize::from(e.kind() == io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        let texts = files
            .iter()
            .filter_map(|file| facts.read(&format!("{folder}/{file}")).ok());
        found.extend(texts.filter_map(|text| Some((pid, Counters::parse(&text)?))));
    }
    (found, unreadable)
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

/// `host-tx0` taken apart.
fn ring_number(name: &str) -> Option<(String, u32)> {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    Some((kind.to_owned(), name[kind.len()..].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    const FILE: &str = "pos:\t0\nflags:\t02100002\nnetmap-port:\tvale0:a\nnetmap-region:\t2\n\
        netmap-tx0-frames:\t5\nnetmap-tx0-drop_full:\t0\nnetmap-tx1-frames:\t0\n\
            netmap-host-rx0-frames:\t0\n";

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
