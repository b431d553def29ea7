// SPDX-License-Identifier: MIT OR Apache-2.0

//! Several who send and receive at the same time, with every frame accounted for: each that was
//! sent has come, once, in order and to the byte, or has been counted as lost.

use super::check::*;
use super::frame::{frame_of, number, station, SHORT};
use super::raw::stack::Stack;
use super::raw::Bound;
use super::running::Running;
use super::traffic::{counter, PATIENCE};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Who takes part.
pub trait Party: Sync {
    /// Sends the first of these frames, as many as there is room for. How many.
    fn send(&self, frames: &[Vec<u8>]) -> Outcome<usize>;

    /// What has come. What is still to be sent is sent.
    fn receive(&self) -> Outcome<Vec<Vec<u8>>>;

    /// How many frames have been counted that were for this one and could not come.
    fn lost(&self) -> Outcome<u64>;
}

/// By ring 0 in each direction that it has bound.
impl Party for Bound {
    fn send(&self, frames: &[Vec<u8>]) -> Outcome<usize> {
        let ring = self.tx(0);
        let fit = frames.len().min(ring.space() as usize);
        self.send_on(0, &frames[..fit])?;
        Ok(fit)
    }

    fn receive(&self) -> Outcome<Vec<Vec<u8>>> {
        self.device.txsync()?;
        match self.rx_rings().is_empty() {
            true => Ok(vec![]),
            false => Ok(self.recv()?),
        }
    }

    fn lost(&self) -> Outcome<u64> {
        match self.rx_rings().is_empty() {
            true => Ok(0),
            false => counter(self, "rx0-drop_full"),
        }
    }
}

impl<P: Party> Party for &P {
    fn send(&self, frames: &[Vec<u8>]) -> Outcome<usize> {
        P::send(self, frames)
    }

    fn receive(&self) -> Outcome<Vec<Vec<u8>>> {
        P::receive(self)
    }

    fn lost(&self) -> Outcome<u64> {
        P::lost(self)
    }
}

impl Party for Running {
    fn send(&self, frames: &[Vec<u8>]) -> Outcome<usize> {
        Running::send(self, 0, frames)
    }

    fn receive(&self) -> Outcome<Vec<Vec<u8>>> {
        self.recv(0)
    }

    fn lost(&self) -> Outcome<u64> {
        counter(&self.port.bound, "rx0-drop_full")
    }
}

/// The Linux stack behind an interface.
pub struct StackOf {
    stack: Stack,
    name: &'static str,
}

impl StackOf {
    pub fn new(name: &'static str) -> Outcome<Self> {
        let stack = Stack::on(name)?;
        Ok(StackOf { stack, name })
    }
}

impl Party for StackOf {
    fn send(&self, frames: &[Vec<u8>]) -> Outcome<usize> {
        for frame in frames {
            self.stack.send(frame)?;
        }
        Ok(frames.len())
    }

    fn receive(&self) -> Outcome<Vec<Vec<u8>>> {
        Ok(self.stack.receive(Duration::ZERO)?)
    }

    fn lost(&self) -> Outcome<u64> {
        Ok(dropped(self.name)? + self.stack.lost()?)
    }
}

/// One that has an interface's rings: the kernel may lose frames before they are there.
pub struct Wired<P>(pub P, pub &'static str);

impl<P: Party> Party for Wired<P> {
    fn send(&self, frames: &[Vec<u8>]) -> Outcome<usize> {
        self.0.send(frames)
    }

    fn receive(&self) -> Outcome<Vec<Vec<u8>>> {
        self.0.receive()
    }

    fn lost(&self) -> Outcome<u64> {
        Ok(self.0.lost()? + dropped(self.1)?)
    }
}

/// Frames that arrived at an interface and were dropped there, as the kernel counts them.
fn dropped(interface: &str) -> Outcome<u64> {
    let text = fs::read_to_string("/proc/net/dev")?;
    let counters = text.lines().find_map(|line| {
        let (name, counters) = line.split_once(':')?;
        (name.trim() == interface).then_some(counters)
    });
    let value = counters.and_then(|counters| counters.split_whitespace().nth(3)?.parse().ok());
    value.ok_or_else(|| failure(format!("no {interface} in {text:?}")))
}

/// What a party does.
pub struct Share<'p> {
    pub party: &'p dyn Party,
    /// The station that it is, and the one that it sends to.
    pub stations: (u8, u8),
    /// How many frames it sends.
    pub sends: u32,
    /// How many are sent to it.
    pub expects: u32,
}

