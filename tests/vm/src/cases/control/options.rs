// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists of options: items 14 to 22.
//!
//! What comes of those that are honoured is with the cases of their subjects.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::hostile::{LowPage, Opt, UNTOUCHED};
use crate::harness::raw::request::vale_find;
use crate::harness::raw::stack::{Stack, QUIET};
use crate::harness::raw::*;
use crate::harness::traffic::numbers;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqOptRegion, FERROMAP_OPT_REGION};
use ferromap_abi::wire::*;
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    item_014_option_type_zero_is_invalid,
    item_015_known_option_twice_is_invalid,
    item_016_unknown_option_undoes_register,
    item_016_undone_register_leaves_the_interface_to_the_host,
    item_017_unknown_option_does_not_hurt_other_requests,
    item_018_too_large_option_is_refused,
    item_018_too_large_sum_is_refused,
    item_018_many_options_are_counted_as_they_are_kept,
    item_019_circle_of_unknown_options_ends,
    item_019_circle_through_a_known_option_is_a_duplicate,
    item_019_long_list_is_refused,
    item_020_unreadable_option_faults,
    item_020_unwritable_option_faults,
    item_021_kloop_options_do_not_belong_to_register,
    item_022_statuses_come_back_on_failure,
    item_022_bodies_come_back_on_success_only,
];

const UNKNOWN: u32 = NETMAP_REQ_OPT_MAX;
const INVALID: u32 = Errno::EINVAL as u32;
const UNSUPPORTED: u32 = Errno::EOPNOTSUPP as u32;

/// REGISTER of a small port with a list of options, on `device`.
fn register(device: &Device, name: &str, options: &mut OptionList) -> Result<(), Errno> {
    vale(name)
        .slots(64, 64)
        .options(options.first())
        .send(device)
}

/// PORT_INFO_GET of the shared region with a list of options.
fn info(options: &mut OptionList) -> Result<(), Errno> {
    let mut body = NmreqPortInfoGet::default();
    Device::open()?.request_with(NETMAP_REQ_PORT_INFO_GET, "", &mut body, options.first())
}

/// The device can be used for another REGISTER, and the port named in the failed one does not
/// exist.
fn still_unbound(device: Device, name: &str) -> Outcome {
    fails("NIOCTXSYNC", device.txsync(), Errno::ENXIO)?;
    fails("VALE_LIST", vale_find(name), Errno::ENOENT)?;
    let again = vale(name).slots(64, 64).bind_on(device);
    works("REGISTER without options", again).map(drop)
}

fn item_014_option_type_zero_is_invalid() -> Outcome {
    let device = Device::open()?;
    let mut options = OptionList::of(&[0]);
    let result = register(&device, "vale14:x", &mut options);
    fails("REGISTER", result, Errno::EINVAL)?;
    same("its status", options.statuses(), [INVALID])?;

    let mut options = OptionList::of(&[UNKNOWN, 0]);
    fails("PORT_INFO_GET", info(&mut options), Errno::EINVAL)?;
    same(
        "statuses of an innocent one and it",
        options.statuses(),
        [0, INVALID],
    )?;
    still_unbound(device, "vale14:x")
}

fn item_015_known_option_twice_is_invalid() -> Outcome {
    let device = Device::open()?;
    for known in NETMAP_REQ_OPT_EXTMEM..NETMAP_REQ_OPT_MAX {
        let mut options = OptionList::of(&[known, UNKNOWN, known]);
        let result = register(&device, "vale15:x", &mut options);
        fails(
            format!("REGISTER with type {known} twice"),
            result,
            Errno::EINVAL,
        )?;
        same("statuses", options.statuses(), [INVALID, 0, INVALID])?;
    }
    still_unbound(device, "vale15:x")
}

fn item_016_unknown_option_undoes_register() -> Outcome {
    for (i, types) in [&[UNKNOWN][..], &[77], &[u32::MAX], &[UNKNOWN, 9, UNKNOWN]]
        .into_iter()
        .enumerate()
    {
        let name = format!("vale16:x{i}");
        let device = Device::open()?;
        let mut options = OptionList::of(types);
        let result = register(&device, &name, &mut options);
        fails(
            format!("REGISTER with {types:?}"),
            result,
            Errno::EOPNOTSUPP,
        )?;
        same(
            "statuses",
            options.statuses(),
            vec![UNSUPPORTED; types.len()],
        )?;
        still_unbound(device, &name)?;
    }
    Ok(())
}

