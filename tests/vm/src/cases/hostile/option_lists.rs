// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists of options that lie across each other, across the request itself or over the end of the
//! memory. What the interface says of lists (section 7.2) is
//! said here once more, of bytes: who reads each of them once, before anything is written, comes
//! to the same.

use crate::harness::check::*;
use crate::harness::random::Random;
use crate::harness::raw::device::header;
use crate::harness::raw::hostile::*;
use crate::harness::raw::*;
use crate::harness::traces::{small_region_one, Traces};
use crate::harness::Case;
use ferromap_abi::consts::*;
use ferromap_abi::ext::*;
use ferromap_abi::wire::*;
use nix::errno::Errno;
use std::collections::BTreeMap;

pub const CASES: &[Case] = crate::cases![;
    slow: hostile_options_that_lap_each_other,
];

const UNKNOWN: u32 = NETMAP_REQ_OPT_MAX;
const PAGE: usize = 4096;

/// Bytes behind the head of an option of this type, if it is known, and that says it has this size.
fn body_of(kind: u32, size: u64) -> Option<usize> {
    Some(match kind {
        NETMAP_REQ_OPT_EXTMEM => 72,
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS => (size as usize).saturating_sub(OPTION_HEAD),
        NETMAP_REQ_OPT_CSB => 16,
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE | FERROMAP_OPT_REGION => 8,
        NETMAP_REQ_OPT_OFFSETS => 32,
        _ => return None,
    })
}

/// An option as it was read: its type, and where it and its body are.
type Read = (u32, std::ops::Range<usize>);

/// What the interface says of the list that begins at `first`, in a page that lies at `base`,
/// behind a body of so many bytes: the options, up to the one that it is refused for.
fn said_of(page: &[u8], base: u64, first: u64, body: usize) -> (Vec<Read>, Result<(), Errno>) {
    let place = |at: u64, len: usize| -> Option<usize> {
        let from = usize::try_from(at.checked_sub(base)?).ok()?;
        (from.checked_add(len)? <= page.len()).then_some(from)
    };
    let (mut at, mut sent, mut kept) = (first, body, body);
    let mut options: Vec<Read> = Vec::new();
    while at != 0 {
        (sent, kept) = (sent + OPTION_HEAD, kept + OPTION_KEPT);
        if sent > OPTIONS_SENT_MOST || kept > OPTIONS_KEPT_MOST {
            // Nothing is written back then.
            return (Vec::new(), Err(Errno::EMSGSIZE));
        }
        let Some(from) = place(at, OPTION_HEAD) else {
            return (options, Err(Errno::EFAULT));
        };
        // SAFETY: so many bytes of the page, of which any are a head.
        let head = unsafe { page[from..].as_ptr().cast::<NmreqOption>().read_unaligned() };
        let kind = head.nro_reqtype;
        let twice = options.iter().any(|(other, _)| *other == kind);
        options.push((kind, from..from + OPTION_HEAD));
        if kind == 0 {
            return (options, Err(Errno::EINVAL));
        }
        if let Some(len) = body_of(kind, head.nro_size) {
            if twice {
                return (options, Err(Errno::EINVAL));
            }
            (sent, kept) = (sent.saturating_add(len), kept.saturating_add(len));
            if head.nro_size > OPTIONS_SENT_MOST as u64
                || sent > OPTIONS_SENT_MOST
                || kept > OPTIONS_KEPT_MOST
            {
                return (options, Err(Errno::EMSGSIZE));
            }
            if place(at + OPTION_HEAD as u64, len).is_none() {
                return (options, Err(Errno::EFAULT));
            }
            options.pop();
            options.push((kind, from..from + OPTION_HEAD + len));
        }
        at = head.nro_next;
    }
    (options, Ok(()))
}

/// A page of requests: options anywhere in it, across each other; then, whole, a body and a header
/// that lie across them.
struct Lapping {
    page: LowPage,
    at: u64,
}

impl Lapping {
    fn new(at: u64) -> Outcome<Self> {
        let page = LowPage::at(at)?;
        Ok(Lapping { page, at })
    }

