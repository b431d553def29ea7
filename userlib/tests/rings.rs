// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rings and slots on the fake: what a well-behaved program and kernel do.

mod common;

use common::{frame, send};
use ferromap::{fake::Kernel, Errno, Error, Interest, Port, SlotFlags};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

fn open(kernel: &Kernel, name: &str) -> Port {
    Port::builder(name).open_fake(kernel).unwrap()
}

fn small(kernel: &Kernel, name: &str, slots: u32) -> Port {
    Port::builder(name).slots(slots).open_fake(kernel).unwrap()
}

/// All packets that wait.
fn receive(port: &mut Port) -> Vec<Vec<u8>> {
    port.sync().unwrap();
    let batch = port.rx_rings()[0].recv(usize::MAX);
    let copy = |packet: ferromap::RxPacket| {
        let mut bytes = vec![0; packet.len()];
        assert_eq!(packet.copy_to(&mut bytes), bytes.len());
        bytes
    };
    let packets = batch.packets().map(copy).collect();
    drop(batch);
    // So that the slots have room again.
    port.sync().unwrap();
    packets
}

#[test]
fn a_frame_reaches_every_other_port_of_the_switch() {
    let kernel = Kernel::new();
    let [mut a, mut b, mut c, mut d] =
        ["vale0:a", "vale0:b", "vale0:c", "vale1:d"].map(|name| open(&kernel, name));
    send(&mut a, &frame(7, 60));
    assert_eq!(receive(&mut b), [frame(7, 60)]);
    assert_eq!(receive(&mut c), [frame(7, 60)]);
    assert!(receive(&mut a).is_empty());
    assert!(receive(&mut d).is_empty());
}

#[test]
fn the_two_ends_of_a_pipe_hear_each_other() {
    let kernel = Kernel::new();
    let mut master = open(&kernel, "netmap:x{1");
    let mut slave = open(&kernel, "netmap:x}1");
    send(&mut master, &frame(1, 60));
    send(&mut slave, &frame(2, 60));
    assert_eq!(receive(&mut slave), [frame(1, 60)]);
    assert_eq!(receive(&mut master), [frame(2, 60)]);
}

#[test]
fn many_rounds_of_a_small_ring_keep_order_and_content() {
    let kernel = Kernel::new();
    let mut a = small(&kernel, "vale0:a", 5);
    let mut b = small(&kernel, "vale0:b", 5);
    let mut next = 0;
    for round in 0..50 {
        for _ in 0..round % 5 {
            send(&mut a, &frame(next, 14 + next as usize % 100));
            next += 1;
        }
        let got = receive(&mut b);
        let first = next - got.len() as u32;
        for (i, bytes) in got.iter().enumerate() {
            let number = first + i as u32;
            assert_eq!(*bytes, frame(number, 14 + number as usize % 100));
        }
        assert_eq!(got.len(), round % 5);
    }
}

#[test]
fn slot_by_slot_is_the_same_as_each_by_its_number_over_the_rings_end() {
    let kernel = Kernel::new();
    let mut a = small(&kernel, "vale0:a", 5);
    let mut b = small(&kernel, "vale0:b", 5);
    // Heads at every place of a ring of 5, also where a batch goes over its end.
    for round in 0..10 {
        let mut batch = a.tx_rings()[0].reserve(usize::MAX);
        let by_number: Vec<_> = (0..batch.len())
            .map(|i| {
                let slot = batch.slot(i).unwrap();
                (slot.position(), slot.buffer_index())
            })
            .collect();
        let mut one_by_one = Vec::new();
        batch.for_each(|mut slot| {
            one_by_one.push((slot.position(), slot.buffer_index()));
            slot.fill(&frame(10 * round + one_by_one.len() as u32, 60));
        });
        assert_eq!(one_by_one, by_number);
        assert_eq!(one_by_one.len(), 4);
        batch.commit(4);
        a.sync().unwrap();

        b.sync().unwrap();
        let batch = b.rx_rings()[0].recv(usize::MAX);
        let mut left = batch.len();
        for (i, slot) in batch.iter().enumerate() {
            left -= 1;
            assert_eq!(slot.bytes(), frame(10 * round + 1 + i as u32, 60));
            assert_eq!(slot.bytes(), batch.slot(i).unwrap().bytes());
        }
        assert_eq!((batch.iter().len(), left), (4, 0));
        drop(batch);
        // One more, so that rounds begin elsewhere.
        b.sync().unwrap();
        if round % 2 == 0 {
            send(&mut a, &frame(0, 60));
            assert_eq!(receive(&mut b).len(), 1);
        }
    }
}

