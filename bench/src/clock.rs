// SPDX-License-Identifier: MIT OR Apache-2.0

//! Time without a system call. In User Mode Linux even reading the clock is one, and takes as long
//! as copying hundreds of frames; so time is counted in ticks of the CPU's time stamp counter.
#![allow(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Ticks of the time stamp counter: one clock for all processes and CPUs of a machine.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and Linux lets programs use it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// How fast the counter goes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rate {
    ticks_per_ns: f64,
}

impl Rate {
    /// Compares the counter with the system's clock for a fifth of a second.
    pub fn measure() -> Rate {
        let (began, first) = (Instant::now(), ticks());
        std::thread::sleep(Duration::from_millis(200));
        let (took, last) = (began.elapsed(), ticks());
        Rate {
            ticks_per_ns: last.wrapping_sub(first) as f64 / took.as_nanos() as f64,
        }
    }

    /// Nanoseconds that `ticks` take.
    pub fn ns(self, ticks: f64) -> f64 {
        ticks / self.ticks_per_ns
    }

    /// Ticks in `time`.
    pub fn ticks(self, time: Duration) -> u64 {
        (time.as_nanos() as f64 * self.ticks_per_ns) as u64
    }
}
