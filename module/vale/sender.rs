// SPDX-License-Identifier: GPL-2.0

//! Who sends through a switch.

use super::switch::{Member, Switch};
use crate::{memory::Bufs, ring::TxRing, sys::user::Caller};

/// What stays the same during a sync.
#[derive(Clone, Copy)]
pub(super) struct Sender<'s> {
    pub(super) switch: &'s Switch,
    pub(super) member: &'s Member,
    /// Length of the virtio-net header on its frames, which may change meanwhile.
    pub(super) header: u32,
    /// The transmit ring, and its number.
    pub(super) ring: &'s TxRing,
    pub(super) number: u16,
    /// The ring's buffers.
    pub(super) bufs: Bufs<'s>,
    /// The process whose memory addresses in slots mean.
    pub(super) caller: Option<Caller<'s>>,
    /// Bytes of a burst.
    pub(super) stretch: u32,
    /// Whether a receiver in the same region may get its buffers in exchange.
    pub(super) swaps: bool,
}

impl Sender<'_> {
    /// The port, and the ring's number.
    pub(super) fn from(&self) -> (u8, u16) {
        (self.member.index, self.number)
    }
}