/// That REGISTER with this one option is refused, since nobody honours that, and binds nothing.
fn undoes_register(name: &str, mut options: OptionList) -> Outcome {
    let device = Device::open()?;
    let option = options.option(0).head.nro_reqtype;
    let result = register(&device, name, &mut options);
    fails(
        format!("REGISTER with option {option}"),
        result,
        Errno::EOPNOTSUPP,
    )?;
    same("status", options.statuses(), [UNSUPPORTED])?;
    still_unbound(device, name)
}

/// Buffers that take a while to hand out.
const MANY: u32 = 100_000;

/// A program that tries whether an option is known takes nothing from the host.
fn item_016_undone_register_leaves_the_interface_to_the_host() -> Outcome {
    wire()?;
    let (sender, stack) = (Stack::on("fm1")?, Stack::on("fm0")?);
    let frames = numbered(0..100);
    let (tried, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let tries = scope.spawn(|| {
            let device = Device::open()?;
            while !over.load(Relaxed) {
                let mut options = OptionList::of(&[UNKNOWN]);
                let mut ask = vale("fm0").extra(MANY).options(options.first());
                fails("REGISTER", ask.send(&device), Errno::EOPNOTSUPP)?;
                same("status", options.statuses(), [UNSUPPORTED])?;
                tried.store(true, Relaxed);
            }
            works("REGISTER", vale("fm0").send(&device))
        });
        while !tried.load(Relaxed) && !tries.is_finished() {
            std::thread::yield_now();
        }
        // Spread over many tries.
        let came: Result<Vec<_>, Errno> = frames
            .chunks(10)
            .map(|few| {
                for frame in few {
                    sender.send(frame)?;
                    std::thread::sleep(Duration::from_millis(3));
                }
                stack.receive(QUIET)
            })
            .collect();
        over.store(true, Relaxed);
        tries.join().expect("a thread that does not panic")?;
        same("the stack has", numbers(&came?.concat()), numbers(&frames))
    })
}

fn item_017_unknown_option_does_not_hurt_other_requests() -> Outcome {
    let mut options = OptionList::of(&[UNKNOWN, NETMAP_REQ_OPT_CSB]);
    works("PORT_INFO_GET", info(&mut options))?;
    same("statuses", options.statuses(), [UNSUPPORTED; 2])?;

    let _port = vale("vale17:x").slots(64, 64).bind()?;
    let device = Device::open()?;
    let mut options = OptionList::of(&[UNKNOWN]);
    let mut list = NmreqValeList::default();
    let request = NETMAP_REQ_VALE_LIST;
    let result = device.request_with(request, "vale17:x", &mut list, options.first());
    works("VALE_LIST", result)?;
    same("status", options.statuses(), [UNSUPPORTED])?;

    let mut options = OptionList::of(&[UNKNOWN]);
    let mut pools = NmreqPoolsInfo::default();
    let request = NETMAP_REQ_POOLS_INFO_GET;
    let result = device.request_with(request, "vale17:x", &mut pools, options.first());
    works("POOLS_INFO_GET", result)?;
    same("status", options.statuses(), [UNSUPPORTED])
}

fn item_018_too_large_option_is_refused() -> Outcome {
    let device = Device::open()?;
    for known in NETMAP_REQ_OPT_EXTMEM..NETMAP_REQ_OPT_MAX {
        for size in [4097, 5000, u64::MAX] {
            let mut options = OptionList::of(&[known]);
            options.option(0).head.nro_size = size;
            let what = format!("option {known} of {size} bytes");
            fails(
                &what,
                register(&device, "vale18:x", &mut options),
                Errno::EMSGSIZE,
            )?;
            fails(&what, info(&mut options), Errno::EMSGSIZE)?;
        }
    }
    // Of unknown ones the size is not looked at.
    let mut options = OptionList::of(&[UNKNOWN]);
    options.option(0).head.nro_size = 5000;
    works("an unknown option of 5000 bytes", info(&mut options))?;
    still_unbound(device, "vale18:x")
}

