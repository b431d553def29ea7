// SPDX-License-Identifier: MIT OR Apache-2.0

//! Offsets on a switch: from each start to each other one, and beside headers and addresses.

use super::*;
use crate::harness::frame::*;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::Case;
use ferromap_abi::ext::FERROMAP_NR_SWAP;

pub const CASES: &[Case] = crate::cases![
    item_172_offsets_on_switches,
    offsets_go_with_headers_and_exclude_addresses,
];

fn item_172_offsets_on_switches() -> Outcome {
    let lens = [14, 60, 64, 1000, 1536];
    let sent: Vec<Vec<u8>> = lens
        .iter()
        .zip(0..)
        .map(|(&len, n)| frame_of(len, BROADCAST, station(1), n))
        .collect();
    for (from, to) in [(Some(100), None), (None, Some(512)), (Some(7), Some(130))] {
        let open = |name: &str, at: Option<u64>| -> Outcome<Bound> {
            let ask = vale(name).mem(GLOBAL_MEM_ID).slots(64, 64);
            match at {
                Some(at) => bind_at(ask, at),
                None => Ok(ask.bind()?),
            }
        };
        let (a, b) = (open("vale172:a", from)?, open("vale172:b", to)?);
        for swap in [0, FERROMAP_NR_SWAP] {
            let ring = a.tx(0);
            ring.set_flags(swap);
            for frame in &sent {
                put_at(&ring, frame, 0);
            }
            for part in sent[3].chunks(300) {
                put_at(&ring, part, NS_MOREFRAG);
            }
            put_at(&ring, &[1, 2, 3], 0);
            put_at(&ring, &sent[0], 0);
            a.device.txsync()?;
            b.device.rxsync()?;
            let offsets: Vec<u64> = b
                .rx(0)
                .owned()
                .iter()
                .map(|&at| offset(&b.rx(0), at))
                .collect();
            that(
                "where they are",
                offsets.iter().all(|&at| at == to.unwrap_or(0)),
            )?;
            let mut wanted = sent.clone();
            wanted.push([&sent[3][..], &[1, 2, 3]].concat());
            wanted.push(sent[0].clone());
            that(
                format!("{from:?} {to:?} {swap}"),
                take_at(&b.rx(0)) == wanted,
            )?;
            b.device.rxsync()?;
        }
    }
    Ok(())
}

fn offsets_go_with_headers_and_exclude_addresses() -> Outcome {
    let a = bind_at(vale("vale4:a").slots(64, 64), 64)?;
    let b = bind_at(vale("vale4:b").slots(64, 64).flags(NR_ACCEPT_VNET_HDR), 100)?;
    let frame = frame_of(300, BROADCAST, station(1), 1);
    set_vnet_hdr("vale4:b", 12)?;
    put_at(&a.tx(0), &frame, 0);
    // An address, and no offset.
    let at = a.tx(0).head();
    a.tx(0).edit_slot(at, |slot| {
        (slot.len, slot.flags, slot.ptr) = (300, NS_INDIRECT, frame.as_ptr() as u64)
    });
    a.tx(0).set_head_cur(a.tx(0).after(at, 1));
    a.device.txsync()?;
    b.device.rxsync()?;
    let with_header = [&[0; 12][..], &frame].concat();
    that(
        "with a header",
        take_at(&b.rx(0)) == [with_header.clone(), with_header.clone()],
    )?;
    b.device.rxsync()?;
    put_at(&b.tx(0), &with_header, 0);
    b.device.txsync()?;
    a.device.rxsync()?;
    that("and without", take_at(&a.rx(0)) == [frame])
}
