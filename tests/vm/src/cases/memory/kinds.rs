// SPDX-License-Identifier: MIT OR Apache-2.0

//! Buffers in slots and extra buffers of a port of any kind: items 58, 60 and 61.

use super::buffers::check_fresh;
use crate::cases::control::kinds::every_kind;
use crate::harness::check::*;
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::Case;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    item_058_slots_and_rings_of_every_kind_of_port_are_clean,
    item_061_extra_buffers_of_every_kind_of_port_come_back,
];

fn item_058_slots_and_rings_of_every_kind_of_port_are_clean() -> Outcome {
    let (_watched, kinds) = every_kind()?;
    for (what, ask) in kinds {
        let blame = |f: Failure| failure(format!("{what}: {f}"));
        check_fresh(&works(what, ask.bind())?).map_err(blame)?;
    }
    Ok(())
}

/// How many buffers nobody has in that region.
fn free(region: u16) -> Result<u32, Errno> {
    let all = null(region).rings(0, 0).extra(u32::MAX).bind()?;
    Ok(all.reg.nr_extra_bufs)
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
        let before = free(region)?;
        let ask = ask.mem(region);
        for _ in 0..3 {
            let bound = works(what, ask.clone().extra(u32::MAX).bind())?;
            let got = bound.reg.nr_extra_bufs;
            let some = (1..=before).contains(&got);
            that(format!("{got} of {before} of {what}"), some)?;
            same(format!("left by {what}"), free(region)?, 0)?;
            same(
                format!("list of {what}"),
                bound.extra_bufs().len(),
                got as usize,
            )?;
        }
        same(format!("free after {what}"), free(region)?, before)?;
    }
    Ok(())
}
