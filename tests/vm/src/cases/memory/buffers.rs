// SPDX-License-Identifier: MIT OR Apache-2.0

//! Buffers in slots and extra buffers: items 56 to 63.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::request::pools_info;
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    item_056_buffers_start_at_one_place_for_all_rings,
    item_057_fresh_slots_hold_distinct_real_buffers,
    item_058_fresh_slots_and_rings_are_clean,
    item_058_reused_slots_and_rings_are_clean,
    item_059_extra_buffers_form_a_list,
    item_060_too_many_extra_buffers_are_fewer,
    item_061_extra_buffers_come_back_at_close,
    item_062_swapped_buffers_are_not_lost,
    item_063_corrupted_slots_and_lists_hurt_nobody_later,
];

/// How many buffers of the shared region are free.
fn free_buffers() -> Result<u32, Errno> {
    let all = null(GLOBAL_MEM_ID).rings(0, 0).extra(u32::MAX).bind()?;
    Ok(all.reg.nr_extra_bufs)
}

fn item_056_buffers_start_at_one_place_for_all_rings() -> Outcome {
    let first = vale("vale56:a").rings(4, 3).slots(64, 128).bind()?;
    let second = vale("vale56:b")
        .slots(64, 64)
        .mem(first.reg.nr_mem_id)
        .bind()?;
    let want = pools_info("vale56:a", 0)?.nr_buf_pool_offset;
    for bound in [&first, &second] {
        for (i, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
            same(format!("buffers by ring {i}"), ring.buffers(), want)?;
        }
    }
    Ok(())
}

fn item_057_fresh_slots_hold_distinct_real_buffers() -> Outcome {
    let first = vale("vale57:a")
        .rings(3, 2)
        .slots(64, 128)
        .extra(20)
        .bind()?;
    let second = vale("vale57:b")
        .slots(64, 64)
        .mem(first.reg.nr_mem_id)
        .bind()?;
    let total = pools_info("vale57:a", 0)?.nr_buf_pool_objtotal;
    let all = [first.buffers(), second.buffers(), first.extra_bufs()].concat();
    same(
        "slots and extra buffers",
        all.len(),
        3 * 64 + 2 * 128 + 64 + 64 + 20,
    )?;
    for &index in &all {
        that(
            format!("2 <= {index} < {total}"),
            (2..total).contains(&index),
        )?;
    }
    same(
        "distinct ones",
        all.iter().collect::<BTreeSet<_>>().len(),
        all.len(),
    )
}

pub fn check_fresh(bound: &Bound) -> Outcome {
    for (i, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
        same("size of a buffer", ring.buf_size(), 2048)?;
        same("ring flags", ring.flags(), 0)?;
        same("offset_mask", ring.offset_mask(), 0)?;
        same("buf_align", ring.buf_align(), 0)?;
        for slot in ring.slots() {
            let got = (slot.len, slot.flags, slot.ptr);
            same(
                format!("len, flags, ptr of a slot of ring {i}"),
                got,
                (2048, 0, 0),
            )?;
        }
    }
    let nifp = bound.nifp();
    same("ni_version", nifp.ni_version, 0)?;
    same("ni_spare1", nifp.ni_spare1, [0; 3])
}

fn item_058_fresh_slots_and_rings_are_clean() -> Outcome {
    check_fresh(&vale("vale58:x").rings(2, 2).slots(64, 128).bind()?)
}

fn item_058_reused_slots_and_rings_are_clean() -> Outcome {
    // The other port keeps the region alive, so that the memory is the same that was made dirty.
    let keeper = shared("vale58:keeper").bind()?;
    for _ in 0..2 {
        let bound = shared("vale58:x").bind()?;
        check_fresh(&bound)?;
        same("list of extra buffers", bound.nifp().ni_bufs_head, 0)?;
        for ring in [bound.tx(0), bound.rx(0)] {
            ring.set_flags(NR_TIMESTAMP | NR_FORWARD);
            for i in 0..ring.n() {
                ring.edit_slot(i, |slot| {
                    (slot.len, slot.flags, slot.ptr) = (7, NS_INDIRECT | NS_MOREFRAG, u64::MAX);
                });
            }
        }
    }
    drop(keeper);
    Ok(())
}

