// SPDX-License-Identifier: MIT OR Apache-2.0

//! A link that is not there: which frames of a recording come out of it, and when. It knows of no
//! clock, and the same seed brings the same.

use crate::values::{Bandwidth, Delay, Loss};
use common::{pcap::Recording, units::FRAMING};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Most frames that are on the way where they may overtake each other. More of them leave in the
/// order in which they came.
const MOST: usize = 1 << 20;

/// What a link does to frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nature {
    pub bandwidth: Bandwidth,
    pub delay: Delay,
    pub loss: Loss,
    /// Whether a frame with a short way overtakes one with a long way.
    pub reorder: bool,
}

/// A frame at the far end. The first to come is the first in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Since the first frame entered the link.
    pub at: Duration,
    /// Its number, of all that enter the link; also that of the recording, which has no end.
    pub frame: usize,
    /// It does not come, but would have then.
    pub lost: bool,
}

pub struct Link<'a> {
    recording: &'a Recording,
    nature: Nature,
    /// Frames that have entered, and how many are to.
    entered: usize,
    count: usize,
    /// Bits of those.
    bits: u128,
    on_way: BinaryHeap<Reverse<Arrival>>,
    last: Duration,
    /// Delays and losses do not depend on each other, so each has numbers of its own.
    delays: ChaCha8Rng,
    losses: ChaCha8Rng,
}

impl<'a> Link<'a> {
    /// The recording over and over until `count` frames have entered. Links with the same seed have
    /// different luck if they have different numbers.
    pub fn new(
        recording: &'a Recording,
        nature: Nature,
        count: usize,
        seed: u64,
        number: u64,
    ) -> Self {
        let random = |stream| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(stream);
            random
        };
        Link {
            recording,
            nature,
            entered: 0,
            count,
            bits: 0,
            on_way: BinaryHeap::new(),
            last: Duration::ZERO,
            delays: random(2 * number),
            losses: random(2 * number + 1),
        }
    }

    pub fn recording(&self) -> &'a Recording {
        self.recording
    }

    /// The next frame that comes out of the link, or would; `None` at the end.
    pub fn next(&mut self) -> Option<Arrival> {
        while self.entered < self.count && self.may_be_overtaken() {
            self.enter();
        }
        let Reverse(mut next) = self.on_way.pop()?;
        next.at = next.at.max(self.last);
        self.last = next.at;
        Some(next)
    }

    /// Whether the next frame to enter might come out before all that are on the way.
    fn may_be_overtaken(&self) -> bool {
        match self.on_way.peek() {
            None => true,
            Some(Reverse(first)) => {
                self.nature.reorder
                    && self.on_way.len() < MOST
                    && self.through(self.entered).0 < first.at
            }
        }
    }

    /// When the last bit of a frame, of which all before have entered, has entered; and how many
    /// bits have then.
    fn through(&self, frame: usize) -> (Duration, u128) {
        let bytes = self.recording.frame(frame).len() as u64;
        match self.nature.bandwidth {
            Bandwidth::Free => (Duration::ZERO, 0),
            Bandwidth::Real(factor) => {
                let seconds = self.recording.time(frame).as_secs_f64() / factor;
                let at = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
                (at, 0)
            }
            // The sum of all bits, so that nothing is rounded twice.
            Bandwidth::Rate { bits, framing } => {
                let extra = if framing { FRAMING } else { 0 };
                let sum = self.bits + u128::from(8 * (bytes + extra));
                let nanos = sum * 1_000_000_000 / u128::from(bits);
                let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                (Duration::from_nanos(nanos), sum)
            }
        }
    }

    fn enter(&mut self) {
        let frame = self.entered;
        let (at, bits) = self.through(frame);
        (self.entered, self.bits) = (frame + 1, bits);
        let at = at.saturating_add(self.delay());
        let lost = self.loses(self.recording.frame(frame).len());
        self.on_way.push(Reverse(Arrival { at, frame, lost }));
    }

    fn delay(&mut self) -> Duration {
        let random = &mut self.delays;
        match self.nature.delay {
            Delay::Const(delay) => delay,
            Delay::Uniform(least, most) => least + (most - least).mul_f64(random.random()),
            Delay::Exponential(least, mean) => {
                let of_mean: f64 = Exp1.sample(random);
                least + (mean - least).mul_f64(of_mean)
            }
            Delay::Normal(mean, deviation) => {
                let off: f64 = StandardNormal.sample(random);
                let seconds = mean.as_secs_f64() + off * deviation.as_secs_f64();
                Duration::try_from_secs_f64(seconds).unwrap_or_default()
            }
        }
    }

    fn loses(&mut self, bytes: usize) -> bool {
        let rate = match self.nature.loss {
            Loss::Packets(rate) => rate,
            // That not all bits get through; in this way also where the rate is tiny.
            Loss::Bits(rate) => -(8.0 * bytes as f64 * (-rate).ln_1p()).exp_m1(),
        };
        // From 0 to just below 1, so that 0 loses nothing and 1 everything.
        self.losses.random::<f64>() < rate
    }
}

#[cfg(test)]
mod tests;
