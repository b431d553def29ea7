// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sending and receiving as fast as it goes.

use super::{Outcome, Phase, Role, Schedule, Wait, Window};
use crate::{
    child,
    clock::ticks,
    frame::{frame, is_sound, BROADCAST},
    record::Spread,
    yardstick::{Yardstick, BUFFER},
};
use anyhow::{bail, Result};
use ferromap::{Port, RxBatch, SlotFlags, TxBatch, TxRing, TxSlot};
use std::time::Duration;

/// Frames that a receiver compares, during the warm-up.
const CHECK: u64 = 100_000;

/// Sends until the schedule is over.
pub fn send(port: &mut Port, role: &Role) -> Result<Outcome> {
    let Role::Send {
        from,
        to,
        bytes,
        fragments,
        batch,
        hand_over,
        kernel_loop,
    } = role
    else {
        bail!("{role:?} is not for a sender");
    };
    let ring = &mut port.tx_rings()[0];
    ring.hand_over(*hand_over);
    let frames = to.iter().map(|&to| frame(to, *from, *bytes)).collect();
    let mut filler = Filler::new(ring, frames, *bytes, *fragments)?;
    let most = batch.min(&((ring.slots() - 1) / fragments)) * fragments;
    // It copies frames of one buffer.
    let mut yardstick = (*bytes <= BUFFER).then(|| Yardstick::new(*bytes, ring.slots()));
    let schedule: Schedule = child::ready()?;

    let mut meter = Meter::new(schedule);
    let end = schedule.end();
    let mut now = ticks();
    while now < end {
        if let (Some(copies), Some(yardstick)) = (meter.copies(now), &mut yardstick) {
            copies.push(yardstick.round());
            now = ticks();
            continue;
        }
        let mut batch = ring.reserve(most);
        let used = batch.len() / fragments * fragments;
        if used > 0 {
            filler.fill(&mut batch);
        }
        batch.commit(used);
        if kernel_loop.is_some() {
            // What was committed goes by itself; there may be no room for more yet.
            now = ticks();
            meter.add(now, (used / fragments) as u64);
            continue;
        }
        if used == 0 {
            ring.poll(Some(Duration::from_millis(100)))?;
            now = ticks();
            continue;
        }
        let before = ticks();
        ring.sync()?;
        now = ticks();
        meter.add(now, (used / fragments) as u64);
        if let (true, Some(syncs)) = (used == most, meter.syncs(now)) {
            let full = now - before;
            let before = now;
            ring.sync()?;
            now = ticks();
            syncs.push((full, now - before));
        }
    }
    Ok(Outcome {
        windows: meter.windows(),
        slots: ring.slots(),
        batch: most / fragments,
        ..Outcome::default()
    })
}

/// Puts frames into slots. Receivers only look at buffers, so once each has been filled only length
/// and flags are to be set, as in a program that makes its frames in place.
struct Filler {
    frames: Vec<Vec<u8>>,
    /// For each buffer, the number of the frame that it carries, counted from 1.
    filled: Vec<usize>,
    bytes: usize,
    fragments: usize,
    size: usize,
}

impl Filler {
    fn new(ring: &TxRing, frames: Vec<Vec<u8>>, bytes: usize, fragments: usize) -> Result<Filler> {
        let size = ring.buffer_size();
        if bytes.div_ceil(size) != fragments {
            bail!("{bytes} bytes do not take {fragments} buffers of {size}");
        }
        if ring.slots() % frames.len() != 0 {
            bail!(
                "{} frames do not divide a ring of {}",
                frames.len(),
                ring.slots()
            );
        }
        Ok(Filler {
            frames,
            filled: Vec::new(),
            bytes,
            fragments,
            size,
        })
    }

    fn fill(&mut self, batch: &mut TxBatch<'_>) {
        let (mut part, mut number) = (0, None);
        batch.for_each(|mut slot| {
            // Every fragment carries the start of the frame: a position that is the first fragment
            // in one round is another one in the next. Nothing is divided but once a batch.
            let this = number.unwrap_or_else(|| slot.position() % self.frames.len());
            let buffer = slot.buffer_index() as usize;
            if self.filled.get(buffer) != Some(&(this + 1)) {
                self.refill(&mut slot, buffer, this);
            }
            if part + 1 < self.fragments {
                slot.set(self.size, SlotFlags::MORE_FRAGMENTS);
                part += 1;
            } else {
                slot.set(self.bytes - part * self.size, SlotFlags::NONE);
                part = 0;
            }
            number = Some(if this + 1 < self.frames.len() {
                this + 1
            } else {
                0
            });
        });
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self, slot: &mut TxSlot<'_>, buffer: usize, number: usize) {
        if buffer >= self.filled.len() {
            self.filled.resize(buffer + 1, 0);
        }
        self.filled[buffer] = number + 1;
        let frame = &self.frames[number];
        let to = slot.buffer_mut();
        let len = frame.len().min(to.len());
        to[..len].copy_from_slice(&frame[..len]);
    }
}

