// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a link is like, as options say it.

use common::cli::number;
use std::{str::FromStr, time::Duration};

/// How fast frames come to the link's far end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bandwidth {
    /// As they were recorded, so many times as fast.
    Real(f64),
    /// One after the other, at so many bits a second.
    Rate {
        bits: u64,
        /// Whether CRC, preamble and gap count, as they do on a wire.
        framing: bool,
    },
    /// All at once.
    Free,
}

impl FromStr for Bandwidth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a bandwidth: bits a second, as in 100M; ether,100M with what a \
                 wire carries beside the frames; real or real,2 as recorded, or twice as fast; 0 \
                 as fast as it goes"
            )
        };
        let (kind, value) = text.split_once(',').unwrap_or(match text {
            "real" => ("real", "1"),
            rate => ("const", rate),
        });
        match kind {
            "real" => factor(value).map(Bandwidth::Real).ok_or_else(wrong),
            "const" | "ether" => match number(value).map_err(|_| wrong())? {
                0 if kind == "const" => Ok(Bandwidth::Free),
                0 => Err(wrong()),
                bits => Ok(Bandwidth::Rate {
                    bits,
                    framing: kind == "ether",
                }),
            },
            _ => Err(wrong()),
        }
    }
}

fn factor(text: &str) -> Option<f64> {
    text.parse().ok().filter(|f| (1e-6..=1e6).contains(f))
}

/// How long a frame is on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    Const(Duration),
    /// From the one to the other.
    Uniform(Duration, Duration),
    /// At least so long, on average so long.
    Exponential(Duration, Duration),
    /// Mean and standard deviation; never less than nothing.
    Normal(Duration, Duration),
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a delay: a time, as in 10ms; uniform,LEAST,MOST; exp,LEAST,MEAN; \
                 normal,MEAN,DEVIATION, with times in s, ms, us or ns"
            )
        };
        let parts: Vec<&str> = text.split(',').collect();
        let pair = |a, b| Some((time(a)?, time(b)?));
        let delay = match parts[..] {
            [one] | ["const", one] => time(one).map(Delay::Const),
            ["uniform", a, b] => pair(a, b)
                .filter(|(a, b)| a <= b)
                .map(|(a, b)| Delay::Uniform(a, b)),
            ["exp", a, b] => pair(a, b)
                .filter(|(a, b)| a <= b)
                .map(|(a, b)| Delay::Exponential(a, b)),
            ["normal", a, b] => pair(a, b).map(|(a, b)| Delay::Normal(a, b)),
            _ => None,
        };
        delay.ok_or_else(wrong)
    }
}

/// A time with its unit; that of 0 may be missing. At most an hour, as it is that of a link.
fn time(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (digits, unit) = text.split_at(end);
    let unit = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    };
    let seconds = digits.parse::<f64>().ok()? * unit;
    (0.0..=3600.0)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

/// How likely it is that a frame is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Any frame.
    Packets(f64),
    /// Any bit of a frame, which is lost with the first.
    Bits(f64),
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rate) = text.split_once(',').unwrap_or(("plr", text));
        let rate = rate.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
        match (kind, rate) {
            ("plr", Some(rate)) => Ok(Loss::Packets(rate)),
            ("ber", Some(rate)) => Ok(Loss::Bits(rate)),
            _ => Err(format!(
                "`{text}` is not a loss: of frames, from 0 to 1, as in 0.01 or plr,0.01; of bits, \
                 as in ber,1e-6"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_are_read() {
        let rate = |bits, framing| Bandwidth::Rate { bits, framing };
        for (text, is) in [
            ("100M", rate(100_000_000, false)),
            ("const,1.5G", rate(1_500_000_000, false)),
            ("ether,10k", rate(10_000, true)),
            ("real", Bandwidth::Real(1.0)),
            ("real,0.5", Bandwidth::Real(0.5)),
            ("0", Bandwidth::Free),
        ] {
            assert_eq!(text.parse(), Ok(is), "{text}");
        }
        for text in [
            "", "fast", "-1", "real,0", "real,x", "ether", "ether,0", "real,1,2", "1Q",
        ] {
            assert!(text.parse::<Bandwidth>().is_err(), "{text}");
        }
    }

    #[test]
    fn delays_are_read() {
        let ms = Duration::from_millis;
        for (text, is) in [
            ("10ms", Delay::Const(ms(10))),
            ("0", Delay::Const(ms(0))),
            ("const,0.5s", Delay::Const(ms(500))),
            ("uniform,1ms,2000us", Delay::Uniform(ms(1), ms(2))),
            ("exp,0,5000000ns", Delay::Exponential(ms(0), ms(5))),
            ("normal,3ms,1ms", Delay::Normal(ms(3), ms(1))),
        ] {
            assert_eq!(text.parse(), Ok(is), "{text}");
        }
        for text in [
            "",
            "10",
            "ms",
            "-1ms",
            "1h",
            "4000s",
            "uniform,2ms,1ms",
            "exp,2ms,1ms",
            "uniform,1ms",
            "normal",
            "nans",
            "infs",
            "cauchy,1ms,1ms",
        ] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }

    #[test]
    fn losses_are_read() {
        assert_eq!("0.01".parse(), Ok(Loss::Packets(0.01)));
        assert_eq!("plr,1".parse(), Ok(Loss::Packets(1.0)));
        assert_eq!("ber,1e-6".parse(), Ok(Loss::Bits(1e-6)));
        for text in ["", "2", "-0.1", "nan", "ber", "gilbert,0.1", "1%"] {
            assert!(text.parse::<Loss>().is_err(), "{text}");
        }
    }
}
