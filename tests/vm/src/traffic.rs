// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of switches and of traffic do all the time: several ports at once, numbers of the frames
//! that came, counters, and a source of repeatable random numbers.

use crate::check::{fail, failure, Outcome};
use crate::frame::number;
use crate::raw::device::Device;
use crate::raw::{vale, Bound};
use ferromap_abi::ext::{NmreqWhy, FERROMAP_REQ_WHY};
use ferromap_abi::wire::Plain;
use nix::errno::Errno;
use std::fs;
use std::time::{Duration, Instant};

/// How long a condition may take to come true, on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Small ports of one switch: one ring of 64 slots each way.
pub fn ports<const N: usize>(switch: &str, names: [&str; N]) -> Result<[Bound; N], Errno> {
    let mut bound = Vec::new();
    for name in names {
        bound.push(vale(&format!("{switch}:{name}")).slots(64, 64).bind()?);
    }
    bound.try_into().map_err(|_| Errno::EINVAL)
}

/// The numbers of these frames.
pub fn numbers(frames: &[Vec<u8>]) -> Vec<u32> {
    frames.iter().map(|frame| number(frame)).collect()
}

/// Receives what is there on ring 0: the frames' numbers.
pub fn got(bound: &Bound) -> Result<Vec<u32>, Errno> {
    Ok(numbers(&bound.recv()?))
}

/// A counter of a ring that this file has bound, `rx0-drop_full` for instance, from its fdinfo.
pub fn counter(bound: &Bound, name: &str) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", bound.device.raw()))?;
    let prefix = format!("netmap-{name}:");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    match line.and_then(|value| value.trim().parse().ok()) {
        Some(value) => Ok(value),
        None => fail(format!("no {prefix} with a number in {text:?}")),
    }
}

/// The same from debugfs, where a counter that is 0 has no line: `port` is a name, `ring` is `rx0`.
pub fn debug_counter(port: &str, ring: &str, name: &str) -> Outcome<u64> {
    let text = fs::read_to_string("/sys/kernel/debug/netmap/ports")?;
    let mut lines = text.lines();
    if !lines.any(|line| line.split(' ').next() == Some(port)) {
        return fail(format!("no port {port} in {text:?}"));
    }
    let block = lines.take_while(|line| line.starts_with(' '));
    let want = [ring, name];
    for line in block {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.len() == 3 && words[..2] == want {
            return words[2].parse().map_err(|_| failure(line));
        }
    }
    Ok(0)
}

/// The errno and the sentence of the last request that was refused on this device.
pub fn why(device: &Device) -> Result<(u32, String), Errno> {
    let mut body = NmreqWhy::zeroed();
    device.request(FERROMAP_REQ_WHY, "", &mut body)?;
    Ok((body.errno, body.text().to_string()))
}

/// Waits until `is_so`.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > PATIENCE {
            return fail(format!("waited in vain until {what}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Random numbers, the same in each run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len() as u64) as usize]
    }

    /// True once in `n`.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
