// SPDX-License-Identifier: MIT OR Apache-2.0

//! Figures and texts, for people and in JSON.

use std::time::{Duration, SystemTime};

/// Bytes on the wire beside the frame: CRC 4, preamble 8, gap 12.
pub const FRAMING: u64 = 24;

/// `a / b`, and 0 where nothing has been measured.
pub fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 {
        a / b
    } else {
        0.0
    }
}

/// A figure that people can read, with room for the unit's name: `1.234 M`.
pub fn human(n: f64) -> String {
    for (limit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "K")] {
        if n >= limit {
            return format!("{:.3} {name}", n / limit);
        }
    }
    format!("{n:.3} ")
}

/// For columns, which have one unit each: `n` as it is, or how many that was a second if it took so
/// long.
pub fn count(n: u64, seconds: Option<f64>) -> String {
    match seconds.map(|s| ratio(n as f64, s)) {
        None => n.to_string(),
        Some(rate) if n > 0 && rate < 1.0 => "<1".to_owned(),
        Some(rate) => format!("{rate:.0}"),
    }
}

/// Since 1970.
pub fn wall_clock() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// A text as the inside of a JSON string.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// A text for people to see: what would move a terminal's cursor, or end a line, is spelt out.
pub fn visible(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        for (n, text) in [(0.0, "0.000 "), (999.0, "999.000 "), (1.5e3, "1.500 K")] {
            assert_eq!(human(n), text);
        }
        assert_eq!(
            (human(2e6), human(3.25e9)),
            ("2.000 M".into(), "3.250 G".into())
        );
    }

    #[test]
    fn columns_have_one_unit() {
        assert_eq!(count(3_000_000, None), "3000000");
        assert_eq!(count(3_000_000, Some(2.0)), "1500000");
        assert_eq!(
            (count(1, Some(2.0)), count(0, Some(2.0))),
            ("<1".into(), "0".into())
        );
    }

    #[test]
    fn texts_stay_inside_their_string() {
        assert_eq!(escape("a\"b\\\n"), "a\\\"b\\\\\\u000a");
        assert_eq!(escape("\u{9b}"), "\\u009b");
    }

    /// A port called `x\nvale0  9  eth0` made a line of the table that was not there.
    #[test]
    fn names_cannot_forge_lines() {
        assert_eq!(visible("a\nb\x1b[2J\u{9b}ü"), "a\\nb\\u{1b}[2J\\u{9b}ü");
    }
}
