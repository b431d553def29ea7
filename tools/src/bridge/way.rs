// SPDX-License-Identifier: MIT OR Apache-2.0

//! One direction: from the receive rings of a port into the transmit rings of the other.

use common::frames::{Frame, MOST_SLOTS};
use ferromap::{Result, RxBatch, RxRing, SlotFlags, TxBatch, TxRing};

/// What has gone this way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub frames: u64,
    pub bytes: u64,
    /// Frames that the other port cannot carry: in longer slots than its buffers, or in more of
    /// them than it has or than a frame can have.
    pub dropped: u64,
}

pub struct Way {
    /// Whether there are rings at both ends.
    there: bool,
    zero_copy: bool,
    counts: Counts,
    /// Slots of the frame that found no room; 0 if all found some.
    blocked: usize,
}

impl Way {
    pub fn new(from: &[RxRing], to: &[TxRing], zero_copy: bool) -> Self {
        Way {
            there: !from.is_empty() && !to.is_empty(),
            zero_copy,
            counts: Counts::default(),
            blocked: 0,
        }
    }

    /// Whether frames can go this way at all: one of the ports may have been opened for one
    /// direction only.
    pub fn is_there(&self) -> bool {
        self.there
    }

    /// Whether frames wait for room at the other side.
    pub fn is_blocked(&self) -> bool {
        self.blocked > 0
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Moves up to about `batch` slots from each receive ring. No system call: what was moved is
    /// sent, and what was released given back, at the next poll of the ports.
    pub fn pass(&mut self, from: &mut [RxRing], to: &mut [TxRing], batch: usize) -> Result<()> {
        if !self.there {
            return Ok(());
        }
        let before = std::mem::take(&mut self.blocked);
        for (i, rx) in from.iter_mut().enumerate() {
            let mut left = batch;
            let mut lacking = None;
            // A ring has a ring of its own on the other side as long as there is room, which keeps
            // frames in order. The others help out.
            for k in 0..to.len() {
                let tx = &mut to[(i + k) % to.len()];
                lacking = self.pass_ring(rx, tx, &mut left)?;
                if lacking.is_none() {
                    break;
                }
            }
            if let Some(slots) = lacking {
                let least = if self.blocked == 0 {
                    slots
                } else {
                    self.blocked
                };
                self.blocked = slots.min(least);
            }
        }
        // Poll is to wake up when the whole frame finds room, not for its first slot over and over.
        if self.blocked != before {
            for tx in to {
                tx.wake_after(self.blocked.saturating_sub(1));
            }
        }
        Ok(())
    }

    /// Moves frames from a ring to a ring while there are some, and room. Returns the slots of the
    /// frame that found none.
    fn pass_ring(
        &mut self,
        rx: &mut RxRing,
        tx: &mut TxRing,
        left: &mut usize,
    ) -> Result<Option<usize>> {
        let most = MOST_SLOTS.min(tx.slots() - 1);
        let size = tx.slot_room();
        let mut received = rx.recv(*left);
        let mut room = tx.reserve(received.len());
        let (mut taken, mut put) = (0, 0);
        let mut lacking = None;
        while taken < received.len() {
            let frame = Frame::at(&received, taken);
            if frame.slots > most || frame.longest > size {
                self.counts.dropped += 1;
            } else if put + frame.slots > room.len() {
                lacking = Some(frame.slots);
                break;
            } else {
                self.carry(&mut received, taken, &mut room, put, frame.slots)?;
                put += frame.slots;
                self.counts.frames += 1;
                self.counts.bytes += frame.bytes as u64;
            }
            taken += frame.slots;
        }
        room.commit(put);
        received.release_only(taken);
        *left = left.saturating_sub(taken);
        Ok(lacking)
    }

    /// One frame, from slot `from` of one batch to slot `to` of the other.
    fn carry(
        &self,
        received: &mut RxBatch<'_>,
        from: usize,
        room: &mut TxBatch<'_>,
        to: usize,
        slots: usize,
    ) -> Result<()> {
        for k in 0..slots {
            let (Some(mut packet), Some(mut slot)) =
                (received.slot_mut(from + k), room.slot(to + k))
            else {
                break;
            };
            // None, where the slot names no buffer.
            let len = packet.get().bytes().len();
            if self.zero_copy {
                slot.swap(&mut packet)?;
            } else {
                slot.fill(packet.get().bytes());
            }
            // A frame ends with its last slot, even if the sender's mark on it promises more.
            let more = if k + 1 < slots {
                SlotFlags::MORE_FRAGMENTS
            } else {
                SlotFlags::NONE
            };
            slot.set(len, more);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromap::{
        fake::{Kernel, Side},
        Port,
    };

    /// `vale0:in` sends into the one port and `vale1:out` receives what left the other.
    struct Rig {
        kernel: Kernel,
        ports: [Port; 4],
        way: Way,
    }

    /// With a second kernel the two ports lie in different regions.
    fn rig(copy: bool, rings: u16, slots: u32) -> Rig {
        let (k0, k1) = (Kernel::new(), Kernel::new());
        let far = if copy { &k1 } else { &k0 };
        let open = |kernel: &Kernel, name: &str, rings, slots| {
            let wanted = Port::builder(name).rings(rings).slots(slots);
            wanted.open_fake(kernel).unwrap()
        };
        let mut ports = [
            open(&k0, "vale0:in", 1, 64),
            open(&k0, "vale0:a", 1, 64),
            open(far, "netmap:x{1", rings, slots),
            open(far, "netmap:x}1", rings, slots),
        ];
        let zero_copy = ports[1].shares_memory_with(&ports[2]);
        assert_eq!(zero_copy, !copy);
        let [_, a, b, _] = &mut ports;
        let way = Way::new(a.rx_rings(), b.tx_rings(), zero_copy);
        Rig {
            kernel: k0,
            ports,
            way,
        }
    }

    impl Rig {
        /// A frame of `slots` slots, each with this many bytes that tell the frame's number.
        fn send(&mut self, number: u8, slots: usize, bytes: usize) {
            let port = &mut self.ports[0];
            let mut room = port.tx_rings()[0].reserve(slots);
            assert_eq!(room.len(), slots);
            for i in 0..slots {
                let mut slot = room.slot(i).unwrap();
                slot.fill(&vec![number; bytes]);
                if i + 1 < slots {
                    slot.set(bytes, SlotFlags::MORE_FRAGMENTS);
                }
            }
            room.commit(slots);
            port.sync().unwrap();
        }

        fn pass(&mut self) {
            let [_, a, b, _] = &mut self.ports;
            a.sync().unwrap();
            self.way.pass(a.rx_rings(), b.tx_rings(), 64).unwrap();
            b.sync().unwrap();
        }

        /// Number, slots and bytes of each frame that came out.
        fn receive(&mut self) -> Vec<(u8, usize, usize)> {
            let out = &mut self.ports[3];
            out.sync().unwrap();
            let mut frames = Vec::new();
            for ring in out.rx_rings() {
                for packet in ring.recv(usize::MAX).packets() {
                    let first = packet.slots().next().unwrap().bytes()[0];
                    frames.push((first, packet.slots().len(), packet.len()));
                }
            }
            out.sync().unwrap();
            frames
        }
    }

    #[test]
    fn frames_are_carried_whole_with_and_without_a_copy() {
        for copy in [false, true] {
            let mut rig = rig(copy, 1, 64);
            rig.send(1, 1, 60);
            rig.send(2, 3, 500);
            rig.send(3, 1, 2048);
            rig.pass();
            assert_eq!(rig.receive(), [(1, 1, 60), (2, 3, 1500), (3, 1, 2048)]);
            let counts = rig.way.counts();
            assert_eq!((counts.frames, counts.bytes, counts.dropped), (3, 3608, 0));
            assert!(!rig.way.is_blocked());
        }
    }

    #[test]
    fn what_finds_no_room_waits_and_keeps_its_order() {
        for copy in [false, true] {
            let mut rig = rig(copy, 1, 6);
            for number in 0..8 {
                rig.send(number, 1 + usize::from(number % 2), 60);
            }
            rig.pass();
            assert!(rig.way.is_blocked());
            let mut seen = rig.receive();
            for _ in 0..20 {
                rig.pass();
                seen.extend(rig.receive());
            }
            assert!(!rig.way.is_blocked());
            let numbers: Vec<u8> = seen.iter().map(|frame| frame.0).collect();
            assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
            assert!(seen.iter().all(|f| f.1 == 1 + usize::from(f.0 % 2)));
        }
    }

    #[test]
    fn a_full_ring_is_helped_out_by_the_others() {
        let mut rig = rig(false, 2, 6);
        for number in 0..9 {
            rig.send(number, 1, 60);
        }
        rig.pass();
        assert!(!rig.way.is_blocked());
        assert_eq!(rig.way.counts().frames, 9);
        assert_eq!(rig.receive().len(), 9);
    }

    #[test]
    fn a_frame_of_more_slots_than_the_other_ring_has_is_dropped_and_counted() {
        let mut rig = rig(true, 1, 4);
        rig.send(1, 4, 60);
        rig.send(2, 3, 60);
        rig.pass();
        assert_eq!(rig.receive(), [(2, 3, 180)]);
        assert_eq!(rig.way.counts().dropped, 1);
    }

    /// What was in the other side's buffer went out in its place, with the length of the slot.
    #[test]
    fn a_slot_without_a_buffer_sends_nothing() {
        for copy in [false, true] {
            let mut rig = rig(copy, 1, 64);
            rig.send(7, 1, 60);
            rig.pass();
            rig.send(8, 1, 60);
            let second = 256 + 16;
            rig.kernel.scribble("vale0:a", Side::Rx, 0, second, 0);
            rig.send(9, 1, 60);
            rig.pass();
            assert_eq!(rig.receive(), [(7, 1, 60), (9, 1, 60)]);
        }
    }

    #[test]
    fn a_port_without_rings_is_no_way() {
        let mut rig = rig(false, 1, 64);
        let [_, a, ..] = &mut rig.ports;
        let mut way = Way::new(a.rx_rings(), &[], true);
        assert!(!way.is_there());
        way.pass(a.rx_rings(), &mut [], 64).unwrap();
    }
}