#[test]
fn a_ring_holds_one_frame_less_than_it_has_slots() {
    let kernel = Kernel::new();
    let mut a = small(&kernel, "vale0:a", 8);
    let ring = &mut a.tx_rings()[0];
    assert_eq!((ring.slots(), ring.free()), (8, 7));
    assert!(ring.is_drained());
    for _ in 0..7 {
        assert!(ring.send(&frame(0, 60)).unwrap());
    }
    assert!(!ring.send(&frame(0, 60)).unwrap());
    assert!(!ring.is_drained());
    assert_eq!(ring.sync().unwrap(), 7);
    assert!(ring.is_drained());
}

#[test]
fn nothing_is_sent_without_commit() {
    let kernel = Kernel::new();
    let (mut a, mut b) = (open(&kernel, "vale0:a"), open(&kernel, "vale0:b"));
    let mut batch = a.tx_rings()[0].reserve(4);
    assert_eq!(batch.len(), 4);
    batch.slot(0).unwrap().fill(&frame(1, 60));
    assert!(batch.slot(4).is_none());
    drop(batch);
    a.sync().unwrap();
    assert!(receive(&mut b).is_empty());

    let mut batch = a.tx_rings()[0].reserve(4);
    batch.slot(0).unwrap().fill(&frame(2, 60));
    batch.commit(1);
    a.sync().unwrap();
    assert_eq!(receive(&mut b), [frame(2, 60)]);
}

#[test]
fn a_batch_releases_what_it_is_told_to() {
    let kernel = Kernel::new();
    let (mut a, mut b) = (open(&kernel, "vale0:a"), open(&kernel, "vale0:b"));
    for number in 0..6 {
        send(&mut a, &frame(number, 60));
    }
    b.sync().unwrap();
    let ring = &mut b.rx_rings()[0];
    let mut batch = ring.recv(4);
    assert_eq!(batch.len(), 4);
    batch.release_only(1);
    drop(batch);
    assert_eq!(ring.available(), 5);
    assert_eq!(ring.recv(1).slot(0).unwrap().bytes(), frame(1, 60));
    assert_eq!(ring.sync().unwrap(), 4);
}

#[test]
fn long_frames_take_several_slots_and_are_not_torn() {
    let kernel = Kernel::new();
    let (mut a, mut b) = (open(&kernel, "vale0:a"), open(&kernel, "vale0:b"));
    let long = frame(9, 5000);
    send(&mut a, &long);
    send(&mut a, &frame(1, 60));
    b.sync().unwrap();
    let ring = &mut b.rx_rings()[0];
    let batch = ring.recv(1);
    assert_eq!(batch.len(), 3, "the rest of the packet comes along");
    let first = batch.slot(0).unwrap();
    assert_eq!(
        (first.len(), first.fragments(), first.more_fragments()),
        (2048, 3, true)
    );
    assert!(!batch.slot(2).unwrap().more_fragments());
    let mut short = [0; 100];
    assert_eq!(batch.packets().next().unwrap().copy_to(&mut short), 100);
    assert_eq!(short, long[..100]);
    drop(batch);
    let batch = ring.recv(usize::MAX);
    assert_eq!(batch.packets().map(|p| p.len()).collect::<Vec<_>>(), [60]);
}

#[test]
fn what_no_ring_can_carry_is_refused() {
    let kernel = Kernel::new();
    let mut a = open(&kernel, "vale0:a");
    let most = 64 * 2048;
    let ring = &mut a.tx_rings()[0];
    assert!(ring.send(&vec![0; most]).unwrap());
    let error = ring.send(&vec![0; most + 1]).unwrap_err();
    assert_eq!(
        error,
        Error::TooLong {
            len: most + 1,
            most
        }
    );
}

#[test]
fn poll_sleeps_until_a_frame_comes() {
    let kernel = Kernel::new();
    let mut a = open(&kernel, "vale0:a");
    let mut b = open(&kernel, "vale0:b");
    let nothing = b.rx_rings()[0]
        .poll(Some(Duration::from_millis(5)))
        .unwrap();
    assert_eq!(nothing, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            send(&mut a, &frame(1, 60));
        });
        let ready = b.poll(Interest::Receive, None).unwrap();
        assert!(ready.receive && !ready.send);
    });
    assert_eq!(b.rx_rings()[0].available(), 1);
    assert!(b.poll(Interest::Both, None).unwrap().send);
}

