// SPDX-License-Identifier: MIT OR Apache-2.0

//! `NS_INDIRECT`, where a slot's bytes lie in the sender's own memory: item 129.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub const CASES: &[Case] = crate::cases![
    item_129_indirect_frames_come_from_user_memory,
    item_129_indirect_fragments_mix_with_others,
    item_129_pages_that_are_not_there_yet_are_brought_in,
    item_129_bad_pointers_do_no_harm,
    item_129_frame_that_ends_on_a_bad_page_arrives_empty_or_not,
    item_129_too_long_indirect_frame_is_dropped,
    hostile_indirect_memory_vanishes_during_the_sync,
];

/// Puts a slot that says its `len` bytes are at `address`.
fn put_at(ring: &Ring, address: u64, len: usize, flags: u16) {
    let at = ring.head();
    ring.edit_slot(at, |slot| {
        slot.len = len as u16;
        slot.flags = NS_INDIRECT | flags;
        slot.ptr = address;
    });
    ring.set_head_cur(ring.after(at, 1));
}

/// Makes later frames ordinary again.
fn tidy(ring: &Ring) {
    for i in 0..ring.n() {
        ring.edit_slot(i, |slot| (slot.flags, slot.ptr) = (0, 0));
    }
}

fn item_129_indirect_frames_come_from_user_memory() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    let sent: Vec<_> = [14, 60, 61, 128, 1500, 2048]
        .map(|len| frame_of(len, BROADCAST, station(1), len as u32))
        .into();
    for frame in &sent {
        put_at(&ring, frame.as_ptr() as u64, frame.len(), 0);
    }
    a.device.txsync()?;
    same("frames", b.recv()?, sent)?;
    // The slot's own buffer need not even exist.
    let frame = frame(BROADCAST, station(1), 9);
    let good = ring.slot(ring.head()).buf_idx;
    let at = ring.head();
    ring.edit_slot(at, |slot| slot.buf_idx = u32::MAX);
    put_at(&ring, frame.as_ptr() as u64, frame.len(), 0);
    a.device.txsync()?;
    same("numbers", got(&b)?, vec![9])?;
    ring.edit_slot(at, |slot| slot.buf_idx = good);
    // What one station sends so is learned as always.
    b.send(&[frame_of(60, station(1), station(2), 3)])?;
    same("at a", got(&a)?, vec![3])
}

fn item_129_indirect_fragments_mix_with_others() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    let whole = frame_of(300, BROADCAST, station(1), 1);
    put_at(&ring, whole.as_ptr() as u64, 100, NS_MOREFRAG);
    ring.put_flagged(&whole[100..200], NS_MOREFRAG);
    put_at(&ring, whole[200..].as_ptr() as u64, 100, 0);
    a.device.txsync()?;
    b.device.rxsync()?;
    let came = b.rx(0).take();
    let flags: Vec<_> = came.iter().map(|(slot, _)| slot.flags).collect();
    same("flags", flags, vec![0x0320, 0x0320, 0x0300])?;
    let bytes: Vec<_> = came.into_iter().flat_map(|(_, bytes)| bytes).collect();
    same("bytes", bytes, whole)
}

fn item_129_pages_that_are_not_there_yet_are_brought_in() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    // A page of a file that nobody has touched, and one of zeros, never touched either.
    let path = "/tmp/vm-tests-129";
    let frame = frame_of(1000, BROADCAST, station(1), 1);
    std::fs::write(path, &frame)?;
    let file = std::fs::File::open(path)?;
    let page = map_page(libc::PROT_READ, Some(&file))?;
    let zeros = map_page(libc::PROT_READ | libc::PROT_WRITE, None)?;
    put_at(&ring, page, 1000, NS_MOREFRAG);
    put_at(&ring, zeros, 60, 0);
    // A buffer of the region itself, through the mapping.
    let spare = ring.slot(40).buf_idx;
    ring.write_buf(spare, &frame);
    let inside = a.map.at(ring.buf_at(spare)) as u64;
    put_at(&ring, inside, 1000, 0);
    a.device.txsync()?;
    let want = vec![frame.clone(), vec![0; 60], frame];
    let came = b.recv()?;
    std::fs::remove_file(path)?;
    unmap_page(page);
    unmap_page(zeros);
    same("slots", came.len(), 3)?;
    that("their bytes", came == want)
}

/// One page of a file, or of nothing. Its address.
fn map_page(rights: i32, file: Option<&std::fs::File>) -> Result<u64, Errno> {
    use std::os::fd::AsRawFd;
    let (fd, flags) = match file {
        Some(file) => (file.as_raw_fd(), libc::MAP_SHARED),
        None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
    };
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, rights, flags, fd, 0) };
    if page == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(page as u64)
}

fn unmap_page(page: u64) {
    // SAFETY: a page from `map_page`, of which nobody keeps a reference.
    unsafe { libc::munmap(page as *mut libc::c_void, 4096) };
}

