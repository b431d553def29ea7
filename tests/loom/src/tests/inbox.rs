// SPDX-License-Identifier: MIT OR Apache-2.0

//! Senders and the receiver of a ring at the same time. The slots are cells of loom's: it fails a
//! test in which one thread reads or writes a slot that another has not finished with.

use crate::{
    atomic::AtomicU32,
    every_interleaving,
    inbox::{self, Inbox},
};
use loom::{cell::UnsafeCell, sync::Arc, thread};

type Lease<'i> = inbox::Lease<'i, Vec<AtomicU32>>;

/// A ring: its inbox, and in each slot the number of a frame.
struct Ring {
    inbox: Inbox<Vec<AtomicU32>>,
    slots: Vec<UnsafeCell<u32>>,
}

// SAFETY: a slot is touched only by who holds its lease, and by the receiver between collecting and
// releasing it. That is what the tests are about; loom sees every access and fails on two at once.
unsafe impl Sync for Ring {}

impl Ring {
    /// An empty ring that begins at slot `start`, as it does after some traffic.
    fn new(slots: u32, start: u32) -> Arc<Self> {
        let ring = Ring {
            inbox: Inbox::new((0..slots).map(|_| AtomicU32::new(0)).collect()),
            slots: (0..slots).map(|_| UnsafeCell::new(0)).collect(),
        };
        for at in 0..start {
            drop(ring.inbox.reserve(|_| 1).unwrap());
            assert_eq!(ring.inbox.collect(at), 1);
            ring.inbox.release(1);
        }
        Arc::new(ring)
    }

    fn next(&self, at: u32) -> u32 {
        (at + 1) % self.slots.len() as u32
    }

    /// Fills the lease with frames numbered from `frame` on.
    fn fill(&self, lease: &Lease<'_>, frame: u32) {
        let mut at = lease.first();
        for i in 0..lease.count() {
            self.slots[at as usize].with_mut(|slot| {
                // SAFETY: the lease makes the slot ours; see `Sync` above.
                unsafe { *slot = frame + i }
            });
            at = self.next(at);
        }
    }

    /// Sends up to `count` frames at once, numbered from `frame` on; returns how many there was
    /// room for.
    fn send(&self, frame: u32, count: u32) -> u32 {
        let most = self.slots.len() as u32 - 1;
        let lease = self.inbox.reserve(|free| {
            assert!(free <= most, "{free} slots free of {most}");
            free.min(count)
        });
        let Some(lease) = lease else { return 0 };
        self.fill(&lease, frame);
        let count = lease.count();
        drop(lease);
        count
    }
}

/// The receiving end: where it is, and what it got.
struct Receiver {
    at: u32,
    frames: Vec<u32>,
}

impl Receiver {
    fn new(at: u32) -> Self {
        Receiver {
            at,
            frames: Vec::new(),
        }
    }

    /// Takes what there is, and gives the slots back.
    fn receive(&mut self, ring: &Ring) {
        let count = ring.inbox.collect(self.at);
        for _ in 0..count {
            let frame = ring.slots[self.at as usize].with(|slot| {
                // SAFETY: collected and not released, so ours; see `Sync` above.
                unsafe { *slot }
            });
            self.frames.push(frame);
            self.at = ring.next(self.at);
        }
        if count > 0 {
            ring.inbox.release(count);
        }
    }

    /// Of the frames that a sender numbered from `from` on, those that arrived.
    fn from(&self, from: u32) -> Vec<u32> {
        let frames = self.frames.iter().copied();
        frames.filter(|frame| frame / 100 == from / 100).collect()
    }
}

/// Two senders of `counts` frames each send and the receiver looks `looks` times, all at once; then
/// it takes the rest.
fn two_senders(slots: u32, start: u32, counts: [&'static [u32]; 2], looks: usize) {
    let ring = Ring::new(slots, start);
    let senders = [0, 1].map(|who| {
        let ring = ring.clone();
        thread::spawn(move || {
            let first = 100 * (who as u32 + 1);
            let sent = counts[who]
                .iter()
                .fold(0, |sent, &count| sent + ring.send(first + sent, count));
            (first, sent)
        })
    });
    let mut receiver = Receiver::new(start);
    for _ in 0..looks {
        receiver.receive(&ring);
    }
    let sent = senders.map(|sender| sender.join().unwrap());
    receiver.receive(&ring);
    // Each sender's frames are there, all, once, in order.
    for (first, count) in sent {
        assert!(receiver.from(first).into_iter().eq(first..first + count));
    }
    let all: u32 = sent.iter().map(|(_, count)| count).sum();
    assert_eq!(receiver.frames.len(), all as usize);
    // And all slots but one are free again.
    assert_eq!(ring.send(300, u32::MAX), slots - 1);
}

#[test]
fn two_senders_share_a_ring_with_room_for_both() {
    every_interleaving(Some(4), || two_senders(5, 0, [&[2], &[2]], 1));
}

#[test]
fn runs_of_two_senders_wrap_around_the_end() {
    every_interleaving(Some(4), || two_senders(4, 3, [&[2], &[1]], 2));
}

#[test]
fn two_senders_compete_for_the_last_slot() {
    every_interleaving(Some(4), || two_senders(2, 1, [&[1], &[1]], 2));
}

#[test]
fn slots_are_used_again_while_both_sides_go_on() {
    every_interleaving(Some(4), || two_senders(3, 1, [&[2, 1], &[1]], 2));
}

#[test]
fn one_sender_fills_the_ring_again_and_again() {
    every_interleaving(Some(4), || two_senders(3, 2, [&[2, 2, 1], &[]], 2));
}

#[test]
fn a_run_that_waits_for_an_earlier_one_arrives_with_it() {
    every_interleaving(Some(4), || {
        let ring = Ring::new(4, 2);
        let early = ring.inbox.reserve(|_| 1).unwrap();
        let late = {
            let ring = ring.clone();
            thread::spawn(move || ring.send(200, 2))
        };
        let mut receiver = Receiver::new(2);
        receiver.receive(&ring);
        assert_eq!(receiver.frames, [], "the first run is not committed");
        ring.fill(&early, 100);
        drop(early);
        receiver.receive(&ring);
        assert_eq!(receiver.from(100), [100]);
        assert_eq!(late.join().unwrap(), 2);
        receiver.receive(&ring);
        assert_eq!(receiver.frames, [100, 200, 201]);
    });
}
