// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets at the ends of buffers: what is too large, too long, or just fits.

use super::*;
use crate::harness::frame::*;
use crate::harness::raw::stack::Stack;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;

pub const CASES: &[Case] = crate::cases![
    offsets_by_gap_limit_what_a_slot_is_given,
    offsets_above_the_largest_count_as_that,
    offsets_and_lengths_past_the_buffer_are_dropped,
    offsets_at_the_end_of_a_buffer_leave_the_next_one_alone,
];

fn offsets_by_gap_limit_what_a_slot_is_given() -> Outcome {
    wire()?;
    ip("link set fm0 mtu 9000")?;
    ip("link set fm1 mtu 9000")?;
    let open = |ask: Reg, gap: u64| {
        let mut options = offsets(512, 100, 0, gap);
        works("REGISTER", ask.options(options.first()).bind())
    };
    let port = open(vale("vale4:a").slots(64, 64), 64)?;
    let sender = vale("vale4:b").slots(64, 64).bind()?;
    let frames = [64, 65].map(|len| frame_of(len, BROADCAST, station(1), 1));
    sender.send(&frames)?;
    port.device.rxsync()?;
    same(
        "of a switch",
        take_at(&port.rx(0)),
        vec![frames[0].clone(), vec![]],
    )?;

    let far = Stack::on("fm1")?;
    let nic = open(vale("fm0"), 1000)?;
    let long = frame_of(2500, BROADCAST, station(1), 2);
    far.send(&long)?;
    let ring = nic.rx(0);
    wait_until("it came", || {
        let _ = nic.device.rxsync();
        ring.space() == 3
    })?;
    let lens: Vec<u16> = ring.owned().iter().map(|&at| ring.slot(at).len).collect();
    same("parts", lens, vec![1000, 1000, 500])?;
    that("of an interface", take_at(&ring) == [long])
}

fn offsets_above_the_largest_count_as_that() -> Outcome {
    let (a, b) = (
        bind_at(vale("vale4:a").slots(64, 64), 0)?,
        bind_at(vale("vale4:b").slots(64, 64), 0)?,
    );
    let frame = frame_of(100, BROADCAST, station(1), 1);
    let ring = a.tx(0);
    ring.edit_slot(0, |slot| slot.ptr = 512);
    put_at(&ring, &frame, 0);
    ring.edit_slot(0, |slot| slot.ptr = 100_000);
    let to = b.rx(0);
    to.edit_slot(0, |slot| slot.ptr = u64::MAX);
    a.device.txsync()?;
    b.device.rxsync()?;
    to.edit_slot(0, |slot| slot.ptr = 512);
    that("at the largest", take_at(&to) == [frame])
}

fn offsets_and_lengths_past_the_buffer_are_dropped() -> Outcome {
    wire()?;
    let a = bind_at(vale("vale4:a").slots(64, 64), 512)?;
    let b = bind_at(vale("vale4:b").slots(64, 64), 512)?;
    let nic = bind_at(vale("fm0").mode(NR_REG_NIC_SW), 512)?;
    for ring in [a.tx(0), nic.tx(0), nic.host_tx(0)] {
        for flags in [0, NS_MOREFRAG] {
            let at = ring.head();
            ring.edit_slot(at, |slot| (slot.len, slot.flags) = (1537, flags));
            ring.set_head_cur(ring.after(at, 1));
        }
        let at = ring.head();
        ring.edit_slot(at, |slot| slot.len = 20);
        ring.set_head_cur(ring.after(at, 1));
    }
    a.device.txsync()?;
    nic.device.txsync()?;
    same("switch", counter(&a, "tx0-drop_bad_length")?, 2)?;
    same("driver", counter(&nic, "tx0-drop_bad_length")?, 2)?;
    same("stack", counter(&nic, "host-tx0-drop_bad_length")?, 2)?;
    // What is longer than the room at the receiver arrives empty.
    let plain = vale("vale4:c").slots(64, 64).bind()?;
    b.device.rxsync()?;
    plain.send(&[
        frame_of(1537, BROADCAST, station(1), 1),
        frame_of(1536, BROADCAST, station(1), 2),
    ])?;
    b.device.rxsync()?;
    let lens: Vec<u16> = b
        .rx(0)
        .owned()
        .iter()
        .map(|&at| b.rx(0).slot(at).len)
        .collect();
    same("lengths", lens, vec![0, 1536])
}

fn offsets_at_the_end_of_a_buffer_leave_the_next_one_alone() -> Outcome {
    let mut options = offsets(2048, 0, 0, 0);
    let sender = vale("vale4:a").slots(64, 64).bind()?;
    let ask = vale("vale4:b").slots(64, 64);
    let port = works("REGISTER", ask.options(options.first()).bind())?;
    let ring = port.rx(0);
    let frame = frame_of(60, BROADCAST, station(1), 1);
    let untouched = [0xa5; 2048];
    for ptr in [1987, 1988, 1989, 2000, 2040, 2047, 2048, 2049, u64::MAX] {
        for slot in ring.slots() {
            ring.write_buf(slot.buf_idx, &untouched);
        }
        let slot = ring.head();
        ring.edit_slot(slot, |slot| slot.ptr = ptr);
        sender.send(&[frame.clone()])?;
        port.device.rxsync()?;
        same("one", ring.owned(), vec![slot])?;
        let (fits, got) = (ptr <= 2048 - 60, ring.slot(slot));
        same(
            format!("length at {ptr}"),
            got.len,
            if fits { 60 } else { 0 },
        )?;
        for other in ring.slots() {
            let mut wanted = untouched;
            if fits && other.buf_idx == got.buf_idx {
                wanted[ptr as usize..][..60].copy_from_slice(&frame);
            }
            let bytes = ring.read_buf(other.buf_idx, 2048);
            that(
                format!("buffer {} at {ptr}", other.buf_idx),
                bytes == wanted,
            )?;
        }
        ring.set_head_cur(ring.tail());
    }
    Ok(())
}
