// SPDX-License-Identifier: MIT OR Apache-2.0

//! Regions: what is mapped and how it is laid out, the buffers in slots and beside them, the
//! parameters that give sizes, whom a region is open to and who pays for it.
//! Programs that write nonsense there are in [`hostile`](super::hostile).

mod buffers;
mod mapping;
mod parameters;
mod regions;

use crate::harness::Case;

pub const FILES: &[&[Case]] = &[
    mapping::CASES,
    regions::CASES,
    buffers::CASES,
    parameters::CASES,
];
