// SPDX-License-Identifier: MIT OR Apache-2.0

//! The memory in which XDP programs of switch ports look at frames: what gets there, and what was
//! there before.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::programs::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

pub const CASES: &[Case] = crate::cases![
    xdp_long_indirect_chains_are_brought_in_whole,
    xdp_what_is_in_front_of_a_frame_is_empty,
    xdp_what_is_read_by_any_address_is_there,
];

/// Only the first 16 KiB of a chain were brought in before the pass that may not sleep.
fn xdp_long_indirect_chains_are_brought_in_whole() -> Outcome {
    const PIECES: usize = 12;
    // More than one fault brings in at a time.
    const APART: usize = 256 * 1024;
    let (a, b) = pair("valex21")?;
    let programs = Programs::load()?;
    let path = "/tmp/vm-tests-chain";
    let file = std::fs::File::create_new(path)?;
    let whole = frame_of(PIECES * 2048, BROADCAST, station(1), 7);
    for (at, piece) in whole.chunks(2048).enumerate() {
        file.write_all_at(piece, (at * APART) as u64)?;
    }
    let file = std::fs::File::open(path)?;
    std::fs::remove_file(path)?;
    for name in ["pass", "pass_calling"] {
        programs.replace("valex21:a", name)?;
        let (rights, flags) = (libc::PROT_READ, libc::MAP_SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let map = unsafe {
            let none = std::ptr::null_mut();
            libc::mmap(none, PIECES * APART, rights, flags, file.as_raw_fd(), 0)
        };
        differs("the mapping", map, libc::MAP_FAILED)?;
        let ring = a.tx(0);
        // In front of it one that ends in the middle of what is brought in together.
        ring.put(&frame(BROADCAST, station(1), 1));
        for i in 0..PIECES {
            let at = ring.head();
            ring.edit_slot(at, |slot| {
                slot.len = 2048;
                slot.flags = NS_INDIRECT | if i + 1 < PIECES { NS_MOREFRAG } else { 0 };
                slot.ptr = map as u64 + (i * APART) as u64;
            });
            ring.set_head_cur(ring.after(at, 1));
        }
        a.device.txsync()?;
        // SAFETY: made above, and nobody keeps its address.
        unsafe { libc::munmap(map, PIECES * APART) };
        let came = b.recv()?.concat();
        same(name, came.len(), 60 + whole.len())?;
        that("its bytes", came[60..] == whole)?;
    }
    Ok(())
}

/// A program that moves a frame's start back, or looks at its metadata, found what frames of other
/// ports had left there.
fn xdp_what_is_in_front_of_a_frame_is_empty() -> Outcome {
    let [a, b, c] = ports("valex22", ["a", "b", "c"])?;
    let programs = Programs::load()?;
    programs.attach("valex22:", "front")?;
    let sent = |n, mark| {
        let mut frame = frame_of(100, BROADCAST, station(1), n);
        frame[18] = mark;
        frame
    };
    // Marked ones, then others that take their places, in slots of their own and cut.
    for cut in [100, 40] {
        let send = |bound: &Bound, frame: &[u8]| {
            for _ in 0..8 {
                let pieces: Vec<_> = frame.chunks(cut).collect();
                bound.tx(0).put_fragments(&pieces);
            }
            bound.device.txsync()
        };
        send(&a, &sent(1, 0xee))?;
        that("marked", b.recv()?.concat() == sent(1, 0xee).repeat(8))?;
        let (moved, looked) = (sent(2, 1), sent(3, 2));
        send(&c, &moved)?;
        let want = [&moved[..12], &[0; 20], &moved[..]].concat();
        same(
            format!("in front, {cut}"),
            b.recv()?.concat(),
            want.repeat(8),
        )?;
        send(&a, &sent(1, 0xee))?;
        b.recv()?;
        send(&c, &looked)?;
        let want = [&looked[..19], &[0; 32], &looked[51..]].concat();
        same(
            format!("metadata, {cut}"),
            b.recv()?.concat(),
            want.repeat(8),
        )?;
        a.recv()?;
        c.recv()?;
    }
    Ok(())
}

/// Only as much of a frame was copied as the verifier had seen the program look at. It does not see
/// what is read by an address that `bpf_rdonly_cast` has made: there were other frames' bytes.
fn xdp_what_is_read_by_any_address_is_there() -> Outcome {
    const BEHIND: usize = 200;
    let (a, b) = pair("valex23")?;
    let programs = Programs::load()?;
    programs.attach("valex23:a", "unmarked_behind")?;
    for round in 0..8 {
        let mut frames: Vec<_> = (0..4)
            .map(|n| frame_of(300, BROADCAST, station(1), round * 4 + n))
            .collect();
        let mut want = frames.clone();
        frames[round as usize % 4][BEHIND] = 0xee;
        want.remove(round as usize % 4);
        a.send(&frames)?;
        same("what came", numbers(&b.recv()?), numbers(&want))?;
    }
    Ok(())
}
