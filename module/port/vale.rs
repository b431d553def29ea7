// SPDX-License-Identifier: GPL-2.0

//! A port of a VALE switch. What one of its transmit rings sends is forwarded in the sender's own sync.

use super::{Port, PortLabel};
use crate::{
    abi::name::ValeName,
    live::{self, Counted},
    refusal::{refuse, Answer, Name},
    ring::{Owner, RingSet, RxSync, Selection, TxSync},
    vale::{forward, Joined, Scratch},
};
use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// A binding's view of the port; several bindings may share the port itself.
pub(super) struct ValePort {
    name: PortLabel,
    /// For each bound transmit ring. Two threads never sync the same ring at once, so nobody waits.
    scratch: KVec<Pin<KBox<Mutex<Scratch>>>>,
    /// Number of the transmit ring that `scratch` starts with.
    first: u16,
    joined: Joined,
    owner: Owner,
    _live: Counted,
}

impl ValePort {
    pub(super) fn open(
        name: &ValeName<'_>,
        joined: Joined,
        owner: Owner,
    ) -> Answer<KBox<dyn Port>> {
        let port = ValePort {
            name: PortLabel::new(&[name.switch, b":", name.port]),
            scratch: KVec::new(),
            first: 0,
            joined,
            owner,
            _live: Counted::new(live::Kind::Port),
        };
        Ok(KBox::new(port, GFP_KERNEL_ACCOUNT)?)
    }
}

impl Port for ValePort {
    fn rings(&self) -> &Arc<RingSet> {
        &self.joined.member().rings
    }

    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn prepare(&mut self, selection: &Selection) -> Answer {
        if self.joined.member().owner != self.owner {
            refuse!(
                EBUSY,
                "{} is an interface that is attached to the switch",
                Name(self.name())
            );
        }
        self.first = selection.tx.start;
        for _ in selection.tx.clone() {
            let scratch = Scratch::new()?;
            let scratch = KBox::pin_init(new_mutex!(scratch), GFP_KERNEL_ACCOUNT)?;
            self.scratch.push(scratch, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }

    fn txsync(&self, number: u16, sync: TxSync<'_>) -> bool {
        let scratch = self
            .scratch
            .get(usize::from(number.wrapping_sub(self.first)));
        match scratch.and_then(|scratch| scratch.try_lock()) {
            Some(mut scratch) => {
                let (switch, from) = (self.joined.switch(), self.joined.member());
                forward(switch, from, number, sync, &mut scratch)
            }
            None => sync.nothing_sent(),
        }
    }

    fn rxsync(&self, _: u16, sync: RxSync<'_>) -> bool {
        sync.collect()
    }

    fn switch_index(&self) -> Option<u32> {
        Some(self.joined.member().index.into())
    }

    fn set_longest(&self, len: u32) {
        self.joined.member().set_longest(len);
    }

    fn header(&self) -> u32 {
        self.joined.member().header()
    }

    fn set_header(&self, len: u32) -> bool {
        self.joined.member().set_header(len);
        true
    }
}