    /// Writes options at random, and returns where one of them is.
    fn options(&self, random: &mut Random) -> u64 {
        let mut filler = [0; PAGE];
        for word in filler.chunks_mut(8) {
            let value = if random.once_in(2) { 0 } else { random.next() };
            word.copy_from_slice(&value.to_ne_bytes());
        }
        self.page.set_bytes(&filler);
        let count = 1 + random.below(14) as usize;
        // Far apart or across each other, and now and then over the end of the page.
        let spread = random.of(&[40, 200, PAGE as u64 - OPTION_HEAD as u64, PAGE as u64]);
        let from = random.below(PAGE as u64 - spread + 1);
        let places: Vec<u64> = (0..count).map(|_| from + random.below(spread)).collect();
        for &place in &places {
            if place as usize > PAGE - OPTION_HEAD {
                continue;
            }
            let head = NmreqOption {
                nro_next: match random.below(12) {
                    0..3 => 0,
                    3 => self.at + random.below(PAGE as u64),
                    4 => random.next(),
                    _ => self.at + random.of(&places),
                },
                nro_reqtype: match random.below(30) {
                    0 => 0,
                    1..20 => random.of(&[UNKNOWN, 77, u32::MAX]),
                    20..22 => FERROMAP_OPT_REGION,
                    _ => 1 + random.below(5) as u32,
                },
                nro_status: UNTOUCHED,
                nro_size: random.of(&[0, 24, 32, 40, 56, 96, 1000, 4096, 4097, u64::MAX]),
            };
            self.page.write(place as usize, head);
        }
        self.at + random.of(&places)
    }

    fn bytes(&self) -> Vec<u8> {
        self.page.bytes().to_vec()
    }
}

/// Whatever lies across what: it is refused for what the interface says, nothing is written but to
/// what was read, and nothing stays.
fn hostile_options_that_lap_each_other() -> Outcome {
    small_region_one()?;
    let _there = shared("vale950:a").bind()?;
    let mut random = Random::new(950);
    let lapping = Lapping::new(0x0900_0000)?;
    let mut came: BTreeMap<u32, u32> = BTreeMap::new();
    for round in 0..6000 {
        let before = Traces::now();
        let first = lapping.options(&mut random);
        let (reqtype, name, len) = random.of(&[
            (NETMAP_REQ_REGISTER, "vale950:b", size_of::<NmreqRegister>()),
            (FERROMAP_REQ_PROBE, "vale950:b", size_of::<NmreqRegister>()),
            (
                NETMAP_REQ_PORT_INFO_GET,
                "vale950:a",
                size_of::<NmreqPortInfoGet>(),
            ),
        ]);
        // In front of the header or behind it, and across options most of the time.
        let to_header = random.below((PAGE - size_of::<NmreqHeader>()) as u64 / 8) as usize * 8;
        let to_body = loop {
            let at = random.below((PAGE - len) as u64) as usize;
            if at + len <= to_header || at >= to_header + size_of::<NmreqHeader>() {
                break at;
            }
        };
        if reqtype == NETMAP_REQ_PORT_INFO_GET {
            lapping.page.write(to_body, NmreqPortInfoGet::zeroed());
        } else {
            lapping.page.write(to_body, shared("").body);
        }
        let mut asked = header(reqtype, name.as_bytes());
        (asked.nr_options, asked.nr_body) = (first, lapping.at + to_body as u64);
        lapping.page.write(to_header, asked);

        let bytes = lapping.bytes();
        let (options, said) = said_of(&bytes, lapping.at, first, len);
        let device = Device::open()?;
        let result = device
            .ioctl(NIOCCTRL, lapping.at + to_header as u64)
            .map(drop);
        let what = format!("round {round}, request {reqtype} with options at {options:?}");
        *came
            .entry(said.map_or_else(|e| e as u32, |()| 0))
            .or_default() += 1;
        documented(&what, result)?;
        match said {
            Err(errno) => fails(&what, result, errno)?,
            Ok(()) if reqtype == NETMAP_REQ_PORT_INFO_GET => {
                // What the option about a region says is nonsense.
                let region = options.iter().any(|(kind, _)| *kind == FERROMAP_OPT_REGION);
                that(format!("{what}: got {result:?}"), region || result.is_ok())?;
            }
            Ok(()) => {
                let is_unknown = |(kind, _): &Read| body_of(*kind, 0).is_none();
                if options.iter().all(is_unknown) {
                    fails(&what, result, Errno::EOPNOTSUPP)?;
                }
                let unknown = options.iter().any(is_unknown);
                that(
                    format!("{what}: got {result:?}"),
                    !unknown || result.is_err(),
                )?;
            }
        }
        let after = lapping.bytes();
        let mut may = vec![false; PAGE];
        let header = to_header..to_header + size_of::<NmreqHeader>();
        let body = to_body..to_body + len;
        for part in options
            .into_iter()
            .map(|(_, part)| part)
            .chain([header, body])
        {
            may[part].fill(true);
        }
        let other = (0..PAGE).find(|&at| bytes[at] != after[at] && !may[at]);
        same(format!("{what}: a byte that was written"), other, None)?;
        drop(device);
        before.wait_until_back().map_err(failure)?;
    }
    crate::say!("    {came:?}");
    for errno in [
        0,
        Errno::EINVAL as u32,
        Errno::EFAULT as u32,
        Errno::EMSGSIZE as u32,
    ] {
        let times = came.get(&errno).copied().unwrap_or(0);
        that(
            format!("some that come to {errno}, got {times}"),
            times > 50,
        )?;
    }
    works("REGISTER", shared("vale950:b").try_bind())
}
