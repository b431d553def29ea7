// SPDX-License-Identifier: MIT OR Apache-2.0

//! Monitors that nobody reads: every frame passes them by, and each one that they miss is counted.
//! Of a switch port this is in `copies.rs`.

use super::*;
use crate::harness::frame::numbered;
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::traffic::*;
use crate::harness::wire::wire;
use std::ops::Range;

pub const CASES: &[Case] = crate::cases![
    item_165_a_full_monitor_of_an_interface_stalls_nobody,
    item_165_a_full_monitor_of_host_rings_stalls_nobody,
    item_165_a_full_monitor_of_a_pipe_stalls_nobody,
];

/// What frames come in.
#[derive(Clone, Copy)]
enum Come {
    OneByOne,
    /// As batches, of which those that lack room lose their first frames.
    Together,
    /// In what parts is the driver's choice.
    AsFinished,
}

use Come::*;

/// A monitor that has 64 slots, and sees frames of one direction.
struct Sleeper {
    bound: Bound,
    host: bool,
    sent: bool,
    come: Come,
}

impl Sleeper {
    fn new(name: &str, (flags, sent): (u64, bool), come: Come) -> Outcome<Self> {
        let bound = vale(name).flags(flags).slots(64, 64).bind()?;
        Ok(Sleeper {
            bound,
            host: false,
            sent,
            come,
        })
    }

    /// One that has the host rings alone.
    fn of_host(name: &str, (flags, sent): (u64, bool), come: Come) -> Outcome<Self> {
        let ask = vale(name).flags(flags).mode(NR_REG_SW).slots(64, 64);
        Ok(Sleeper {
            bound: ask.bind()?,
            host: true,
            sent,
            come,
        })
    }

    /// What it has in its ring, which is taken: slots and numbers.
    fn see(&self) -> Outcome<Vec<(u32, u32)>> {
        let ring = match self.host {
            true => self.bound.host_rx(0),
            false => self.bound.rx(0),
        };
        self.bound.device.rxsync()?;
        let at = ring.owned();
        let slots = ring.take();
        self.bound.device.rxsync()?;
        for (slot, _) in &slots {
            same("sent", slot.flags & NS_TXMON != 0, self.sent)?;
        }
        let numbers = slots.iter().map(|(_, bytes)| number(bytes));
        Ok(at.into_iter().zip(numbers).collect())
    }

    /// That it has got as many frames as it has room for, and has counted all others.
    fn has_slept(&self, all: u32) -> Outcome {
        let ring = if self.host { "host-rx0" } else { "rx0" };
        let count = |name: &str| counter(&self.bound, &format!("{ring}-{name}"));
        same("seen", count("frames")?, 63)?;
        same("missed", count("drop_full")?, u64::from(all) - 63)?;
        let (at, seen): (Vec<_>, Vec<_>) = self.see()?.into_iter().unzip();
        same("slots", at, (0..63).collect::<Vec<_>>())?;
        match self.come {
            OneByOne => same("the first", seen, (0..63).collect::<Vec<_>>()),
            // The first batch has one frame, and the second one more than there is room for then.
            Together => same("as many", seen, [vec![0], (2..64).collect()].concat()),
            AsFinished => {
                same("the first", seen[0], 0)?;
                that("in order", seen.is_sorted_by(|a, b| a < b))
            }
        }
    }
}

/// Has `carry` take frames of these numbers through what is watched, over and over, while nobody
/// reads the monitors; then has them seen again.
fn beside_sleepers(sleepers: &[(&str, Sleeper)], carry: impl Fn(Range<u32>) -> Outcome) -> Outcome {
    let mut next = 0;
    for batch in [1, 63, 7, 40].into_iter().cycle().take(80) {
        carry(next..next + batch)?;
        next += batch;
    }
    let each = |f: &dyn Fn(&Sleeper) -> Outcome| {
        sleepers
            .iter()
            .try_for_each(|(what, sleeper)| f(sleeper).map_err(|e| failure(format!("{what}: {e}"))))
    };
    each(&|sleeper| sleeper.has_slept(next))?;
    carry(next..next + 5)?;
    each(&|sleeper| {
        let seen = sleeper.see()?;
        let want = (next..next + 5).enumerate();
        // Behind the 63 slots that were full.
        let want: Vec<_> = want
            .map(|(n, number)| ((63 + n as u32) % 64, number))
            .collect();
        same("awake", seen, want)
    })
}

