// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's side of one ring.

use super::{port::Sent, Inner, Side, State, BUF_SIZE};
use crate::spec::Offsets;
use ferromap_abi::{
    consts::{NETMAP_RESERVED_BUFS, RING_DIR_RX, RING_DIR_TX},
    cursor::{self, Checked, Claimed},
    wire::{RingHeader, Slot},
};
use std::mem::offset_of;

/// A ring's place, and what the kernel keeps to itself.
pub(super) struct RingState {
    /// Object of the ring pool.
    object: u32,
    offset: usize,
    pub(super) n: u32,
    /// First slot that was released and not yet dealt with.
    pub(super) hwcur: u32,
    /// What the tail is, or will be at the next sync.
    pub(super) hwtail: u32,
    pub(super) counted: Counted,
    pub(super) offsets: Option<Granted>,
}

/// Offsets that a ring has.
#[derive(Clone, Copy)]
pub(super) struct Granted {
    pub(super) mask: u64,
    pub(super) max: u64,
    /// Bytes that may be written behind an offset; 0 for all.
    pub(super) gap: u64,
}

impl Granted {
    /// What is asked for, if it makes sense.
    pub(super) fn new(wanted: &Offsets) -> Option<Self> {
        let mask = match wanted.bits {
            0 | 64 => u64::MAX,
            bits @ 1..64 => (1 << bits) - 1,
            _ => return None,
        };
        let max = wanted.max;
        let fits = max <= BUF_SIZE.into() && max <= mask && wanted.initial <= max;
        fits.then_some(Granted {
            mask,
            max,
            gap: wanted.min_gap,
        })
    }
}

/// What went through a ring, and what did not.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    /// Sent, and too long or too short; or received, and the ring was full.
    pub(super) dropped: u64,
}

impl Counted {
    pub(super) fn add(&mut self, chain: &[Sent]) {
        self.frames += 1;
        self.bytes += chain.iter().map(Sent::len).sum::<usize>() as u64;
    }
}

impl RingState {
    /// A ring of `n` slots with a buffer each; `None` if the pools run out.
    pub(super) fn new(
        inner: &Inner,
        state: &mut State,
        side: Side,
        index: u16,
        n: u32,
    ) -> Option<Self> {
        if state.free_bufs.len() < n as usize {
            return None;
        }
        let object = state.free_rings.pop()?;
        let offset = inner.layout.rings.object(object)? as usize;
        let region = &inner.region;
        for at in (0..inner.layout.rings.size as usize).step_by(4) {
            region.write_u32(offset + at, 0);
        }
        let (dir, tail) = match side {
            Side::Tx => (RING_DIR_TX, n - 1),
            Side::Rx => (RING_DIR_RX, 0),
        };
        let put = |field, value| region.write_u32(offset + field, value);
        put(offset_of!(RingHeader, num_slots), n);
        put(offset_of!(RingHeader, nr_buf_size), BUF_SIZE);
        let [i0, i1] = index.to_ne_bytes();
        let [d0, d1] = dir.to_ne_bytes();
        put(
            offset_of!(RingHeader, ringid),
            u32::from_ne_bytes([i0, i1, d0, d1]),
        );
        put(offset_of!(RingHeader, tail), tail);
        let to_buffers = inner.layout.buf_ofs(offset as u64);
        region.write_i64(offset + offset_of!(RingHeader, buf_ofs), to_buffers);
        let ring = RingState {
            object,
            offset,
            n,
            hwcur: 0,
            hwtail: tail,
            counted: Counted::default(),
            offsets: None,
        };
        for at in 0..n {
            let slot = Slot {
                buf_idx: state.take_buffer()?,
                len: BUF_SIZE as u16,
                ..Slot::default()
            };
            ring.set_slot(inner, at, slot);
        }
        Some(ring)
    }

    /// Gives the ring and the buffers in it back.
    pub(super) fn free(self, inner: &Inner, state: &mut State) {
        for at in 0..self.n {
            let index = self.slot(inner, at).buf_idx;
            state.put_buffer(index);
        }
        state.free_rings.push(self.object);
    }

    /// Has frames start where slots say, which is at `initial` unless the ring is in use.
    pub(super) fn grant(&mut self, inner: &Inner, granted: Granted, initial: Option<u64>) {
        self.offsets = Some(granted);
        for at in 0..self.n {
            if let Some(initial) = initial {
                let mut slot = self.slot(inner, at);
                slot.ptr = initial;
                self.set_slot(inner, at, slot);
            }
        }
        let mask = self.offset + offset_of!(RingHeader, offset_mask);
        inner.region.write_i64(mask, granted.mask as i64);
    }

    /// Where in its buffer the frame of a slot starts.
    pub(super) fn start(&self, slot: &Slot) -> usize {
        self.offsets.map_or(0, |granted| {
            (slot.ptr & granted.mask).min(granted.max) as usize
        })
    }

    /// Bytes that may be written from `start` on.
    pub(super) fn left(&self, start: usize) -> usize {
        let left = BUF_SIZE as usize - start;
        match self.offsets {
            Some(Granted { gap, .. }) if gap > 0 => left.min(gap as usize),
            _ => left,
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn slot(&self, inner: &Inner, at: u32) -> Slot {
        inner.region.read(self.slot_offset(at)).unwrap_or_default()
    }

    pub(super) fn set_slot(&self, inner: &Inner, at: u32, slot: Slot) {
        inner.region.write(self.slot_offset(at), slot);
    }

    fn slot_offset(&self, at: u32) -> usize {
        self.offset + RingHeader::SLOTS + at as usize * size_of::<Slot>()
    }

    fn word(&self, inner: &Inner, field: usize) -> u32 {
        inner.region.acquire_u32(self.offset + field).unwrap_or(0)
    }

    /// What the program left in head and cur, if it is acceptable. Else the ring is set back.
    pub(super) fn check(&self, inner: &Inner) -> Option<Checked> {
        let claimed = Claimed {
            head: self.word(inner, offset_of!(RingHeader, head)),
            cur: self.word(inner, offset_of!(RingHeader, cur)),
        };
        let checked = claimed.check(self.n, self.hwcur, self.hwtail);
        if checked.is_none() {
            let region = &inner.region;
            region.release_u32(self.offset + offset_of!(RingHeader, head), self.hwcur);
            region.release_u32(self.offset + offset_of!(RingHeader, cur), self.hwcur);
            self.publish(inner);
        }
        checked
    }

    pub(super) fn publish(&self, inner: &Inner) {
        let at = self.offset + offset_of!(RingHeader, tail);
        inner.region.release_u32(at, self.hwtail);
    }

    /// Whether poll has something to report.
    pub(super) fn ready(&self, inner: &Inner) -> bool {
        self.word(inner, offset_of!(RingHeader, cur)) != self.hwtail
    }

    /// Slots that can still take packets, in a receive ring.
    pub(super) fn room(&self) -> u32 {
        self.n - 1 - cursor::dist(self.hwcur, self.hwtail, self.n)
    }
}

impl State {
    pub(super) fn take_buffer(&mut self) -> Option<u32> {
        let index = self.free_bufs.pop()?;
        self.is_free[index as usize] = false;
        Some(index)
    }

    /// Puts a buffer back, unless it is nobody's or was put back already.
    pub(super) fn put_buffer(&mut self, index: u32) {
        if index < NETMAP_RESERVED_BUFS {
            return;
        }
        if let Some(free @ false) = self.is_free.get_mut(index as usize) {
            *free = true;
            self.free_bufs.push(index);
        }
    }
}
