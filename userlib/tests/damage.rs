// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the crate does when the kernel or another process writes nonsense into the shared memory:
//! nothing bad. Run it under valgrind or AddressSanitizer, too.

use ferromap::{
    fake::{Kernel, Side},
    Error, Interest, Port,
};
use std::time::Duration;

// Offsets in a ring, from the interface.
const BUF_OFS: usize = 0;
const NUM_SLOTS: usize = 8;
const BUF_SIZE: usize = 12;
const HEAD: usize = 20;
const TAIL: usize = 28;
const SLOTS: usize = 256;

fn pair(kernel: &Kernel) -> (Port, Port) {
    let open = |name| Port::builder(name).slots(16).open_fake(kernel).unwrap();
    (open("vale0:a"), open("vale0:b"))
}

#[test]
fn a_tail_past_the_end_means_that_nothing_is_there() {
    let kernel = Kernel::new();
    let (mut a, mut b) = pair(&kernel);
    for tail in [16, 17, u32::MAX] {
        kernel.scribble("vale0:a", Side::Tx, 0, TAIL, tail);
        kernel.scribble("vale0:b", Side::Rx, 0, TAIL, tail);
        assert_eq!(a.tx_rings()[0].free(), 0);
        assert!(b.rx_rings()[0].recv(100).is_empty());
    }
}

#[test]
fn wild_buffer_indexes_lend_no_memory() {
    for index in [0, 1, 1 << 20, u32::MAX] {
        let kernel = Kernel::new();
        let (mut a, mut b) = pair(&kernel);
        a.tx_rings()[0].send(&[1; 60]).unwrap();
        a.sync().unwrap();
        b.sync().unwrap();
        for slot in 0..16 {
            kernel.scribble("vale0:a", Side::Tx, 0, SLOTS + 16 * slot, index);
            kernel.scribble("vale0:b", Side::Rx, 0, SLOTS + 16 * slot, index);
        }
        let mut batch = b.rx_rings()[0].recv(1);
        assert_eq!(batch.slot(0).unwrap().bytes(), []);
        assert_eq!(batch.slot_mut(0).unwrap().buffer_mut(), []);
        let mut to = a.tx_rings()[0].reserve(1);
        let mut slot = to.slot(0).unwrap();
        assert_eq!(slot.buffer_mut(), []);
        assert_eq!(slot.fill(&[1; 60]), 0);
        slot.swap(&mut batch.slot_mut(0).unwrap()).unwrap();
        assert_eq!(slot.buffer_index(), index, "nothing was exchanged");
    }
}

#[test]
fn lengths_are_cut_at_the_buffer() {
    let kernel = Kernel::new();
    let (mut a, mut b) = pair(&kernel);
    a.tx_rings()[0].send(&[1; 60]).unwrap();
    a.sync().unwrap();
    b.sync().unwrap();
    kernel.scribble("vale0:b", Side::Rx, 0, SLOTS + 4, 0xffff);
    let batch = b.rx_rings()[0].recv(1);
    let slot = batch.slot(0).unwrap();
    assert_eq!((slot.len(), slot.bytes().len()), (2048, 2048));
}

#[test]
fn fragments_without_end_stop_at_the_batch() {
    let kernel = Kernel::new();
    let (mut a, mut b) = pair(&kernel);
    for _ in 0..5 {
        a.tx_rings()[0].send(&[1; 60]).unwrap();
    }
    a.sync().unwrap();
    b.sync().unwrap();
    for slot in 0..16 {
        let (len, more) = (60, 0x20 << 16);
        kernel.scribble("vale0:b", Side::Rx, 0, SLOTS + 16 * slot + 4, more | len);
    }
    let batch = b.rx_rings()[0].recv(2);
    assert_eq!(batch.len(), 5);
    assert_eq!(
        batch.packets().map(|p| p.slots().len()).collect::<Vec<_>>(),
        [5]
    );
}

