// SPDX-License-Identifier: MIT OR Apache-2.0

//! Figures and texts, for people and in JSON.

use crate::out::is_hidden;
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
            c if is_hidden(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::visible;

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

    /// A port called `vale0:\u{202e}0hte` was shown as `vale0:eth0`.
    #[test]
    fn what_nobody_sees_is_spelt_out() {
        let hidden = [
            '\u{ad}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fe0f}',
            '\u{301}',
            '\u{a0}',
            '\u{e0001}',
            '\u{e0100}',
            '\u{10ffff}',
        ];
        for c in hidden {
            let code = u32::from(c);
            assert_eq!(visible(&format!("a{c}")), format!("a\\u{{{code:x}}}"));
            let json = escape(&c.to_string());
            assert!(json.is_ascii() && json.starts_with("\\u"), "{json}");
        }
        assert_eq!(escape("\u{e0001}"), "\\udb40\\udc01");
        let seen = "vale0:äÖß \"'\\ 漢字 עברית 😀~";
        assert_eq!(visible(seen), seen);
        assert_eq!(escape("é😀'"), "é😀'");
    }

    /// A port called `x\nvale0  9  eth0` made a line of the table that was not there.
    #[test]
    fn names_cannot_forge_lines() {
        assert_eq!(visible("a\nb\x1b[2J\u{9b}ü"), "a\\nb\\u{1b}[2J\\u{9b}ü");
    }
}
