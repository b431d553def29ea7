// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER, of each kind of port, and with each of its options.

use super::sample::{small_regions, Sample};
use crate::harness::check::*;
use crate::harness::persistent::{delif, newif_with};
use crate::harness::raw::csb::Csb;
use crate::harness::raw::*;
use crate::harness::wire::wire;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::options::*;
use ferromap_abi::wire::*;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_fields_of_register,
    hostile_fields_of_register_with_options,
    hostile_fields_of_register_of_interfaces
];

/// A small port, as REGISTER has it.
fn small() -> NmreqRegister {
    shared("").body
}

fn register(what: &'static str, name: &str, body: NmreqRegister) -> Sample<'static> {
    Sample::new(what, NETMAP_REQ_REGISTER, name, body)
}

fn hostile_fields_of_register() -> Outcome {
    small_regions()?;
    let _watched = vale("vale940:b").slots(64, 64).bind()?;
    let watch = NmreqRegister {
        nr_flags: NR_MONITOR_RX,
        ..small()
    };
    // In the region of the port that it watches, whichever that is.
    let take_part = NmreqRegister {
        nr_flags: NR_MONITOR_TX | NR_ZCOPY_MON,
        nr_mem_id: 0,
        ..small()
    };
    for sample in [
        register("a switch port", "vale940:a", small()),
        register("a pipe", "vale940:a{1", small()),
        register("a pipe without a port", "pipe940}1", small()),
        register("a null port", "nothing", null(GLOBAL_MEM_ID).body),
        register("a monitor", "vale940:b", watch),
        register("a zero-copy monitor", "vale940:b", take_part),
    ] {
        sample.try_all()?;
    }
    Ok(())
}

fn hostile_fields_of_register_with_options() -> Outcome {
    small_regions()?;
    let page = Csb::at(0x10_0000_3000)?;
    let csb = NmreqOptCsb {
        csb_atok: page.atok_address(),
        csb_ktoa: page.ktoa_address(),
        ..Default::default()
    };
    let exclusive = NmreqRegister {
        nr_flags: NR_EXCLUSIVE,
        ..small()
    };
    let region = vale("vale940:b").slots(64, 64).bind()?;
    let by_descriptor = NmreqOptRegion {
        fd: region.device.raw(),
        ..NmreqOptRegion::zeroed()
    };
    let own = NmreqRegister {
        nr_mem_id: 0,
        ..small()
    };
    let memory = extmem::anonymous(2 << 20)?;
    let within = extmem::option(memory.at(0) as u64, extmem::few(2 << 20));
    for sample in [
        register("a port in CSB mode", "vale940:a", exclusive).option(
            NETMAP_REQ_OPT_CSB,
            size_of::<NmreqOptCsb>(),
            csb,
        ),
        register("a port with offsets", "vale940:a", small()).option(
            NETMAP_REQ_OPT_OFFSETS,
            size_of::<NmreqOptOffsets>(),
            NmreqOptOffsets {
                nro_max_offset: 512,
                nro_initial_offset: 64,
                nro_offset_bits: 16,
                ..Default::default()
            },
        ),
        register("a port in its own memory", "vale940:a", own).option(
            NETMAP_REQ_OPT_EXTMEM,
            size_of::<NmreqOptExtmem>(),
            within,
        ),
        register("a port in a region by descriptor", "vale940:a", own).option(
            FERROMAP_OPT_REGION,
            size_of::<NmreqOptRegion>(),
            by_descriptor,
        ),
    ] {
        sample.try_all()?;
    }
    Ok(())
}

/// One of another driver, and one of ours.
fn hostile_fields_of_register_of_interfaces() -> Outcome {
    wire()?;
    small_regions()?;
    let whole = vale("").body;
    register("an interface", "fm0", whole).try_all()?;
    register("a pipe on an interface", "fm0{1", whole).try_all()?;
    let wish = NmreqValeNewif {
        nr_tx_slots: 64,
        nr_rx_slots: 64,
        ..NmreqValeNewif::default()
    };
    works("NEWIF", newif_with("fp940", wish))?;
    register("a persistent port", "fp940", whole).try_all()?;
    register("a pipe on a persistent port", "fp940}1", whole).try_all()?;
    works("DELIF", delif("fp940"))
}
