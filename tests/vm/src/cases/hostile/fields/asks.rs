// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests that only ask.

use super::sample::{small_regions, Sample};
use crate::harness::check::*;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;

pub const CASES: &[Case] = crate::cases![; slow: hostile_fields_of_what_only_asks];

fn hostile_fields_of_what_only_asks() -> Outcome {
    small_regions()?;
    let port = shared("vale940:b").bind()?;
    let ask = "vale940:b";
    let region = NmreqOptRegion {
        fd: port.device.raw(),
        ..NmreqOptRegion::zeroed()
    };
    let info = |what| {
        Sample::new(
            what,
            NETMAP_REQ_PORT_INFO_GET,
            ask,
            NmreqPortInfoGet::zeroed(),
        )
    };
    for sample in [
        info("PORT_INFO_GET"),
        info("PORT_INFO_GET by descriptor").option(
            FERROMAP_OPT_REGION,
            size_of::<NmreqOptRegion>(),
            region,
        ),
        Sample::new(
            "POOLS_INFO_GET",
            NETMAP_REQ_POOLS_INFO_GET,
            ask,
            NmreqPoolsInfo::zeroed(),
        ),
        Sample::new(
            "VALE_LIST",
            NETMAP_REQ_VALE_LIST,
            ask,
            NmreqValeList::zeroed(),
        ),
        Sample::new(
            "PORT_HDR_GET",
            NETMAP_REQ_PORT_HDR_GET,
            ask,
            NmreqPortHdr::zeroed(),
        ),
        Sample::new("PROBE", FERROMAP_REQ_PROBE, "vale940:c", shared("").body),
        Sample::new("XDP_QUERY", FERROMAP_REQ_XDP_QUERY, ask, NmreqXdp::zeroed()),
    ] {
        sample.try_all()?;
    }
    Ok(())
}
