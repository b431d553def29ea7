// SPDX-License-Identifier: MIT OR Apache-2.0

//! When frames are sent: as fast as it goes, at a given rate, or as they were recorded.

use crate::worker::Job;
use common::{
    pace::{toward, NAP},
    pcap::Recording,
};
use std::time::{Duration, Instant};

/// Says how many frames may go now.
pub enum Pace {
    Free,
    Rate(Rate),
    Times(Times),
}

impl Pace {
    pub fn of(job: &Job) -> Self {
        match (job.recording, job.args.replay.speed, job.rate) {
            (Some(recording), Some(speed), _) => Pace::Times(Times {
                recording,
                speed,
                began: job.shared.began(),
                next: job.index.into(),
                step: job.threads.into(),
            }),
            (_, _, Some(rate)) => Pace::Rate(Rate::new(rate)),
            _ => Pace::Free,
        }
    }

    /// Frames that may go now, at most `burst`. The first goes at once.
    #[inline]
    pub fn allowed(&mut self, burst: u64) -> u64 {
        match self {
            Pace::Free => burst,
            Pace::Rate(rate) => rate.allowed(burst),
            Pace::Times(times) => times.allowed(burst),
        }
    }

    #[inline]
    pub fn sent(&mut self, frames: u64) {
        match self {
            Pace::Free => {}
            Pace::Rate(rate) => rate.sent += frames as f64,
            Pace::Times(times) => times.next += frames as usize * times.step,
        }
    }

    /// Sleeps until the next frame is due, or a moment for fast rates, but not long.
    pub fn sleep(&self) {
        match self {
            Pace::Free => {}
            Pace::Rate(rate) => rate.sleep(),
            Pace::Times(times) => times.sleep(),
        }
    }
}

/// So many frames a second.
pub struct Rate {
    rate: f64,
    start: Instant,
    sent: f64,
}

impl Rate {
    fn new(rate: f64) -> Self {
        Rate {
            rate,
            start: Instant::now(),
            sent: 0.0,
        }
    }

    fn allowed(&mut self, burst: u64) -> u64 {
        let rate = self.rate;
        let due = (self.start.elapsed().as_secs_f64() * rate).floor() + 1.0 - self.sent;
        // After a stall (a full ring, a stopped process) the lost time is not made up for.
        let most = (burst as f64).max(rate * 0.1);
        if due > most {
            self.sent += due - most;
        }
        (due.max(0.0) as u64).min(burst)
    }

    fn sleep(&self) {
        let next = self.sent / self.rate - self.start.elapsed().as_secs_f64();
        let pause = Duration::from_secs_f64(next.clamp(0.0002, NAP.as_secs_f64()));
        std::thread::sleep(pause);
    }
}

/// As the frames of a file were recorded, or faster or slower. What is late goes at once.
pub struct Times {
    recording: &'static Recording,
    speed: f64,
    /// For all threads the same.
    began: Instant,
    next: usize,
    step: usize,
}

impl Times {
    fn due(&self, frame: usize) -> Duration {
        let due = self.recording.time(frame).as_secs_f64() / self.speed;
        Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX)
    }

    fn allowed(&self, burst: u64) -> u64 {
        let now = self.began.elapsed();
        let frames = (0..burst).map(|i| self.next + i as usize * self.step);
        frames.take_while(|frame| self.due(*frame) <= now).count() as u64
    }

    fn sleep(&self) {
        toward(self.due(self.next).saturating_sub(self.began.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_rate_everything_may_go() {
        assert_eq!(Pace::Free.allowed(512), 512);
    }

    #[test]
    fn the_first_frame_goes_at_once_and_the_second_in_time() {
        let mut pace = Pace::Rate(Rate::new(10.0));
        assert_eq!(pace.allowed(512), 1);
        pace.sent(1);
        assert_eq!(pace.allowed(512), 0);
        pace.sleep();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(pace.allowed(512), 1);
    }

    #[test]
    fn a_stall_is_not_made_up_for() {
        let mut pace = Pace::Rate(Rate::new(1000.0));
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

    /// Two frames, 300 ms apart.
    fn two_frames() -> &'static Recording {
        let mut file = Vec::new();
        let mut writer = common::pcap::Writer::new(&mut file).unwrap();
        for millis in [0, 300] {
            writer.add(Duration::from_millis(millis), &[0; 60]).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);
        Box::leak(Box::new(Recording::parse(file).unwrap()))
    }

    #[test]
    fn recorded_frames_go_in_their_time() {
        let times = |speed, index, step| {
            Pace::Times(Times {
                recording: two_frames(),
                speed,
                began: Instant::now(),
                next: index,
                step,
            })
        };
        let mut pace = times(1.0, 0, 1);
        assert_eq!(pace.allowed(512), 1);
        pace.sent(1);
        let began = Instant::now();
        while pace.allowed(512) == 0 {
            pace.sleep();
        }
        assert!(began.elapsed() > Duration::from_millis(280));
        // The second of two threads has the second frame, here four times as fast.
        let mut pace = times(4.0, 1, 2);
        assert_eq!(pace.allowed(512), 0);
        std::thread::sleep(Duration::from_millis(80));
        assert_eq!(pace.allowed(512), 1);
    }
}
