// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets of pipes: they travel with the slots, whatever the pipe is built on.

use super::*;
use crate::cases::pipe::bases::on_every_base;
use crate::harness::frame::*;
use crate::harness::raw::csb::Csb;
use crate::harness::why::says;
use crate::harness::Case;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_172_offsets_travel_through_pipes,
    item_172_each_end_of_a_pipe_has_an_initial_offset,
    item_172_ends_of_a_pipe_have_the_same_offsets,
    item_172_offsets_of_a_refused_register_are_nowhere,
];

fn item_172_offsets_travel_through_pipes() -> Outcome {
    on_every_base(|base| {
        let a = bind_at(vale(&format!("{base}{{1")).slots(64, 64), 300)?;
        let b = vale(&format!("{base}}}1")).bind()?;
        same("mask of the other end", b.rx(0).offset_mask(), u64::MAX)?;
        same("mask of the other end", b.tx(0).offset_mask(), u64::MAX)?;
        let frame = frame_of(900, BROADCAST, station(1), 1);
        let ring = a.tx(0);
        same("initial", offset(&ring, 0), 300)?;
        ring.edit_slot(ring.head(), |slot| slot.ptr = 444);
        put_at(&ring, &frame, 0);
        a.device.txsync()?;
        b.device.rxsync()?;
        same("offset", offset(&b.rx(0), 0), 444)?;
        that("the frame", take_at(&b.rx(0)) == [frame.clone()])?;
        // And back, from an end that did not ask for any, in parts that each have their own. What
        // is above the largest one travels as well.
        let (tx, rx) = (b.tx(0), a.rx(0));
        for (part, start) in frame.chunks(300).zip([0, 512, 7]) {
            tx.edit_slot(tx.head(), |slot| slot.ptr = start);
            let more = if start == 7 { 0 } else { NS_MOREFRAG };
            put_at(&tx, part, more);
        }
        tx.edit_slot(tx.head(), |slot| slot.ptr = u64::MAX);
        tx.set_head_cur(tx.after(tx.head(), 1));
        b.device.txsync()?;
        a.device.rxsync()?;
        let ptrs: Vec<u64> = rx.owned().iter().map(|&at| rx.slot(at).ptr).collect();
        same("each its own", ptrs, [0, 512, 7, u64::MAX])?;
        rx.edit_slot(3, |slot| (slot.ptr, slot.len) = (0, 0));
        that("in parts", take_at(&rx)[0] == frame)
    })
}

fn item_172_each_end_of_a_pipe_has_an_initial_offset() -> Outcome {
    on_every_base(|base| {
        let open = |mark, at| bind_at(vale(&format!("{base}{mark}1")).slots(64, 64), at);
        let a = open('{', 300)?;
        same("unused bits", a.rx(0).slot(0).ptr, 300)?;
        let early = frame_of(900, BROADCAST, station(1), 1);
        a.tx(0).edit_slot(0, |slot| slot.ptr = 444);
        put_at(&a.tx(0), &early, 0);
        a.device.txsync()?;

        // What is under way keeps its place, and the first end its own.
        let b = open('}', 100)?;
        b.device.rxsync()?;
        let at: Vec<u64> = b.rx(0).slots().iter().map(|slot| slot.ptr).collect();
        same("under way", at[0], 444)?;
        that("others", at[1..].iter().all(|&at| at == 100))?;
        that(
            "its senders",
            b.tx(0).slots().iter().all(|slot| slot.ptr == 100),
        )?;
        that(
            "the first",
            a.tx(0).slots()[1..].iter().all(|slot| slot.ptr == 300),
        )?;
        that("the frame", take_at(&b.rx(0)) == [early.clone()])?;

        // One that is not the only binding has no say.
        let again = open('}', 50)?;
        that(
            "stay",
            again.tx(0).slots().iter().all(|slot| slot.ptr == 100),
        )?;
        put_at(&b.tx(0), &early, 0);
        b.device.txsync()?;
        a.device.rxsync()?;
        same("offset", offset(&a.rx(0), 0), 100)?;
        that("back", take_at(&a.rx(0)) == [early])?;
        a.device.rxsync()?;

        // The rings stay when an end is left, and who comes next is alone.
        drop((b, again));
        let b = open('}', 50)?;
        let at: Vec<u64> = b.tx(0).slots().iter().map(|slot| slot.ptr).collect();
        that(format!("then {at:?}"), at[1..].iter().all(|&at| at == 50))
    })
}

