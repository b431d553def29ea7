// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who may have offsets: every kind of port, but zero-copy monitors. Which, and for how long.

use super::*;
use crate::cases::control::kinds::every_kind;
use crate::harness::frame::*;
use crate::harness::traffic::*;
use crate::harness::why::says;
use crate::harness::wire::*;
use crate::harness::Case;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_172_offsets_are_in_all_slots_of_every_kind_of_port,
    item_172_offsets_end_with_the_binding,
    item_172_offsets_of_every_kind_of_port_end_with_the_binding,
    item_173_offsets_that_will_not_do,
    item_173_offsets_that_will_not_do_on_any_kind_of_port,
    offsets_of_a_ring_that_has_some_stay,
];

/// Every kind of port that may have offsets.
fn takes(ask: &Reg) -> bool {
    ask.body.nr_flags & NR_ZCOPY_MON == 0
}

fn item_172_offsets_are_in_all_slots_of_every_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds.into_iter().filter(|(_, ask)| takes(ask)) {
        let blame = |said: Failure| failure(format!("{what}: {said}"));
        let bound = bind_at(ask, 100).map_err(blame)?;
        let (tx, rx) = (bound.tx_rings(), bound.rx_rings());
        that(format!("{what} has both"), !tx.is_empty() && !rx.is_empty())?;
        for (i, ring) in tx.into_iter().chain(rx) {
            let of = |field: &str| format!("{field} of ring {i} of {what}");
            same(of("mask"), ring.offset_mask(), u64::MAX)?;
            same(of("alignment"), ring.buf_align(), 0)?;
            let ptrs: Vec<u64> = ring.slots().iter().map(|slot| slot.ptr).collect();
            same(of("slots"), ptrs, vec![100; ring.n() as usize])?;
        }
    }
    for (bits, mask) in [
        (64, u64::MAX),
        (0, u64::MAX),
        (11, 0x7ff),
        (63, u64::MAX >> 1),
    ] {
        let mut options = offsets(512, 0, bits, 0);
        let bound = vale("vale172:b").options(options.first()).bind()?;
        same("mask", bound.tx(0).offset_mask(), mask)?;
        that(
            "slots",
            bound.rx(0).slots().iter().all(|slot| slot.ptr == 0),
        )?;
    }
    Ok(())
}

fn item_172_offsets_end_with_the_binding() -> Outcome {
    wire()?;
    for name in ["vale172:a", "fm0"] {
        drop(bind_at(vale(name), 100)?);
        let bound = vale(name).bind()?;
        for (_, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
            same("mask", ring.offset_mask(), 0)?;
            that("slots", ring.slots().iter().all(|slot| slot.ptr == 0))?;
            // It is the program's own.
            ring.edit_slot(0, |slot| slot.ptr = u64::MAX);
        }
        let frame = frame_of(100, BROADCAST, station(1), 1);
        let peer = match name {
            "fm0" => vale("fm1").bind()?,
            _ => vale("vale172:b").bind()?,
        };
        bound.send(&[frame.clone()])?;
        wait_until("it came", || {
            let _ = peer.device.rxsync();
            peer.rx(0).space() == 1
        })?;
        that("the start", take_at(&peer.rx(0)) == [frame])?;
    }
    Ok(())
}

fn item_173_offsets_that_will_not_do() -> Outcome {
    for ((max, initial, bits), words) in [
        ((512, 0, 65), "nro_offset_bits is 65"),
        ((2049, 0, 0), "a buffer has 2048 bytes"),
        ((512, 0, 9), "takes more than 9 bits"),
        ((u64::MAX, 0, 0), "a buffer has 2048 bytes"),
        ((512, 513, 0), "nro_initial_offset is 513"),
    ] {
        let device = Device::open()?;
        let mut options = offsets(max, initial, bits, 0);
        let mut ask = vale("vale173:a").options(options.first());
        fails(words, ask.send(&device), Errno::EINVAL)?;
        same("status", options.statuses(), [Errno::EINVAL as u32])?;
        same("what it asked for", options.option(0).body[0], max)?;
        says(&device, Errno::EINVAL, &[words])?;
    }
    let mut options = offsets(2048, 2048, 12, 0);
    works(
        "all of a buffer",
        vale("vale173:a").options(options.first()).bind(),
    )
    .map(drop)
}

fn offsets_of_a_ring_that_has_some_stay() -> Outcome {
    let mut first = offsets(512, 0, 16, 0);
    let bound = vale("vale4:a").options(first.first()).bind()?;
    for (max, bits) in [(513, 16), (512, 17), (512, 0)] {
        let device = Device::open()?;
        let mut options = offsets(max, 0, bits, 0);
        let mut ask = vale("vale4:a").options(options.first());
        fails(format!("{max} {bits}"), ask.send(&device), Errno::EBUSY)?;
        same("status", options.statuses(), [Errno::EBUSY as u32])?;
        says(&device, Errno::EBUSY, &["512"])?;
    }
    let mut options = offsets(100, 50, 8, 0);
    let second = vale("vale4:a").options(options.first()).bind()?;
    same("largest", options.option(0).body[0], 512)?;
    same("mask", second.tx(0).offset_mask(), 0xffff)?;
    that(
        "slots",
        bound.tx(0).slots().iter().all(|slot| slot.ptr == 0),
    )
}

fn item_172_offsets_of_every_kind_of_port_end_with_the_binding() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let blame = |said: Failure| failure(format!("{what}: {said}"));
        if takes(&ask) {
            drop(bind_at(ask.clone(), 100).map_err(blame)?);
        }
        has_none(&works(what, ask.bind())?).map_err(blame)?;
    }
    Ok(())
}

/// Of a port that is not there nothing is left, and of one that is its rings are as they were.
fn item_173_offsets_that_will_not_do_on_any_kind_of_port() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let blame = |said: Failure| failure(format!("{what}: {said}"));
        let refused = || -> Outcome {
            for (max, initial, bits) in BAD {
                let mut options = offsets(max, initial, bits, 0);
                let came = ask.clone().options(options.first()).try_bind();
                let errno = match takes(&ask) {
                    true => Errno::EINVAL,
                    false => Errno::EOPNOTSUPP,
                };
                fails(format!("{max} {initial} {bits}"), came, errno)?;
                same("status", options.statuses(), [errno as u32])?;
                let body = [max, initial, bits.into()];
                same("what was asked", &options.option(0).body[..3], &body[..])?;
            }
            Ok(())
        };
        refused().map_err(blame)?;
        let open = works(what, ask.clone().bind())?;
        refused().map_err(blame)?;
        has_none(&open).map_err(blame)?;
    }
    Ok(())
}

/// The largest one, the first one, and bits that will not do.
const BAD: [(u64, u64, u32); 5] = [
    (512, 0, 65),
    (2049, 0, 0),
    (512, 0, 9),
    (u64::MAX, 0, 0),
    (512, 513, 0),
];
