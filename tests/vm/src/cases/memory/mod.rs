// SPDX-License-Identifier: MIT OR Apache-2.0

//! Regions: what is mapped and how it is laid out, the buffers in slots and beside them, the
//! parameters that give sizes, null ports, whom a region is open to and who pays for it.
//! Programs that write nonsense there are in [`hostile`](super::hostile).

mod access;
mod buffers;
mod extmem;
mod extmem_limits;
mod kinds;
mod mapping;
mod null;
mod parameters;
mod supply;
mod upkeep;
mod within;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    mapping::CASES,
    access::CASES,
    upkeep::CASES,
    supply::CASES,
    buffers::CASES,
    kinds::CASES,
    extmem::CASES,
    extmem_limits::CASES,
    within::CASES,
    null::CASES,
    parameters::CASES,
];
