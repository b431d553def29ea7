// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that do not start where their buffers do, on the fake.

mod common;

use common::{frame, send};
use ferromap::{
    fake::{Kernel, Side},
    Errno, Offsets, Port, SlotFlags,
};

const BUFFER: usize = 2048;
/// Where the slots of a ring are.
const SLOTS: usize = 256;

fn open(kernel: &Kernel, name: &str) -> Port {
    Port::builder(name).slots(16).open_fake(kernel).unwrap()
}

fn with(kernel: &Kernel, name: &str, offsets: Offsets) -> Port {
    let builder = Port::builder(name).slots(16).offsets(offsets);
    builder.extra_buffers(2).open_fake(kernel).unwrap()
}

/// The offset and the bytes of the only packet that waits.
fn receive(port: &mut Port) -> (usize, Vec<u8>) {
    port.sync().unwrap();
    let got = {
        let batch = port.rx_rings()[0].recv(usize::MAX);
        assert_eq!(batch.packets().count(), 1);
        let packet = batch.packets().next().unwrap();
        let mut bytes = vec![0; packet.len()];
        assert_eq!(packet.copy_to(&mut bytes), bytes.len());
        (batch.slot(0).unwrap().offset(), bytes)
    };
    port.sync().unwrap();
    got
}

#[test]
fn frames_start_where_slots_say() {
    let kernel = Kernel::new();
    let mut a = with(&kernel, "vale0:a", Offsets::starting_at(64).up_to(128));
    let mut b = open(&kernel, "vale0:b@offset:initial=32,bits=6");
    let mut c = open(&kernel, "vale0:c");
    assert_eq!(a.offsets(), Some(Offsets::starting_at(64).up_to(128)));
    assert_eq!((b.offsets().map(|o| o.max), c.offsets()), (Some(32), None));
    let rooms = [&mut a, &mut b, &mut c].map(|port| port.tx_rings()[0].slot_room());
    assert_eq!(rooms, [BUFFER - 128, BUFFER - 32, BUFFER]);
    for number in 0..40 {
        send(&mut a, &frame(number, 60));
        assert_eq!(receive(&mut b), (32, frame(number, 60)));
        assert_eq!(receive(&mut c), (0, frame(number, 60)));
        send(&mut c, &frame(number, 1984));
        assert_eq!(receive(&mut a), (64, frame(number, 1984)));
        assert_eq!(receive(&mut b), (32, frame(number, 1984)));
    }
}

#[test]
fn long_frames_have_what_is_behind_the_offsets() {
    let kernel = Kernel::new();
    let mut a = with(&kernel, "vale0:a", Offsets::starting_at(1024));
    let mut b = open(&kernel, "vale0:b");
    send(&mut a, &frame(1, 2500));
    b.sync().unwrap();
    let lens = |batch: &ferromap::RxBatch| batch.iter().map(|slot| slot.len()).collect::<Vec<_>>();
    assert_eq!(lens(&b.rx_rings()[0].recv(9)), [1024, 1024, 452]);
    assert!(a.tx_rings()[0].send(&[0; 15 * 1024]).unwrap());
    a.sync().unwrap();
    let why = a.tx_rings()[0].send(&[0; 15 * 1024 + 1]).unwrap_err();
    assert!(why.to_string().contains("at most 15360 fit"), "{why}");
    // An empty one still is one slot.
    assert!(a.tx_rings()[0].send(&[]).unwrap());
    assert_eq!(a.tx_rings()[0].free(), 14);
    // What a slot has no room for behind its offset does not come.
    let mut c = open(&kernel, "vale0:c");
    send(&mut c, &frame(2, 1024));
    assert_eq!(receive(&mut a), (1024, frame(2, 1024)));
    send(&mut c, &frame(3, 1025));
    assert_eq!(receive(&mut a), (1024, vec![]));
}

