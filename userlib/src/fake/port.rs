// SPDX-License-Identifier: MIT OR Apache-2.0

//! A port of the fake, and how frames get from one to another.

use super::{ring::RingState, Inner, Side, State, BUF_SIZE, MAX_RINGS, MAX_SLOTS};
use ferromap_abi::{
    consts::{ETH_HLEN, NETMAP_MAX_FRAGS, NS_BUF_CHANGED, NS_MOREFRAG, NS_RFRAGS_SHIFT},
    cursor,
    wire::{NmreqRegister, Slot},
};
use nix::{errno::Errno, sys::eventfd::EventFd};
use std::sync::Arc;

/// A slot that was sent, and where in its buffer the frame starts.
pub(super) struct Sent {
    pub(super) slot: Slot,
    start: usize,
}

impl Sent {
    pub(super) fn len(&self) -> usize {
        self.slot.len.into()
    }
}

pub(super) struct PortState {
    tx: Vec<RingState>,
    rx: Vec<RingState>,
    /// Bound files, by what wakes their event loops.
    pub(super) files: Vec<Arc<EventFd>>,
    pub(super) exclusive: bool,
}

impl PortState {
    /// A port with the rings that `request` wants, as far as they are to be had.
    pub(super) fn new(
        inner: &Inner,
        state: &mut State,
        request: &NmreqRegister,
    ) -> Result<Self, Errno> {
        let slots = |n: u32| {
            if n == 0 {
                MAX_SLOTS
            } else {
                n.clamp(2, MAX_SLOTS)
            }
        };
        let rings = |n: u16| n.clamp(1, MAX_RINGS);
        let mut port = PortState {
            tx: Vec::new(),
            rx: Vec::new(),
            files: Vec::new(),
            exclusive: false,
        };
        for (side, count, n) in [
            (
                Side::Tx,
                rings(request.nr_tx_rings),
                slots(request.nr_tx_slots),
            ),
            (
                Side::Rx,
                rings(request.nr_rx_rings),
                slots(request.nr_rx_slots),
            ),
        ] {
            for index in 0..count {
                match RingState::new(inner, state, side, index, n) {
                    Some(ring) => port.rings_mut(side).push(ring),
                    None => {
                        port.free(inner, state);
                        return Err(Errno::ENOMEM);
                    }
                }
            }
        }
        Ok(port)
    }

    pub(super) fn free(self, inner: &Inner, state: &mut State) {
        for ring in self.tx.into_iter().chain(self.rx) {
            ring.free(inner, state);
        }
    }

    pub(super) fn rings(&self, side: Side) -> &[RingState] {
        match side {
            Side::Tx => &self.tx,
            Side::Rx => &self.rx,
        }
    }

    pub(super) fn rings_mut(&mut self, side: Side) -> &mut Vec<RingState> {
        match side {
            Side::Tx => &mut self.tx,
            Side::Rx => &mut self.rx,
        }
    }

    /// Takes the packet whose parts are in `chain` into receive ring `queue`, or drops it.
    fn deliver(&mut self, inner: &Inner, queue: usize, chain: &[Sent]) {
        let count = self.rx.len();
        let ring = &mut self.rx[queue % count];
        if (ring.room() as usize) < chain.len() {
            ring.counted.dropped += 1;
            return;
        }
        ring.counted.add(chain);
        for (i, Sent { slot: from, start }) in chain.iter().enumerate() {
            let at = ring.hwtail;
            let mut to = ring.slot(inner, at);
            let own = ring.start(&to);
            // A slot that has not the room is empty.
            let fits = usize::from(from.len) <= ring.left(own);
            let len = if fits { from.len } else { 0 };
            if let (Some(to), Some(from)) = (inner.buffer(to.buf_idx), inner.buffer(from.buf_idx)) {
                let (to, from) = (to + own, from + start);
                inner.region.copy_from(to, &inner.region, from, len.into());
            }
            to.len = len;
            to.flags = (chain.len() as u16) << NS_RFRAGS_SHIFT;
            if i + 1 < chain.len() {
                to.flags |= NS_MOREFRAG;
            }
            ring.set_slot(inner, at, to);
            ring.hwtail = cursor::next(at, ring.n);
        }
        for file in &self.files {
            // A full counter wakes as well.
            let _ = file.write(1);
        }
    }
}

impl State {
    /// Sends what was released on transmit ring `queue` of port `name`. `false` if the
    /// ring was damaged.
    pub(super) fn txsync(&mut self, inner: &Inner, name: &str, queue: usize) -> bool {
        let Some(mut port) = self.ports.remove(name) else {
            return false;
        };
        let ring = &mut port.tx[queue];
        let checked = ring.check(inner);
        if let Some(checked) = checked {
            let mut chain = Vec::new();
            while ring.hwcur != checked.head() {
                let mut slot = ring.slot(inner, ring.hwcur);
                let start = ring.start(&slot);
                chain.push(Sent { slot, start });
                slot.flags &= !NS_BUF_CHANGED;
                ring.set_slot(inner, ring.hwcur, slot);
                ring.hwcur = cursor::next(ring.hwcur, ring.n);
                let more = slot.flags & NS_MOREFRAG != 0 && ring.hwcur != checked.head();
                if more {
                    continue;
                }
                let right = chain.len() <= NETMAP_MAX_FRAGS
                    && chain.iter().all(|s| s.start + s.len() <= BUF_SIZE as usize)
                    && chain.iter().map(Sent::len).sum::<usize>() >= ETH_HLEN;
                if !right {
                    ring.counted.dropped += 1;
                } else {
                    ring.counted.add(&chain);
                    let peers = self
                        .ports
                        .iter_mut()
                        .filter(|(peer, _)| connected(name, peer));
                    peers.for_each(|(_, peer)| peer.deliver(inner, queue, &chain));
                }
                chain.clear();
            }
            ring.hwtail = cursor::prev(ring.hwcur, ring.n);
            ring.publish(inner);
        }
        self.ports.insert(name.to_owned(), port);
        checked.is_some()
    }

    /// Takes back what was released on receive ring `queue` of port `name` and shows what has come.
    /// `false` if the ring was damaged.
    pub(super) fn rxsync(&mut self, inner: &Inner, name: &str, queue: usize) -> bool {
        let Some(ring) = self.ports.get_mut(name).map(|p| &mut p.rx[queue]) else {
            return false;
        };
        let checked = ring.check(inner);
        if let Some(checked) = checked {
            ring.hwcur = checked.head();
        }
        ring.publish(inner);
        checked.is_some()
    }
}

/// Whether what the first port sends is for the second: another port of the same switch, or the
/// other end of the same pipe.
fn connected(name: &str, peer: &str) -> bool {
    if name.contains(['{', '}']) {
        let other = |c| if c == '{' { '}' } else { '{' };
        let turned: String = name
            .chars()
            .map(|c| if matches!(c, '{' | '}') { other(c) } else { c })
            .collect();
        return turned == peer;
    }
    match (name.split_once(':'), peer.split_once(':')) {
        (Some((switch, _)), Some((other, port))) => switch == other && !port.contains(['{', '}']),
        _ => false,
    }
}