/// Frame `n` from a station to another. Their lengths differ.
pub fn nth(n: u32, (from, to): (u8, u8)) -> Vec<u8> {
    let len = SHORT + n as usize * 37 % 1400;
    frame_of(len, station(to), station(from), n)
}

/// What has come from each station.
pub struct Seen {
    last: [Option<u32>; 256],
    pub total: u64,
}

impl Seen {
    pub fn new() -> Self {
        Seen {
            last: [None; 256],
            total: 0,
        }
    }

    /// Takes note of a frame, which must be whole and behind the one before. Its stations, from and
    /// to.
    pub fn take(&mut self, bytes: &[u8]) -> Outcome<(u8, u8)> {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let (n, stations) = (number(bytes), (byte(11), byte(5)));
        that(
            format!("frame {n} of {stations:?} whole"),
            *bytes == nth(n, stations),
        )?;
        let before = self.last[usize::from(stations.0)].replace(n);
        that(
            format!("{n} of {stations:?} behind {before:?}"),
            before < Some(n),
        )?;
        self.total += 1;
        Ok(stations)
    }
}

/// All of them at once, each by a thread of its own, until each has or has lost what was for it.
pub fn exchange(shares: &[Share<'_>]) -> Outcome {
    let (ready, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let before = shares.iter().map(|share| share.party.lost());
    let before = before.collect::<Outcome<Vec<_>>>()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares
            .iter()
            .zip(before)
            .map(|(share, before)| {
                let all = || ready.load(SeqCst) == shares.len() || failed.load(SeqCst);
                let (ready, failed) = (&ready, &failed);
                scope.spawn(move || {
                    let done = take_part(share, before, ready, all);
                    if done.is_err() {
                        failed.store(true, SeqCst);
                    }
                    done
                })
            })
            .collect();
        let done = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => fail("a thread panicked"),
        });
        // Each of them goes before it is said which has failed.
        done.collect::<Vec<_>>().into_iter().collect::<Outcome>()
    })?;
    for Share { party, .. } in shares {
        same("more than were sent", party.receive()?.len(), 0)?;
    }
    Ok(())
}

/// One's part, up to when `all` are through. Of what it has lost so much is from before.
fn take_part(
    share: &Share<'_>,
    before: u64,
    ready: &AtomicUsize,
    all: impl Fn() -> bool,
) -> Outcome {
    let Share {
        party,
        stations,
        sends,
        expects,
    } = *share;
    let (mut sent, mut seen, mut is_ready) = (0, Seen::new(), false);
    let start = Instant::now();
    while !all() {
        let end = sends.min(sent + 1 + sent % 50);
        let batch: Vec<_> = (sent..end).map(|n| nth(n, stations)).collect();
        if !batch.is_empty() {
            sent += party.send(&batch)? as u32;
        }
        let came = party.receive()?;
        for frame in &came {
            let (_, to) = seen.take(frame)?;
            same("whom it is for", to, stations.0)?;
        }
        if !came.is_empty() {
            continue;
        }
        let lost = party.lost()? - before;
        let has_all = sent == sends && seen.total + lost == expects.into();
        if has_all && !is_ready {
            is_ready = true;
            ready.fetch_add(1, SeqCst);
        }
        // Once it has all, nothing more may come or be counted, however long others take.
        let goes_on = if is_ready {
            has_all
        } else {
            start.elapsed() < PATIENCE
        };
        that(
            format!(
                "station {}: {} of {expects}, {lost} lost, {sent} of {sends} sent",
                stations.0, seen.total
            ),
            goes_on,
        )?;
        std::thread::yield_now();
    }
    Ok(())
}

/// Two parties, stations 1 and 2, of which each sends the other so many frames.
pub fn both_ways(one: &dyn Party, other: &dyn Party, count: u32) -> Outcome {
    let share = |party, stations| Share {
        party,
        stations,
        sends: count,
        expects: count,
    };
    exchange(&[share(one, (1, 2)), share(other, (2, 1))])
}
