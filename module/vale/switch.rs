// SPDX-License-Identifier: GPL-2.0

//! A switch and its members.

use super::{
    ports::{self, PortSet},
    table::{self, Mac, Moment, Table},
    xdp::{Installed, ProgramSlot},
};
use crate::{
    abi::consts::{VALE_MAX_FRAME, VALE_MAX_PORTS},
    live::{self, Counted},
    refusal::Fallible,
    ring::{Operator, RingSet},
    sys::{net::own::OwnDevice, rcu::RcuSlot},
};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use kernel::{
    prelude::*,
    sync::{rcu, Arc},
};

/// A port of a switch, as other ports of the switch see it.
pub(crate) struct Member {
    /// Its number on the switch.
    pub(crate) index: u8,
    /// When it joined.
    since: Moment,
    /// Its rings; senders deliver into the receive rings.
    pub(crate) rings: Arc<RingSet>,
    pub(crate) operator: Operator,
    /// Length of the virtio-net header on its frames: 0, 10 or 12 bytes.
    header: AtomicU32,
    /// Bytes of the longest frame that one from elsewhere is segmented into. A buffer is the most.
    longest: AtomicU32,
    /// The XDP program that its frames go through.
    pub(crate) xdp: ProgramSlot,
    /// The interface by which the stack is behind it, if it is a persistent port.
    stack: Option<Arc<RcuSlot<OwnDevice>>>,
}

/// Who a port is made for.
pub(crate) struct Occupant {
    pub(crate) rings: Arc<RingSet>,
    pub(crate) operator: Operator,
    /// As that of a [`Member`].
    pub(crate) stack: Option<Arc<RcuSlot<OwnDevice>>>,
}

impl Member {
    pub(super) fn new(index: u8, since: Moment, occupant: Occupant) -> Self {
        Member {
            index,
            since,
            rings: occupant.rings,
            operator: occupant.operator,
            stack: occupant.stack,
            header: AtomicU32::new(0),
            longest: AtomicU32::new(VALE_MAX_FRAME),
            xdp: ProgramSlot::new(),
        }
    }

    /// The interface by which the stack is behind it, if it is a persistent port that is still
    /// there.
    #[inline]
    pub(super) fn stack<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g OwnDevice> {
        self.stack.as_ref()?.load(guard)
    }

    /// Whether it is a persistent port.
    pub(super) fn is_persistent(&self) -> bool {
        self.stack.is_some()
    }

    /// Bytes of a buffer.
    pub(super) fn buf_size(&self) -> Fallible<u32> {
        Ok(self.rings.region().layout()?.bufs.size)
    }

    /// The program that its frames go through: its own, or else that of the switch.
    #[inline]
    pub(super) fn program<'g>(
        &'g self,
        switch: &'g Switch,
        guard: &'g rcu::Guard,
    ) -> Option<&'g Installed> {
        let own = self.xdp.load(guard);
        own.or_else(|| switch.xdp.load(guard))
    }

    pub(crate) fn header(&self) -> u32 {
        self.header.load(Relaxed)
    }

    /// A port that has headers once gets longer frames from then on, whatever it has later: up to
    /// a buffer (section 9 of the interface), at which segments are cut anyhow. An interface sends
    /// no more than its MTU says.
    pub(crate) fn set_header(&self, len: u32) {
        self.header.store(len, Relaxed);
        if len != 0 && self.operator == Operator::Programs {
            self.longest.store(u32::MAX, Relaxed);
        }
    }

    pub(crate) fn longest(&self) -> u32 {
        self.longest.load(Relaxed)
    }

    pub(crate) fn set_longest(&self, len: u32) {
        self.longest.store(len, Relaxed);
    }
}

