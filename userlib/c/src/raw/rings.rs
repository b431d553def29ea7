// SPDX-License-Identifier: MIT OR Apache-2.0

//! The region: where a port's rings are, and putting frames into them.
//!
//! # What this rests on
//!
//! What `memory.rs` says is mapped, is, until its last port is closed. Every offset that is read
//! there is checked against the region's size before it is followed, since others write it, too.

use ferromap_abi::{
    consts::NS_MOREFRAG,
    cursor,
    wire::{IfHeader, Plain, RingHeader, Slot},
};
use std::{
    mem::offset_of,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

/// A region that is mapped.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    base: usize,
    size: usize,
}

/// The buffers of a region, as a ring describes them: where they begin in it, how large each is,
/// and which bits of a slot are an offset.
struct Buffers {
    at: usize,
    size: usize,
    mask: u64,
}

/// First and last of the rings that are bound, one direction; last < first where there is none.
pub(crate) type Run = (u16, u16);

impl Region {
    /// # Safety
    ///
    /// `size` bytes from `base` on are mapped, and stay so as long as the value is used.
    pub(crate) unsafe fn new((base, size): (usize, usize)) -> Self {
        Region { base, size }
    }

    /// The address of so many bytes, if they are inside and aligned.
    fn at<T>(&self, offset: usize, len: usize) -> Option<*mut T> {
        let end = offset.checked_add(len)?;
        let address = self.base.checked_add(offset)?;
        let fits = end <= self.size && address % align_of::<T>() == 0;
        fits.then(|| ptr::with_exposed_provenance_mut(address))
    }

    fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        let at = self.at::<T>(offset, size_of::<T>())?;
        // SAFETY: inside the region and aligned; any bytes make a `Plain` value, and a volatile
        // read takes them as they are at that moment.
        Some(unsafe { at.read_volatile() })
    }

    fn word(&self, offset: usize) -> Option<&AtomicU32> {
        let at = self.at::<u32>(offset, 4)?;
        // SAFETY: inside the region, which stays as long as `self` is used, and aligned. An atomic
        // may change under a reference.
        Some(unsafe { AtomicU32::from_ptr(at) })
    }

    fn read_i64(&self, offset: usize) -> Option<i64> {
        let at = self.at::<i64>(offset, 8)?;
        // SAFETY: inside the region and aligned.
        Some(unsafe { at.read_volatile() })
    }

    /// The address of the netmap_if at an offset, and the rings that it says are bound: to
    /// transmit, to receive.
    pub(crate) fn bound(&self, offset: u64) -> Option<(*mut IfHeader, Run, Run)> {
        let offset = usize::try_from(offset).ok()?;
        let nifp: IfHeader = self.read(offset)?;
        let tx = nifp.ni_tx_rings.checked_add(nifp.ni_host_tx_rings)?;
        let rx = nifp.ni_rx_rings.checked_add(nifp.ni_host_rx_rings)?;
        let at = self.at::<IfHeader>(offset, size_of::<IfHeader>())?;
        Some((at, self.run(offset, 0, tx)?, self.run(offset, tx, rx)?))
    }

    /// The first run of entries that are not 0, among `count` from `first` on.
    fn run(&self, nifp: usize, first: u32, count: u32) -> Option<Run> {
        let mut run = None;
        for i in 0..u16::try_from(count).ok()? {
            let entry = self.read_i64(entry(nifp, first + u32::from(i)))?;
            match (&mut run, entry) {
                (None, 0) => {}
                (None, _) => run = Some((i, i)),
                (Some(_), 0) => break,
                (Some((_, last)), _) => *last = i,
            }
        }
        Some(run.unwrap_or((1, 0)))
    }

    /// Puts a frame into transmit ring `number` of the netmap_if at an address. Whether there was
    /// room.
    pub(crate) fn inject(&self, nifp: usize, number: u16, frame: &[u8]) -> bool {
        self.try_inject(nifp, number, frame).is_some()
    }

    fn try_inject(&self, nifp: usize, number: u16, frame: &[u8]) -> Option<()> {
        let nifp = nifp.checked_sub(self.base)?;
        let to_ring = isize::try_from(self.read_i64(entry(nifp, number.into()))?).ok()?;
        let ring = nifp.checked_add_signed(to_ring)?;
        let word = |field| self.word(ring.checked_add(field)?);
        let number = |field| Some(word(field)?.load(Ordering::Relaxed));
        let n = number(offset_of!(RingHeader, num_slots))?;
        let head = number(offset_of!(RingHeader, head))?;
        let tail = word(offset_of!(RingHeader, tail))?.load(Ordering::Acquire);
        if head >= n || tail >= n {
            return None;
        }
        self.at::<u64>(ring, RingHeader::bytes(n))?;
        let buffers = Buffers {
            at: ring.checked_add_signed(isize::try_from(self.read_i64(ring)?).ok()?)?,
            size: number(offset_of!(RingHeader, nr_buf_size))? as usize,
            mask: self.read_i64(ring + offset_of!(RingHeader, offset_mask))? as u64,
        };
        let free = cursor::dist(head, tail, n);
        // First whether all of it finds room, for a frame is sent whole or not at all.
        let mut parts = Vec::new();
        let mut rest = frame;
        loop {
            let at = parts.len() as u32;
            if at >= free {
                return None;
            }
            let slot =
                ring + RingHeader::SLOTS + cursor::add(head, at, n) as usize * size_of::<Slot>();
            let (to, room) = self.buffer(&buffers, slot)?;
            let len = rest.len().min(room).min(u16::MAX.into());
            if len == 0 && !rest.is_empty() {
                return None;
            }
            let (part, behind) = rest.split_at(len);
            parts.push((slot, to, part));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let count = parts.len() as u32;
        for (i, (slot, to, part)) in parts.into_iter().enumerate() {
            let last = i as u32 + 1 == count;
            // SAFETY: `buffer` has checked that so many bytes from `to` on are inside the region;
            // the slot is the program's, and so is its buffer. The frame is the program's memory,
            // and the two may not overlap: a program that sends out of a buffer of the ring
            // itself would have them do so, hence `copy`.
            unsafe { ptr::copy(part.as_ptr(), to, part.len()) };
            self.fill(slot, part.len() as u16, if last { 0 } else { NS_MOREFRAG })?;
        }
        let head = cursor::add(head, count, n);
        word(offset_of!(RingHeader, cur))?.store(head, Ordering::Relaxed);
        word(offset_of!(RingHeader, head))?.store(head, Ordering::Release);
        Some(())
    }

    /// Where the frame of a slot begins, and how many bytes have room there.
    fn buffer(&self, all: &Buffers, slot: usize) -> Option<(*mut u8, usize)> {
        let slot: Slot = self.read(slot)?;
        let start = usize::try_from(slot.ptr & all.mask).ok()?;
        let room = all.size.checked_sub(start)?;
        let at = (slot.buf_idx as usize).checked_mul(all.size)?;
        let at = all.at.checked_add(at)?.checked_add(start)?;
        Some((self.at(at, room)?, room))
    }

    /// Sets length and flags of a slot.
    fn fill(&self, slot: usize, len: u16, flags: u16) -> Option<()> {
        for (field, value) in [
            (offset_of!(Slot, len), len),
            (offset_of!(Slot, flags), flags),
        ] {
            let at = self.at::<u16>(slot + field, 2)?;
            // SAFETY: inside the region and aligned; the slot is the program's.
            unsafe { at.write_volatile(value) };
        }
        Some(())
    }
}