/// It was not asked for.
#[test]
fn no_more_is_written_than_the_gap() {
    let kernel = Kernel::new();
    let mut a = open(&kernel, "vale0:a");
    let offsets = Offsets::starting_at(64).with_min_gap(256);
    let mut b = with(&kernel, "vale0:b", offsets);
    assert_eq!(b.offsets(), Some(offsets));
    send(&mut a, &frame(1, 200));
    assert_eq!(receive(&mut b), (64, frame(1, 200)));
    send(&mut a, &frame(2, 256));
    assert_eq!(receive(&mut b), (64, frame(2, 256)));
    send(&mut a, &frame(3, 257));
    assert_eq!(receive(&mut b), (64, vec![]));
}

/// Another process asked for some, and frames are where the slots say.
#[test]
fn a_ring_gets_offsets_that_this_port_did_not_ask_for() {
    const MASK: usize = 56;
    let kernel = Kernel::new();
    let mut a = open(&kernel, "vale0:a");
    let mut b = open(&kernel, "vale0:b");
    let bytes = frame(1, 600);
    for (ptr, offset) in [(64, 64), (0x1_0040, 64), (2048, BUFFER), (0xfff8, BUFFER)] {
        send(&mut a, &bytes);
        b.sync().unwrap();
        for (port, side) in [("vale0:b", Side::Rx), ("vale0:a", Side::Tx)] {
            kernel.scribble(port, side, 0, MASK, 0xffff);
            for slot in 0..16 {
                kernel.scribble(port, side, 0, SLOTS + 16 * slot + 8, ptr);
            }
        }
        a.sync().unwrap();
        b.sync().unwrap();
        {
            let mut batch = b.rx_rings()[0].recv(1);
            let slot = batch.slot(0).unwrap();
            assert_eq!(slot.offset(), offset);
            let there = 600.min(BUFFER - offset);
            assert_eq!(slot.bytes().len(), there);
            // The kernel inside this process knows nothing of it: the frame is where it was.
            if there == 600 {
                assert_eq!(slot.bytes()[..536], bytes[64..]);
            }
            let mut slot = batch.slot_mut(0).unwrap();
            assert_eq!(slot.buffer_mut().len(), BUFFER - offset);
        }
        {
            let mut batch = a.tx_rings()[0].reserve(1);
            let mut slot = batch.slot(0).unwrap();
            assert_eq!((slot.offset(), slot.room()), (offset, BUFFER - offset));
            // How large they may be is not known: what is there stays.
            assert_eq!(slot.set_offset(8), offset);
            assert_eq!(slot.fill(&bytes), 600.min(BUFFER - offset));
        }
        b.sync().unwrap();
        for (port, side) in [("vale0:b", Side::Rx), ("vale0:a", Side::Tx)] {
            kernel.scribble(port, side, 0, MASK, 0);
        }
    }
}

#[test]
fn a_slot_says_another_offset() {
    let kernel = Kernel::new();
    let mut a = with(&kernel, "vale0:a", Offsets::starting_at(64).up_to(128));
    let mut b = open(&kernel, "vale0:b");
    for (offset, wanted) in [
        (0, 0),
        (100, 100),
        (128, 128),
        (129, 128),
        (usize::MAX, 128),
    ] {
        {
            let mut batch = a.tx_rings()[0].reserve(1);
            let mut slot = batch.slot(0).unwrap();
            assert_eq!((slot.set_offset(offset), slot.offset()), (wanted, wanted));
            assert_eq!(
                (slot.room(), slot.buffer_mut().len()),
                (BUFFER - wanted, BUFFER - wanted)
            );
            assert_eq!(slot.fill(&frame(1, 60)), 60);
            batch.commit(1);
        }
        a.sync().unwrap();
        assert_eq!(receive(&mut b), (0, frame(1, 60)));
    }
    // No more than the buffer has behind the offset.
    let mut batch = a.tx_rings()[0].reserve(1);
    let mut slot = batch.slot(0).unwrap();
    slot.set_offset(128);
    assert_eq!(slot.fill(&[7; BUFFER]), BUFFER - 128);
    slot.set(BUFFER, SlotFlags::NONE);
    batch.commit(1);
    a.sync().unwrap();
    assert_eq!(receive(&mut b).1.len(), BUFFER - 128);
    // On a ring without offsets there is none to set, and addresses are what they are.
    let mut batch = b.tx_rings()[0].reserve(1);
    let mut slot = batch.slot(0).unwrap();
    assert_eq!(
        (slot.set_offset(64), slot.offset(), slot.room()),
        (0, 0, BUFFER)
    );
    slot.set_indirect(&[1; 60], SlotFlags::NONE);
    assert_eq!(slot.offset(), 0);
    // Where `ptr` is an offset, it can be no address.
    let mut batch = a.tx_rings()[0].reserve(1);
    batch
        .slot(0)
        .unwrap()
        .set_indirect(&[3; 60], SlotFlags::NONE);
    batch.commit(1);
    a.sync().unwrap();
    assert_eq!(receive(&mut b), (0, vec![3; 60]));
}

