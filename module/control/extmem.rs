// SPDX-License-Identifier: GPL-2.0

//! `NETMAP_REQ_OPT_EXTMEM`: the port's region is memory of the program (section 3.9 of the
//! interface).

use super::context::Context;
use crate::{
    abi::options::NmreqOptExtmem,
    memory::{Claimant, Region, RegionRef, UserMemory},
    port::Port,
    refusal::{refuse, Fallible, Name},
    turn::Taken,
};
use kernel::prelude::*;

/// The region in the memory that an option gives, if one does. The program is told what it has come
/// to.
pub(super) fn take(
    context: &mut Context<'_>,
    turn: &Taken<'_>,
    claimant: &Claimant,
) -> Fallible<Option<RegionRef>> {
    let regions = &context.world.registry.regions;
    context.options.take(|option: &mut NmreqOptExtmem| {
        // A process may take as long as it likes to bring its memory in.
        let memory = turn.aside(|| UserMemory::new(option.nro_usrptr, &option.nro_info))?;
        let region = regions.within(claimant, memory)?;
        option.nro_info.nr_mem_id = region.id();
        region.layout()?.tell(&mut option.nro_info);
        Ok(region)
    })
}

/// Refuses a port that was there before, in other memory (quirk 20).
pub(super) fn check(port: &dyn Port, wanted: &Region) -> Fallible {
    let region = port.rings().region();
    if region.id() != wanted.id() {
        refuse!(
            EBUSY,
            "{} is in memory region {} already, and cannot be in that of the option: close it \
             first, or leave the option out",
            Name(port.name()),
            region.id()
        );
    }
    Ok(())
}
