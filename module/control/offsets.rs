// SPDX-License-Identifier: GPL-2.0

//! `NETMAP_REQ_OPT_OFFSETS`: frames do not start where their buffers do (section 4.12 of the
//! interface).

use super::options::Options;
use crate::{
    abi::options::NmreqOptOffsets,
    port::Port,
    refusal::{refuse, Fallible},
    ring::{Offsets, Selection, Unfit, WantedOffsets},
};
use kernel::prelude::*;

/// Whether an option wants offsets that these rings can have.
pub(super) fn check(
    options: &mut Options,
    port: &dyn Port,
    selection: &Selection,
) -> Fallible<Option<()>> {
    options.take(|option: &mut NmreqOptOffsets| {
        let offsets = wanted(option, port)?.offsets;
        port.rings().admit_offsets(selection, &offsets).map(drop)
    })
}

/// The offsets that these rings, which are bound right after that, are to have, if an option says
/// so. The program is told of the largest one.
pub(super) fn take(
    options: &mut Options,
    port: &dyn Port,
    selection: &Selection,
) -> Fallible<Option<WantedOffsets>> {
    options.take(|option: &mut NmreqOptOffsets| {
        let wanted = wanted(option, port)?;
        let there = port.rings().admit_offsets(selection, &wanted.offsets)?;
        option.nro_max_offset = there.unwrap_or(wanted.offsets).max.into();
        Ok(wanted)
    })
}

/// What the option says, if it can be done with the port's buffers.
fn wanted(option: &NmreqOptOffsets, port: &dyn Port) -> Fallible<WantedOffsets> {
    if !port.takes_offsets() {
        refuse!(
            EOPNOTSUPP,
            "a zero-copy monitor has no offsets: frames stay where they are in their buffers"
        );
    }
    let (max, initial) = (option.nro_max_offset, option.nro_initial_offset);
    let bits = option.nro_offset_bits;
    let size = port.rings().region().layout()?.bufs.size;
    let offsets = match Offsets::new((bits, max, initial), option.nro_min_gap, size) {
        Ok(offsets) => offsets,
        Err(Unfit::Bits) => refuse!(
            EINVAL,
            "nro_offset_bits is {}, and ptr of a slot has 64",
            bits
        ),
        Err(Unfit::Max) => refuse!(
            EINVAL,
            "nro_max_offset is {}, and a buffer has {} bytes",
            max,
            size
        ),
        Err(Unfit::MaxBits) => refuse!(
            EINVAL,
            "nro_max_offset is {}, which takes more than {} bits (nro_offset_bits)",
            max,
            bits
        ),
        Err(Unfit::Initial) => refuse!(
            EINVAL,
            "nro_initial_offset is {}, and nro_max_offset {}: it can be no more than that",
            initial,
            max
        ),
    };
    Ok(WantedOffsets {
        offsets,
        initial: initial as u32,
    })
}
