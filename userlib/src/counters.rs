// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was counted on rings, and which frames were lost for which reason.

/// The counters of the rings that an open file is bound to, as of one moment. They count since the
/// port was made, whoever used it: [`since`](Self::since) tells what was counted in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// The port, as the kernel names it.
    pub port: String,
    /// Its memory region.
    pub region: u16,
    /// Transmit rings first, in the order of their numbers.
    pub rings: Vec<RingCounters>,
}

/// The counters of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingCounters {
    /// `tx0`, `rx3`, `host-rx0`.
    pub name: String,
    /// Frames that went through. Switch ports count what was dropped behind a transmit ring, too.
    pub frames: u64,
    /// Their bytes, without CRC.
    pub bytes: u64,
    /// How often the ring's indexes made no sense and were set back.
    pub resets: u64,
    /// Each cause for which frames are dropped, also those of which none was, and how many that
    /// were. `full` on a receive ring: its program was too slow. `ferromap stat --explain`
    /// tells of all.
    pub drops: Vec<(String, u64)>,
}

impl Counters {
    /// Reads what `/proc/PID/fdinfo/FD` says. `None` if that is not a file that is bound to a port,
    /// or one of a module that does not count.
    pub fn parse(fdinfo: &str) -> Option<Self> {
        let mut counters = Counters::default();
        for line in fdinfo.lines() {
            let Some((key, value)) = line.strip_prefix("netmap-").and_then(|l| l.split_once(':'))
            else {
                continue;
            };
            // A port's name may begin and end with spaces.
            let value = value.strip_prefix('\t').unwrap_or(value);
            match key.rsplit_once('-') {
                None if key == "port" => counters.port = value.to_owned(),
                None if key == "region" => counters.region = value.parse().ok()?,
                // A later module may tell more.
                None => {}
                Some((ring, counter)) => {
                    if let Ok(value) = value.parse() {
                        counters.ring_mut(ring).put(counter, value);
                    }
                }
            }
        }
        (!counters.rings.is_empty()).then_some(counters)
    }

    fn ring_mut(&mut self, name: &str) -> &mut RingCounters {
        let at = self.rings.iter().position(|ring| ring.name == name);
        let at = at.unwrap_or_else(|| {
            self.rings.push(RingCounters {
                name: name.to_owned(),
                ..RingCounters::default()
            });
            self.rings.len() - 1
        });
        &mut self.rings[at]
    }

    /// A ring by its name.
    pub fn ring(&self, name: &str) -> Option<&RingCounters> {
        self.rings.iter().find(|ring| ring.name == name)
    }

    /// Frames that were dropped, on all rings and for all reasons.
    pub fn dropped(&self) -> u64 {
        self.rings.iter().map(RingCounters::dropped).sum()
    }

    /// What was counted since `before`.
    pub fn since(&self, before: &Counters) -> Counters {
        let mut counters = self.clone();
        for ring in &mut counters.rings {
            if let Some(before) = before.ring(&ring.name) {
                ring.subtract(before);
            }
        }
        counters
    }
}

impl RingCounters {
    /// Whether it is a transmit ring; else it is a receive ring.
    pub fn is_tx(&self) -> bool {
        self.name.trim_start_matches("host-").starts_with("tx")
    }

    /// Frames that were dropped for this reason: `full`, `down`, `nobody`, ...
    pub fn drop(&self, cause: &str) -> u64 {
        let found = self.drops.iter().find(|(own, _)| own == cause);
        found.map_or(0, |&(_, frames)| frames)
    }

    /// Frames that were dropped, for all reasons.
    pub fn dropped(&self) -> u64 {
        self.drops.iter().map(|&(_, frames)| frames).sum()
    }

    fn put(&mut self, counter: &str, value: u64) {
        match (counter, counter.strip_prefix("drop_")) {
            ("frames", _) => self.frames = value,
            ("bytes", _) => self.bytes = value,
            ("resets", _) => self.resets = value,
            (_, Some(cause)) => self.drops.push((cause.to_owned(), value)),
            _ => {}
        }
    }

    fn subtract(&mut self, before: &RingCounters) {
        let less = |from: &mut u64, n| *from = from.saturating_sub(n);
        less(&mut self.frames, before.frames);
        less(&mut self.bytes, before.bytes);
        less(&mut self.resets, before.resets);
        for (cause, frames) in &mut self.drops {
            less(frames, before.drop(cause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "pos:\t0\nflags:\t02100002\nnetmap-port:\tvale0:a\nnetmap-region:\t2\n\
        netmap-tx0-frames:\t5\nnetmap-tx0-bytes:\t300\nnetmap-tx0-drop_no_memory:\t3\n\
        netmap-tx0-resets:\t1\nnetmap-host-rx0-frames:\t0\nnetmap-host-rx0-drop_full:\t4\n\
        netmap-host-rx0-later:\t9\nnetmap-new:\tx\n";

    #[test]
    fn the_lines_of_a_file_are_read() {
        let counters = Counters::parse(FILE).unwrap();
        assert_eq!((counters.port.as_str(), counters.region), ("vale0:a", 2));
        let names = counters.rings.iter().map(|r| (r.name.as_str(), r.is_tx()));
        let names: Vec<_> = names.collect();
        assert_eq!(names, [("tx0", true), ("host-rx0", false)]);
        let tx = counters.ring("tx0").unwrap();
        assert_eq!((tx.frames, tx.bytes, tx.resets), (5, 300, 1));
        assert_eq!((tx.drop("no_memory"), tx.drop("full")), (3, 0));
        assert_eq!((counters.dropped(), tx.dropped()), (7, 3));
    }

    #[test]
    fn a_name_keeps_its_spaces() {
        let file = FILE.replace("vale0:a", " vale0:a ");
        assert_eq!(Counters::parse(&file).unwrap().port, " vale0:a ");
    }

    #[test]
    fn other_files_have_no_counters() {
        for text in ["", "pos:\t0\n", "netmap-port:\t(not bound)\n"] {
            assert_eq!(Counters::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_counted_in_between_is_a_difference() {
        let before = Counters::parse(FILE).unwrap();
        let later = FILE.replace("full:\t4", "full:\t6");
        let later = Counters::parse(&later.replace("frames:\t5", "frames:\t8")).unwrap();
        let since = later.since(&before);
        assert_eq!(since.ring("tx0").unwrap().frames, 3);
        assert_eq!(since.dropped(), 2);
        assert_eq!(later.since(&Counters::default()), later);
    }
}
