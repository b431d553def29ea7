// SPDX-License-Identifier: MIT OR Apache-2.0

//! `/sys/kernel/debug/netmap/ports`: the ports that are open, and what went through their rings.
//! Who may not read that sees the ports of his own processes.

use crate::{facts::Facts, holders, names};
use ferromap::RingCounters;
use std::io;

pub const PORTS: &str = "sys/kernel/debug/netmap/ports";

/// An open port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// As the module shows it.
    pub name: String,
    pub kind: Kind,
    pub region: Option<u64>,
    /// The number in the switch.
    pub index: Option<u64>,
    /// Bytes of the virtio-net header.
    pub header: Option<u64>,
    pub rings: Vec<Ring>,
}

/// What is behind a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An interface with its own driver below.
    Emulated,
    /// An interface, or its host stack, that is plugged into a switch.
    Attached,
    /// A switch port of a program.
    #[default]
    Virtual,
    /// One end of a pipe.
    Pipe,
    /// It shows what passes through another port.
    Monitor,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Emulated => "emulated",
            Kind::Attached => "attached",
            Kind::Virtual => "virtual",
            Kind::Pipe => "pipe",
            Kind::Monitor => "monitor",
        }
    }
}

/// The counters of a ring that are not zero. The host stack as a whole is called a ring, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    pub name: String,
    pub counters: Vec<(String, u64)>,
}

impl Ring {
    pub fn count(&self, name: &str) -> u64 {
        let found = self.counters.iter().find(|(own, _)| own == name);
        found.map_or(0, |&(_, value)| value)
    }

    /// Why frames were dropped, and how many.
    pub fn drops(&self) -> impl Iterator<Item = (&str, u64)> {
        let counters = self.counters.iter();
        counters.filter_map(|(name, value)| Some((name.strip_prefix("drop_")?, *value)))
    }

    pub fn dropped(&self) -> u64 {
        self.drops().map(|(_, value)| value).sum()
    }

    /// The name without its number.
    pub fn direction(&self) -> &str {
        self.name.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    pub fn add(&mut self, name: &str, value: u64) {
        match self.counters.iter_mut().find(|(own, _)| own == name) {
            Some((_, sum)) => *sum = sum.saturating_add(value),
            None => self.counters.push((name.to_owned(), value)),
        }
    }

    /// What has been counted since. A port that was closed and opened again starts at zero.
    pub fn since(&self, before: &Ring) -> Ring {
        let anew = before.counters.iter().any(|(n, v)| self.count(n) < *v);
        let old = |name| if anew { 0 } else { before.count(name) };
        let counters = self.counters.iter();
        Ring {
            name: self.name.clone(),
            counters: counters.map(|(n, v)| (n.clone(), v - old(n))).collect(),
        }
    }
}

impl Port {
    pub fn ring(&self, name: &str) -> Option<&Ring> {
        self.rings.iter().find(|ring| ring.name == name)
    }

    /// The rings with what they counted since.
    pub fn since(&self, before: Option<&Port>) -> Port {
        let mut port = self.clone();
        for ring in &mut port.rings {
            if let Some(old) = before.and_then(|b| b.ring(&ring.name)) {
                *ring = ring.since(old);
            }
        }
        port
    }
}

/// The switch port that an interface is, if it is plugged in. A switch port of the kernel is its
/// own.
pub fn plugged<'a>(ports: &'a [Port], name: &str) -> Option<&'a str> {
    let is = |port: &str| {
        let own = port.split_once(':').map(|(_, own)| own);
        names::is(port, name) || own.is_some_and(|own| names::is(own, name))
    };
    let found = ports
        .iter()
        .find(|port| port.kind == Kind::Attached && is(&port.name));
    found.map(|port| port.name.as_str())
}

/// What `ports` call the port of that name: an interface may have others.
pub fn listed(ports: &[Port], facts: &Facts, name: &str) -> String {
    if ports.iter().any(|port| names::is(&port.name, name)) {
        name.to_owned()
    } else {
        facts.port_name(name)
    }
}

/// All open ports. The error tells people what to do.
pub fn read(facts: &Facts) -> Result<Vec<Port>, String> {
    if !facts.module_is_loaded() {
        return Err("the module is not loaded. Load it: modprobe netmap".into());
    }
    if only_own(facts) {
        return match own(facts) {
            ports if ports.is_empty() => Err(
                "none of your processes has a port open, and only root may see the others. Run \
                 this with sudo"
                    .into(),
            ),
            ports => Ok(ports),
        };
    }
    facts
        .read(PORTS)
        .map(|text| parse(&text))
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => format!(
                "/{PORTS} is not there: debugfs is not mounted. Mount it: mount -t debugfs none \
                 /sys/kernel/debug"
            ),
            _ => format!("/{PORTS} cannot be read: {e}"),
        })
}

