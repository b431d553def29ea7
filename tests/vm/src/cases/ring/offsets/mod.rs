// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that do not start where their buffers do: items 172 to 174, and section 4.12.
//!
//! - [`kinds`]: who may have offsets, and which; [`pipes`]: both ends of them;
//! - [`ways`]: on every way that frames take, the same; [`switches`], [`interfaces`], [`monitors`]:
//!   what is special there;
//! - [`limits`]: the ends of buffers, and [`hostile`] neighbours.

pub mod hostile;
pub mod interfaces;
pub mod kinds;
pub mod limits;
pub mod monitors;
pub mod pipes;
pub mod switches;
pub mod ways;

use crate::harness::check::*;
use crate::harness::raw::*;
use ferromap_abi::consts::*;

/// The option, by `max`, `initial`, bits and gap.
pub fn offsets(max: u64, initial: u64, bits: u32, gap: u64) -> OptionList {
    let mut options = OptionList::of(&[NETMAP_REQ_OPT_OFFSETS]);
    options.option(0).body[..4].copy_from_slice(&[max, initial, bits.into(), gap]);
    options
}

/// REGISTER with offsets that all slots begin with.
pub fn bind_at(ask: Reg, initial: u64) -> Outcome<Bound> {
    let mut options = offsets(512, initial, 0, 0);
    let bound = works("REGISTER", ask.options(options.first()).bind())?;
    same("status", options.statuses(), [0])?;
    same("largest", options.option(0).body[0], 512)?;
    Ok(bound)
}

pub fn offset(ring: &Ring, slot: u32) -> u64 {
    ring.slot(slot).ptr & ring.offset_mask()
}

/// Puts a frame where its slot says that it starts.
pub fn put_at(ring: &Ring, frame: &[u8], flags: u16) {
    let at = ring.head();
    let slot = ring.slot(at);
    let start = ring.buf_at(slot.buf_idx) + offset(ring, at);
    for (i, byte) in frame.iter().enumerate() {
        ring.write_byte(
            slot.buf_idx,
            start - ring.buf_at(slot.buf_idx) + i as u64,
            *byte,
        );
    }
    ring.edit_slot(at, |slot| {
        (slot.len, slot.flags) = (frame.len() as u16, flags)
    });
    ring.set_head_cur(ring.after(at, 1));
}

/// Takes frames from there.
pub fn take_at(ring: &Ring) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = vec![vec![]];
    for at in ring.owned() {
        let (slot, from) = (ring.slot(at), offset(ring, at) as usize);
        let bytes = ring.read_buf(slot.buf_idx, from + usize::from(slot.len));
        frames.last_mut().expect("one").extend(&bytes[from..]);
        if slot.flags & NS_MOREFRAG == 0 {
            frames.push(vec![]);
        }
    }
    frames.pop();
    ring.set_head_cur(ring.tail());
    frames
}

/// Whoever was there has no offsets, and nothing in the words that are his own.
pub fn has_none(bound: &Bound) -> Outcome {
    for (_, ring) in bound.tx_rings().into_iter().chain(bound.rx_rings()) {
        same("mask", ring.offset_mask(), 0)?;
        that("slots", ring.slots().iter().all(|slot| slot.ptr == 0))?;
    }
    Ok(())
}
