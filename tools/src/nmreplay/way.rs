// SPDX-License-Identifier: MIT OR Apache-2.0

//! One way: from the link that is imitated into a transmit ring.

use crate::link::{Arrival, Link};
use common::drain::drain;
use ferromap::{Port, Result, TxRing};
use std::time::{Duration, Instant};

/// What has become of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub sent: u64,
    pub bytes: u64,
    /// On the link.
    pub lost: u64,
}

pub struct Way<'a> {
    pub port: Port,
    pub counts: Counts,
    /// Slots that were left in the ring at the end.
    pub unsent: u64,
    /// How late the latest frame left.
    pub late: Duration,
    link: Link<'a>,
    /// The next frame.
    next: Option<Arrival>,
    /// It was due and found no room.
    blocked: bool,
    /// When the last frame left.
    ended: Option<Instant>,
}

impl<'a> Way<'a> {
    /// The port has a transmit ring.
    pub fn new(port: Port, mut link: Link<'a>) -> Self {
        Way {
            port,
            counts: Counts::default(),
            unsent: 0,
            late: Duration::ZERO,
            next: link.next(),
            link,
            blocked: false,
            ended: None,
        }
    }

    /// When the next frame is due; `None` when there is none.
    pub fn due(&self) -> Option<Duration> {
        self.next.map(|next| next.at)
    }

    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// One ring, which keeps frames in order.
    fn ring(&mut self) -> &mut TxRing {
        &mut self.port.tx_rings()[0]
    }

    /// Sends what is due by `now`, at most `batch` frames.
    pub fn send(&mut self, now: Duration, batch: usize) -> Result<()> {
        let before = self.counts.sent;
        self.blocked = false;
        for _ in 0..batch {
            let Some(next) = self.next.filter(|next| next.at <= now) else {
                break;
            };
            if next.lost {
                self.counts.lost += 1;
            } else {
                let frame = self.link.recording().frame(next.frame);
                if !self.ring().send(frame)? {
                    self.blocked = true;
                    break;
                }
                self.counts.sent += 1;
                self.counts.bytes += frame.len() as u64;
                self.late = self.late.max(now - next.at);
                self.ended = Some(Instant::now());
            }
            self.next = self.link.next();
        }
        if self.counts.sent > before || self.blocked {
            self.ring().sync()?;
        }
        Ok(())
    }

    /// Sleeps until there is room, but no longer than that.
    pub fn wait_for_room(&mut self, most: Duration) -> Result<()> {
        self.ring().poll(Some(most))?;
        Ok(())
    }

    /// Waits until all has left.
    pub fn end(&mut self, stopped: bool) -> Result<()> {
        self.unsent = drain(self.port.tx_rings(), || stopped)?;
        Ok(())
    }
}
