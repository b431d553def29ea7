// SPDX-License-Identifier: MIT OR Apache-2.0

//! A ring in the mapped region: cursors, slots and buffers, each access by itself and volatile.

use super::device::Mapping;
use ferromap_abi::cursor::{add, dist};
use ferromap_abi::wire::{RingHeader, Slot};
use std::mem::offset_of;
use std::sync::Arc;

/// One mapped ring. Clones are the same ring; threads may share it as processes do.
#[derive(Clone)]
pub struct Ring {
    map: Arc<Mapping>,
    offset: u64,
}

/// A reader and a writer of a header field.
macro_rules! field {
    ($get:ident, $field:ident: $t:ty) => {
        pub fn $get(&self) -> $t {
            self.map.read(self.offset + offset_of!(RingHeader, $field) as u64)
        }
    };
    ($get:ident, $set:ident, $field:ident: $t:ty) => {
        field!($get, $field: $t);
        pub fn $set(&self, value: $t) {
            self.map.write(self.offset + offset_of!(RingHeader, $field) as u64, value)
        }
    };
}

impl Ring {
    pub fn new(map: Arc<Mapping>, offset: u64) -> Self {
        Ring { map, offset }
    }

    field!(buf_ofs, buf_ofs: i64);
    field!(n, num_slots: u32);
    field!(buf_size, nr_buf_size: u32);
    field!(ringid, ringid: u16);
    field!(dir, dir: u16);
    field!(head, set_head, head: u32);
    field!(cur, set_cur, cur: u32);
    field!(tail, set_tail, tail: u32);
    field!(flags, set_flags, flags: u32);
    field!(offset_mask, offset_mask: u64);
    field!(buf_align, buf_align: u64);
    field!(sem, set_sem, sem: [u8; 128]);

    /// `ts` in microseconds.
    pub fn timestamp(&self) -> i64 {
        let field = |at| -> i64 { self.map.read(self.offset + at as u64) };
        field(offset_of!(RingHeader, ts_sec)) * 1_000_000 + field(offset_of!(RingHeader, ts_usec))
    }

    /// Where the ring is in the region.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where buffer 0 is in the region, by this ring.
    pub fn buffers(&self) -> u64 {
        self.offset.wrapping_add_signed(self.buf_ofs())
    }

    /// Moves both `head` and `cur`.
    pub fn set_head_cur(&self, to: u32) {
        self.set_cur(to);
        self.set_head(to);
    }

    /// `head`, `cur` and `tail`.
    pub fn cursors(&self) -> (u32, u32, u32) {
        (self.head(), self.cur(), self.tail())
    }

    /// Slots that belong to the program.
    pub fn space(&self) -> u32 {
        dist(self.head(), self.tail(), self.n())
    }

    /// The slot `by` places after `from`.
    pub fn after(&self, from: u32, by: u32) -> u32 {
        add(from, by, self.n())
    }

    /// Indexes of the slots that belong to the program, in order.
    pub fn owned(&self) -> Vec<u32> {
        let head = self.head();
        (0..self.space()).map(|by| self.after(head, by)).collect()
    }

    fn slot_at(&self, index: u32) -> u64 {
        assert!(index < self.n(), "slot {index} of a ring of {}", self.n());
        self.offset + (RingHeader::SLOTS + index as usize * size_of::<Slot>()) as u64
    }

    pub fn slot(&self, index: u32) -> Slot {
        self.map.read(self.slot_at(index))
    }

    pub fn set_slot(&self, index: u32, slot: Slot) {
        self.map.write(self.slot_at(index), slot)
    }

    /// Changes some fields of a slot.
    pub fn edit_slot(&self, index: u32, edit: impl FnOnce(&mut Slot)) {
        let mut slot = self.slot(index);
        edit(&mut slot);
        self.set_slot(index, slot)
    }

    pub fn slots(&self) -> Vec<Slot> {
        (0..self.n()).map(|i| self.slot(i)).collect()
    }

    /// Where buffer `index` is in the region.
    pub fn buf_at(&self, index: u32) -> u64 {
        self.buffers() + u64::from(index) * u64::from(self.buf_size())
    }

