// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sending at a given rate.

use std::time::{Duration, Instant};

/// Says how many frames may go now.
pub struct Pace {
    /// Frames per second; `None` for as many as fit.
    rate: Option<f64>,
    start: Instant,
    sent: f64,
}

impl Pace {
    pub fn new(rate: Option<f64>) -> Self {
        Pace {
            rate,
            start: Instant::now(),
            sent: 0.0,
        }
    }

    /// Frames that may go now, at most `burst`. The first goes at once.
    #[inline]
    pub fn allowed(&mut self, burst: u64) -> u64 {
        let Some(rate) = self.rate else {
            return burst;
        };
        let due = (self.start.elapsed().as_secs_f64() * rate).floor() + 1.0 - self.sent;
        // After a stall (a full ring, a stopped process) the lost time is not made up for.
        let most = (burst as f64).max(rate * 0.1);
        if due > most {
            self.sent += due - most;
        }
        (due.max(0.0) as u64).min(burst)
    }

    #[inline]
    pub fn sent(&mut self, frames: u64) {
        if self.rate.is_some() {
            self.sent += frames as f64;
        }
    }

    /// Sleeps until the next frame is due, or a moment for fast rates, but not long: somebody may
    /// want to stop.
    pub fn sleep(&self) {
        let Some(rate) = self.rate else { return };
        let next = self.sent / rate - self.start.elapsed().as_secs_f64();
        let pause = Duration::from_secs_f64(next.clamp(0.0002, 0.1));
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_rate_everything_may_go() {
        assert_eq!(Pace::new(None).allowed(512), 512);
    }

    #[test]
    fn the_first_frame_goes_at_once_and_the_second_in_time() {
        let mut pace = Pace::new(Some(10.0));
        assert_eq!(pace.allowed(512), 1);
        pace.sent(1);
        assert_eq!(pace.allowed(512), 0);
        pace.sleep();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(pace.allowed(512), 1);
    }

    #[test]
    fn a_stall_is_not_made_up_for() {
        let mut pace = Pace::new(Some(1000.0));
        pace.sent(pace.sent as u64);
        std::thread::sleep(Duration::from_millis(300));
        let mut burst = 0;
        loop {
            match pace.allowed(8) {
                0 => break,
                n => {
                    burst += n;
                    pace.sent(n);
                }
            }
        }
        assert!((50..=110).contains(&burst), "{burst}");
    }
}