/// The offset of an entry of `ring_ofs`.
fn entry(nifp: usize, index: u32) -> usize {
    nifp.saturating_add(IfHeader::RING_OFS + index as usize * size_of::<i64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIFP: usize = 64;
    const RING: usize = 1024;
    const BUFS: usize = 4096;
    const SIZE: u32 = 128;
    const SLOTS: u32 = 4;

    /// A region with a port that has one ring each way and no host rings; only to transmit if not
    /// `both`.
    struct Memory(Box<[u128]>);

    impl Memory {
        fn new(both: bool) -> Self {
            let mut memory = Memory(vec![0_u128; 8192 / 16].into_boxed_slice());
            // In buffers of 128 bytes buffer 0 is at 4096; slots have 2, 3, 4, 5.
            let mut header = RingHeader::zeroed();
            header.buf_ofs = (BUFS - RING) as i64;
            (header.num_slots, header.nr_buf_size) = (SLOTS, SIZE);
            header.tail = SLOTS - 1;
            memory.put(RING, header);
            for i in 0..SLOTS {
                let slot = Slot {
                    buf_idx: 2 + i,
                    ..Slot::default()
                };
                memory.put(RING + 256 + 16 * i as usize, slot);
            }
            let mut nifp = IfHeader::zeroed();
            (nifp.ni_tx_rings, nifp.ni_rx_rings) = (1, 1);
            (nifp.ni_host_tx_rings, nifp.ni_host_rx_rings) = (1, 1);
            memory.put(NIFP, nifp);
            let to_ring = (RING - NIFP) as i64;
            for (i, to) in [to_ring, 0, if both { to_ring } else { 0 }, 0]
                .into_iter()
                .enumerate()
            {
                memory.put_bytes(NIFP + 56 + 8 * i, &to.to_ne_bytes());
            }
            memory
        }

        fn base(&mut self) -> *mut u8 {
            self.0.as_mut_ptr().cast()
        }

        fn put<T: Plain>(&mut self, at: usize, value: T) {
            // SAFETY: the tests put values where there is room for them.
            unsafe { self.base().add(at).cast::<T>().write_unaligned(value) }
        }

        fn put_bytes(&mut self, at: usize, bytes: &[u8]) {
            // SAFETY: as above.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base().add(at), bytes.len()) }
        }

        fn slot(&mut self, i: usize) -> Slot {
            // SAFETY: a slot of the ring.
            unsafe {
                self.base()
                    .add(RING + 256 + 16 * i)
                    .cast::<Slot>()
                    .read_unaligned()
            }
        }

        fn bytes(&mut self, at: usize, len: usize) -> Vec<u8> {
            // SAFETY: inside.
            unsafe { std::slice::from_raw_parts(self.base().add(at), len).to_vec() }
        }

        fn region(&mut self) -> (Region, usize) {
            let base = self.base().expose_provenance();
            // SAFETY: all of the memory, which the test keeps.
            (unsafe { Region::new((base, 8192)) }, base + NIFP)
        }
    }

    #[test]
    fn rings_are_found_by_their_entries() {
        let mut memory = Memory::new(true);
        let (region, nifp) = memory.region();
        let (at, tx, rx) = region.bound(NIFP as u64).unwrap();
        assert_eq!((at as usize, tx, rx), (nifp, (0, 0), (0, 0)));
        let mut memory = Memory::new(false);
        let (region, _) = memory.region();
        let (_, tx, rx) = region.bound(NIFP as u64).unwrap();
        assert_eq!((tx, rx), ((0, 0), (1, 0)));
        for outside in [8192 - 32, 8192, 1 << 40, u64::MAX] {
            assert!(region.bound(outside).is_none(), "{outside}");
        }
    }

    #[test]
    fn a_long_frame_takes_several_slots_and_one_too_long_none() {
        let mut memory = Memory::new(true);
        let frame: Vec<u8> = (0..=u8::MAX).chain(0..44).collect();
        let (region, nifp) = memory.region();
        assert!(region.inject(nifp, 0, &frame));
        // One slot of four is never the program's, and three are gone.
        assert!(!region.inject(nifp, 0, &frame));
        assert!(!region.inject(nifp, 0, b"x"));
        let slots = [0, 1, 2].map(|i| memory.slot(i));
        assert_eq!(slots.map(|s| s.len), [128, 128, 44]);
        assert_eq!(slots.map(|s| s.flags), [NS_MOREFRAG, NS_MOREFRAG, 0]);
        assert_eq!(memory.bytes(BUFS + 2 * 128, 300), frame);
        let indexes = memory.bytes(RING + 20, 8);
        assert_eq!(indexes, [3_u32.to_ne_bytes(), 3_u32.to_ne_bytes()].concat());
    }

    #[test]
    fn a_frame_starts_at_its_slots_offset() {
        let mut memory = Memory::new(true);
        memory.put_bytes(RING + 56, &0xff_u64.to_ne_bytes());
        memory.put_bytes(RING + 256 + 8, &0xaa00_0000_0000_0020_u64.to_ne_bytes());
        let (region, nifp) = memory.region();
        assert!(region.inject(nifp, 0, b"frame"));
        assert_eq!(memory.bytes(BUFS + 2 * 128 + 32, 5), b"frame");
    }

    /// The other side may write what it likes: no frame leaves the region.
    #[test]
    fn damage_is_met_by_no_room() {
        for (at, value) in [
            (RING + 20, SLOTS),     // head
            (RING + 28, SLOTS),     // tail
            (RING + 8, 1 << 20),    // num_slots
            (RING + 12, 1 << 30),   // nr_buf_size
            (RING + 12, 0),         // nr_buf_size
            (RING + 4, 1),          // buf_ofs
            (RING + 256, 33),       // buf_idx
            (RING + 256, u32::MAX), // buf_idx
            (NIFP + 56, 8192),      // ring_ofs
            (NIFP + 60, 1 << 30),   // ring_ofs
        ] {
            let mut memory = Memory::new(true);
            memory.put_bytes(at, &value.to_ne_bytes());
            let (region, nifp) = memory.region();
            assert!(!region.inject(nifp, 0, b"frame"), "{value} at {at}");
        }
    }
}
