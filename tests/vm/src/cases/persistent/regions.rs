// SPDX-License-Identifier: MIT OR Apache-2.0

//! Persistent ports and the memory region that they are plugged in with: it is the one that they
//! were made in, but for a second switch, which takes the interface for one like any other.

use crate::harness::attach::*;
use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::persistent::*;
use crate::harness::raw::request::{pools_info, port_info};
use crate::harness::raw::stack::Stack;
use crate::harness::raw::*;
use crate::harness::roomy::*;
use crate::harness::traffic::*;
use crate::harness::wire::{wait_for, wire};
use crate::harness::Case;
use ferromap_abi::ext::FERROMAP_NR_SWAP;

pub const CASES: &[Case] = crate::cases![
    persistent_in_a_region_it_keeps_its_own,
    persistent_once_more_in_a_region,
];

/// Wherever it is to be plugged in: its rings are there already.
fn persistent_in_a_region_it_keeps_its_own() -> Outcome {
    wire()?;
    let m = roomy("vale153:m")?;
    let region = m.reg.nr_mem_id;
    made_in("p0", region)?;
    made("p1")?;
    let own = port_info("p1", Default::default())?.nr_mem_id;
    differs("a region of its own", own, region)?;
    let device = Device::open()?;
    let (first, second) = (Stack::on("p0")?, Stack::on("p1")?);
    for (asked, other) in [(0, 0), (region, region), (own, region), (region, own)] {
        let _first = Attached::in_region(&device, "vale153:p0", asked)?;
        let _second = Attached::in_region(&device, "vale153:p1", other)?;
        for (name, want) in [("p0", region), ("p1", own)] {
            for name in [name.into(), format!("vale153:{name}")] {
                let info = port_info(&name, Default::default())?;
                same(format!("region of {name}"), info.nr_mem_id, want)?;
            }
        }
        known(&m, [&first, &second])?;
        for n in 0..5 {
            for (stack, from) in [(&first, 2), (&second, 3)] {
                let there = frame_of(60 + 300 * n as usize, station(from), station(1), n);
                same("exchanged", leaves(&m, stack, there)?, false)?;
                let back = frame_of(60 + 300 * n as usize, station(1), station(from), n);
                same("exchanged", comes(&m, stack, back)?, false)?;
            }
        }
        // Its rings are in one region with the third's, or they are not.
        for (name, station_of, is_one) in [("p0", 2, true), ("p1", 3, false)] {
            let p = vale(name).bind()?;
            let (at, next) = (m.tx(0).head(), p.rx(0).tail());
            let (ours, theirs) = (m.tx(0).slot(at).buf_idx, p.rx(0).slot(next).buf_idx);
            let sent = frame(station(station_of), station(1), 7);
            m.send(&[sent.clone()])?;
            p.device.rxsync()?;
            let (left, right) = (m.tx(0).slot(at).buf_idx, p.rx(0).slot(next).buf_idx);
            let want = if is_one {
                (theirs, ours)
            } else {
                (ours, theirs)
            };
            same(format!("buffers of m and {name}"), (left, right), want)?;
            same("frame", p.recv()?, vec![sent])?;
            let back = frame(station(1), station(station_of), 8);
            p.send(&[back.clone()])?;
            same("and back", m.recv()?, vec![back])?;
        }
    }
    works("deleted", delif("p0"))?;
    works("deleted", delif("p1"))
}

/// A second switch takes its interface for one like any other, with rings where it is told.
fn persistent_once_more_in_a_region() -> Outcome {
    wire()?;
    let m = roomy("vale154:m")?;
    let region = m.reg.nr_mem_id;
    made("p0")?;
    let own = port_info("p0", Default::default())?.nr_mem_id;
    works("plugged in", attach("vale155:p0"))?;
    let [a] = ports("vale155", ["a"])?;
    let attached = Attached::in_region(&Device::open()?, "vale154:p0", region)?;
    same("in the first", pools_info("vale155:p0", 0)?.nr_mem_id, own)?;
    same(
        "in the second",
        pools_info("vale154:p0", 0)?.nr_mem_id,
        region,
    )?;
    has_rings(&m, 2 + 8)?;
    m.tx(0).set_flags(FERROMAP_NR_SWAP);
    for n in 0..20 {
        let sent = frame_of(60 + 70 * n as usize, BROADCAST, station(1), n);
        m.send(&[sent.clone()])?;
        same("from the second", wait_for(&a, 1)?, vec![sent])?;
        let back = frame_of(60 + 70 * n as usize, station(1), station(2), n);
        a.send(&[back.clone()])?;
        same("from the first", wait_for(&m, 1)?, vec![back])?;
    }
    has_rings(&m, 2 + 8)?;
    drop(attached);
    works("pulled out", detach("vale155:p0"))?;
    works("deleted", delif("p0"))
}