fn item_129_bad_pointers_do_no_harm() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    let guard = GuardPage::new()?;
    let unmapped = map_page(libc::PROT_READ, None)?;
    unmap_page(unmapped);
    let bad = [
        0,
        1,
        guard.bad(),
        // The page boundary is in the middle of the Ethernet header.
        guard.bad() - 7,
        unmapped,
        0xffff_8880_0000_0000,
        0xffff_ffff_8100_0000,
        0x0000_7fff_ffff_f000,
        0x0000_7fff_ffff_fff8,
        0x8000_0000_0000_0000,
        u64::MAX,
        u64::MAX - 59,
    ];
    for address in bad {
        ring.put(&frame(BROADCAST, station(1), 1));
        put_at(&ring, address, 60, 0);
        // As the second fragment: the frame arrives with an empty slot, or not at all.
        ring.put_flagged(&frame(BROADCAST, station(1), 2), NS_MOREFRAG);
        put_at(&ring, address, 60, 0);
        ring.put(&frame(BROADCAST, station(1), 3));
        works(format!("NIOCTXSYNC with {address:#x}"), a.device.txsync())?;
        same("free slots", ring.space(), 63)?;
        tidy(&ring);
        let came = b.recv()?;
        let full: Vec<_> = came.iter().filter(|frame| !frame.is_empty()).collect();
        let ends = (
            full.first().map(|f| number(f)),
            full.last().map(|f| number(f)),
        );
        same(
            format!("frames around {address:#x}"),
            ends,
            (Some(1), Some(3)),
        )?;
        let alone = full.iter().all(|f| matches!(number(f), 1..=3));
        that("no bytes from the bad address", alone && full.len() <= 3)?;
    }
    let counted = counter(&a, "tx0-drop_bad_address")?;
    that(
        format!("dropped frames are counted, got {counted}"),
        counted >= bad.len() as u64,
    )
}

fn item_129_frame_that_ends_on_a_bad_page_arrives_empty_or_not() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    let page = GuardPage::new()?;
    let frame: [u8; 200] = frame_of(200, BROADCAST, station(1), 1)
        .try_into()
        .unwrap_or([0; 200]);
    // Whole on the good page, up to its last byte.
    put_at(&ring, page.place(frame, 0), 200, 0);
    a.device.txsync()?;
    same("the whole frame", b.recv()?, vec![frame.to_vec()])?;
    for cut in [1, 8, 100, 180] {
        put_at(&ring, page.place(frame, cut), 200, 0);
        ring.put(&numbered(7..8)[0]);
        works("NIOCTXSYNC", a.device.txsync())?;
        tidy(&ring);
        let mut came = b.recv()?;
        came.retain(|frame| !frame.is_empty());
        same(format!("{cut} bytes cut off"), came, numbered(7..8))?;
    }
    Ok(())
}

fn item_129_too_long_indirect_frame_is_dropped() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    let long = frame_of(65535, BROADCAST, station(1), 1);
    for len in [2049, 4096, 65535] {
        put_at(&ring, long.as_ptr() as u64, len, 0);
        ring.put(&frame(BROADCAST, station(1), 2));
        a.device.txsync()?;
        tidy(&ring);
        same(format!("behind {len} bytes"), got(&b)?, vec![2])?;
    }
    put_at(&ring, long.as_ptr() as u64, 13, 0);
    a.device.txsync()?;
    same("13 bytes", got(&b)?, vec![])
}

fn hostile_indirect_memory_vanishes_during_the_sync() -> Outcome {
    let (a, b) = pair("vale129")?;
    let ring = a.tx(0);
    let page = map_page(libc::PROT_READ | libc::PROT_WRITE, None)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                // Thrown away, forbidden, allowed again: the page comes and goes.
                for rights in [libc::PROT_NONE, libc::PROT_READ | libc::PROT_WRITE] {
                    // SAFETY: the page is ours, and only the kernel looks at it, by address.
                    unsafe {
                        libc::mprotect(page as *mut libc::c_void, 4096, rights);
                        libc::madvise(page as *mut libc::c_void, 4096, libc::MADV_DONTNEED);
                    }
                }
            }
        });
        let head = frame(BROADCAST, station(1), 1);
        let mut tails = 0;
        let mut run = || -> Outcome {
            for _ in 0..300 {
                for _ in 0..15 {
                    // As a frame of its own: for nobody, but its header is read.
                    put_at(&ring, page + 100, 1000, 0);
                    ring.put_flagged(&head, NS_MOREFRAG);
                    put_at(&ring, page + 100, 1000, NS_MOREFRAG);
                    put_at(&ring, page + 3000, 1096, 0);
                }
                works("NIOCTXSYNC", a.device.txsync())?;
                same("free slots", ring.space(), 63)?;
                let mut came = b.recv()?;
                came.retain(|bytes| *bytes != head);
                tails += came.len();
                let zeros = came.iter().flatten().all(|&byte| byte == 0);
                that("zeros or nothing", zeros)?;
            }
            same("slots behind the heads", tails, 300 * 15 * 2)
        };
        let result = run();
        stop.store(true, Relaxed);
        result
    })?;
    unmap_page(page);
    tidy(&ring);
    a.send(&numbered(0..5))?;
    same("afterwards", b.recv()?, numbered(0..5))
}
