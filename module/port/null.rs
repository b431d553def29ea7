// SPDX-License-Identifier: GPL-2.0

//! The null port: rings and buffers of a region, and no traffic.
//!
//! Programs open one to get extra buffers, or a mapping of a region, without a port that moves anything.
//! Transmit slots are never consumed and nothing is ever received. Each REGISTER makes a port of its own.

use super::{Port, PortLabel};
use crate::{
    live::{self, Counted},
    refusal::Answer,
    ring::{RingSet, RxSync, Selection, TxSync},
};
use kernel::{prelude::*, sync::Arc};

pub(super) struct NullPort {
    name: PortLabel,
    rings: Arc<RingSet>,
    _live: Counted,
}

impl NullPort {
    /// A null port with these rings; `label` is whatever the program calls it.
    pub(super) fn open(label: &[u8], rings: Arc<RingSet>) -> Answer<KBox<dyn Port>> {
        let port = NullPort {
            name: PortLabel::new(&[b"null:", label]),
            rings,
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL_ACCOUNT)?)
    }
}

impl Port for NullPort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.rings
    }

    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn prepare(&mut self, _: &Selection) -> Answer {
        Ok(())
    }

    fn txsync(&self, _: u16, sync: TxSync<'_>) -> bool {
        sync.nothing_sent()
    }

    fn rxsync(&self, _: u16, sync: RxSync<'_>) -> bool {
        sync.nothing_arrived()
    }
}
