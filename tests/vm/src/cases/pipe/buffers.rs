// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which buffers the slots of a pipe have, from its beginning to its end, whatever it is built on.

use super::bases::on_every_base;
use super::pipe;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::request::free_buffers;
use crate::harness::raw::ring::Ring;
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::Case;
use ferromap_abi::consts::*;
use std::collections::BTreeSet;

pub const CASES: &[Case] = crate::cases![
    item_154_a_buffer_that_is_swapped_comes_back,
    pipe_both_ends_begin_with_the_same_buffers,
    pipe_gives_back_the_buffers_that_it_has_then,
];

fn item_154_a_buffer_that_is_swapped_comes_back() -> Outcome {
    on_every_base(|base| {
        let (master, slave) = pipe(base, "x")?;
        let owner = vale(base).extra(1).bind()?;
        let extra = owner.extra_bufs()[0];
        let (tx, rx) = (master.tx(0), slave.rx(0));
        master.send(&numbered(0..3))?;
        slave.device.rxsync()?;
        let mine = rx.slot(1).buf_idx;
        rx.edit_slot(1, |slot| {
            slot.buf_idx = extra;
            slot.flags |= NS_BUF_CHANGED;
        });
        rx.set_head_cur(3);
        slave.device.rxsync()?;
        master.device.txsync()?;
        same("room", tx.space(), 63)?;
        let slot = tx.slot(1);
        same("the other buffer", slot.buf_idx, extra)?;
        same("is told", slot.flags, NS_BUF_CHANGED)?;
        differs("its own", tx.slot(1).buf_idx, mine)?;
        same("the others", tx.slot(2).flags, 0)?;
        // The receiver keeps what it took out.
        same("it still has it", number(&rx.read_buf(mine, 60)), 1)?;
        owner.map.write(rx.buf_at(mine), 0u32);
        owner.set_bufs_head(mine);
        Ok(())
    })
}

fn buffers(ring: &Ring) -> Vec<u32> {
    ring.slots().iter().map(|slot| slot.buf_idx).collect()
}

fn pipe_both_ends_begin_with_the_same_buffers() -> Outcome {
    on_every_base(|base| {
        let master = vale(&format!("{base}{{x"))
            .rings(2, 3)
            .slots(64, 32)
            .bind()?;
        let slave = vale(&format!("{base}}}x")).bind()?;
        let mut all = BTreeSet::new();
        for (from, to) in [(&master, &slave), (&slave, &master)] {
            for (ring, tx) in from.tx_rings() {
                if ring == from.nifp().ni_tx_rings {
                    continue;
                }
                same("buffers", buffers(&tx), buffers(&to.rx(ring)))?;
                all.extend(buffers(&tx));
            }
        }
        same("each once", all.len(), 2 * 64 + 3 * 32)?;
        that(
            "none of nobody's",
            all.first() >= Some(&NETMAP_RESERVED_BUFS),
        )
    })
}

fn pipe_gives_back_the_buffers_that_it_has_then() -> Outcome {
    small_region_one()?;
    on_every_base(|base| {
        // A sender's slot and the receiver's name the same buffer, or not any more: which of them
        // the pipe has is what counts.
        // A pipe has the base be there, whatever it is.
        let _other = vale(&format!("{base}{{other")).slots(4, 4).bind()?;
        let owner = vale(base).slots(64, 64).extra(200).bind()?;
        let region = owner.reg.nr_mem_id;
        let mut mine = owner.extra_bufs();
        same("extra buffers", mine.len(), 200)?;
        owner.set_bufs_head(0);
        let before = free_buffers(region)?;
        let (master, slave) = pipe(base, "x")?;
        let (tx, rx) = (master.tx(0), slave.rx(0));
        let swap = |ring: &Ring, at: u32, mine: &mut Vec<u32>| {
            let other = mine.remove(0);
            ring.edit_slot(at, |slot| {
                mine.push(std::mem::replace(&mut slot.buf_idx, other));
                slot.flags |= NS_BUF_CHANGED;
            });
        };
        // Sent and taken, each with another buffer put in; some not given back, and some not sent.
        for at in 0..30 {
            swap(&tx, at, &mut mine);
        }
        tx.set_head_cur(30);
        master.device.txsync()?;
        slave.device.rxsync()?;
        for at in 0..20 {
            swap(&rx, at, &mut mine);
        }
        rx.set_head_cur(10);
        slave.device.rxsync()?;
        for at in 30..50 {
            swap(&tx, at, &mut mine);
        }
        tx.set_head_cur(40);
        // Mappings keep files open.
        drop((tx, rx));
        drop(slave);
        drop(master);
        // As many as before, and none of those that the program has: whoever takes all that are
        // free gets some for his own rings.
        same("free", free_buffers(region)?, before)?;
        let all = null(region).extra(u32::MAX).bind()?;
        let taken = [all.buffers(), all.extra_bufs()].concat();
        let taken: BTreeSet<_> = taken.into_iter().collect();
        same("each once", taken.len() as u32, before)?;
        let both: Vec<_> = mine.iter().filter(|index| taken.contains(index)).collect();
        same("somebody's", both, Vec::<&u32>::new())
    })
}
