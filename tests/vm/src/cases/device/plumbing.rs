// SPDX-License-Identifier: MIT OR Apache-2.0

//! The control device and its ioctls: items 1 to 13.

use crate::harness::check::*;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::request::region_size;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::os::unix::fs::MetadataExt;

pub const CASES: &[Case] = crate::cases![
    item_001_device_opens_many_times_for_root_only,
    item_002_ioctl_numbers_reach_their_requests,
    item_003_other_ioctls_are_not_supported,
    item_004_null_argument_is_invalid_and_bad_address_faults,
    item_004_unwritable_argument_faults,
    item_005_read_and_write_are_invalid,
    item_006_unbound_device_has_nothing_to_sync_poll_or_map,
    item_007_versions_14_and_15_only,
    item_008_reserved_field_must_be_zero,
    item_009_body_must_be_there_exactly_where_expected,
    item_010_unknown_requests_are_invalid,
    item_011_unreadable_body_faults_and_the_device_goes_on,
    item_011_unwritable_body_faults_after_the_binding_is_made,
    item_012_header_comes_back_with_the_callers_pointers,
    item_013_name_without_nul_is_cut,
];

fn item_001_device_opens_many_times_for_root_only() -> Outcome {
    let meta = std::fs::metadata("/dev/netmap")?;
    same("mode of the node", meta.mode(), libc::S_IFCHR | 0o600)?;
    same("owner and group", (meta.uid(), meta.gid()), (0, 0))?;
    let all: Vec<_> = (0..200).map(|_| Device::open()).collect::<Result<_, _>>()?;
    same("open devices", all.len(), 200)
}

fn item_002_ioctl_numbers_reach_their_requests() -> Outcome {
    // Spelled out, not taken from the crate: these are what programs have compiled in.
    let device = Device::open()?;
    fails("NIOCTXSYNC", device.ioctl(0x6994, 0), Errno::ENXIO)?;
    fails("NIOCRXSYNC", device.ioctl(0x6995, 0), Errno::ENXIO)?;
    let mut info = header(NETMAP_REQ_PORT_INFO_GET, b"");
    let mut body = NmreqPortInfoGet::default();
    info.nr_body = address(&mut body);
    works("NIOCCTRL", device.ioctl(0xC058_6997, address(&mut info)))?;
    let mut legacy = request::legacy("");
    works("NIOCGINFO", device.ioctl(0xC03C_6991, address(&mut legacy)))?;
    let mut legacy = request::legacy("no_such_if");
    let regif = device.ioctl(0xC03C_6992, address(&mut legacy));
    fails("NIOCREGIF of a missing interface", regif, Errno::ENXIO)?;
    let mut config = [0u8; 272];
    let config = device.ioctl(0xC110_6996, address(&mut config));
    fails("NIOCCONFIG", config, Errno::EINVAL)
}

fn item_003_other_ioctls_are_not_supported() -> Outcome {
    let device = Device::open()?;
    let mut room = [0u64; 64];
    // Neighbours of the real numbers, a real number with another size, a terminal's.
    for command in [
        0x6990,
        0x6993,
        0x6996,
        0x6997,
        0x6998,
        0xC058_6998,
        0xC057_6997,
        0xC03C_6993,
        0x5401,
        0,
        0xFFFF_FFFF,
    ] {
        let result = device.ioctl(command, address(&mut room));
        fails(format!("ioctl {command:#x}"), result, Errno::EOPNOTSUPP)?;
    }
    Ok(())
}

const WITH_ARGUMENT: [(&str, u32, usize); 4] = [
    ("NIOCCTRL", NIOCCTRL, 88),
    ("NIOCREGIF", NIOCREGIF, 60),
    ("NIOCGINFO", NIOCGINFO, 60),
    ("NIOCCONFIG", NIOCCONFIG, 272),
];

fn item_004_null_argument_is_invalid_and_bad_address_faults() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    for (name, command, size) in WITH_ARGUMENT {
        fails(
            format!("{name} of NULL"),
            device.ioctl(command, 0),
            Errno::EINVAL,
        )?;
        let half = page.bad() - size as u64 / 2;
        for bad in [page.bad(), half, 1, 0xffff_8880_0000_0000, u64::MAX] {
            let result = device.ioctl(command, bad);
            fails(format!("{name} at {bad:#x}"), result, Errno::EFAULT)?;
        }
    }
    Ok(())
}

