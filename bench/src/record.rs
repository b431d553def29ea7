// SPDX-License-Identifier: MIT OR Apache-2.0

//! One measurement, as it stands in `results.json`.

use serde::{Deserialize, Serialize};

/// Repeated measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of all values; `None` if there is none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut all: Vec<f64> = values.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let (&min, &max) = (all.first()?, all.last()?);
        let middle = all.len() / 2;
        let median = if all.len() % 2 == 1 {
            all[middle]
        } else {
            (all[middle - 1] + all[middle]) / 2.0
        };
        Some(Spread { median, min, max })
    }

    /// Of durations in nanoseconds: how many there are in a second.
    pub fn per_second(self) -> Spread {
        Spread {
            median: 1e9 / self.median,
            min: 1e9 / self.max,
            max: 1e9 / self.min,
        }
    }
}

/// A measurement. What was not measured is not there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What was measured: `vale`, `af_packet`, `memif`.
    pub system: String,
    /// What it did.
    pub scenario: String,
    /// Bytes of a frame, without the checksum that ends it on a wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_bytes: Option<u64>,
    /// Frames handed over at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// Slots of each ring, as the kernel made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub senders: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receivers: Option<u64>,
    /// Frames a second that arrived; with no receiver, that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pps: Option<Spread>,
    /// The same in bits of frames, without preamble, checksum and gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gbit_s: Option<f64>,
    /// The part of the frames sent that did not arrive, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<f64>,
    /// Nanoseconds of a sync for each frame sent, less what an empty sync takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_ns_per_frame: Option<Spread>,
    /// Nanoseconds that a plain loop takes to copy such a frame between rings of that size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yardstick_ns: Option<f64>,
    /// `kernel_ns_per_frame` over `yardstick_ns`, each time of those measured in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Spread>,
    /// Half of the times were shorter, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    /// All but one in a hundred were shorter, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// Bytes of memory that one more port takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_port: Option<u64>,
    /// Percent of one CPU that was busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Instructions of sender and receiver for each frame, kernel and program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions_per_frame: Option<f64>,
    /// What else a reader should know.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Why there is no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl Record {
    pub fn new(system: &str, scenario: &str) -> Record {
        Record {
            system: system.to_owned(),
            scenario: scenario.to_owned(),
            ..Record::default()
        }
    }

    /// With a rate in frames a second, and in bits if the frame's size is known.
    pub fn rate(mut self, pps: Option<Spread>) -> Record {
        self.pps = pps;
        self.gbit_s = pps
            .zip(self.frame_bytes)
            .map(|(pps, bytes)| pps.median * bytes as f64 * 8.0 / 1e9);
        self
    }

    /// With the kernel's time for a frame, and that of the copy measured in turn with
    /// it, each time.
    pub fn cost(mut self, kernel_and_copy: &[(f64, Option<f64>)]) -> Record {
        let copies = kernel_and_copy.iter().filter_map(|(_, copy)| *copy);
        let ratios = kernel_and_copy
            .iter()
            .filter_map(|(ns, copy)| Some(ns / (*copy)?));
        self.kernel_ns_per_frame = Spread::of(kernel_and_copy.iter().map(|(ns, _)| *ns));
        self.yardstick_ns = Spread::of(copies).map(|all| all.median);
        self.ratio = Spread::of(ratios);
        self
    }

    /// A few words for a line of progress.
    pub fn in_short(&self) -> String {
        if let Some(why) = &self.missing {
            return format!("missing: {why}");
        }
        let mut words = Vec::new();
        if let Some(pps) = self.pps {
            words.push(format!("{:.2} Mpps", pps.median / 1e6));
        }
        if let (None, Some(gbit)) = (self.pps, self.gbit_s) {
            words.push(
                format!("{gbit:.2} Gbit/s {}", self.note)
                    .trim_end()
                    .to_owned(),
            );
        }
        if let (Some(ns), Some(ratio)) = (self.kernel_ns_per_frame, self.ratio) {
            words.push(format!("{:.2} ns of kernel a frame", ns.median));
            words.push(format!("{:.2} x a copy", ratio.median));
        }
        if let (None, Some(ns)) = (self.ratio, self.yardstick_ns) {
            words.push(format!("{ns:.2} ns"));
        }
        if let Some(lost) = self.lost.filter(|&lost| lost >= 0.0005) {
            words.push(format!("{:.1} % lost", lost * 100.0));
        }
        if let (Some(p50), Some(p99)) = (self.p50_us, self.p99_us) {
            words.push(format!("p50 {p50:.1} us, p99 {p99:.1} us"));
        }
        if let Some(bytes) = self.bytes_per_port {
            words.push(format!("{:.2} MB a port", bytes as f64 / 1e6));
        }
        if let Some(percent) = self.cpu_percent {
            words.push(format!("{percent:.1} % of a CPU"));
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([]), None);
        let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
    }

    #[test]
    fn a_rate_is_the_other_way_round() {
        let rate = Spread::of([2.0, 4.0, 5.0]).unwrap().per_second();
        assert_eq!((rate.median, rate.min, rate.max), (2.5e8, 2e8, 5e8));
    }

    #[test]
    fn what_was_not_measured_is_not_written() {
        let record = Record {
            frame_bytes: Some(1500),
            ..Record::new("vale", "1 to 1")
        }
        .rate(Spread::of([1e6]));
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("\"gbit_s\":12.0"), "{json}");
        assert!(!json.contains("ratio") && !json.contains("note"), "{json}");
        let back: Record = serde_json::from_str(&json).unwrap();
        assert_eq!(back.pps, record.pps);
    }
}
