// SPDX-License-Identifier: MIT OR Apache-2.0

//! Buffers in slots and extra buffers of a port of any kind: items 56 to 61.

use super::buffers::check_fresh;
use crate::cases::control::kinds::every_kind;
use crate::harness::attach::attach;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::made;
use crate::harness::raw::request::{free_buffers, pools_info};
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::traffic::*;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    item_057_buffers_of_every_kind_of_port_are_distinct,
    item_058_slots_and_rings_of_every_kind_of_port_are_clean,
    item_059_extra_buffers_of_every_kind_of_port_serve_in_slots,
    item_061_extra_buffers_of_every_kind_of_port_come_back,
];

/// Also that they start where the pool does, by each ring (item 56), and that the list of extra
/// buffers is as long as was said (item 59).
fn item_057_buffers_of_every_kind_of_port_are_distinct() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let bound = works(what, ask.extra(20).bind())?;
        let pools = pools_info("valek:probe", bound.reg.nr_mem_id)?;
        for (i, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
            let start = pools.nr_buf_pool_offset;
            same(
                format!("buffers by ring {i} of {what}"),
                ring.buffers(),
                start,
            )?;
        }
        let extra = bound.extra_bufs();
        same(format!("told of {what}"), bound.reg.nr_extra_bufs, 20)?;
        same(format!("extra buffers of {what}"), extra.len(), 20)?;
        let mut all = [bound.buffers(), extra].concat();
        if what.contains("monitor") {
            // Its transmit ring is of no use, and has none.
            all.retain(|&index| index != 0);
        }
        let real = 2..pools.nr_buf_pool_objtotal;
        that(
            format!("real ones of {what}"),
            all.iter().all(|index| real.contains(index)),
        )?;
        let distinct: BTreeSet<_> = all.iter().collect();
        same(
            format!("distinct ones of {what}"),
            distinct.len(),
            all.len(),
        )?;
    }
    Ok(())
}

fn item_058_slots_and_rings_of_every_kind_of_port_are_clean() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let blame = |f: Failure| failure(format!("{what}: {f}"));
        check_fresh(&works(what, ask.bind())?).map_err(blame)?;
    }
    Ok(())
}

/// Has a frame come.
type Come<'a> = &'a dyn Fn(&Vec<u8>) -> Outcome;

/// Gives the extra buffers to the slots of a receive ring, and what these had to the list; then
/// has frames come into them.
fn receive_into_extra(bound: &Bound, come: Come<'_>) -> Outcome {
    let ring = bound.rx(0);
    let extra = bound.extra_bufs();
    let next = |n: u32| -> Outcome<u32> {
        come(&frame(BROADCAST, station(1), n))?;
        wait_until("it came", || {
            let _ = bound.device.rxsync();
            ring.space() == 1
        })?;
        let at = ring.head();
        let right = ring.payload(at) == frame(BROADCAST, station(1), n);
        that(format!("frame {n}"), right)?;
        Ok(at)
    };
    let mut head = 0;
    for (n, &index) in (0..).zip(&extra) {
        let at = next(n)?;
        let own = ring.slot(at).buf_idx;
        ring.edit_slot(at, |slot| {
            (slot.buf_idx, slot.flags) = (index, NS_BUF_CHANGED)
        });
        bound.map.write(ring.buf_at(own), head);
        head = own;
        ring.set_head_cur(ring.tail());
    }
    bound.set_bufs_head(head);
    let mut used = vec![];
    for n in extra.len() as u32..ring.n() + extra.len() as u32 {
        let at = next(n)?;
        used.push(ring.slot(at).buf_idx);
        ring.set_head_cur(ring.tail());
    }
    same(
        "came in them",
        used[used.len() - extra.len()..].to_vec(),
        extra,
    )
}

/// Receive rings of each kind that has frames; pipes and switches are in other cases.
fn item_059_extra_buffers_of_every_kind_of_port_serve_in_slots() -> Outcome {
    small_region_one()?;
    wire()?;
    made("p0")?;
    attach("vale59:p0")?;
    let far = Stack::on("fm1")?;
    let watched = shared("vale59:w").bind()?;
    let peer = shared("vale59:a").bind()?;
    let wired = |frame: &Vec<u8>| -> Outcome { Ok(far.send(frame)?) };
    let switched = |frame: &Vec<u8>| -> Outcome { Ok(peer.send(&[frame.clone()])?) };
    let seen = |frame: &Vec<u8>| -> Outcome { Ok(watched.send(&[frame.clone()])?) };
    let copies = vale("vale59:w").flags(NR_MONITOR_TX);
    let kinds: [(&str, Reg, Come<'_>); 3] = [
        ("an interface", vale("fm0"), &wired),
        ("a persistent port", vale("p0"), &switched),
        ("a monitor", copies, &seen),
    ];
    for (what, ask, come) in kinds {
        let blame = |f: Failure| failure(format!("{what}: {f}"));
        let first = works(what, ask.clone().bind())?;
        let region = first.reg.nr_mem_id;
        let _keeper = null(region).bind()?;
        drop(first);
        let before = free_buffers(region)?;
        let bound = works(what, ask.mem(region).extra(10).bind())?;
        receive_into_extra(&bound, come).map_err(blame)?;
        drop(bound);
        same(format!("free after {what}"), free_buffers(region)?, before)?;
    }
    Ok(())
}

/// And where more are asked for than there are, all that are left are had (item 60).
fn item_061_extra_buffers_of_every_kind_of_port_come_back() -> Outcome {
    small_region_one()?;
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        // A null port keeps the region, so that buffers have to come back one by one.
        let first = works(what, ask.clone().bind())?;
        let region = first.reg.nr_mem_id;
        let _keeper = null(region).bind()?;
        drop(first);
        let before = free_buffers(region)?;
        let ask = ask.mem(region);
        for _ in 0..3 {
            let bound = works(what, ask.clone().extra(u32::MAX).bind())?;
            let got = bound.reg.nr_extra_bufs;
            that(
                format!("{got} of {before} of {what}"),
                (1..=before).contains(&got),
            )?;
            same(format!("left by {what}"), free_buffers(region)?, 0)?;
            same(
                format!("list of {what}"),
                bound.extra_bufs().len(),
                got as usize,
            )?;
        }
        same(format!("free after {what}"), free_buffers(region)?, before)?;
    }
    Ok(())
}
