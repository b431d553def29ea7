// SPDX-License-Identifier: MIT OR Apache-2.0

//! The extension that tells why a request was refused: after each kind of failure the sentence
//! names what stands in the way, so that a person knows what to do.

use crate::harness::check::*;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::request::{set_vnet_hdr, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::write_parameter;
use crate::harness::why::{refused, says, why};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{NmreqWhy, FERROMAP_REQ_WHY, WHY_TEXT};
use ferromap_abi::wire::Plain;
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    why_names_what_is_wrong_with_a_register,
    why_names_the_parameter_to_change,
    why_names_what_is_wrong_with_a_request,
    why_names_what_is_wrong_with_options,
    why_stays_until_the_next_refusal,
    why_fits_its_field,
    why_is_asked_like_any_request,
];

fn why_names_what_is_wrong_with_a_register() -> Outcome {
    let new = || vale("valewhy:new").slots(64, 64);
    let held = vale("valewhy:held")
        .slots(64, 64)
        .flags(NR_EXCLUSIVE)
        .bind()?;
    let _open = vale("valewhy:open").slots(64, 64).bind()?;
    let _header = vale("valewhy:header").slots(64, 64).bind()?;
    set_vnet_hdr("valewhy:header", 12)?;
    refused(vale("wlan7"), Errno::ENXIO, &["interface", "wlan7"])?;
    refused(vale(""), Errno::ENXIO, &["no name"])?;
    refused(
        vale("valewhy"),
        Errno::EINVAL,
        &["valewhy", "valeSWITCH:PORT"],
    )?;
    refused(
        vale("valewhy:lo"),
        Errno::EINVAL,
        &["lo", "interface", "valewhy"],
    )?;
    refused(vale("x{"), Errno::EINVAL, &["pipe", "id"])?;
    refused(
        new().flags(NR_MONITOR_TX),
        Errno::EINVAL,
        &["valewhy:new", "watched"],
    )?;
    refused(vale("lo"), Errno::EINVAL, &["lo", "MTU is 65536", "2048"])?;
    refused(new().mode(0), Errno::EINVAL, &["nr_mode", "0"])?;
    refused(new().mode(77), Errno::EINVAL, &["nr_mode", "77"])?;
    refused(new().mode(NR_REG_SW), Errno::EINVAL, &["host rings"])?;
    refused(
        new().one(5),
        Errno::EINVAL,
        &["ring 5", "1 transmit", "1 receive"],
    )?;
    refused(new().mem(777), Errno::EINVAL, &["region", "777"])?;
    refused(null(0), Errno::EINVAL, &["nr_mem_id"])?;
    refused(vale("valewhy:held"), Errno::EBUSY, &["ring 0", "exclusive"])?;
    refused(
        vale("valewhy:open").flags(NR_EXCLUSIVE),
        Errno::EBUSY,
        &["ring 0", "exclusive", "1 other"],
    )?;
    refused(
        vale("valewhy:header"),
        Errno::EIO,
        &["valewhy:header", "12", "NR_ACCEPT_VNET_HDR"],
    )?;
    // A file that is bound tells to what.
    fails("again", new().send(&held.device), Errno::EBUSY)?;
    says(&held.device, Errno::EBUSY, &["valewhy:held", "another"])
}

fn why_names_the_parameter_to_change() -> Outcome {
    let shared_port = |name: &str| vale(name).mem(GLOBAL_MEM_ID).slots(64, 64);
    refused(
        shared_port("valewhy:a").slots(4096, 64),
        Errno::ENOMEM,
        &["4096 slots", "36864", " ring_size"],
    )?;
    write_parameter("ring_num", "2")?;
    write_parameter("if_size", "64")?;
    refused(
        shared_port("valewhy:a"),
        Errno::ENOMEM,
        &["netmap_if", " if_size"],
    )?;
    write_parameter("if_size", "1024")?;
    write_parameter("ring_size", "4096")?;
    refused(
        shared_port("valewhy:a").rings(3, 3),
        Errno::ENOMEM,
        &["rings", " ring_num"],
    )?;
    write_parameter("buf_num", "100")?;
    refused(
        shared_port("valewhy:a").slots(200, 200),
        Errno::ENOMEM,
        &["200 buffers", " buf_num"],
    )?;
    write_parameter("if_num", "10")?;
    let mut held = Vec::new();
    let refused_device = loop {
        let device = Device::open()?;
        // Ports without rings, so that interfaces run out first.
        let request = vale("valewhy:c")
            .mem(GLOBAL_MEM_ID)
            .flags(NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY);
        if request.clone().send(&device).is_err() {
            break device;
        }
        held.push(device);
        that("that they run out", held.len() < 200)?;
    };
    says(&refused_device, Errno::ENOMEM, &["netmap_ifs", " if_num"])?;
    drop((held, refused_device));
    for (name, bad, good) in [
        ("buf_size", "63", "2048"),
        ("if_num", "9", "100"),
        ("ring_size", "131073", "36864"),
        ("ring_num", "1", "200"),
        ("buf_num", "1000001", "163840"),
        ("if_size", "-5", "1024"),
    ] {
        write_parameter(name, bad)?;
        refused(shared_port("valewhy:a"), Errno::EINVAL, &[name])?;
        write_parameter(name, good)?;
    }
    write_parameter("priv_if_num", "101")?;
    refused(vale("valewhy:a"), Errno::EINVAL, &["priv_if_num", "100"])
}