fn item_004_unwritable_argument_faults() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    let at = page.place(request::legacy(""), 0);
    works("NIOCGINFO of writable memory", device.ioctl(NIOCGINFO, at))?;
    page.make_read_only()?;
    let result = device.ioctl(NIOCGINFO, at);
    fails("NIOCGINFO of read-only memory", result, Errno::EFAULT)?;

    let mut body = NmreqPortInfoGet::default();
    let mut info = header(NETMAP_REQ_PORT_INFO_GET, b"");
    info.nr_body = address(&mut body);
    let page = GuardPage::new()?;
    let at = page.place(info, 0);
    page.make_read_only()?;
    let result = device.ioctl(NIOCCTRL, at);
    fails("NIOCCTRL of read-only memory", result, Errno::EFAULT)
}

fn item_005_read_and_write_are_invalid() -> Outcome {
    let device = Device::open()?;
    let bound = vale("vale5:x").slots(64, 64).bind()?;
    for (kind, device) in [("unbound", &device), ("bound", &bound.device)] {
        let read = nix::unistd::read(device, &mut [0; 64]);
        fails(format!("read, {kind}"), read, Errno::EINVAL)?;
        let write = nix::unistd::write(device, &[0; 64]);
        fails(format!("write, {kind}"), write, Errno::EINVAL)?;
    }
    Ok(())
}

fn item_006_unbound_device_has_nothing_to_sync_poll_or_map() -> Outcome {
    let device = Device::open()?;
    fails("NIOCTXSYNC", device.txsync(), Errno::ENXIO)?;
    fails("NIOCRXSYNC", device.rxsync(), Errno::ENXIO)?;
    for events in [PollFlags::empty(), PollFlags::POLLIN, PollFlags::POLLOUT] {
        let came = device.poll(events, std::time::Duration::from_secs(5))?;
        same(format!("poll for {events:?}"), came, PollFlags::POLLERR)?;
    }
    fails("mmap", device.map(4096, 0).map(drop), Errno::EINVAL)
}

fn item_007_versions_14_and_15_only() -> Outcome {
    let device = Device::open()?;
    let ask = |version: u16| {
        let mut body = NmreqPortInfoGet::default();
        let mut info = header(NETMAP_REQ_PORT_INFO_GET, b"");
        info.nr_version = version;
        info.nr_body = address(&mut body);
        let result = device.ctrl(&mut info);
        (result, info.nr_version)
    };
    for version in [14, 15] {
        let (result, after) = ask(version);
        works(format!("version {version}"), result)?;
        same("version in the header afterwards", after, version)?;
    }
    for version in [0, 11, 13, 16, 0xffff] {
        fails(format!("version {version}"), ask(version).0, Errno::EINVAL)?;
    }
    Ok(())
}

fn item_008_reserved_field_must_be_zero() -> Outcome {
    let device = Device::open()?;
    for reserved in [1, 0x8000_0000] {
        let mut body = NmreqPortInfoGet::default();
        let mut info = header(NETMAP_REQ_PORT_INFO_GET, b"");
        info.nr_reserved = reserved;
        info.nr_body = address(&mut body);
        let result = device.ctrl(&mut info);
        fails(format!("nr_reserved {reserved:#x}"), result, Errno::EINVAL)?;
    }
    Ok(())
}

const WITHOUT_BODY: [u16; 3] = [
    NETMAP_REQ_VALE_DELIF,
    NETMAP_REQ_SYNC_KLOOP_STOP,
    NETMAP_REQ_CSB_ENABLE,
];

fn item_009_body_must_be_there_exactly_where_expected() -> Outcome {
    let device = Device::open()?;
    for request in NETMAP_REQ_REGISTER..=NETMAP_REQ_CSB_ENABLE {
        let mut room = [0u64; 16];
        let mut header = header(request, b"vale9:x");
        if WITHOUT_BODY.contains(&request) {
            header.nr_body = address(&mut room);
        }
        let result = device.ctrl(&mut header);
        fails(
            format!("request {request} with the wrong body"),
            result,
            Errno::EINVAL,
        )?;
        same("nr_reserved afterwards", header.nr_reserved, 0)?;
    }
    Ok(())
}

