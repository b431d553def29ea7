// SPDX-License-Identifier: GPL-2.0

//! Going round the rings of a file, in the thread that has asked for it.

use super::{
    csb::{self, Entry},
    lane::{Lane, Way},
    Rings,
};
use crate::{
    refusal::{refuse, Fallible},
    sys::{eventfd::Eventfd, task, wait::WaitQueue, waiting::WaitEntries},
};
use core::{
    ops::Deref,
    sync::atomic::{fence, Ordering::SeqCst},
};
use kernel::prelude::*;

/// How long a loop sleeps that waits to be kicked, in microseconds: then it looks by itself.
const LONGEST_SLEEP: u32 = 3_000_000;

/// The eventfds of a ring.
#[derive(Default)]
pub(crate) struct Eventfds {
    /// By which the program wakes the loop.
    pub(crate) kick: Option<Eventfd>,
    /// By which the loop wakes the program.
    pub(crate) irq: Option<Eventfd>,
}

/// How a loop is to run.
pub(crate) struct Wishes {
    /// How long it sleeps between rounds, in microseconds; 0 for not at all.
    pub(crate) sleep_us: u32,
    /// Of each ring, in the order of the CSB, or of none.
    pub(crate) eventfds: KVec<Eventfds>,
}

impl Wishes {
    /// Whether the loop sleeps until it is kicked: then each ring must have something to kick by.
    fn wait_for_kicks(&self) -> bool {
        !self.eventfds.is_empty() && self.eventfds.iter().all(|fds| fds.kick.is_some())
    }
}

/// Why a loop has ended.
pub(super) enum End {
    Stopped,
    /// The process has got a signal.
    Signal,
}

/// The rings, in the order of the CSB.
pub(super) fn ways(rings: &dyn Rings) -> impl Iterator<Item = Way<'_>> {
    let (tx, rx) = (rings.held().tx(), rings.held().rx());
    let (tx, rx) = (tx.iter().map(Deref::deref), rx.iter().map(Deref::deref));
    Iterator::chain(tx.map(Way::Tx), rx.map(Way::Rx))
}

/// Syncs the rings, whose entries of the CSB are `entries`, until `stop` says so. Who makes it say
/// so wakes `news`.
pub(super) fn run(
    rings: &dyn Rings,
    entries: impl Iterator<Item = Entry>,
    wishes: &Wishes,
    news: &WaitQueue,
    stop: impl Fn() -> bool,
) -> Fallible<End> {
    let mut lanes = KVec::new();
    for (i, (way, entry)) in ways(rings).zip(entries).enumerate() {
        let irq = wishes.eventfds.get(i).and_then(|fds| fds.irq.as_ref());
        lanes.push(Lane::new(way, entry, irq), GFP_KERNEL_ACCOUNT)?;
    }
    let kicked = wishes.wait_for_kicks();
    let mut room = WaitEntries::new(1 + if kicked { 2 * lanes.len() } else { 0 })?;
    let kicks = wishes.eventfds.iter().filter_map(|fds| fds.kick.as_ref());
    let spots = Iterator::chain(kicks.map(Eventfd::spot), ways(rings).map(Way::spot));
    let spots = spots.take(if kicked { usize::MAX } else { 0 });
    let spots = Iterator::chain([news.spot()].into_iter(), spots);
    want_kicks(&lanes, false).map_err(csb::gone)?;
    room.wait_on(spots, |waiting| loop {
        if stop() {
            return Ok(End::Stopped);
        }
        if !rings.is_there() {
            refuse!(
                ENXIO,
                "the interface has gone away, or the port that was watched has been closed"
            );
        }
        let moved = round(&mut lanes, rings).map_err(csb::gone)?;
        if !task::go_on_without_signal() {
            return Ok(End::Signal);
        }
        match wishes.sleep_us {
            _ if kicked && moved => {}
            _ if kicked => {
                if ask_for_kicks(&lanes).map_err(csb::gone)? {
                    waiting.sleep_for(LONGEST_SLEEP);
                }
                want_kicks(&lanes, false).map_err(csb::gone)?;
            }
            0 => core::hint::spin_loop(),
            us => waiting.sleep_for(us),
        }
    })
}

/// Serves each ring. Returns whether anything moved.
fn round(lanes: &mut [Lane<'_>], rings: &dyn Rings) -> Result<bool> {
    let mut moved = false;
    for lane in lanes {
        moved |= lane.serve(rings)?;
    }
    Ok(moved)
}

fn want_kicks(lanes: &[Lane<'_>], want: bool) -> Result {
    lanes.iter().try_for_each(|lane| lane.want_kick(want))
}

/// Has the program kick from now on. False if it has moved before it could see that.
fn ask_for_kicks(lanes: &[Lane<'_>]) -> Result<bool> {
    want_kicks(lanes, true)?;
    fence(SeqCst);
    for lane in lanes {
        if lane.has_moved()? {
            return Ok(false);
        }
    }
    Ok(true)
}