/// Takes what has come to a ring once it is as much as that.
fn taken(bound: &Bound, ring: &Ring, numbers: Range<u32>) -> Outcome {
    wait_until("they come", || {
        let _ = bound.device.rxsync();
        ring.space() as usize >= numbers.len()
    })?;
    let frames = ring.take_frames();
    bound.device.rxsync()?;
    same("received", frames, numbered(numbers))
}

fn item_165_a_full_monitor_of_an_interface_stalls_nobody() -> Outcome {
    write_parameter("generic_ringsize", "64")?;
    wire()?;
    let (one, other) = (vale("fm0").bind()?, vale("fm1").bind()?);
    let sleepers = [
        (
            "sender",
            Sleeper::new("fm0", (NR_MONITOR_TX, true), Together)?,
        ),
        (
            "sender, zero-copy",
            Sleeper::new("fm0", (NR_ZCOPY_MON, true), AsFinished)?,
        ),
        (
            "receiver",
            Sleeper::new("fm1", (NR_MONITOR_RX, false), OneByOne)?,
        ),
        (
            "receiver, zero-copy",
            Sleeper::new("fm1", (NR_ZCOPY_MON, false), Together)?,
        ),
    ];
    beside_sleepers(&sleepers, |range| {
        one.send(&numbered(range.clone()))?;
        taken(&other, &other.rx(0), range)?;
        wait_until("all slots are free", || {
            let _ = one.device.txsync();
            one.tx(0).space() == 63
        })
    })?;
    same("dropped", counter(&other, "rx0-drop_full")?, 0)
}

fn item_165_a_full_monitor_of_host_rings_stalls_nobody() -> Outcome {
    write_parameter("generic_ringsize", "64")?;
    wire()?;
    let port = vale("fm0").mode(NR_REG_NIC_SW).bind()?;
    let stack = Stack::on("fm0")?;
    let of = |what, come| Sleeper::of_host("fm0", what, come);
    {
        let sleepers = [
            ("what it sends", of((NR_MONITOR_RX, false), OneByOne)?),
            (
                "what it sends, zero-copy",
                of((NR_ZCOPY_MON, false), Together)?,
            ),
        ];
        beside_sleepers(&sleepers, |range| {
            for frame in numbered(range.clone()) {
                stack.send(&frame)?;
            }
            taken(&port, &port.host_rx(0), range)
        })?;
        same("dropped", counter(&port, "host-rx0-drop_full")?, 0)?;
    }
    let sleepers = [
        ("what it gets", of((NR_MONITOR_TX, true), Together)?),
        (
            "what it gets, zero-copy",
            of((NR_ZCOPY_MON, true), Together)?,
        ),
    ];
    beside_sleepers(&sleepers, |range| {
        let frames = numbered(range);
        frames.iter().for_each(|frame| port.host_tx(0).put(frame));
        port.device.txsync()?;
        same("all slots are free", port.host_tx(0).space(), 63)?;
        same("at the stack", stack.wait_for(frames.len())?, frames)
    })
}

fn item_165_a_full_monitor_of_a_pipe_stalls_nobody() -> Outcome {
    let [from, to] = ports("vale165", ["p{x", "p}x"])?;
    let of = |name, what| Sleeper::new(name, what, Together);
    let sleepers = [
        ("sender", of("vale165:p{x", (NR_MONITOR_TX, true))?),
        (
            "sender, zero-copy",
            of("vale165:p{x", (NR_ZCOPY_MON, true))?,
        ),
        ("receiver", of("vale165:p}x", (NR_MONITOR_RX, false))?),
        (
            "receiver, zero-copy",
            of("vale165:p}x", (NR_ZCOPY_MON, false))?,
        ),
    ];
    beside_sleepers(&sleepers, |range| {
        from.send(&numbered(range.clone()))?;
        same("received", to.recv()?, numbered(range))?;
        from.device.txsync()?;
        same("all slots are free", from.tx(0).space(), 63)
    })
}
