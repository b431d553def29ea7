// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of switches and of traffic do all the time: several ports at once, numbers of the
//! frames that came, and counters.

use crate::harness::check::{fail, failure, same, works, Outcome};
use crate::harness::frame::{number, numbered};
use crate::harness::raw::bound::pair;
use crate::harness::raw::{vale, Bound};
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

/// Two who have nothing to do with what goes on, and count on every frame.
pub struct Neighbours(Bound, Bound);

impl Neighbours {
    pub fn new(switch: &str) -> Outcome<Self> {
        let (a, b) = works("the neighbours", pair(switch))?;
        Ok(Neighbours(a, b))
    }

    /// 40 frames from this number on come from one to the other.
    #[track_caller]
    pub fn exchange(&self, first: u32) -> Outcome {
        let frames = numbered(first..first + 40);
        works("a neighbour's sync", self.0.send(&frames))?;
        same("the neighbours' frames", self.1.recv()?, frames)
    }
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