#[test]
fn poll_can_wait_for_more_than_is_kept() {
    let kernel = Kernel::new();
    let (mut a, mut b) = (open(&kernel, "vale0:a"), open(&kernel, "vale0:b"));
    send(&mut a, &frame(1, 60));
    let ring = &mut b.rx_rings()[0];
    assert_eq!(ring.poll(None).unwrap(), 1);
    ring.wake_after(1);
    assert_eq!(ring.poll(Some(Duration::from_millis(1))).unwrap(), 1);
    send(&mut a, &frame(2, 60));
    assert_eq!(b.rx_rings()[0].poll(None).unwrap(), 2);
}

#[test]
fn each_half_can_live_in_a_thread_of_its_own() {
    const FRAMES: u32 = 20_000;
    let kernel = Kernel::new();
    let a = small(&kernel, "netmap:x{1", 64);
    let b = small(&kernel, "netmap:x}1", 1024);
    let ((_, mut tx), (mut rx, back)) = (a.split(), b.split());
    drop(back);
    // The fake drops at a full receiver: the sender does not run away from it.
    let received = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut tx = tx.pop().unwrap();
            for number in 0..FRAMES {
                while number > received.load(Ordering::Relaxed) + 500 {
                    thread::yield_now();
                }
                while !tx.send(&frame(number, 20)).unwrap() {
                    tx.poll(None).unwrap();
                }
            }
            tx.sync().unwrap();
        });
        let mut next = 0;
        while next < FRAMES {
            assert!(rx[0].poll(Some(Duration::from_secs(5))).unwrap() > 0);
            for slot in rx[0].recv(100).iter() {
                assert_eq!(slot.bytes(), frame(next, 20), "in order and whole");
                next += 1;
            }
            received.store(next, Ordering::Relaxed);
        }
    });
}

#[test]
fn buffers_are_exchanged_between_ports_of_one_region() {
    let kernel = Kernel::new();
    let [mut a, mut b, mut c, mut d] =
        ["vale0:a", "vale0:b", "vale1:c", "vale1:d"].map(|name| open(&kernel, name));
    assert_eq!(b.mem_id(), c.mem_id());
    for number in 0..3 {
        send(&mut a, &frame(number, 60 + number as usize));
    }
    b.sync().unwrap();
    let mut from = b.rx_rings()[0].recv(8);
    let mut to = c.tx_rings()[0].reserve(8);
    let mut moved = Vec::new();
    for i in 0..from.len() {
        let mut received = from.slot_mut(i).unwrap();
        let mut slot = to.slot(i).unwrap();
        let (old, new) = (slot.buffer_index(), received.get().buffer_index());
        slot.swap(&mut received).unwrap();
        assert_eq!(
            (slot.buffer_index(), received.get().buffer_index()),
            (new, old)
        );
        assert!(received.get().flags().bits() & 1 == 1, "marked as changed");
        moved.push(new);
    }
    to.commit(3);
    drop(from);
    c.sync().unwrap();
    let expected: Vec<_> = (0..3).map(|n| frame(n, 60 + n as usize)).collect();
    assert_eq!(receive(&mut d), expected);
    moved.dedup();
    assert_eq!(moved.len(), 3);
}

/// Threads may look at the slots of a batch together.
#[test]
fn received_slots_can_go_to_other_threads() {
    fn goes<T: Send + Sync>(thing: T) -> T {
        thing
    }
    let kernel = Kernel::new();
    let (mut a, mut b) = (open(&kernel, "vale0:a"), open(&kernel, "vale0:b"));
    send(&mut a, &frame(1, 60));
    b.sync().unwrap();
    let batch = b.rx_rings()[0].recv(1);
    let slot = goes(batch.slot(0).unwrap());
    let packet = goes(batch.packets().next().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(slot.bytes(), frame(1, 60)));
        scope.spawn(|| assert_eq!(packet.len(), 60));
    });
}