/// What came later than the offsets, a netmap_if or a CSB, could be refused, and both ends of a
/// pipe that was there kept them, as did rings that another file had bound.
fn item_172_offsets_of_a_refused_register_are_nowhere() -> Outcome {
    let a = vale("vale172:p{1").slots(64, 64).bind()?;
    let gone = Csb::new()?;
    gone.unmap()?;
    let end = || vale("vale172:p}1");
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS, NETMAP_REQ_OPT_CSB]);
    options.option(0).body[..2].copy_from_slice(&[512, 100]);
    let csb = [gone.atok_address(), gone.ktoa_address()];
    options.option(1).body[..2].copy_from_slice(&csb);
    let ask = end().flags(NR_EXCLUSIVE).options(options.first());
    fails("no CSB", ask.try_bind(), Errno::EFAULT)?;
    has_none(&a)?;
    has_none(&works("its end", end().bind())?)?;

    let region = a.reg.nr_mem_id;
    let mut all = vec![];
    let full = loop {
        match null(region).rings(0, 0).bind() {
            Ok(one) => all.push(one),
            Err(errno) => break errno,
        }
    };
    same("no netmap_if is left", full, Errno::ENOMEM)?;
    let mut options = offsets(512, 100, 0, 0);
    for ask in [end(), vale("vale172:p{1")] {
        let ask = ask.options(options.first());
        fails("no netmap_if", ask.try_bind(), Errno::ENOMEM)?;
        has_none(&a)?;
    }
    drop(all);
    let b = bind_at(end(), 100)?;
    same("the other end", a.tx(0).offset_mask(), u64::MAX)?;
    that(
        "its slots",
        a.tx(0).slots().iter().all(|slot| slot.ptr == 0),
    )?;
    that(
        "and its own",
        b.tx(0).slots().iter().all(|slot| slot.ptr == 100),
    )
}

/// Who opens the other end may ask for what there is, and less, of which he is told.
fn item_172_ends_of_a_pipe_have_the_same_offsets() -> Outcome {
    on_every_base(|base| {
        let ask = |mark, options: &mut OptionList| {
            let ask = vale(&format!("{base}{mark}1")).slots(64, 64);
            ask.options(options.first())
        };
        for (first, other) in [('{', '}'), ('}', '{')] {
            let mut options = offsets(512, 30, 16, 0);
            let there = works("the first", ask(first, &mut options).bind())?;
            for (max, bits) in [(513, 16), (512, 17), (512, 0)] {
                let device = Device::open()?;
                let mut options = offsets(max, 0, bits, 0);
                let refused = ask(other, &mut options).send(&device);
                fails(format!("{max} {bits}"), refused, Errno::EBUSY)?;
                same("status", options.statuses(), [Errno::EBUSY as u32])?;
                says(&device, Errno::EBUSY, &["512"])?;
            }
            let mut options = offsets(100, 50, 8, 0);
            let came = works("the other", ask(other, &mut options).bind())?;
            same("status", options.statuses(), [0])?;
            same("largest", options.option(0).body[0], 512)?;
            for (end, start) in [(&there, 30), (&came, 50)] {
                for (_, ring) in end.tx_rings().into_iter().chain(end.rx_rings()) {
                    same("mask", ring.offset_mask(), 0xffff)?;
                    let mut slots = ring.slots().into_iter();
                    that("slots", slots.all(|slot| slot.ptr == start))?;
                }
            }
        }
        Ok(())
    })
}
