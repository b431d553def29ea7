// SPDX-License-Identifier: GPL-2.0

//! The way from a receive ring of one side to a transmit ring of the other.

use crate::{
    binding::Binding,
    ring::{count::TxDrop, RxRing, TxRing},
    sys::wait::WaitQueue,
};

/// The bindings between which frames are carried.
pub(super) struct Ends {
    /// The interface, with its host rings if these are attached too.
    pub(super) nic: Binding,
    /// The port of the switch that stands for the wire.
    pub(super) wire: Binding,
    /// The one that stands for the host.
    pub(super) host: Option<Binding>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Nic,
    Wire,
    Host,
}

/// A way from ring to ring.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    /// A receive ring, by number.
    pub(super) from: (End, u16),
    /// A transmit ring.
    pub(super) to: (End, u16),
}

impl Ends {
    fn binding(&self, end: End) -> Option<&Binding> {
        match end {
            End::Nic => Some(&self.nic),
            End::Wire => Some(&self.wire),
            End::Host => self.host.as_ref(),
        }
    }

    /// Has frames for the interface segmented as its MTU says, which may have changed.
    pub(super) fn measure(&self) {
        if let Some(longest) = self.nic.port().longest() {
            self.wire.port().set_longest(longest);
        }
    }

    fn rx(&self, (end, number): (End, u16)) -> Option<(&Binding, &RxRing)> {
        let binding = self.binding(end)?;
        Some((binding, binding.rx_ring(number)?))
    }

    fn tx(&self, (end, number): (End, u16)) -> Option<(&Binding, &TxRing)> {
        let binding = self.binding(end)?;
        Some((binding, binding.tx_ring(number)?))
    }
}

impl Transfer {
    /// Carries what is there, as far as there is room. Returns whether anything moved.
    pub(super) fn carry(&self, ends: &Ends) -> bool {
        let (Some((source, from)), Some((sink, to))) = (ends.rx(self.from), ends.tx(self.to))
        else {
            return false;
        };
        source.sync_rx(from);
        let moved = match to.append() {
            // Where frames have one slot, what has more is dropped there.
            Some(mut append) => from.read(|frame| {
                if frame.slots() >= to.mem.slots() {
                    // It would wait for ever.
                    to.counters.drop(TxDrop::BadChain, 1);
                    return true;
                }
                append.carry(&frame)
            }),
            // Somebody who maps the region wrote nonsense there: the sync below mends it.
            None => false,
        };
        if moved || to.has_unsent() {
            sink.sync_tx(to);
        }
        moved
    }

    /// Where to wait for something to carry: until frames have come, or room has.
    pub(super) fn waiters<'e>(&self, ends: &'e Ends) -> [Option<&'e WaitQueue>; 2] {
        [
            ends.rx(self.from).map(|(_, ring)| ring.waiters()),
            ends.tx(self.to).map(|(_, ring)| ring.waiters()),
        ]
    }
}