/// Whether only the ports of one's own processes can be told of.
pub fn only_own(facts: &Facts) -> bool {
    let read = facts.read(PORTS);
    read.is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

/// The ports of which one's own processes have rings, with the counters of these. Whoever may open
/// the device sees what came of it.
fn own(facts: &Facts) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for (_, file) in holders::files(facts).0 {
        let region = Some(u64::from(file.region));
        let same = |port: &Port| port.name == file.port && port.region == region;
        let at = ports.iter().position(same).unwrap_or_else(|| {
            ports.push(Port {
                name: file.port.clone(),
                kind: if file.port.contains('/') && file.port.contains('#') {
                    Kind::Monitor
                } else if file.port.contains(['{', '}']) {
                    Kind::Pipe
                } else if file.port.contains(':') {
                    Kind::Virtual
                } else {
                    Kind::Emulated
                },
                region,
                ..Port::default()
            });
            ports.len() - 1
        });
        for ring in &file.rings {
            // Two files may have the same ring.
            if ports[at].ring(&ring.name).is_none() {
                ports[at].rings.push(Ring::from(ring));
            }
        }
    }
    ports
}

impl From<&RingCounters> for Ring {
    fn from(ring: &RingCounters) -> Self {
        let drops = ring.drops.iter();
        let counters = [
            ("frames".to_owned(), ring.frames),
            ("bytes".to_owned(), ring.bytes),
        ]
        .into_iter()
        .chain(drops.map(|(cause, frames)| (format!("drop_{cause}"), *frames)))
        .chain([("resets".to_owned(), ring.resets)]);
        Ring {
            name: ring.name.clone(),
            counters: counters.filter(|(_, value)| *value > 0).collect(),
        }
    }
}

/// A heading for each port, then indented lines of ring, counter and value. What makes no sense is
/// passed over: a later module may tell more.
fn parse(text: &str) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(char::is_whitespace) {
            if let (Some(port), &[ring, counter, value]) = (ports.last_mut(), &words[..]) {
                if let Ok(value) = value.parse() {
                    count(port, ring, counter, value);
                }
            }
        } else if let [name, rest @ ..] = &words[..] {
            ports.push(heading(name, rest));
        }
    }
    ports
}

fn heading(name: &str, words: &[&str]) -> Port {
    let after = |key: &str| {
        let at = words.iter().position(|&word| word == key)?;
        words.get(at + 1)?.parse().ok()
    };
    Port {
        name: names::of_word(name),
        kind: if words.contains(&"attached") {
            Kind::Attached
        } else if words.contains(&"emulated") {
            Kind::Emulated
        } else if words.first() == Some(&"pipe") {
            Kind::Pipe
        } else if words.first() == Some(&"monitor") {
            Kind::Monitor
        } else {
            Kind::Virtual
        },
        region: after("region"),
        index: after("index"),
        header: after("header"),
        rings: Vec::new(),
    }
}

