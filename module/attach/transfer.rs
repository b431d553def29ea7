// SPDX-License-Identifier: GPL-2.0

//! The way from a receive ring of one side to a transmit ring of the other.

use crate::{
    binding::Binding,
    ring::{count::TxDrop, RxRing, TxRing},
    sys::wait::WaitQueue,
};
use kernel::sync::Arc;

/// The bindings between which frames are carried.
pub(super) struct Ends {
    /// The interface, with its host rings if these are attached too.
    pub(super) nic: Binding,
    /// The port of the switch that stands for the wire.
    pub(super) wire: Binding,
    /// The one that stands for the host.
    pub(super) host: Option<Binding>,
}

/// A way from ring to ring.
pub(super) struct Transfer {
    from: Arc<RxRing>,
    to: Arc<TxRing>,
}

impl Ends {
    /// Both ways between ring pair `pair` of the interface and that of its port.
    pub(super) fn pair(&self, pair: usize) -> impl Iterator<Item = Transfer> + '_ {
        let (nic, wire) = (self.nic.held(), self.wire.held());
        // The port has as many as the interface without its host rings, which come last.
        let received = nic.rx().iter().zip(wire.tx()).nth(pair);
        let sent = wire.rx().iter().zip(nic.tx()).nth(pair);
        received.into_iter().chain(sent).map(Transfer::new)
    }

    /// All ways between the host rings and the port that stands for the host.
    pub(super) fn of_host(&self) -> impl Iterator<Item = Transfer> + '_ {
        let nic = self.nic.held();
        let shape = nic.set().shape();
        self.host.iter().flat_map(move |host| {
            let host_rx = nic.rx().iter().skip(shape.rx_rings.into());
            let host_tx = nic.tx().iter().skip(shape.tx_rings.into());
            let sent = host_rx.zip(host.held().tx());
            let received = host.held().rx().iter().zip(host_tx);
            sent.chain(received).map(Transfer::new)
        })
    }

    /// Has those who wait for something to carry look again.
    pub(super) fn wake(&self) {
        for end in [&self.nic, &self.wire].into_iter().chain(&self.host) {
            end.held()
                .rx()
                .iter()
                .for_each(|ring| ring.waiters().wake());
        }
    }

    /// Has frames for the interface segmented as its MTU says, which may have changed.
    pub(super) fn measure(&self) {
        if let Some(longest) = self.nic.port().longest() {
            self.wire.port().set_longest(longest);
        }
    }
}

impl Transfer {
    fn new((from, to): (&Arc<RxRing>, &Arc<TxRing>)) -> Self {
        Transfer {
            from: from.clone(),
            to: to.clone(),
        }
    }

    /// Carries what is there, as far as there is room. Returns whether anything moved.
    pub(super) fn carry(&self) -> bool {
        let Transfer { from, to } = self;
        // Neither forwards anything by itself, nor has the kernel memory of its own to be sent.
        from.sync(&[]);
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
            to.sync(None);
        }
        moved
    }

    /// Where to wait for something to carry: until frames have come, or room has.
    pub(super) fn waiters(&self) -> [&WaitQueue; 2] {
        [self.from.waiters(), self.to.waiters()]
    }
}