#[test]
fn buffers_are_not_exchanged_between_regions() {
    let (one, two) = (Kernel::new(), Kernel::new());
    let (mut a, mut b) = (open(&one, "vale0:a"), open(&one, "vale0:b"));
    let mut c = open(&two, "vale0:c");
    send(&mut a, &frame(0, 60));
    b.sync().unwrap();
    let mut from = b.rx_rings()[0].recv(1);
    let mut to = c.tx_rings()[0].reserve(1);
    let result = to.slot(0).unwrap().swap(&mut from.slot_mut(0).unwrap());
    assert_eq!(result, Err(Error::DifferentRegions));
}

#[test]
fn a_process_cannot_hold_a_ring_twice() {
    let kernel = Kernel::new();
    let first = open(&kernel, "vale0:a/T");
    let again = Port::builder("vale0:a/T").open_fake(&kernel).unwrap_err();
    assert_eq!(
        again,
        Error::RingHeld {
            port: "vale0:a".into()
        }
    );
    let mut other = open(&kernel, "vale0:a/R");
    assert!(other.tx_rings().is_empty() && other.rx_rings().len() == 1);
    drop(first);
    open(&kernel, "vale0:a/T");
}

#[test]
fn ring_pairs_are_cloned_into_files_of_their_own() {
    let kernel = Kernel::new();
    let first = Port::builder("vale0:a-0")
        .rings(3)
        .open_fake(&kernel)
        .unwrap();
    let mut others: Vec<Port> = (1..3).map(|i| first.clone_ring(i).unwrap()).collect();
    assert!(matches!(first.clone_ring(0), Err(Error::RingHeld { .. })));
    assert_eq!(
        first.clone_ring(9).unwrap_err().errno(),
        Some(Errno::EINVAL)
    );
    for (i, port) in others.iter_mut().enumerate() {
        assert_eq!(port.tx_rings()[0].index(), i + 1);
        assert_eq!((port.tx_rings().len(), port.rx_rings().len()), (1, 1));
    }
    drop(first);
    let mut peer = Port::builder("vale0:b")
        .rings(3)
        .open_fake(&kernel)
        .unwrap();
    send(&mut others[1], &frame(5, 60));
    peer.sync().unwrap();
    assert_eq!(peer.rx_rings()[2].available(), 1);
}

#[test]
fn the_direction_with_fewer_rings_gives_its_first() {
    let kernel = Kernel::new();
    let wanted = Port::builder("vale0:a").tx_rings(3).rx_rings(2);
    for (ring, numbers) in [(0, (0, 0)), (1, (1, 1)), (2, (2, 0))] {
        let port = wanted.clone().one_ring(ring).open_fake(&kernel).unwrap();
        let (rx, tx) = port.split();
        assert_eq!((tx.len(), rx.len()), (1, 1));
        assert_eq!((tx[0].index(), rx[0].index()), numbers);
    }
    let refused = wanted.one_ring(3).open_fake(&kernel);
    assert_eq!(refused.unwrap_err().errno(), Some(Errno::EINVAL));
}

#[test]
fn kinds_of_ports_that_the_fake_lacks_are_refused() {
    let kernel = Kernel::new();
    for name in ["null:x", "netmap:eth0^", "netmap:eth0*", "netmap:eth0^0"] {
        let refused = Port::builder(name).open_fake(&kernel);
        assert_eq!(refused.unwrap_err().errno(), Some(Errno::EINVAL), "{name}");
    }
}

#[test]
fn an_exclusive_port_is_busy_for_others() {
    let kernel = Kernel::new();
    let held = open(&kernel, "vale0:a/xT");
    let error = Port::builder("vale0:a/R").open_fake(&kernel).unwrap_err();
    assert!(matches!(&error, Error::Busy(r) if r.errno == Errno::EBUSY && r.call == "REGISTER"));
    assert!(error.to_string().contains("vale0:a"), "{error}");
    drop(held);
    open(&kernel, "vale0:a/x");
}

