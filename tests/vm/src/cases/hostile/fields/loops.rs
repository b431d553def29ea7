// SPDX-License-Identifier: MIT OR Apache-2.0

//! CSB mode, and the loop, with and without what wakes it.

use super::sample::{bound, in_csb_mode, small_regions, Sample};
use crate::harness::check::*;
use crate::harness::raw::csb::{eventfds_word, Csb};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::options::*;
use ferromap_abi::wire::*;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_fields_of_csb_enable,
    hostile_fields_of_loops,
    hostile_fields_of_loops_with_eventfds
];

fn hostile_fields_of_csb_enable() -> Outcome {
    small_regions()?;
    let page = Csb::at(0x10_0000_3000)?;
    let csb = NmreqOptCsb {
        csb_atok: page.atok_address(),
        csb_ktoa: page.ktoa_address(),
        ..Default::default()
    };
    let enable = Sample::bare("CSB_ENABLE", NETMAP_REQ_CSB_ENABLE, "");
    enable
        .option(NETMAP_REQ_OPT_CSB, size_of::<NmreqOptCsb>(), csb)
        .on(bound)
        .try_all()
}

fn start(what: &'static str) -> Sample<'static> {
    let body = NmreqSyncKloopStart {
        sleep_us: 20,
        pad1: 0,
    };
    Sample::new(what, NETMAP_REQ_SYNC_KLOOP_START, "", body).on(in_csb_mode)
}

fn mode(sample: Sample<'_>, mode: u32) -> Sample<'_> {
    let option = NmreqOptSyncKloopMode {
        mode,
        ..Default::default()
    };
    sample.option(
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
        size_of::<NmreqOptSyncKloopMode>(),
        option,
    )
}

fn hostile_fields_of_loops() -> Outcome {
    small_regions()?;
    for sample in [
        mode(start("KLOOP_START"), 0),
        Sample::bare("KLOOP_STOP", NETMAP_REQ_SYNC_KLOOP_STOP, "").on(in_csb_mode),
    ] {
        sample.try_all()?;
    }
    Ok(())
}

fn hostile_fields_of_loops_with_eventfds() -> Outcome {
    small_regions()?;
    let (kick, irq) = (eventfd()?, eventfd()?);
    let word = eventfds_word((kick.as_raw_fd(), irq.as_raw_fd()));
    let kicked = |what| {
        let option = NmreqOptSyncKloopEventfds::default();
        let size = size_of::<NmreqOptSyncKloopEventfds>();
        start(what)
            .option(NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, size, option)
            .and(&[word; 2])
    };
    let direct = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;
    for sample in [
        kicked("KLOOP_START with eventfds"),
        mode(kicked("KLOOP_START in the direct modes"), direct),
    ] {
        sample.try_all()?;
    }
    Ok(())
}

fn eventfd() -> Outcome<EventFd> {
    Ok(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?)
}