#[test]
fn what_comes_next_starts_where_the_receiver_says() {
    let kernel = Kernel::new();
    let mut a = open(&kernel, "vale0:a");
    let mut b = with(&kernel, "vale0:b", Offsets::starting_at(16).up_to(256));
    for _ in 0..16 {
        send(&mut a, &frame(1, 60));
        b.sync().unwrap();
        let mut batch = b.rx_rings()[0].recv(1);
        let mut slot = batch.slot_mut(0).unwrap();
        assert_eq!(slot.buffer_mut()[..60], frame(1, 60));
        assert_eq!(slot.set_offset(200), 200);
    }
    send(&mut a, &frame(2, 60));
    assert_eq!(receive(&mut b), (200, frame(2, 60)));
}

/// `tx` sends what `rx` receives by swapping; whether the buffers changed places.
fn pass_on(rx: &mut Port, tx: &mut Port) {
    rx.sync().unwrap();
    {
        let mut from = rx.rx_rings()[0].recv(1);
        let mut to = tx.tx_rings()[0].reserve(1);
        let (mut received, mut slot) = (from.slot_mut(0).unwrap(), to.slot(0).unwrap());
        let (index, offset) = (received.get().buffer_index(), received.get().offset());
        slot.swap(&mut received).unwrap();
        assert_eq!(slot.buffer_index(), index);
        assert_eq!(received.get().offset(), offset, "the receiver's stays");
        to.commit(1);
    }
    tx.sync().unwrap();
    rx.sync().unwrap();
}