fn why_names_what_is_wrong_with_a_request() -> Outcome {
    let device = Device::open()?;
    let mut room = [0u64; 16];
    let mut ask = |reqtype, name: &str, first: u64, errno, words: &[&str]| -> Outcome {
        room = [0; 16];
        room[0] = first;
        let mut request = header(reqtype, name.as_bytes());
        request.nr_body = address(&mut room);
        fails(
            format!("request {reqtype} on {name:?}"),
            device.ctrl(&mut request),
            errno,
        )?;
        says(&device, errno, words)
    };
    ask(
        NETMAP_REQ_VALE_LIST,
        "valewhy9:a",
        0,
        Errno::ENOENT,
        &["switch", "valewhy9"],
    )?;
    ask(
        NETMAP_REQ_VALE_LIST,
        "lo",
        0,
        Errno::EINVAL,
        &["lo", "switch"],
    )?;
    ask(
        NETMAP_REQ_VALE_LIST,
        "",
        0,
        Errno::ENOENT,
        &["no more ports"],
    )?;
    ask(
        NETMAP_REQ_PORT_HDR_SET,
        "valewhy:a",
        11,
        Errno::EINVAL,
        &["0, 10 or 12", "11"],
    )?;
    ask(
        NETMAP_REQ_PORT_HDR_SET,
        "valewhy:a",
        12,
        Errno::ENXIO,
        &["valewhy:a"],
    )?;
    ask(
        NETMAP_REQ_PORT_HDR_SET,
        "lo",
        12,
        Errno::ENXIO,
        &["lo", "switch port"],
    )?;
    ask(
        NETMAP_REQ_PORT_HDR_GET,
        "valewhy:a",
        0,
        Errno::ENXIO,
        &["valewhy:a"],
    )?;
    ask(NETMAP_REQ_POOLS_INFO_GET, "", 0, Errno::ENXIO, &["no name"])?;
    ask(
        NETMAP_REQ_PORT_INFO_GET,
        "wlan7",
        0,
        Errno::ENXIO,
        &["wlan7"],
    )?;
    ask(
        NETMAP_REQ_VALE_ATTACH,
        "valewhy:lo",
        0,
        Errno::EINVAL,
        &["nr_mode is 0", "NIC_SW"],
    )?;
    ask(
        NETMAP_REQ_VALE_ATTACH,
        "lo",
        0,
        Errno::EINVAL,
        &["lo does not name a switch"],
    )?;
    ask(
        NETMAP_REQ_VALE_DETACH,
        "valewhy:lo",
        0,
        Errno::ENXIO,
        &["no port valewhy:lo"],
    )?;
    ask(
        NETMAP_REQ_VALE_POLLING_ENABLE,
        "valewhy:lo",
        9,
        Errno::EINVAL,
        &["no polling mode 9"],
    )?;
    ask(
        NETMAP_REQ_VALE_NEWIF,
        "valewhy",
        0,
        Errno::EINVAL,
        &["valewhy", "does not start with vale"],
    )?;
    ask(NETMAP_REQ_VALE_DELIF, "lo", 0, Errno::EINVAL, &["no body"])?;
    ask(4000, "lo", 0, Errno::EINVAL, &["4000"])?;

    let plain = || header(NETMAP_REQ_PORT_INFO_GET, b"");
    for (version, reserved, words) in [
        (13, 0, &["nr_version", "13", "14"][..]),
        (14, 5, &["nr_reserved"]),
        (14, 0, &["body"]),
    ] {
        let mut request = plain();
        (request.nr_version, request.nr_reserved) = (version, reserved);
        fails("a bad header", device.ctrl(&mut request), Errno::EINVAL)?;
        says(&device, Errno::EINVAL, words)?;
    }
    let mut old = request::legacy("valewhy:a");
    old.nr_version = 12;
    fails("an old version", device.regif(&mut old), Errno::EINVAL)?;
    says(&device, Errno::EINVAL, &["nr_version", "12"])?;
    let mut old = request::legacy("valewhy:a");
    old.nr_cmd = 77;
    fails("an unknown command", device.regif(&mut old), Errno::EINVAL)?;
    says(&device, Errno::EINVAL, &["nr_cmd", "77"])
}

