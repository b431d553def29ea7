// SPDX-License-Identifier: MIT OR Apache-2.0

//! What programs decided: by action, frames and bytes.

use ferromap::{XdpCount, XdpCounts};
use libbpf_rs::{MapCore, MapFlags, MapType};

/// The actions by their numbers.
pub const ACTIONS: [&str; 5] = ["aborted", "drop", "pass", "tx", "redirect"];

/// By the number of the action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [XdpCount; ACTIONS.len()]);

impl Counts {
    /// The name of the map in which programs count, see tools/bpf/counts.h.
    pub const MAP: &'static str = "xdp_counts";

    /// From such a map, over all CPUs. `None` if the map is another of the same name.
    pub fn read(map: &impl MapCore) -> Option<Self> {
        if map.map_type() != MapType::PercpuArray || map.value_size() != 16 {
            return None;
        }
        let mut counts = Counts::default();
        for (action, count) in (0u32..).zip(&mut counts.0) {
            let of_cpus = map.lookup_percpu(&action.to_ne_bytes(), MapFlags::ANY);
            *count = sum(&of_cpus.ok()??);
        }
        Some(counts)
    }

    /// What was counted after `before`.
    pub fn since(self, before: Counts) -> Counts {
        let mut since = self;
        for (count, old) in since.0.iter_mut().zip(before.0) {
            count.packets = count.packets.saturating_sub(old.packets);
            count.bytes = count.bytes.saturating_sub(old.bytes);
        }
        since
    }

    /// Actions that were decided for, with their counts.
    pub fn taken(self) -> impl Iterator<Item = (&'static str, XdpCount)> {
        let all = ACTIONS.into_iter().zip(self.0);
        all.filter(|(_, count)| count.packets > 0)
    }
}

impl From<XdpCounts> for Counts {
    fn from(c: XdpCounts) -> Self {
        Counts([c.aborted, c.drop, c.pass, c.tx, c.redirect])
    }
}

/// The frames and the bytes that each CPU has counted.
fn sum(of_cpus: &[Vec<u8>]) -> XdpCount {
    let mut sum = XdpCount::default();
    for value in of_cpus {
        if let Some((packets, bytes)) = value.split_first_chunk() {
            sum.packets += u64::from_ne_bytes(*packets);
            sum.bytes += bytes.first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(packets: u64, bytes: u64) -> Vec<u8> {
        [packets.to_ne_bytes(), bytes.to_ne_bytes()].concat()
    }

    #[test]
    fn all_cpus_are_summed() {
        let sum = sum(&[value(1, 60), value(0, 0), value(2, 3000)]);
        assert_eq!((sum.packets, sum.bytes), (3, 3060));
        assert_eq!(super::sum(&[]), XdpCount::default());
    }

    #[test]
    fn intervals_are_differences() {
        let mut before = Counts::default();
        before.0[1].packets = 5;
        let mut after = before;
        after.0[1] = XdpCount {
            packets: 7,
            bytes: 120,
        };
        let taken: Vec<_> = after.since(before).taken().collect();
        assert_eq!(taken.len(), 1);
        assert_eq!(
            (taken[0].0, taken[0].1.packets, taken[0].1.bytes),
            ("drop", 2, 120)
        );
    }
}