fn count(port: &mut Port, ring: &str, counter: &str, value: u64) {
    if port.ring(ring).is_none() {
        port.rings.push(Ring {
            name: ring.to_owned(),
            counters: Vec::new(),
        });
    }
    if let Some(ring) = port.rings.iter_mut().find(|own| own.name == ring) {
        ring.add(counter, value);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    pub const TEXT: &str = "\
vale0:a index 0 region 2 header 12
  tx0 frames 123
  tx0 bytes 7380
  tx0 drop_nobody 3
  rx0 drop_full 4
vale0:eth0 index 1 region 1 header 0 attached
eth0 emulated region 1
  host-rx0 frames 9
  later-ring7 frames 1
  host drop_nobody 2
vale0:a{1 pipe region 2
  tx0 frames 5
vale0:a/rt#0 monitor copies region 3
  rx0 frames 6
";

    #[test]
    fn ports_are_read_with_their_rings() {
        let ports = parse(TEXT);
        let names: Vec<_> = ports.iter().map(|p| (p.name.as_str(), p.kind)).collect();
        assert_eq!(
            names,
            [
                ("vale0:a", Kind::Virtual),
                ("vale0:eth0", Kind::Attached),
                ("eth0", Kind::Emulated),
                ("vale0:a{1", Kind::Pipe),
                ("vale0:a/rt#0", Kind::Monitor)
            ]
        );
        let a = &ports[0];
        assert_eq!((a.index, a.region, a.header), (Some(0), Some(2), Some(12)));
        let tx = a.ring("tx0").unwrap();
        assert_eq!((tx.count("frames"), tx.dropped()), (123, 3));
        assert_eq!(tx.drops().collect::<Vec<_>>(), [("nobody", 3)]);
        assert_eq!(ports[1].rings, []);
        let rings: Vec<_> = ports[2].rings.iter().map(Ring::direction).collect();
        assert_eq!(rings, ["host-rx", "later-ring", "host"]);
    }

    /// It was a port called `vale0:a`, whose index was what followed the space.
    #[test]
    fn names_may_have_spaces() {
        let text = "vale0:a\\040index\\0407 index 1 region 2 header 0\n  tx0 frames 5\n";
        let port = &parse(text)[0];
        let what = (port.name.as_str(), port.index, port.region);
        assert_eq!(what, ("vale0:a index 7", Some(1), Some(2)));
        assert_eq!(port.ring("tx0").unwrap().count("frames"), 5);
    }

    #[test]
    fn an_interface_is_found_in_its_switch() {
        let ports = parse(TEXT);
        assert_eq!(plugged(&ports, "eth0"), Some("vale0:eth0"));
        assert_eq!(plugged(&ports, "vale0:eth0"), Some("vale0:eth0"));
        assert_eq!(plugged(&ports, "vale0:a"), None);
        assert_eq!(plugged(&ports, "a"), None);
    }

    #[test]
    fn lines_that_make_no_sense_are_passed_over() {
        let ports = parse("  tx0 frames 1\n\nvale0:a\n  tx0 frames x\n  tx0\n  tx0 frames 1 2\n");
        assert_eq!(ports.len(), 1);
        assert_eq!((ports[0].region, ports[0].rings.len()), (None, 0));
    }

    #[test]
    fn intervals_are_differences() {
        let before = &parse("p\n  tx0 frames 5\n  tx0 bytes 300\n")[0];
        let now = &parse("p\n  tx0 frames 7\n  tx0 bytes 420\n  rx0 frames 1\n")[0];
        let since = now.since(Some(before));
        assert_eq!(since.ring("tx0").unwrap().count("frames"), 2);
        assert_eq!(since.ring("rx0").unwrap().count("frames"), 1);
        // Opened anew.
        let anew = before.since(Some(now));
        assert_eq!(anew.ring("tx0").unwrap().count("frames"), 5);
    }

    #[test]
    fn own_ports_are_read_from_the_files_of_processes() {
        let rx = "netmap-port:\tvale0:a\nnetmap-region:\t2\nnetmap-rx0-frames:\t5\n\
            netmap-rx0-bytes:\t300\nnetmap-rx0-drop_full:\t4\nnetmap-rx0-resets:\t0\n";
        let both = format!("{rx}netmap-tx0-frames:\t1\n");
        let machine = Machine::with(&[
            ("proc/7/fdinfo/3", rx),
            ("proc/8/fdinfo/3", &both),
            (
                "proc/8/fdinfo/4",
                "netmap-port:\teth0\nnetmap-region:\t1\nnetmap-rx0-frames:\t0\n",
            ),
        ]);
        let ports = own(&machine.0);
        let kinds: Vec<_> = ports.iter().map(|p| (p.name.as_str(), p.kind)).collect();
        assert_eq!(
            kinds,
            [("vale0:a", Kind::Virtual), ("eth0", Kind::Emulated)]
        );
        let ring = ports[0].ring("rx0").unwrap();
        assert_eq!(
            (ring.count("frames"), ring.drops().collect::<Vec<_>>()),
            (5, vec![("full", 4)])
        );
        assert_eq!(ports[0].rings.len(), 2);
        assert_eq!(
            (ports[0].region, ports[1].rings[0].counters.len()),
            (Some(2), 0)
        );
    }

    #[test]
    fn what_is_missing_is_told_with_the_command() {
        let machine = Machine::with(&[]);
        assert!(read(&machine.0).unwrap_err().contains("modprobe netmap"));
        machine.write("sys/module/netmap/parameters/admode", "0\n");
        assert!(read(&machine.0).unwrap_err().contains("mount -t debugfs"));
        machine.write(PORTS, TEXT);
        assert_eq!(read(&machine.0).unwrap().len(), 5);
    }
}