fn item_018_too_large_sum_is_refused() -> Outcome {
    // Alone the option is within 4096 bytes, with the body of REGISTER (56 bytes) it is not.
    let device = Device::open()?;
    let mut room = [0u64; 512];
    for (size, want) in [
        (4096 - 56 + 1, Errno::EMSGSIZE),
        (4096, Errno::EMSGSIZE),
        (4096 - 56, Errno::EOPNOTSUPP),
    ] {
        // The option in words: next, type and status, size.
        room[1] = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS.into();
        room[2] = size;
        let first = room.as_mut_ptr() as u64;
        let result = vale("vale18:y").slots(64, 64).options(first).send(&device);
        fails(format!("eventfds of {size} bytes"), result, want)?;
    }
    Ok(())
}

/// 99 options that nobody knows and one of 1000 bytes were accepted: the address that is kept of
/// each was not counted.
fn item_018_many_options_are_counted_as_they_are_kept() -> Outcome {
    let device = Device::open()?;
    for (size, want) in [(24 + 888, Errno::EOPNOTSUPP), (1000, Errno::EMSGSIZE)] {
        let mut room = [0u64; 256];
        room[1] = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS.into();
        room[2] = size;
        let mut options = OptionList::of(&[UNKNOWN; 99]);
        options.link(98, room.as_mut_ptr() as u64);
        let result = register(&device, "vale18:z", &mut options);
        fails(format!("and one of {size} bytes"), result, want)?;
    }
    still_unbound(device, "vale18:z")
}

fn item_019_circle_of_unknown_options_ends() -> Outcome {
    let device = Device::open()?;
    for len in 1..4 {
        let mut options = OptionList::of(&vec![UNKNOWN; len]);
        let first = options.first();
        options.link(len - 1, first);
        let what = format!("a circle of {len}");
        fails(
            &what,
            register(&device, "vale19:x", &mut options),
            Errno::EMSGSIZE,
        )?;
        same(&what, options.statuses(), vec![UNTOUCHED; len])?;
        fails(&what, info(&mut options), Errno::EMSGSIZE)?;
    }
    still_unbound(device, "vale19:x")
}

fn item_019_circle_through_a_known_option_is_a_duplicate() -> Outcome {
    let mut options = OptionList::of(&[UNKNOWN, NETMAP_REQ_OPT_CSB]);
    let first = options.first();
    options.link(1, first);
    fails("PORT_INFO_GET", info(&mut options), Errno::EINVAL)?;
    same("status of the known one", options.statuses()[1], INVALID)
}

fn item_019_long_list_is_refused() -> Outcome {
    works("100 options", info(&mut OptionList::of(&[UNKNOWN; 100])))?;
    let mut options = OptionList::of(&[UNKNOWN; 200]);
    fails("200 options", info(&mut options), Errno::EMSGSIZE)?;
    same("statuses", options.statuses(), [UNTOUCHED; 200].to_vec())
}

fn item_020_unreadable_option_faults() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    let register = |first: u64| vale("vale20:x").slots(64, 64).options(first).send(&device);

    for bad in [page.bad(), 1, 0xffff_8880_0000_0000] {
        let what = format!("first option at {bad:#x}");
        fails(what, register(bad), Errno::EFAULT)?;
        let mut options = OptionList::of(&[UNKNOWN]);
        options.link(0, bad);
        let what = format!("second option at {bad:#x}");
        fails(what, register(options.first()), Errno::EFAULT)?;
    }
    let option = |nro_reqtype| NmreqOption {
        nro_reqtype,
        ..Default::default()
    };
    let half = page.place(option(UNKNOWN), 8);
    fails("half of an option", register(half), Errno::EFAULT)?;
    let headed = page.place(option(NETMAP_REQ_OPT_CSB), 0);
    fails(
        "an option without its body",
        register(headed),
        Errno::EFAULT,
    )?;
    still_unbound(device, "vale20:x")
}