#[test]
fn a_damaged_head_is_set_back_and_counted() {
    let kernel = Kernel::new();
    let (mut a, mut b) = pair(&kernel);
    for head in [7, 16, u32::MAX] {
        kernel.scribble("vale0:a", Side::Tx, 0, HEAD, head);
        a.sync().unwrap();
        kernel.scribble("vale0:b", Side::Rx, 0, HEAD, head);
        b.sync().unwrap();
    }
    assert!(b.rx_rings()[0].resets() >= 1 || b.rx_rings()[0].available() == 0);
    // It goes on from there.
    let mut got = 0;
    for _ in 0..40 {
        a.tx_rings()[0].send(&[1; 60]).unwrap();
        a.sync().unwrap();
        b.sync().unwrap();
        got += b.rx_rings()[0].recv(100).len();
    }
    assert!(got >= 40, "{got}");
}

#[test]
fn a_header_that_makes_no_sense_is_refused() {
    let kernel = Kernel::new();
    let _keeper = Port::builder("vale0:a/R").open_fake(&kernel).unwrap();
    let word = |offset, value| kernel.scribble("vale0:a", Side::Tx, 0, offset, value);
    let refused = || match Port::builder("vale0:a/T").open_fake(&kernel) {
        Err(Error::Layout { port, reason }) => {
            assert_eq!(port, "vale0:a");
            assert!(!reason.is_empty());
        }
        other => panic!("{other:?}"),
    };
    for (offset, good, bad) in [
        (NUM_SLOTS, 1024, &[0, 1, 1 << 24, 1 << 30, u32::MAX][..]),
        (BUF_SIZE, 2048, &[0, 65537, u32::MAX]),
        (HEAD, 0, &[1024, u32::MAX]),
        (BUF_OFS + 4, 0, &[1, 0x7fff_ffff, u32::MAX]),
    ] {
        for &value in bad {
            word(offset, value);
            refused();
        }
        word(offset, good);
    }
    Port::builder("vale0:a/T").open_fake(&kernel).unwrap();
}

/// Every word of both rings gets rubbish, over and over, between all calls there are.
#[test]
fn rubbish_everywhere_does_no_harm() {
    let kernel = Kernel::new();
    let (mut a, mut b) = pair(&kernel);
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u32
    };
    let mut extra = b.take_extra_buffers();
    for _ in 0..if cfg!(debug_assertions) {
        3_000
    } else {
        100_000
    } {
        for _ in 0..random() % 4 {
            let (port, side) = match random() % 4 {
                0 => ("vale0:a", Side::Tx),
                1 => ("vale0:a", Side::Rx),
                2 => ("vale0:b", Side::Tx),
                _ => ("vale0:b", Side::Rx),
            };
            let at = match random() % 3 {
                // Head, cur and tail, or any slot; the rest of the header is not read again.
                0 => HEAD + 4 * (random() as usize % 3),
                _ => SLOTS + 4 * (random() as usize % 64),
            };
            let value = match random() % 3 {
                0 => random() % 20,
                1 => random() % 20_000,
                _ => random().wrapping_mul(random()),
            };
            kernel.scribble(port, side, 0, at, value);
        }
        let len = random() as usize % 5000;
        let _ = a.tx_rings()[0].send(&vec![7; len]);
        let _ = a.sync();
        let _ = b.poll(Interest::Both, Some(Duration::ZERO));
        let Some((rx, tx)) = b.pair() else { continue };
        let mut from = rx.recv(random() as usize % 20);
        let mut to = tx.reserve(random() as usize % 20);
        for packet in from.packets() {
            let mut copy = vec![0; packet.len()];
            assert!(packet.copy_to(&mut copy) <= copy.len());
        }
        for i in 0..from.len().min(to.len()) {
            let (mut received, mut slot) = (from.slot_mut(i).unwrap(), to.slot(i).unwrap());
            received.buffer_mut().fill(1);
            let _ = extra.swap_rx(0, &mut received);
            slot.swap(&mut received).unwrap();
            slot.buffer_mut().fill(2);
        }
        let count = to.len();
        to.commit(count);
        from.release_only(random() as usize % 20);
    }
}
