// SPDX-License-Identifier: MIT OR Apache-2.0

//! Null ports: memory of a region, and rings on which nothing happens: item 171.

use crate::harness::check::*;
use crate::harness::frame::numbered;
use crate::harness::raw::*;
use crate::harness::traces::small_region_one;
use crate::harness::why::refused;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::poll::PollFlags;

pub const CASES: &[Case] = crate::cases![
    item_171_a_null_port_needs_a_region,
    item_171_a_null_port_has_buffers_and_no_traffic,
];

fn item_171_a_null_port_needs_a_region() -> Outcome {
    small_region_one()?;
    refused(null(0), Errno::EINVAL, &["null port", "region"])?;
    works("in region 1", null(GLOBAL_MEM_ID).bind()).map(drop)
}

fn item_171_a_null_port_has_buffers_and_no_traffic() -> Outcome {
    small_region_one()?;
    let port = null(GLOBAL_MEM_ID).extra(5).bind()?;
    same("extra buffers", port.extra_bufs().len(), 5)?;
    same("name", port.port_name(), "null:nothing")?;
    let (tx, rx) = (port.tx(0), port.rx(0));
    for frame in numbered(0..20) {
        tx.put(&frame);
    }
    port.device.txsync()?;
    port.device.rxsync()?;
    // Room for 63 frames, of which 20 are taken and none has left.
    same("room left", tx.space(), 43)?;
    same("frames received", rx.space(), 0)?;
    let events = port.poll(PollFlags::POLLIN, 20)?;
    same("nothing to read", events, PollFlags::empty())?;
    // Programs use a null port's buffers as their own: what is written there is still there.
    same(
        "a frame in its slot",
        tx.payload(7),
        numbered(7..8).remove(0),
    )?;
    // Another one of the same name is another port.
    let other = null(GLOBAL_MEM_ID).bind()?;
    same("frames of the other", other.tx(0).space(), 63)
}