#[test]
fn extra_buffers_are_ours_and_come_back() {
    let kernel = Kernel::new();
    let before = kernel.free_buffers();
    {
        let mut a = open(&kernel, "vale0:a");
        let mut b = Port::builder("vale0:b")
            .extra_buffers(10)
            .open_fake(&kernel)
            .unwrap();
        assert_eq!(b.extra_buffers(), 10);
        let mut extra = b.take_extra_buffers();
        assert_eq!((extra.len(), extra.buffer_size()), (10, 2048));
        assert!(b.take_extra_buffers().is_empty(), "taken once");
        assert!(extra.buffer_mut(10).is_none());

        // Keep a packet while its slot goes back, and send it later.
        send(&mut a, &frame(3, 60));
        b.sync().unwrap();
        let mut batch = b.rx_rings()[0].recv(1);
        assert!(extra.swap_rx(4, &mut batch.slot_mut(0).unwrap()).unwrap());
        assert!(!extra.swap_rx(10, &mut batch.slot_mut(0).unwrap()).unwrap());
        drop(batch);
        b.sync().unwrap();
        assert_eq!(extra.buffer_mut(4).unwrap()[..60], frame(3, 60));
        let mut batch = b.tx_rings()[0].reserve(1);
        let mut slot = batch.slot(0).unwrap();
        assert!(extra.swap_tx(4, &mut slot).unwrap());
        slot.set(60, SlotFlags::NONE);
        batch.commit(1);
        b.sync().unwrap();
        assert_eq!(receive(&mut a), [frame(3, 60)]);

        drop(extra);
        assert_eq!(b.take_extra_buffers().len(), 10, "back in the list");
    }
    assert_eq!(kernel.free_buffers(), before, "and back in the pool");
}

#[test]
fn a_region_that_is_not_there_is_refused() {
    let kernel = Kernel::new();
    let error = Port::builder("vale0:a@7").open_fake(&kernel).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
    assert_eq!(open(&kernel, "vale0:a@1").mem_id(), 1);
    assert_eq!(open(&kernel, "vale0:b@share=vale0:a").mem_id(), 1);
}

#[test]
fn ports_tell_whether_they_can_exchange_buffers_and_what_is_below_them() {
    let (kernel, other) = (Kernel::new(), Kernel::new());
    let (a, b) = (open(&kernel, "vale0:a"), open(&kernel, "netmap:eth0"));
    assert!(a.shares_memory_with(&b));
    assert!(!a.shares_memory_with(&open(&other, "vale0:a")));
    assert!(b.is_emulated() && !a.is_emulated());
    assert!(!open(&kernel, "netmap:eth0{1").is_emulated());
}

// A receiver that lost frames had no way to hear of it but to read /proc itself.
#[test]
fn counters_tell_what_a_full_receiver_lost() {
    let kernel = Kernel::new();
    let mut from = open(&kernel, "vale0:from");
    let to = small(&kernel, "vale0:to", 8);
    let before = to.counters().unwrap();
    for number in 0..10 {
        send(&mut from, &frame(number, 60));
    }
    assert!(from.tx_rings()[0].send(&[0; 3]).unwrap());
    from.sync().unwrap();
    let since = to.counters().unwrap().since(&before);
    let rx = since.ring("rx0").unwrap();
    assert_eq!((rx.frames, rx.bytes, rx.drop("full")), (7, 420, 3));
    assert_eq!((since.port.as_str(), since.dropped()), ("vale0:to", 3));
    let tx = from.tx_rings()[0].counters().unwrap();
    assert_eq!(
        (tx.name.as_str(), tx.frames, tx.drop("bad_length")),
        ("tx0", 10, 1)
    );
    assert!(tx.is_tx() && !rx.is_tx());
}

#[test]
fn a_binding_counts_its_own_rings() {
    let kernel = Kernel::new();
    let wanted = Port::builder("vale0:a").rings(2).one_ring(1);
    let port = wanted.open_fake(&kernel).unwrap();
    let counters = port.counters().unwrap();
    let names: Vec<&str> = counters
        .rings
        .iter()
        .map(|ring| ring.name.as_str())
        .collect();
    assert_eq!(names, ["tx1", "rx1"]);
    let (rx, _) = port.split();
    assert_eq!(rx[0].counters().unwrap().name, "rx1");
}

#[test]
fn a_bare_name_is_an_interface() {
    let kernel = Kernel::new();
    let port = open(&kernel, "eth0");
    assert!(port.is_emulated());
    assert_eq!(port.name(), "eth0");
}

/// The fake has no loops, and says so; the port works as before.
#[test]
fn a_fake_port_has_no_kernel_loop() {
    let kernel = ferromap::fake::Kernel::new();
    let mut port = ferromap::Port::builder("vale0:a")
        .exclusive(true)
        .open_fake(&kernel)
        .unwrap();
    let refused = port.kernel_loop(ferromap::Pace::Busy).unwrap_err();
    assert!(refused.to_string().contains("CSB_ENABLE"), "{refused}");
    port.sync().unwrap();
}