fn item_020_unwritable_option_faults() -> Outcome {
    let page = GuardPage::new()?;
    let mut options = OptionList::of(&[UNKNOWN]);
    let at = page.place::<Opt>(*options.option(0), 0);
    page.make_read_only()?;
    let mut body = NmreqPortInfoGet::default();
    let request = NETMAP_REQ_PORT_INFO_GET;
    let result = Device::open()?.request_with(request, "", &mut body, at);
    fails("PORT_INFO_GET", result, Errno::EFAULT)
}

fn item_021_kloop_options_do_not_belong_to_register() -> Outcome {
    for option in [
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
    ] {
        let mut options = OptionList::of(&[option]);
        options.option(0).head.nro_size = 24 + 16;
        undoes_register("vale21:x", options)?;
    }
    Ok(())
}

fn item_022_statuses_come_back_on_failure() -> Outcome {
    let device = Device::open()?;
    let mut options = OptionList::of(&[UNKNOWN, NETMAP_REQ_OPT_CSB]);
    let result = register(&device, "no_such_if", &mut options);
    fails("REGISTER of a missing interface", result, Errno::ENXIO)?;
    same("statuses", options.statuses(), [UNSUPPORTED; 2])?;

    let mut options = OptionList::of(&[UNKNOWN]);
    let mut body = NmreqPortInfoGet {
        nr_mem_id: 0xfffe,
        ..Default::default()
    };
    let request = NETMAP_REQ_PORT_INFO_GET;
    let result = device.request_with(request, "", &mut body, options.first());
    fails("PORT_INFO_GET of a missing region", result, Errno::EINVAL)?;
    same("status", options.statuses(), [UNSUPPORTED])
}

/// Where the options of [`LAPPED`] lie: its lower half is 0, and the rest may be an option's size.
const LAP: u64 = 0x0800_0000;
/// Where the second one begins, behind the first.
const LAPPED: u64 = 14;

/// An option that names a region by `fd`, at [`LAP`], and one that nobody knows, which is before it
/// in the list and begins within it: its status lies across the middle of the first one's body.
/// It is written first, so the body is whole again if it is written, too.
fn lapping(page: &LowPage, fd: i32) -> u64 {
    page.write(
        0,
        NmreqOptRegion {
            nro_opt: NmreqOption {
                nro_next: 0,
                nro_reqtype: FERROMAP_OPT_REGION,
                nro_status: 0,
                nro_size: LAP >> 16,
            },
            fd,
            pad: 0,
        },
    );
    LAP + LAPPED
}

fn item_022_bodies_come_back_on_success_only() -> Outcome {
    let bound = vale("vale22:a").slots(64, 64).bind()?;
    let (fd, region) = (bound.device.raw(), bound.reg.nr_mem_id);
    let page = LowPage::at(LAP)?;
    let after = |page: &LowPage| page.read::<NmreqOptRegion>(0);
    let spoilt = fd | ((UNSUPPORTED as i32) << 16);
    for (nr_mem_id, wanted, left) in [
        (region, Ok(()), fd),
        (region + 1, Err(Errno::EINVAL), spoilt),
    ] {
        let mut body = NmreqPortInfoGet {
            nr_mem_id,
            ..Default::default()
        };
        let first = lapping(&page, fd);
        let request = NETMAP_REQ_PORT_INFO_GET;
        let result = Device::open()?.request_with(request, "", &mut body, first);
        same("PORT_INFO_GET", result, wanted)?;
        let option = after(&page);
        same("status", option.nro_opt.nro_status, 0)?;
        same("the body", (option.fd, option.pad), (left, 0))?;
    }
    // The region is honoured, the other one is not.
    let device = Device::open()?;
    let first = lapping(&page, fd);
    let result = vale("vale22z:b").slots(64, 64).options(first).send(&device);
    fails("REGISTER", result, Errno::EOPNOTSUPP)?;
    let option = after(&page);
    same("status", option.nro_opt.nro_status, 0)?;
    same("the body", (option.fd, option.pad), (spoilt, 0))?;
    still_unbound(device, "vale22z:b")
}
