// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long frames are, if not all are of one length.

use crate::flow::Random;
use std::str::FromStr;

/// The Internet mix that most testers mean, "simple IMIX": 7 frames of 64 bytes, 4 of 594 and 1 of
/// 1518, all with their CRC, which is 40, 576 and 1500 bytes of IP. No standard has it; RFC 6985
/// tells how to write down a mix, and that it is to be a sequence that repeats.
pub const IMIX: &str = "60:7,590:4,1514:1";
/// Frames after which a mix repeats.
const PERIOD: usize = 10_000;

/// Frames of several lengths, each so many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(usize, usize)>);

impl FromStr for Mix {
    type Err = String;

    /// `BYTES:FRAMES,BYTES:FRAMES,...`
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(|part| {
            let (len, times) = part.split_once(':')?;
            let times = times.parse().ok().filter(|times| *times > 0)?;
            Some((len.parse().ok()?, times))
        });
        let parts: Option<Vec<(usize, usize)>> = parts.collect();
        let parts = parts.ok_or_else(|| {
            format!("`{text}` is not a mix of bytes and how many frames have them, like {IMIX}")
        })?;
        let period = parts
            .iter()
            .map(|part| part.1)
            .fold(0, usize::saturating_add);
        if period > PERIOD {
            return Err(format!(
                "a mix repeats after {PERIOD} frames at most, not {period}: give smaller numbers \
                 in the same proportion"
            ));
        }
        Ok(Mix(parts))
    }
}

impl Mix {
    pub fn shortest(&self) -> usize {
        self.0.iter().map(|part| part.0).min().unwrap_or(0)
    }

    pub fn longest(&self) -> usize {
        self.0.iter().map(|part| part.0).max().unwrap_or(0)
    }

    /// One length a frame, each spread as evenly as it goes: always the one that is furthest
    /// behind its share.
    fn sequence(&self) -> Vec<usize> {
        let period: usize = self.0.iter().map(|part| part.1).sum();
        let mut credit = vec![0i64; self.0.len()];
        let next = |_| {
            for (credit, part) in credit.iter_mut().zip(&self.0) {
                *credit += part.1 as i64;
            }
            // The first of equals.
            let most = credit.iter().copied().max().unwrap_or(0);
            let at = credit.iter().position(|c| *c == most).unwrap_or(0);
            credit[at] -= period as i64;
            self.0[at].0
        };
        (0..period).map(next).collect()
    }
}

/// The lengths of one thread's frames.
pub enum Sizes {
    One(usize),
    /// Any between two, both included.
    Random(Random, usize, usize),
    /// One after the other, over and over.
    Cycle(Vec<usize>, usize),
}

impl Sizes {
    pub fn of_mix(mix: &Mix) -> Self {
        Sizes::Cycle(mix.sequence(), 0)
    }

    pub fn next(&mut self) -> usize {
        match self {
            Sizes::One(len) => *len,
            Sizes::Random(random, low, high) => random.between(*low, *high),
            Sizes::Cycle(lens, at) => {
                let len = lens[*at];
                *at = (*at + 1) % lens.len();
                len
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_has_its_shares_and_no_runs() {
        let mut sizes = Sizes::of_mix(&IMIX.parse().unwrap());
        let lens: Vec<usize> = (0..36).map(|_| sizes.next()).collect();
        for (len, times) in [(60, 21), (590, 12), (1514, 3)] {
            assert_eq!(lens.iter().filter(|l| **l == len).count(), times);
        }
        assert_eq!(lens[..12], lens[12..24]);
        assert!(lens
            .windows(4)
            .all(|four| four.iter().any(|l| *l != four[0])));
    }

    #[test]
    fn mixes_are_checked() {
        for bad in [
            "",
            "60",
            "60:0",
            "60:1,",
            "a:1",
            "60:x",
            "60:10001",
            "1:9999,2:2",
        ] {
            assert!(bad.parse::<Mix>().is_err(), "{bad}");
        }
        let mix: Mix = "1500:1,64:3".parse().unwrap();
        assert_eq!((mix.shortest(), mix.longest()), (64, 1500));
    }
}