    /// The first `len` bytes of buffer `index`.
    pub fn read_buf(&self, index: u32, len: usize) -> Vec<u8> {
        let at = self.buf_at(index);
        (0..len as u64).map(|i| self.map.read(at + i)).collect()
    }

    /// Fills buffer `index` from its start on.
    pub fn write_buf(&self, index: u32, bytes: &[u8]) {
        let at = self.buf_at(index);
        for (i, byte) in bytes.iter().enumerate() {
            self.map.write(at + i as u64, *byte);
        }
    }

    /// Writes byte `at` of buffer `index`.
    pub fn write_byte(&self, index: u32, at: u64, byte: u8) {
        self.map.write(self.buf_at(index) + at, byte);
    }

    /// What a received slot holds.
    pub fn payload(&self, index: u32) -> Vec<u8> {
        let slot = self.slot(index);
        self.read_buf(
            slot.buf_idx,
            usize::from(slot.len).min(self.buf_size() as usize),
        )
    }

    /// Fills slot `index` with a frame, without moving any cursor.
    pub fn fill(&self, index: u32, frame: &[u8], flags: u16) {
        self.write_buf(self.slot(index).buf_idx, frame);
        self.edit_slot(index, |slot| {
            slot.len = frame.len() as u16;
            slot.flags = flags;
        });
    }

    /// Puts a frame into the next free slot and moves `head` and `cur` past it. It leaves with the
    /// next sync. Stops the test when the ring is full.
    pub fn put(&self, frame: &[u8]) {
        self.put_flagged(frame, 0)
    }

    /// The same, with `NS_*` flags in the slot.
    pub fn put_flagged(&self, frame: &[u8], flags: u16) {
        assert!(self.space() > 0, "the transmit ring is full");
        let head = self.head();
        self.fill(head, frame, flags);
        self.set_head_cur(self.after(head, 1));
    }

    /// Puts a slot that says its frame, of 60 bytes, is at that address of the process.
    pub fn put_indirect(&self, address: u64) {
        let head = self.head();
        self.edit_slot(head, |slot| {
            (slot.len, slot.flags, slot.ptr) = (60, ferromap_abi::consts::NS_INDIRECT, address);
        });
        self.set_head_cur(self.after(head, 1));
    }

    /// Puts one frame as a chain of slots, one per fragment.
    pub fn put_fragments(&self, fragments: &[&[u8]]) {
        for (i, fragment) in fragments.iter().enumerate() {
            let more = i + 1 < fragments.len();
            self.put_flagged(
                fragment,
                if more {
                    ferromap_abi::consts::NS_MOREFRAG
                } else {
                    0
                },
            );
        }
    }

    /// Puts one frame into as many slots as it needs, each but the last full.
    pub fn put_long(&self, frame: &[u8]) {
        let parts: Vec<&[u8]> = frame.chunks(self.buf_size() as usize).collect();
        self.put_fragments(&parts);
    }

    /// Takes all frames, each out of as many slots as it has. Stops the test if one lacks its end.
    pub fn take_long(&self) -> Vec<Vec<u8>> {
        let mut frames = vec![];
        let mut whole = true;
        for (slot, bytes) in self.take() {
            if whole {
                frames.push(vec![]);
            }
            frames.last_mut().expect("one was begun").extend(bytes);
            whole = slot.flags & ferromap_abi::consts::NS_MOREFRAG == 0;
        }
        assert!(whole, "a frame without its end");
        frames
    }

    /// Takes all slots that belong to the program: each with its bytes. They go back to the kernel
    /// with the next sync.
    pub fn take(&self) -> Vec<(Slot, Vec<u8>)> {
        // Another thread's sync may move `tail` meanwhile: only what was seen is taken.
        let seen = self.owned();
        let taken = seen
            .iter()
            .map(|&i| (self.slot(i), self.payload(i)))
            .collect();
        self.set_head_cur(self.after(self.head(), seen.len() as u32));
        taken
    }

    /// The same, bytes only.
    pub fn take_frames(&self) -> Vec<Vec<u8>> {
        self.take().into_iter().map(|(_, bytes)| bytes).collect()
    }
}
