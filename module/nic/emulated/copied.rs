// SPDX-License-Identifier: GPL-2.0

//! A frame of the kernel's own, copied out of the slots of a ring.

use crate::{
    abi::{consts::ETH_HLEN, wire::Slot},
    memory::Bufs,
    ring::count::TxDrop,
    sys::{
        bottom_half::Disabled,
        net::{Device, Packet},
    },
};

/// Who gets it.
#[derive(Clone, Copy)]
pub(super) struct For<'d> {
    pub(super) device: &'d Device,
    pub(super) queue: u16,
    /// Bytes of the longest frame that it takes.
    pub(super) longest: u32,
}

/// A copy of the frame in these slots, of which there is at least one. As a function of its own it
/// costs a frame 20 instructions.
#[inline(always)]
pub(super) fn copied(
    to: For<'_>,
    bufs: &Bufs<'_>,
    slots: &[Slot],
    pinned: &Disabled,
) -> Result<Packet, TxDrop> {
    let [slot] = slots else {
        return joined(to, bufs, slots, pinned);
    };
    let buf = bufs.get(slot.buf_idx).ok_or(TxDrop::BadBuffer)?;
    let len = u32::from(slot.len);
    if len < ETH_HLEN as u32 || len > to.longest {
        return Err(TxDrop::BadLength);
    }
    let bytes = buf.span(slot.ptr as u32, len);
    let bytes = bytes.ok_or(TxDrop::BadLength)?;
    Packet::copy_of(to.device, to.queue, bytes, pinned).ok_or(TxDrop::NoMemory)
}

/// The same of several slots. All of them are looked at before there is a frame.
#[inline(never)]
fn joined(
    to: For<'_>,
    bufs: &Bufs<'_>,
    slots: &[Slot],
    pinned: &Disabled,
) -> Result<Packet, TxDrop> {
    let mut len = 0;
    for slot in slots {
        let buf = bufs.get(slot.buf_idx).ok_or(TxDrop::BadBuffer)?;
        if buf.span(slot.ptr as u32, slot.len.into()).is_none() {
            return Err(TxDrop::BadLength);
        }
        len += u32::from(slot.len);
    }
    if len < ETH_HLEN as u32 || len > to.longest {
        return Err(TxDrop::BadLength);
    }
    // The slot whose turn it is, of which what has been copied is cut off.
    let (mut left, mut next) = (slots.iter(), Slot::default());
    let fill = |mut room: &mut [u8]| {
        while !room.is_empty() {
            if next.len == 0 {
                let Some(&slot) = left.next() else {
                    return false;
                };
                next = slot;
                continue;
            }
            let len = room.len().min(next.len.into());
            let (part, rest) = room.split_at_mut(len);
            let buf = bufs.get(next.buf_idx);
            if buf.is_none_or(|buf| buf.read(next.ptr as u32, part).is_err()) {
                return false;
            }
            next.ptr += len as u64;
            next.len -= len as u16;
            room = rest;
        }
        true
    };
    Packet::gathered(to.device, to.queue, len, pinned, fill).ok_or(TxDrop::NoMemory)
}