/// A switch. Frames are forwarded by their senders, side by side; nothing here has a lock.
pub(crate) struct Switch {
    pub(super) table: Table<KVec<AtomicU64>>,
    /// By index; [`VALE_MAX_PORTS`] of them.
    members: KVec<RcuSlot<Member>>,
    /// A bit for each member, so that floods need not look at every slot. `members` has the last
    /// word.
    present: [AtomicU64; ports::WORDS],
    /// How many bits that are: every sync asks, and kernels count bits one by one.
    count: AtomicU32,
    /// The XDP program for frames of members that have none of their own.
    pub(crate) xdp: ProgramSlot,
    _live: Counted,
}

impl Switch {
    pub(super) fn new() -> Result<Arc<Self>> {
        let mut entries = KVec::with_capacity(table::SIZE, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..table::SIZE {
            entries.push(AtomicU64::new(0), GFP_KERNEL_ACCOUNT)?;
        }
        let mut members = KVec::with_capacity(VALE_MAX_PORTS, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..VALE_MAX_PORTS {
            members.push(RcuSlot::new(), GFP_KERNEL_ACCOUNT)?;
        }
        let switch = Switch {
            table: Table::new(entries),
            members,
            present: [const { AtomicU64::new(0) }; ports::WORDS],
            count: AtomicU32::new(0),
            xdp: ProgramSlot::new(),
            _live: Counted::new(live::Kind::Switch),
        };
        Ok(Arc::new(switch, GFP_KERNEL_ACCOUNT)?)
    }

    /// The member that the table means with that index, if it was asked after `asked`. Others get
    /// the index as soon as a member has gone, and a sender may have stood still meanwhile.
    #[inline]
    pub(super) fn member<'g>(
        &'g self,
        index: u8,
        asked: Moment,
        guard: &'g rcu::Guard,
    ) -> Option<&'g Member> {
        let member = self.members.get(usize::from(index))?.load(guard)?;
        (member.since <= asked).then_some(member)
    }

    /// All of those, for a flood.
    pub(super) fn members<'g>(
        &'g self,
        asked: Moment,
        guard: &'g rcu::Guard,
    ) -> impl Iterator<Item = &'g Member> + 'g {
        self.present()
            .filter_map(move |index| self.member(index, asked, guard))
    }

    /// Whether that is a member. One that is stays one, and is not forgotten, until the guard is
    /// let go of.
    #[inline]
    pub(super) fn has(&self, member: &Member, guard: &rcu::Guard) -> bool {
        let there = self.members.get(usize::from(member.index));
        let there = there.and_then(|slot| slot.load(guard));
        there.is_some_and(|there| core::ptr::eq(there, member))
    }

    /// Remembers that `mac` is behind `from`, if that is a member. A sync that is under way when a
    /// persistent port is pulled out may be none any more, and its number another's.
    #[inline]
    pub(super) fn learn(&self, mac: Mac, from: &Member) {
        if !self.table.knows(mac, from.index) {
            self.learn_anew(mac, from);
        }
    }

    #[inline(never)]
    fn learn_anew(&self, mac: Mac, from: &Member) {
        let guard = rcu::read_lock();
        if self.has(from, &guard) {
            self.table.learn(mac, from.index);
        }
    }

    fn present(&self) -> PortSet {
        PortSet::of(self.present.each_ref().map(|word| word.load(Relaxed)))
    }

    /// How many members there are.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// Lets a member in. Its index must be free.
    pub(super) fn plug(&self, member: Arc<Member>) {
        let index = member.index;
        self.members[usize::from(index)].replace(Some(member));
        let (word, bit) = ports::bit_of(index);
        if self.present[word].fetch_or(bit, Relaxed) & bit == 0 {
            self.count.fetch_add(1, Relaxed);
        }
    }

    /// Puts a member out; when this returns, no sender is looking at it, nothing that it still
    /// sends is learned or arrives, and its index may be given to another.
    pub(super) fn unplug(&self, index: u8) {
        let (word, bit) = ports::bit_of(index);
        if self.present[word].fetch_and(!bit, Relaxed) & bit != 0 {
            self.count.fetch_sub(1, Relaxed);
        }
        // Waits for whoever learns, who is then forgotten.
        self.members[usize::from(index)].replace(None);
        self.table.forget(index);
    }
}