#[test]
fn a_frame_that_is_passed_on_takes_its_offset_along() {
    let kernel = Kernel::new();
    let mut source = open(&kernel, "vale0:source");
    let mut sink = open(&kernel, "vale1:sink");
    let mut rx = with(&kernel, "vale0:rx", Offsets::starting_at(96));
    let offsets = |initial, max| Some(Offsets::starting_at(initial).up_to(max));
    for (i, (wanted, stays)) in [
        // It is said in the slot, or cut to what the ring has, or there is none.
        (offsets(32, 128), 96),
        (offsets(96, 96), 96),
        (offsets(32, 64), 64),
        (None, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("vale1:tx{i}");
        let mut tx = match wanted {
            Some(offsets) => with(&kernel, &name, offsets),
            None => open(&kernel, &name),
        };
        for number in 0..40 {
            let bytes = frame(number, 60 + 40 * number as usize);
            send(&mut source, &bytes);
            let first = tx.tx_rings()[0].reserve(1).slot(0).unwrap().position();
            pass_on(&mut rx, &mut tx);
            assert_eq!(receive(&mut sink), (0, bytes), "{wanted:?}");
            for _ in 0..15 {
                send(&mut tx, &[0; 60]);
                receive(&mut sink);
            }
            let mut batch = tx.tx_rings()[0].reserve(1);
            let slot = batch.slot(0).unwrap();
            assert_eq!((slot.position() + 16 - first) % 16, 0);
            assert_eq!(slot.offset(), stays, "{wanted:?}");
        }
    }
}

#[test]
fn a_frame_that_is_kept_starts_where_it_came() {
    let kernel = Kernel::new();
    let mut source = open(&kernel, "vale0:source");
    let mut sink = open(&kernel, "vale1:sink");
    let mut rx = with(&kernel, "vale0:rx", Offsets::starting_at(96));
    let mut tx = open(&kernel, "vale1:tx");
    let mut extra = rx.take_extra_buffers();
    assert_eq!(extra.len(), 2);
    for number in 0..20 {
        let bytes = frame(number, 1500);
        assert_eq!(extra.buffer_mut(0).unwrap().len(), BUFFER);
        send(&mut source, &bytes);
        rx.sync().unwrap();
        let mut batch = rx.rx_rings()[0].recv(1);
        assert!(extra.swap_rx(0, &mut batch.slot_mut(0).unwrap()).unwrap());
        drop(batch);
        let kept = extra.buffer_mut(0).unwrap();
        assert_eq!((kept.len(), &kept[..1500]), (BUFFER - 96, &*bytes));
        let mut batch = tx.tx_rings()[0].reserve(1);
        let mut slot = batch.slot(0).unwrap();
        assert!(extra.swap_tx(0, &mut slot).unwrap());
        slot.set(1500, SlotFlags::NONE);
        batch.commit(1);
        tx.sync().unwrap();
        assert_eq!(receive(&mut sink), (0, bytes));
    }
}

#[test]
fn wild_offsets_lead_nowhere() {
    let kernel = Kernel::new();
    let mut a = with(&kernel, "vale0:a", Offsets::starting_at(64).up_to(2048));
    let mut b = with(&kernel, "vale0:b", Offsets::starting_at(64).up_to(100));
    for (low, high) in [
        (2047, 0),
        (2048, 0),
        (2049, 0),
        (u32::MAX, 0),
        (0, 1),
        (u32::MAX, u32::MAX),
    ] {
        send(&mut b, &[1; 60]);
        send(&mut a, &[1; 60]);
        b.sync().unwrap();
        a.sync().unwrap();
        for slot in 0..16 {
            for (port, side) in [
                ("vale0:a", Side::Tx),
                ("vale0:b", Side::Rx),
                ("vale0:a", Side::Rx),
            ] {
                kernel.scribble(port, side, 0, SLOTS + 16 * slot + 8, low);
                kernel.scribble(port, side, 0, SLOTS + 16 * slot + 12, high);
                kernel.scribble(port, side, 0, SLOTS + 16 * slot + 4, 0xffff);
            }
        }
        let behind = usize::from(low == 2047);
        for (port, left) in [(&mut b, BUFFER - 100), (&mut a, behind)] {
            let mut batch = port.rx_rings()[0].recv(1);
            assert_eq!(batch.slot(0).unwrap().bytes().len(), left);
            let mut slot = batch.slot_mut(0).unwrap();
            assert_eq!(slot.buffer_mut().len(), left);
        }
        {
            let mut batch = a.tx_rings()[0].reserve(1);
            let mut slot = batch.slot(0).unwrap();
            assert_eq!((slot.room(), slot.fill(&[1; 60])), (behind, behind));
            let mut received = b.rx_rings()[0].recv(1);
            if let Some(mut received) = received.slot_mut(0) {
                slot.swap(&mut received).unwrap();
            }
        }
        a.sync().unwrap();
        for port in [&mut a, &mut b] {
            port.sync().unwrap();
            drop(port.rx_rings()[0].recv(16));
            port.sync().unwrap();
            let mut batch = port.tx_rings()[0].reserve(16);
            for i in 0..batch.len() {
                batch.slot(i).unwrap().set_offset(64);
            }
        }
    }
}

#[test]
fn offsets_that_make_no_sense_are_refused() {
    let kernel = Kernel::new();
    for name in [
        "vale0:a@offset:initial=1,bits=65",
        "vale0:a@offset=2049",
        "vale0:a@offset:initial=64,bits=6",
    ] {
        let refused = Port::builder(name).open_fake(&kernel).unwrap_err();
        assert_eq!(refused.errno(), Some(Errno::EINVAL), "{name}");
    }
    let beyond = Offsets::starting_at(2).up_to(1);
    let refused = Port::builder("vale0:a").offsets(beyond).open_fake(&kernel);
    assert_eq!(refused.unwrap_err().errno(), Some(Errno::EINVAL));
}
