// SPDX-License-Identifier: GPL-2.0

//! The kernel's own stack as a station of a switch: it is behind a persistent port, by an interface
//! of ours. What the stack sends through that enters the switch here, in the stack's own context,
//! frame by frame; what goes from one such port to another never leaves the kernel's hands: not a
//! byte is copied, nothing segmented, and no checksum computed.

use super::{
    collect::classify,
    deliver::unicast_ring,
    frame::{Dest, DROP, FLOOD},
    switch::{Member, Switch},
    table::Moment,
    verdict::{destination, Decider},
    xdp::Workspace,
};
use crate::{
    abi::consts::{ETH_HLEN, NETMAP_MAX_FRAGS, NS_RFRAGS_SHIFT},
    memory::head_of,
    ring::{
        count::{RxDrop, TxDrop},
        RxRing, Soon,
    },
    sys::{
        bottom_half::Disabled,
        net::{packet::Side, xdp::HEADROOM, Packet},
    },
};
use kernel::sync::rcu;

/// On the way from the stack through a switch.
pub(super) struct Sent<'s> {
    pub(super) switch: &'s Switch,
    pub(super) from: &'s Member,
    /// The queue of the interface, which stands for the transmit ring of that number.
    pub(super) queue: u16,
    pub(super) guard: &'s rcu::Guard,
    pub(super) pinned: &'s Disabled,
}

impl Sent<'_> {
    /// Brings a frame to its destination. False if it reaches nobody.
    pub(super) fn go(&self, frame: Packet) -> bool {
        let asked = self.switch.table.now();
        let Some(program) = self.from.program(self.switch, self.guard) else {
            let dest = classify(head_of(frame.head()), self.switch, self.from);
            return self.bring(frame, dest, asked);
        };
        // One that has lost its namespace lets nothing pass.
        let Some(decider) = Decider::new(program, self.guard, self.pinned) else {
            return false;
        };
        let (workspaces, _) = program.needs();
        let mut reached = false;
        let whole = frame.complete(Side::Host, |whole| {
            let mut workspace = workspaces.take(self.pinned);
            let decided = self.decide(&whole, decider, &mut workspace);
            // Others may need it while the frame is brought somewhere.
            drop(workspace);
            reached |= decided.is_some_and(|(frame, dest)| self.bring(frame, dest, asked));
        });
        whole && reached
    }

    /// Brings a frame to `dest`.
    fn bring(&self, frame: Packet, dest: Dest, asked: Moment) -> bool {
        match dest {
            DROP => false,
            FLOOD => self.flood(frame, asked),
            port => match self.switch.member(port, asked, self.guard) {
                Some(to) => self.deliver(frame, to),
                None => false,
            },
        }
    }

    /// Has an XDP program decide where a frame goes. It works on a copy, which goes on in the place
    /// of what was sent.
    fn decide(
        &self,
        frame: &Packet,
        decider: Decider<'_>,
        workspace: &mut Workspace,
    ) -> Option<(Packet, Dest)> {
        let stack = self.from.stack(self.guard)?;
        let Workspace {
            staging, ingress, ..
        } = workspace;
        let (len, longest) = (frame.len(), staging.longest());
        let room = staging.long().known(0)?.span(0, len);
        if len > longest || !frame.copy_to(0, room?) {
            return None;
        }
        let mut area = staging.long_area();
        let from = (self.from.index, self.queue);
        let (verdict, now) = decider.look(from, ingress, |looker| {
            looker.decide(&mut area, HEADROOM..HEADROOM + len)
        });
        let len = now.end.wrapping_sub(now.start);
        area.settle(now);
        let bad = (len < ETH_HLEN as u32 || len > longest).then_some(TxDrop::BadLength);
        let decided = staging.long().known(0)?;
        let dest = destination(verdict, bad, self.from.index, || {
            classify(decided.head(0), self.switch, self.from)
        });
        let bytes = decided.span(0, len)?;
        let copy = Packet::copy_of(stack, self.queue, bytes, self.pinned)?;
        Some((copy, dest.ok()?))
    }

    /// To a ring of the port, if that is bound, or else to the stack behind it.
    fn deliver(&self, frame: Packet, to: &Member) -> bool {
        let number = unicast_ring(to, self.queue);
        if let Some(ring) = to.rings.rx(number, self.guard) {
            return frame.complete(Side::Host, |whole| self.put(&whole, ring, to.header()));
        }
        let stack = to.stack(self.guard);
        stack.is_some_and(|stack| stack.receive(frame, self.pinned))
    }

    /// To all other ports: their first ring, or the stack behind them.
    fn flood(&self, frame: Packet, asked: Moment) -> bool {
        let others = || {
            let all = self.switch.members(asked, self.guard);
            all.filter(|to| to.index != self.from.index)
        };
        let rings = || others().filter_map(|to| Some((to.rings.rx(0, self.guard)?, to.header())));
        let mut reached = false;
        for to in others().filter(|to| to.rings.rx(0, self.guard).is_none()) {
            let Some(stack) = to.stack(self.guard) else {
                continue;
            };
            match frame.share() {
                Some(copy) => reached |= stack.receive(copy, self.pinned),
                None => stack.missed(self.pinned),
            }
        }
        if rings().next().is_none() {
            return reached;
        }
        let whole = frame.complete(Side::Host, |whole| {
            rings().for_each(|(ring, header)| self.put(&whole, ring, header));
        });
        reached | whole
    }

    /// Puts a frame into a ring whose port has virtio-net headers of `header` bytes, over as many
    /// slots as it needs, or not at all. The header asks for nothing.
    fn put(&self, frame: &Packet, ring: &RxRing, header: u32) {
        let size = ring.mem.room();
        let len = header + frame.len();
        let slots = len.div_ceil(size);
        if slots > NETMAP_MAX_FRAGS as u32 {
            ring.counters.drop(RxDrop::BadLength, 1);
            return;
        }
        let Some(mut delivery) = ring.deliver_one(slots, Soon, self.pinned) else {
            return;
        };
        let flags = (slots as u16) << NS_RFRAGS_SHIFT;
        delivery.spread(len, size, flags, |buf, part| {
            let Some(buf) = buf else { return false };
            // Only the first slot is where the header is: it is shorter than a buffer.
            let zeros = header.saturating_sub(part.start).min(part.end - part.start);
            buf.zero(0, zeros);
            let from = (part.start + zeros).saturating_sub(header);
            buf.span(zeros, part.end - part.start - zeros)
                .is_some_and(|bytes| frame.copy_to(from, bytes))
        });
        delivery.done();
    }
}
