// SPDX-License-Identifier: MIT OR Apache-2.0

//! REGISTER with options. That for memory of the program's own has a file of its own.

use super::each::*;
use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::bound::pair;
use crate::harness::raw::csb::Csb;
use crate::harness::raw::hostile::OptionList;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::FERROMAP_OPT_REGION;

pub const CASES: &[Case] = crate::cases![
    hostile_memory_fails_in_register_csb,
    hostile_memory_fails_in_register_offsets,
    hostile_memory_fails_in_register_offsets_of_a_pipe,
    hostile_memory_fails_in_register_by_descriptor,
];

fn hostile_memory_fails_in_register_csb() -> Outcome {
    let prepare = || -> Outcome<(Device, Csb)> { Ok((Device::open()?, Csb::new()?)) };
    let attempt = |(device, csb): &(Device, Csb)| {
        let ask = vale("vale965:a").slots(64, 64).flags(NR_EXCLUSIVE);
        ask.options(csb.option().first()).send(device)
    };
    each_failure(prepare, attempt, refused).map(drop)
}

/// Frames begin 64 bytes into their buffers, and programs may have that otherwise.
fn offsets() -> OptionList {
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS]);
    options.option(0).body[..3].copy_from_slice(&[512, 64, 16]);
    options
}

fn hostile_memory_fails_in_register_offsets() -> Outcome {
    let bind = |device: &Device| {
        let ask = vale("vale965:a").rings(2, 2).slots(64, 64);
        bind(device, ask.options(offsets().first()))
    };
    let count = each_failure(new_device, bind, refused)?;
    that(format!("dozens of allocations, got {count}"), count > 24)
}

/// The first end has them for both. The second is refused others, whether there is memory or not.
fn hostile_memory_fails_in_register_offsets_of_a_pipe() -> Outcome {
    let end = |name: &str| vale(name).slots(32, 32);
    let base = end("vale965:p").bind()?;
    let bind_end = |name: &'static str| {
        move |device: &Device| {
            let mut options = offsets();
            let ask = end(name).options(options.first());
            bind(device, ask)
        }
    };
    each_failure(new_device, bind_end("vale965:p{x"), refused)?;
    let mut options = offsets();
    let from = end("vale965:p{x").options(options.first()).bind()?;
    each_failure(new_device, bind_end("vale965:p}x"), refused)?;
    let to = end("vale965:p}x").bind()?;
    same("where frames begin", to.rx(0).slot(0).ptr, 64)?;
    same("regions", from.reg.nr_mem_id, base.reg.nr_mem_id)
}

fn hostile_memory_fails_in_register_by_descriptor() -> Outcome {
    let (a, b) = pair("vale962")?;
    let region = || {
        let mut options = OptionList::of(&[FERROMAP_OPT_REGION]);
        options.option(0).body[0] = a.device.raw() as u64;
        options
    };
    let bind = |device: &Device| {
        let ask = vale("vale962:c").rings(2, 2).slots(16, 16);
        bind(device, ask.options(region().first()))
    };
    each_failure(new_device, bind, refused)?;
    let mut options = region();
    let c = vale("vale962:c")
        .slots(16, 16)
        .options(options.first())
        .bind()?;
    same("regions", c.reg.nr_mem_id, a.reg.nr_mem_id)?;
    a.send(&numbered(0..9))?;
    same("frames of the others", b.recv()?, numbered(0..9))?;
    same("and its own", c.recv()?, numbered(0..9))
}
