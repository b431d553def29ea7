// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where frames of the crate's ports start: what the program sees of offsets.

use crate::harness::check::*;
use crate::harness::traffic::wait_until;
use crate::harness::Case;
use ferromap::{Error, Offsets, Pace, Port, PortBuilder};

pub const CASES: &[Case] = crate::cases![
    crate_sends_and_receives_at_offsets,
    crate_sees_offsets_of_the_other_end_of_a_pipe,
    crate_clones_rings_with_offsets,
    crate_takes_offsets_along_where_it_passes_frames_on,
    crate_has_offsets_in_a_kernel_loop,
];

fn wrong(e: Error) -> Failure {
    failure(e.to_string())
}

fn small(port: &str) -> PortBuilder {
    Port::builder(port).slots(64)
}

fn open(port: &str) -> Outcome<Port> {
    small(port).open().map_err(wrong)
}

fn at(port: &str, initial: u64, max: u64) -> Outcome<Port> {
    let offsets = Offsets::starting_at(initial).up_to(max);
    small(port).offsets(offsets).open().map_err(wrong)
}

/// A frame of so many bytes that tells its number.
fn frame(number: u8, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len)
        .map(|i| (i as u8).wrapping_mul(5) ^ number)
        .collect();
    frame[..12].copy_from_slice(&[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1]);
    frame
}

fn send(port: &mut Port, frame: &[u8]) -> Outcome {
    that("room", port.tx_rings()[0].send(frame).map_err(wrong)?)?;
    port.sync().map_err(wrong)
}

/// The offset and the bytes of the first frame of those that have come.
fn receive(port: &mut Port) -> Outcome<(usize, Vec<u8>)> {
    port.sync().map_err(wrong)?;
    let batch = port.rx_rings()[0].recv(64);
    let first = batch
        .slot(0)
        .map(|slot| (slot.offset(), slot.bytes().to_vec()));
    first.map_or_else(|| fail("nothing has come"), Ok)
}

fn crate_sends_and_receives_at_offsets() -> Outcome {
    let mut a = at("valestarts:a", 64, 128)?;
    let mut b = open("valestarts:b@offset:initial=192,bits=8")?;
    let mut c = open("valestarts:c")?;
    same(
        "granted",
        a.offsets(),
        Some(Offsets::starting_at(64).up_to(128)),
    )?;
    same("not asked for", c.offsets(), None)?;
    for number in 0..200 {
        let bytes = frame(number, 60 + 7 * usize::from(number));
        send(&mut a, &bytes)?;
        let (offset, got) = receive(&mut b)?;
        same(
            "from an offset to another",
            (offset, got),
            (192, bytes.clone()),
        )?;
        same("to none", receive(&mut c)?, (0, bytes.clone()))?;
        send(&mut c, &bytes)?;
        same("from none", receive(&mut a)?, (64, bytes.clone()))?;
        drop(receive(&mut b)?);
    }
    Ok(())
}

// Only one end has asked for some; the other's slots say them all the same.
fn crate_sees_offsets_of_the_other_end_of_a_pipe() -> Outcome {
    let mut plain = open("valestarts:a{1")?;
    send(&mut plain, &frame(1, 100))?;
    let mut asked = at("valestarts:a}1", 96, 256)?;
    same("before", receive(&mut asked)?.1, frame(1, 100))?;
    for number in 0..200 {
        let bytes = frame(number, 1500);
        send(&mut asked, &bytes)?;
        same(
            "to the other end",
            receive(&mut plain)?,
            (96, bytes.clone()),
        )?;
        send(&mut plain, &bytes)?;
        same("from there", receive(&mut asked)?.1, bytes)?;
    }
    // Nobody has told that end how large they may be.
    let ring = &mut plain.tx_rings()[0];
    let mut batch = ring.reserve(1);
    let mut slot = batch.slot(0).ok_or_else(|| failure("no slot is free"))?;
    let before = slot.offset();
    same("stays", slot.set_offset(before + 8), before)
}

fn crate_clones_rings_with_offsets() -> Outcome {
    let offsets = Offsets::starting_at(32).up_to(64);
    let first = small("valestarts:a-0").rings(2).offsets(offsets).open();
    let first = first.map_err(wrong)?;
    let mut second = first.clone_ring(1).map_err(wrong)?;
    same("granted", second.offsets(), Some(offsets))?;
    let mut far = small("valestarts:b").rings(2).open().map_err(wrong)?;
    let slot = second.tx_rings()[0]
        .reserve(1)
        .slot(0)
        .map(|slot| slot.offset());
    same("offset", slot, Some(32))?;
    send(&mut second, &frame(5, 700))?;
    far.sync().map_err(wrong)?;
    let got = far.rx_rings().iter_mut().find_map(|ring| {
        let batch = ring.recv(64);
        let first = batch.slot(0).map(|slot| slot.bytes().to_vec());
        first
    });
    same("what came", got, Some(frame(5, 700)))
}

fn crate_takes_offsets_along_where_it_passes_frames_on() -> Outcome {
    let mut source = open("valestarts:source")?;
    let mut sink = open("valestarts2:sink")?;
    let mut rx = small("valestarts:rx@1@offset=96").open().map_err(wrong)?;
    // The offset fits; or some of it does; or there is none.
    for name in [
        "valestarts2:a@1@offset=128",
        "valestarts2:b@1@offset=32",
        "valestarts2:c@1",
        "valestarts2:d{1@1@offset=128",
    ] {
        let mut tx = open(name)?;
        let mut end = match name.split_once('{') {
            Some((base, _)) => Some(open(&format!("{base}}}1@1"))?),
            None => None,
        };
        for number in 0..200 {
            let bytes = frame(number, 60 + 7 * usize::from(number));
            send(&mut source, &bytes)?;
            rx.sync().map_err(wrong)?;
            {
                let mut from = rx.rx_rings()[0].recv(64);
                let mut to = tx.tx_rings()[0].reserve(1);
                let (mut received, mut slot) = (from.slot_mut(0), to.slot(0));
                if let (Some(received), Some(slot)) = (&mut received, &mut slot) {
                    slot.swap(received).map_err(wrong)?;
                }
                to.commit(1);
            }
            tx.sync().map_err(wrong)?;
            let (_, got) = receive(end.as_mut().unwrap_or(&mut sink))?;
            same(format!("{number} by {name}"), got, bytes)?;
        }
    }
    Ok(())
}

fn crate_has_offsets_in_a_kernel_loop() -> Outcome {
    let offsets = Offsets::starting_at(64);
    let port = small("valestarts:a").exclusive(true).offsets(offsets);
    let mut port = port.open().map_err(wrong)?;
    let mut far = open("valestarts:b")?;
    let running = port.kernel_loop(Pace::Busy).map_err(wrong)?;
    for number in 0..100 {
        let bytes = frame(number, 1000);
        wait_until("there is room", || {
            matches!(port.tx_rings()[0].send(&bytes), Ok(true))
        })?;
        let mut got = None;
        wait_until("it has come", || {
            got = receive(&mut far).ok();
            got.is_some()
        })?;
        same("out of the loop", got, Some((0, bytes.clone())))?;
        send(&mut far, &bytes)?;
        let mut got = None;
        wait_until("it has come back", || {
            let batch = port.rx_rings()[0].recv(1);
            got = batch
                .slot(0)
                .map(|slot| (slot.offset(), slot.bytes().to_vec()));
            got.is_some()
        })?;
        same("into the loop", got, Some((64, bytes)))?;
    }
    running.stop().map_err(wrong)
}