fn why_names_what_is_wrong_with_options() -> Outcome {
    let page = GuardPage::new()?;
    let mut twice = OptionList::of(&[NETMAP_REQ_OPT_CSB, NETMAP_REQ_OPT_CSB]);
    let mut large = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS]);
    large.option(0).head.nro_size = 5000;
    let mut circle = OptionList::of(&[77]);
    let own = circle.address(0);
    circle.link(0, own);
    for (options, errno, words) in [
        (OptionList::of(&[0]).first(), Errno::EINVAL, &["type 0"][..]),
        (twice.first(), Errno::EINVAL, &["option 3", "twice"]),
        (large.first(), Errno::EMSGSIZE, &["option 5", "too large"]),
        (circle.first(), Errno::EMSGSIZE, &["too long"]),
        (page.bad(), Errno::EFAULT, &["cannot be read"]),
        (
            OptionList::of(&[77]).first(),
            Errno::EOPNOTSUPP,
            &["option", "nro_status"],
        ),
    ] {
        refused(
            vale("valewhy:a").slots(64, 64).options(options),
            errno,
            words,
        )?;
    }
    same("ports", vale_list()?, vec![])
}

fn why_stays_until_the_next_refusal() -> Outcome {
    let device = Device::open()?;
    same("at first", why(&device)?, (0, String::new()))?;
    fails("REGISTER", vale("wlan7").send(&device), Errno::ENXIO)?;
    let first = why(&device)?;
    same("asked again", why(&device)?, first.clone())?;
    works(
        "a request that succeeds",
        vale("valewhy:a").slots(64, 64).send(&device),
    )?;
    same("after that", why(&device)?, first.clone())?;
    works("a duplicate knows, too", why(&device.dup()?).map(drop))?;
    fails("the next", vale("valewhy:b").send(&device), Errno::EBUSY)?;
    differs("the next reason", why(&device)?, first)
}

fn why_fits_its_field() -> Outcome {
    // The longest sentence with the longest name, in characters that cannot be printed.
    let device = Device::open()?;
    let mut request = vale("");
    for byte in [b'x', 0xff, 0x01, b'%'] {
        request.name = [&b"vale"[..], &[byte; 60]].concat();
        fails("REGISTER", request.send(&device), Errno::EINVAL)?;
        let mut body = NmreqWhy::zeroed();
        device.request(FERROMAP_REQ_WHY, "", &mut body)?;
        that(
            format!("a length, got {}", body.len),
            (20..=WHY_TEXT as u32).contains(&body.len),
        )?;
        let (text, rest) = body.text.split_at(body.len as usize);
        that(
            "readable",
            text.iter().all(|b| b.is_ascii_graphic() || *b == b' '),
        )?;
        that("nothing behind the text", rest.iter().all(|&b| b == 0))?;
    }
    Ok(())
}

fn why_is_asked_like_any_request() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    fails("REGISTER", vale("wlan7").send(&device), Errno::ENXIO)?;
    let mut request = header(FERROMAP_REQ_WHY, b"any name will do");
    fails("without a body", device.ctrl(&mut request), Errno::EINVAL)?;
    for cut in [1, 128, 255, 256] {
        request.nr_body = page.place([0u64; 32], cut);
        fails(
            format!("{cut} bytes cut off"),
            device.ctrl(&mut request),
            Errno::EFAULT,
        )?;
    }
    request.nr_body = page.place([0u64; 32], 0);
    works("at the edge of a page", device.ctrl(&mut request))?;
    page.make_read_only()?;
    fails(
        "where it cannot be written",
        device.ctrl(&mut request),
        Errno::EFAULT,
    )
}
