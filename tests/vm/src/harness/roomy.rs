// SPDX-License-Identifier: MIT OR Apache-2.0

//! Regions with room for more than the port that they were made for: which rings and buffers are in
//! them, and whether buffers change hands, which they do in one region only.

use super::check::*;
use super::frame::*;
use super::raw::stack::Stack;
use super::raw::*;
use super::traces::write_parameter;
use super::traffic::*;
use super::wire::wait_for;
use ferromap_abi::consts::NS_BUF_CHANGED;
use ferromap_abi::ext::FERROMAP_NR_SWAP;
use nix::poll::PollFlags;
use std::collections::BTreeSet;

/// A port with a region that has room for the rings of interfaces: one of its rings is bound each
/// way, of 16 that it could have.
pub fn roomy(name: &str) -> Outcome<Bound> {
    write_parameter("generic_ringsize", "64")?;
    let wide = vale(name).rings(16, 16).slots(64, 64).one(0);
    works(name, wide.bind())
}

/// Ring `i` of those that there are in the region of a port, whose own two come first.
fn ring_of_region(port: &Bound, i: u64) -> Ring {
    let [tx, rx] = [port.tx(0), port.rx(0)].map(|ring| ring.offset());
    Ring::new(port.map.clone(), tx + i * (rx - tx))
}

/// That the region of a port has so many rings of 64 slots, and in these no buffer twice.
pub fn has_rings(port: &Bound, count: u64) -> Outcome {
    let mut buffers = BTreeSet::new();
    for i in 0..count {
        let ring = ring_of_region(port, i);
        same(format!("slots of ring {i}"), ring.n(), 64)?;
        buffers.extend(ring.slots().iter().map(|slot| slot.buf_idx));
    }
    same("buffers", buffers.len() as u64, count * 64)?;
    that("none is reserved", buffers.first() > Some(&1))?;
    same("more rings", ring_of_region(port, count).n(), 0)
}

/// A frame from a port to a stack. Whether the port has got another buffer for it.
pub fn leaves(port: &Bound, to: &Stack, frame: Vec<u8>) -> Outcome<bool> {
    let ring = port.tx(0);
    let at = ring.head();
    let before = ring.slot(at).buf_idx;
    port.send(&[frame.clone()])?;
    same("at the stack", to.wait_for(1)?, vec![frame])?;
    let slot = ring.slot(at);
    let exchanged = slot.buf_idx != before;
    let want = if exchanged { NS_BUF_CHANGED } else { 0 };
    same("flags of the slot sent", slot.flags, want)?;
    Ok(exchanged)
}

/// A frame from a stack to a port. Whether it has come in another buffer.
pub fn comes(port: &Bound, from: &Stack, frame: Vec<u8>) -> Outcome<bool> {
    let ring = port.rx(0);
    let at = ring.tail();
    let before = ring.slot(at).buf_idx;
    from.send(&frame)?;
    wait_until("it has come", || {
        port.poll(PollFlags::POLLIN, 50) == Ok(PollFlags::POLLIN)
    })?;
    let slot = ring.slot(at);
    same("in the ring", ring.take_frames(), vec![frame])?;
    port.device.rxsync()?;
    let exchanged = slot.buf_idx != before;
    let want = 0x100 | if exchanged { NS_BUF_CHANGED } else { 0 };
    same("flags of the slot received", slot.flags, want)?;
    Ok(exchanged)
}

/// That the switch knows all three, stations 1, 2 and 3, and none has anything to receive.
pub fn known(port: &Bound, stacks: [&Stack; 2]) -> Outcome {
    port.tx(0).set_flags(FERROMAP_NR_SWAP);
    port.send(&[frame(BROADCAST, station(1), 1)])?;
    for stack in stacks {
        same("of the port", numbers(&stack.wait_for(1)?), vec![1])?;
    }
    for (n, from, to) in [(2, stacks[0], stacks[1]), (3, stacks[1], stacks[0])] {
        from.send(&frame(BROADCAST, station(n), n.into()))?;
        same("of a stack", numbers(&wait_for(port, 1)?), vec![n.into()])?;
        same("at the other", numbers(&to.wait_for(1)?), vec![n.into()])?;
    }
    Ok(())
}
