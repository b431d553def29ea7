// SPDX-License-Identifier: GPL-2.0

//! Which memory regions a request may use: by who asks, or by a descriptor that he names.

use super::context::Context;
use crate::{
    abi::ext::NmreqOptRegion,
    file::OpenFile,
    memory::{Claimant, Region, RegionRef},
    refusal::{refuse, Fallible},
    world::World,
};
use kernel::{prelude::*, sync::Arc};

pub(super) struct RegionRights<'a> {
    world: &'a World,
    pub(super) claimant: Claimant,
    /// The region of the descriptor that the program named.
    granted: Option<RegionRef>,
}

impl<'a> RegionRights<'a> {
    /// Honours the option that names a region.
    pub(super) fn of(context: &mut Context<'a>) -> Fallible<Self> {
        let file = context.file;
        Ok(RegionRights {
            world: context.world,
            granted: context
                .options
                .take(|option: &mut NmreqOptRegion| granted(file, option))?,
            claimant: Claimant::current(context.asker)?,
        })
    }

    /// The region that the request names, by a descriptor or by its id; none for id 0.
    pub(super) fn region(&self, id: u16) -> Fallible<Option<RegionRef>> {
        match &self.granted {
            Some(granted) if id != 0 && id != granted.id() => refuse!(
                EINVAL,
                "nr_mem_id is {}, but the descriptor is bound in region {}: set nr_mem_id to 0",
                id,
                granted.id()
            ),
            Some(granted) => Ok(Some(granted.clone())),
            None if id == 0 => Ok(None),
            None => {
                let regions = &self.world.registry.regions;
                Ok(Some(regions.find(&self.claimant, id)?))
            }
        }
    }

    /// Refuses who may not use that region: neither by who he is, nor by the descriptor.
    pub(super) fn admit(&self, region: &Arc<Region>) -> Fallible {
        match self.granted.as_deref() {
            Some(granted) if Arc::ptr_eq(granted, region) => Ok(()),
            _ => region.admit(&self.claimant),
        }
    }
}

/// The region of the file whose descriptor is in the option.
fn granted(file: &OpenFile, option: &NmreqOptRegion) -> Fallible<RegionRef> {
    if option.pad != 0 {
        refuse!(EINVAL, "pad of the option is not 0");
    }
    // A negative number is too large for a descriptor.
    let region = file.kin().with(option.fd as u32, |other| {
        Some(other.binding()?.held().set().region().clone())
    });
    match region {
        Ok(Some(Some(region))) => Ok(region),
        Ok(Some(None)) => refuse!(
            ENXIO,
            "descriptor {} is not bound to a port, so it is in no memory region",
            option.fd
        ),
        Ok(None) => refuse!(
            EINVAL,
            "descriptor {} is not an open /dev/netmap",
            option.fd
        ),
        Err(errno) => refuse!(errno, "descriptor {} is not open", option.fd),
    }
}
