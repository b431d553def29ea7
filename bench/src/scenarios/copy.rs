// SPDX-License-Identifier: MIT OR Apache-2.0

//! The yardstick, as a result of its own.

use crate::{record::Record, suite::Scenario};

/// Frames of each size between rings of each size. `place` is where it runs.
pub fn scenarios(place: &'static str) -> Vec<Scenario> {
    let title = format!("yardstick {place}");
    vec![Scenario::new(title, move |bench| {
        let mut records = Vec::new();
        for slots in [1024, 4096, 8192] {
            for bytes in [60, 256, 1024, 1500] {
                let ns = bench.yardstick(bytes, slots)?;
                let record = Record {
                    frame_bytes: Some(bytes as u64),
                    slots: Some(slots as u64),
                    yardstick_ns: Some(ns.median),
                    ..Record::new("one CPU", &format!("a plain copy, {place}"))
                };
                records.push(record.rate(Some(ns.per_second())));
            }
        }
        Ok(records)
    })]
}