fn item_010_unknown_requests_are_invalid() -> Outcome {
    let device = Device::open()?;
    for request in [0, 16, 17, 255, 0xfff, 0x1fff, 0xffff] {
        let mut room = [0u64; 64];
        for body in [0, address(&mut room)] {
            let mut header = header(request, b"vale10:x");
            header.nr_body = body;
            let result = device.ctrl(&mut header);
            let with = if body == 0 { "without" } else { "with" };
            fails(
                format!("request {request} {with} body"),
                result,
                Errno::EINVAL,
            )?;
        }
    }
    Ok(())
}

fn item_011_unreadable_body_faults_and_the_device_goes_on() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    let register = vale("vale11:x").slots(64, 64);
    let half = page.place(register.body, 28);
    for bad in [page.bad(), half, 1, 0xffff_8880_0000_0000] {
        let mut header = header(NETMAP_REQ_REGISTER, b"vale11:x");
        header.nr_body = bad;
        fails(
            format!("body at {bad:#x}"),
            device.ctrl(&mut header),
            Errno::EFAULT,
        )?;
        same("nr_body afterwards", header.nr_body, bad)?;
    }
    works("REGISTER on the same device", register.bind_on(device)).map(drop)
}

fn item_011_unwritable_body_faults_after_the_binding_is_made() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    let mut register = vale("vale11:y").slots(64, 64);
    let mut header = header(NETMAP_REQ_REGISTER, &register.name);
    header.nr_body = page.place(register.body, 0);
    page.make_read_only()?;
    let result = device.ctrl(&mut header);
    fails("REGISTER with a read-only body", result, Errno::EFAULT)?;
    // The request itself was carried out, and is not undone.
    fails("REGISTER again", register.send(&device), Errno::EBUSY)?;
    works("NIOCTXSYNC", device.txsync())
}

fn item_012_header_comes_back_with_the_callers_pointers() -> Outcome {
    let device = Device::open()?;
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_MAX]);
    let mut body = vale("no_such_if").body;
    let sent = body;
    let mut asked = header(NETMAP_REQ_REGISTER, b"no_such_if");
    asked.nr_body = address(&mut body);
    asked.nr_options = options.first();
    let before = asked;
    fails(
        "REGISTER of a missing interface",
        device.ctrl(&mut asked),
        Errno::ENXIO,
    )?;
    same("nr_body", asked.nr_body, before.nr_body)?;
    same("nr_options", asked.nr_options, before.nr_options)?;
    same("nr_reserved", asked.nr_reserved, 0)?;
    same("nr_name", asked.nr_name, before.nr_name)?;
    same("nr_version", asked.nr_version, before.nr_version)?;
    same("nr_reqtype", asked.nr_reqtype, before.nr_reqtype)?;
    same("the body, which only success changes", body, sent)
}

fn item_013_name_without_nul_is_cut() -> Outcome {
    let device = Device::open()?;
    let whole = |start: &str| -> Vec<u8> {
        start
            .bytes()
            .chain(std::iter::repeat(b'x'))
            .take(NETMAP_REQ_IFNAMSIZ)
            .collect()
    };
    let register = |name: Vec<u8>| Reg { name, ..vale("") };
    fails(
        "an interface",
        register(whole("")).send(&device),
        Errno::ENXIO,
    )?;
    match register(whole("vale13:")).send(&device) {
        Err(Errno::ENOMEM | Errno::EINVAL) => {}
        other => {
            return fail(format!(
                "VALE port: expected ENOMEM or EINVAL, got {other:?}"
            ))
        }
    }
    // A null port takes any label, so here the kernel walks all of the name.
    let mut label = null(GLOBAL_MEM_ID);
    label.name = whole("");
    let bound = works("null port", label.bind_on(device))?;
    same("ni_name", bound.port_name(), "null:xxxxxxxxxx")?;
    works("the region afterwards", region_size(GLOBAL_MEM_ID)).map(drop)
}
