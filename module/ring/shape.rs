// SPDX-License-Identifier: GPL-2.0

//! How many rings a port has, and which of them somebody wants.

use crate::memory::Needs;
use core::ops::Range;

/// How many rings of how many slots a port has. Host rings are numbered after the others, and have
/// as many slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) tx_rings: u16,
    pub(crate) rx_rings: u16,
    pub(crate) host_tx_rings: u16,
    pub(crate) host_rx_rings: u16,
    pub(crate) tx_slots: u32,
    pub(crate) rx_slots: u32,
}

impl Shape {
    /// The numbers of the host transmit rings.
    pub(crate) fn host_tx(&self) -> Range<u16> {
        self.tx_rings..self.tx_rings.saturating_add(self.host_tx_rings)
    }

    /// The numbers of the host receive rings.
    pub(crate) fn host_rx(&self) -> Range<u16> {
        self.rx_rings..self.rx_rings.saturating_add(self.host_rx_rings)
    }

    /// The same as seen from where its transmit rings lead to.
    pub(crate) fn at_the_other_end(&self) -> Self {
        Shape {
            tx_rings: self.rx_rings,
            rx_rings: self.tx_rings,
            tx_slots: self.rx_slots,
            rx_slots: self.tx_slots,
            ..*self
        }
    }

    /// What that many transmit and receive rings take of a region.
    pub(crate) fn needs(&self, tx: u32, rx: u32) -> Needs {
        let (tx_bufs, rx_bufs) = (
            tx.saturating_mul(self.tx_slots),
            rx.saturating_mul(self.rx_slots),
        );
        Needs {
            rings: tx.saturating_add(rx),
            bufs: tx_bufs.saturating_add(rx_bufs),
            ..Needs::default()
        }
    }

    /// What all its rings take.
    pub(crate) fn all_needs(&self) -> Needs {
        self.needs(self.host_tx().end.into(), self.host_rx().end.into())
    }

    /// What people call transmit ring `number`: its kind, and its number among those.
    pub(crate) fn tx_label(&self, number: u16) -> (&'static str, u16) {
        match number.checked_sub(self.tx_rings) {
            Some(host) => ("host-tx", host),
            None => ("tx", number),
        }
    }

    /// What people call receive ring `number`.
    pub(crate) fn rx_label(&self, number: u16) -> (&'static str, u16) {
        match number.checked_sub(self.rx_rings) {
            Some(host) => ("host-rx", host),
            None => ("rx", number),
        }
    }
}

/// Who moves the frames of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Programs that open it.
    Programs,
    /// The kernel: an interface is attached to a switch.
    Kernel,
}

/// Which rings a binding wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) tx: Range<u16>,
    pub(crate) rx: Range<u16>,
    /// Nobody else may have any of them.
    pub(crate) exclusive: bool,
}
