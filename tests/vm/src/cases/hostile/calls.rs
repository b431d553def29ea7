// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests made of nonsense: unknown numbers, names of every kind, bodies that end where the
//! memory does. Each gets an errno that the interface knows, and nothing is written where nobody
//! asked.

use crate::harness::check::*;
use crate::harness::random::Random;
use crate::harness::raw::device::{address, header};
use crate::harness::raw::request::{legacy, vale_list};
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::why::why;
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::{FERROMAP_REQ_PROBE, FERROMAP_REQ_WHY};
use ferromap_abi::wire::{NmreqHeader, NmreqOption, NmreqRegister};
use nix::errno::Errno;

pub const CASES: &[Case] = crate::cases![
    hostile_unknown_requests_are_invalid,
    hostile_bodies_at_every_edge_of_a_page;
    slow: hostile_names_of_every_kind,
];

fn hostile_unknown_requests_are_invalid() -> Outcome {
    let device = Device::open()?;
    let mut room = [0u64; 64];
    let known = |reqtype| {
        matches!(
            reqtype,
            NETMAP_REQ_REGISTER..=NETMAP_REQ_CSB_ENABLE
                | FERROMAP_REQ_WHY..=FERROMAP_REQ_PROBE
        )
    };
    for reqtype in (0..=u16::MAX).filter(|&reqtype| !known(reqtype)) {
        let bodies = [0, address(&mut room), 8];
        // The neighbours of those that exist with every body.
        let most = if reqtype & 0xfff < 64 { 3 } else { 1 };
        for body in bodies.into_iter().take(most) {
            let mut request = header(reqtype, b"vale920:a");
            request.nr_body = body;
            let result = device.ctrl(&mut request);
            if result != Err(Errno::EINVAL) {
                return fail(format!("request {reqtype} with body {body:#x}: {result:?}"));
            }
        }
    }
    works(
        "the device is good for more",
        vale("vale920:a").slots(64, 64).bind_on(device),
    )
    .map(drop)
}

fn hostile_names_of_every_kind() -> Outcome {
    small_region_one()?;
    let mut random = Random::new(10);
    let fixed: [&[u8]; 18] = [
        &[b'x'; 64],
        &[0xff; 64],
        &[b'{'; 64],
        &[b'}'; 64],
        &[b':'; 64],
        b"vale\0:a",
        b"vale0:\0a",
        b"vale0:a{",
        b"vale0:a}",
        b"{1",
        b"vale0:a{1{2",
        b"%s%n%p%pA",
        b"../../etc/passwd",
        b"lo\n",
        b"vale0:%pA%s",
        b"netmap:lo",
        b"vale0:a\xc3",
        b" ",
    ];
    let wild = |random: &mut Random| -> Vec<u8> {
        let len = random.below(65) as usize;
        let alphabet = b"valevale0123:{}ab-*^/@ \0\x01\xff\xc3%";
        let mut name: Vec<u8> = (0..len).map(|_| random.of(alphabet)).collect();
        if random.once_in(2) {
            name.splice(..0, b"vale0:".iter().copied());
            name.truncate(64);
        }
        name
    };
    let device = Device::open()?;
    let mut bound = 0;
    for round in 0..1000 {
        let name = fixed
            .get(round)
            .map_or_else(|| wild(&mut random), |name| name.to_vec());
        let mut request = vale("").slots(16, 16).mem(GLOBAL_MEM_ID);
        request.name = name.clone();
        if random.once_in(8) {
            request.body.nr_mode = NR_REG_NULL;
        }
        let own = Device::open()?;
        let result = request.clone().send(&own);
        let what = format!("REGISTER of {:?}", String::from_utf8_lossy(&name));
        documented(&what, result)?;
        match result {
            Ok(()) => bound += 1,
            Err(e) => {
                let (errno, text) = why(&own)?;
                same(format!("{what}: errno"), errno, e as u32)?;
                let readable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
                that(
                    format!("{what}: a readable reason, got {text:?}"),
                    readable && !text.is_empty(),
                )?;
            }
        }
        let mut room = [0u64; 16];
        for reqtype in [
            NETMAP_REQ_PORT_INFO_GET,
            NETMAP_REQ_POOLS_INFO_GET,
            NETMAP_REQ_VALE_LIST,
            NETMAP_REQ_PORT_HDR_GET,
        ] {
            let mut request = header(reqtype, &name);
            request.nr_body = address(&mut room);
            documented(&what, device.ctrl(&mut request))?;
        }
        let mut old = legacy("");
        for (to, from) in old.nr_name.iter_mut().zip(&name) {
            *to = *from;
        }
        documented(&what, device.ginfo(&mut old))?;
    }
    that("that some names were good", bound > 5)?;
    same("ports left", vale_list()?, vec![])
}

fn hostile_bodies_at_every_edge_of_a_page() -> Outcome {
    let device = Device::open()?;
    let page = GuardPage::new()?;
    // The body ends on a page that is not there, by every number of bytes.
    let body = NmreqRegister {
        nr_mode: NR_REG_ALL_NIC,
        nr_tx_slots: 16,
        nr_rx_slots: 16,
        ..Default::default()
    };
    for cut in 1..=size_of::<NmreqRegister>() {
        let mut request = header(NETMAP_REQ_REGISTER, b"vale921:a");
        request.nr_body = page.place(body, cut);
        fails(
            format!("{cut} bytes of the body cut off"),
            device.ctrl(&mut request),
            Errno::EFAULT,
        )?;
    }
    for cut in 1..=size_of::<NmreqHeader>() {
        let at = page.place(header(NETMAP_REQ_REGISTER, b"vale921:a"), cut);
        let result = device.ioctl(NIOCCTRL, at);
        fails(
            format!("{cut} bytes of the header cut off"),
            result,
            Errno::EFAULT,
        )?;
    }
    for cut in 1..=size_of::<NmreqOption>() {
        let mut body = body;
        let mut request = header(NETMAP_REQ_REGISTER, b"vale921:a");
        request.nr_body = address(&mut body);
        let option = NmreqOption {
            nro_reqtype: 50,
            ..Default::default()
        };
        request.nr_options = page.place(option, cut);
        fails(
            format!("{cut} bytes of the option cut off"),
            device.ctrl(&mut request),
            Errno::EFAULT,
        )?;
    }
    same("ports", vale_list()?, vec![])?;
    // Whole, up to the last byte before the edge.
    let mut request = header(NETMAP_REQ_REGISTER, b"vale921:a");
    request.nr_body = page.place(body, 0);
    works("the whole body", device.ctrl(&mut request))?;
    // SAFETY: the body was placed whole, at an aligned address.
    let answer = unsafe { (request.nr_body as *const NmreqRegister).read_volatile() };
    same("slots", (answer.nr_tx_slots, answer.nr_rx_slots), (16, 16))
}