fn item_059_extra_buffers_form_a_list() -> Outcome {
    for port in [vale("vale59:x").slots(64, 64), null(GLOBAL_MEM_ID)] {
        for extra in [0, 1, 100] {
            let bound = port.clone().extra(extra).bind()?;
            same("nr_extra_bufs", bound.reg.nr_extra_bufs, extra)?;
            // The walk ends at index 0.
            let list = bound.extra_bufs();
            same("length of the list", list.len(), extra as usize)?;
            let all = [list, bound.buffers()].concat();
            let distinct: BTreeSet<_> = all.iter().collect();
            same("distinct with the slots'", distinct.len(), all.len())?;
        }
    }
    Ok(())
}

fn item_060_too_many_extra_buffers_are_fewer() -> Outcome {
    for ask in [200_000, u32::MAX] {
        let bound = works("REGISTER", null(GLOBAL_MEM_ID).extra(ask).bind())?;
        let got = bound.reg.nr_extra_bufs;
        that(format!("{got} of 163840"), (1..163_840).contains(&got))?;
        same("length of the list", bound.extra_bufs().len(), got as usize)?;
        // Nothing is left for another, which is no failure.
        let bare = null(GLOBAL_MEM_ID).rings(0, 0).extra(10).bind()?;
        same("extra buffers of the next", bare.reg.nr_extra_bufs, 0)?;
    }
    Ok(())
}

fn item_061_extra_buffers_come_back_at_close() -> Outcome {
    // With a user left the region is not rebuilt, so that buffers have to come back one by one.
    let _keeper = null(GLOBAL_MEM_ID).bind()?;
    let free = free_buffers()?;
    for round in 0..20 {
        let bound = null(GLOBAL_MEM_ID).extra(free / 2).bind()?;
        same(
            format!("extra buffers, round {round}"),
            bound.reg.nr_extra_bufs,
            free / 2,
        )?;
    }
    same("free afterwards", free_buffers()?, free)
}

fn item_062_swapped_buffers_are_not_lost() -> Outcome {
    let _keeper = null(GLOBAL_MEM_ID).bind()?;
    let free = free_buffers()?;
    let a = shared("vale62:a").extra(3).bind()?;
    let b = shared("vale62:b").bind()?;
    let (from, to) = (a.tx(0), b.rx(0));
    for i in 0..from.n() {
        let (x, y) = (from.slot(i).buf_idx, to.slot(i).buf_idx);
        from.edit_slot(i, |slot| slot.buf_idx = y);
        to.edit_slot(i, |slot| slot.buf_idx = x);
    }
    // One extra buffer goes into a slot, the slot's into the list.
    let head = a.nifp().ni_bufs_head;
    let next: u32 = a.map.read(from.buf_at(head));
    let mine = a.rx(0).slot(5).buf_idx;
    a.rx(0).edit_slot(5, |slot| slot.buf_idx = head);
    a.map.write(from.buf_at(mine), next);
    a.set_bufs_head(mine);
    // One after the other, with b's buffers still in use when a's are given back.
    drop((a, from));
    drop((b, to));
    same("free afterwards", free_buffers()?, free)
}

fn item_063_corrupted_slots_and_lists_hurt_nobody_later() -> Outcome {
    small_region_one()?;
    let free = free_buffers()?;
    for list in [1, 163_840, u32::MAX, 0] {
        let a = shared("vale63:a").extra(10).bind()?;
        let b = shared("vale63:b").extra(10).bind()?;
        let first = b.tx(0).slot(0).buf_idx;
        for ring in [a.tx(0), a.rx(0)] {
            for i in 0..ring.n() {
                // Nonsense, the same buffer many times, and a buffer that is b's.
                let index = [0, 1, u32::MAX, 163_840, first, 77][i as usize % 6];
                ring.edit_slot(i, |slot| slot.buf_idx = index);
            }
        }
        // A list that ends badly, and one that goes round.
        a.set_bufs_head(list);
        let head = b.nifp().ni_bufs_head;
        b.map.write(b.tx(0).buf_at(head), head);
        drop((a, b));
        works("a port afterwards", shared("vale63:a").try_bind())?;
        same("free afterwards", free_buffers()?, free)?;
    }
    let (a, b) = (shared("vale63:a").bind()?, shared("vale63:b").bind()?);
    a.send(&numbered(0..20))?;
    same(
        "frames through the region afterwards",
        b.recv()?,
        numbered(0..20),
    )
}
