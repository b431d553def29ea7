// SPDX-License-Identifier: MIT OR Apache-2.0

//! `NIOCREGIF` and `NIOCGINFO` of old programs. With commands they are beside what those stand
//! for: see [`switches`](super::switches).

use super::sample::{small_regions, Sample};
use crate::harness::check::*;
use crate::harness::raw::request::legacy;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::Nmreq;

pub const CASES: &[Case] = crate::cases![; slow: hostile_fields_of_old_requests];

fn hostile_fields_of_old_requests() -> Outcome {
    small_regions()?;
    let request = Nmreq {
        nr_tx_slots: 64,
        nr_rx_slots: 64,
        nr_arg2: GLOBAL_MEM_ID,
        ..legacy("vale940:a")
    };
    Sample::old("NIOCREGIF", NIOCREGIF, request).try_all()?;
    let _port = shared("vale940:a").bind()?;
    Sample::old("NIOCGINFO", NIOCGINFO, request).try_all()
}