/// Receives until the schedule is over, and a little longer.
pub fn receive(port: &mut Port, address: [u8; 6], wait: Wait) -> Result<Outcome> {
    announce(port, address)?;
    watch(port, wait)
}

/// The same without telling anybody of it.
pub fn watch(port: &mut Port, wait: Wait) -> Result<Outcome> {
    let ring = &mut port.rx_rings()[0];
    let schedule: Schedule = child::ready()?;
    let mut meter = Meter::new(schedule);
    let (mut checked, mut damaged) = (0, 0);
    loop {
        match wait {
            Wait::Busy => ring.sync()?,
            Wait::Poll => ring.poll(Some(Duration::from_millis(10)))?,
        };
        let now = ticks();
        if now >= schedule.end() {
            break;
        }
        let batch = ring.recv(usize::MAX);
        if now < schedule.start && checked < CHECK {
            checked += batch.len() as u64;
            damaged += batch.iter().filter(|slot| !is_sound(slot.bytes())).count() as u64;
        }
        meter.add(now, frames(&batch));
    }
    Ok(Outcome {
        windows: meter.windows(),
        slots: ring.slots(),
        checked,
        damaged,
        ..Outcome::default()
    })
}

/// Frames in a batch. Their bytes are not touched: it is the way to here that is measured.
fn frames(batch: &RxBatch<'_>) -> u64 {
    batch.iter().filter(|slot| !slot.more_fragments()).count() as u64
}

/// Sends one frame to everybody, so that the switch learns where `address` is.
pub fn announce(port: &mut Port, address: [u8; 6]) -> Result<()> {
    let ring = &mut port.tx_rings()[0];
    ring.send(&frame(BROADCAST, address, 60))?;
    ring.sync()?;
    Ok(())
}

/// Counts by window.
struct Meter {
    schedule: Schedule,
    windows: Vec<Counts>,
}

#[derive(Clone, Default)]
struct Counts {
    frames: u64,
    timed_frames: u64,
    /// Ticks of a sync of a whole batch, and of one with nothing to send right after it.
    syncs: Vec<(u64, u64)>,
    /// Ticks of copying a frame.
    copies: Vec<f64>,
}

impl Meter {
    fn new(schedule: Schedule) -> Meter {
        Meter {
            schedule,
            windows: vec![Counts::default(); schedule.windows],
        }
    }

    #[inline]
    fn add(&mut self, now: u64, frames: u64) {
        match self.schedule.window(now) {
            Some((n, Phase::Rate)) => self.windows[n].frames += frames,
            Some((n, Phase::Syncs)) => self.windows[n].timed_frames += frames,
            _ => {}
        }
    }

    /// Where to note syncs, if they are to be timed now.
    fn syncs(&mut self, now: u64) -> Option<&mut Vec<(u64, u64)>> {
        match self.schedule.window(now) {
            Some((n, Phase::Syncs)) => Some(&mut self.windows[n].syncs),
            _ => None,
        }
    }

    /// Where to note copies, if they are to be timed now.
    fn copies(&mut self, now: u64) -> Option<&mut Vec<f64>> {
        match self.schedule.window(now) {
            Some((n, Phase::Copies)) => Some(&mut self.windows[n].copies),
            _ => None,
        }
    }

    fn windows(self) -> Vec<Window> {
        let rate = self.schedule.rate;
        let median = |ticks: &mut dyn Iterator<Item = f64>| Some(Spread::of(ticks)?.median);
        let ns = |ticks| rate.ns(ticks);
        self.windows
            .iter()
            .map(|counts| {
                let full = median(&mut counts.syncs.iter().map(|&(full, _)| full as f64));
                let empty = median(&mut counts.syncs.iter().map(|&(_, empty)| empty as f64));
                Window {
                    frames: counts.frames,
                    timed_frames: counts.timed_frames,
                    sync_ns: full.zip(empty).map(|(full, empty)| ns(full - empty)),
                    copy_ns: median(&mut counts.copies.iter().copied()).map(ns),
                }
            })
            .collect()
    }
}
