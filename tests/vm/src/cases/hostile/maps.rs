// SPDX-License-Identifier: MIT OR Apache-2.0

//! Mappings of a region that a program must not have, and odd things to do with one that it has.

use crate::harness::check::*;
use crate::harness::frame::*;
use crate::harness::raw::bound::pair;
use crate::harness::raw::request::vale_find;
use crate::harness::raw::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::errno::Errno;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe, ForkResult};
use std::io::Read;
use std::os::fd::AsRawFd;

pub const CASES: &[Case] = crate::cases![
    hostile_mmap_past_the_end,
    hostile_mmap_with_execute,
    hostile_mmap_private,
    hostile_mremap,
    hostile_unmapping_a_part,
    hostile_madvise_loses_nothing,
    hostile_fork_with_a_mapping,
    hostile_pages_outlive_the_region,
];

const PAGE: u64 = 4096;
const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;

fn hostile_mmap_past_the_end() -> Outcome {
    let bound = vale("vale910:a").slots(64, 64).bind()?;
    let size = bound.reg.nr_memsize;
    let device = &bound.device;
    for (len, offset) in [
        (size + PAGE, 0),
        (PAGE, size),
        (2 * PAGE, size - PAGE),
        (size, PAGE),
        (PAGE, 1 << 40),
        (PAGE, i64::MAX as u64 & !(PAGE - 1)),
        (1 << 40, 0),
    ] {
        let refused = device.map(len, offset).err();
        let told = matches!(
            refused,
            Some(Errno::EINVAL | Errno::EOVERFLOW | Errno::ENOMEM)
        );
        that(
            format!("{len} bytes from {offset}: an error, got {refused:?}"),
            told,
        )?;
    }
    works("the last page", device.map(PAGE, size - PAGE))?;
    works("part of a page", device.map(100, size - PAGE))?;
    works("the whole", device.map(size, 0)).map(drop)
}

fn protect(map: u64, len: u64, rights: i32) -> Result<(), Errno> {
    // SAFETY: a mapping of this case's own; what uses it copes with the rights asked for.
    Errno::result(unsafe { libc::mprotect(map as *mut libc::c_void, len as usize, rights) })
        .map(drop)
}

fn hostile_mmap_with_execute() -> Outcome {
    let bound = vale("vale911:a").slots(64, 64).bind()?;
    for rights in [
        libc::PROT_EXEC,
        libc::PROT_READ | libc::PROT_EXEC,
        RW | libc::PROT_EXEC,
    ] {
        let refused = bound
            .device
            .map_with(PAGE, 0, rights, libc::MAP_SHARED)
            .err();
        let told = matches!(refused, Some(Errno::EINVAL | Errno::EACCES | Errno::EPERM));
        that(format!("rights {rights}: an error, got {refused:?}"), told)?;
        // Nor later.
        let at = bound.map.at(0) as u64;
        fails("mprotect", protect(at, PAGE, rights), Errno::EACCES)?;
    }
    for rights in [libc::PROT_NONE, libc::PROT_READ, RW] {
        let map = works(
            "mmap",
            bound.device.map_with(PAGE, 0, rights, libc::MAP_SHARED),
        )?;
        works("mprotect", protect(map.at(0) as u64, PAGE, RW))?;
        map.write(64, 7u32);
    }
    Ok(())
}

fn hostile_mmap_private() -> Outcome {
    let bound = vale("vale912:a").slots(64, 64).bind()?;
    let refused = bound.device.map_with(PAGE, 0, RW, libc::MAP_PRIVATE);
    fails("a private writable mapping", refused, Errno::EINVAL)?;
    // One that may only be read could be made writable later.
    if let Ok(map) = bound
        .device
        .map_with(PAGE, 0, libc::PROT_READ, libc::MAP_PRIVATE)
    {
        let later = protect(map.at(0) as u64, PAGE, RW);
        fails("making it writable", later, Errno::EACCES)?;
    }
    Ok(())
}

fn remap(at: u64, old: u64, new: u64, flags: i32) -> Result<u64, Errno> {
    // SAFETY: a mapping of this case's own, of which no reference exists; nothing that the test
    // uses afterwards relies on where it was.
    let moved = unsafe { libc::mremap(at as *mut libc::c_void, old as usize, new as usize, flags) };
    if moved == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(moved as u64)
}

fn unmap(at: u64, len: u64) {
    // SAFETY: as in `remap`.
    unsafe { libc::munmap(at as *mut libc::c_void, len as usize) };
}

/// Maps like `Device::map`, but returns an address that nobody unmaps by itself.
fn map_raw(device: &Device, len: u64, offset: u64) -> Result<u64, Errno> {
    let map = device.map(len, offset)?;
    let at = map.at(0) as u64;
    std::mem::forget(map);
    Ok(at)
}

fn hostile_mremap() -> Outcome {
    let (a, b) = pair("vale913")?;
    let size = a.reg.nr_memsize;
    // Larger than the region, in place or elsewhere.
    let at = map_raw(&a.device, size, 0)?;
    for flags in [0, libc::MREMAP_MAYMOVE] {
        let refused = remap(at, size, size + PAGE, flags).err();
        let told = matches!(refused, Some(Errno::EFAULT | Errno::EINVAL | Errno::ENOMEM));
        that(format!("growing: an error, got {refused:?}"), told)?;
    }
    // A second look at its pages, longer than what is left.
    let refused = remap(at + size - PAGE, 0, 4 * PAGE, libc::MREMAP_MAYMOVE);
    that("a copy past the end is refused", refused.is_err())?;
    // Smaller and elsewhere is fine, and shows the same.
    a.map.write(PAGE, 0x1234_5678u32);
    let at = works("shrinking", remap(at, size, 4 * PAGE, libc::MREMAP_MAYMOVE))?;
    let target = map_raw(&a.device, 4 * PAGE, 0)?;
    // SAFETY: both are mappings of this case's own.
    let moved = unsafe {
        libc::mremap(
            at as *mut libc::c_void,
            4 * PAGE as usize,
            4 * PAGE as usize,
            libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
            target as *mut libc::c_void,
        )
    };
    same("moved to", moved as u64, target)?;
    // SAFETY: inside the mapping just moved.
    let seen = unsafe {
        (target as *const u32)
            .byte_add(PAGE as usize)
            .read_volatile()
    };
    same("what it shows", seen, 0x1234_5678)?;
    unmap(target, 4 * PAGE);
    a.map.write(PAGE, 0u32);
    a.send(&numbered(0..9))?;
    same("frames", b.recv()?, numbered(0..9))
}

fn hostile_unmapping_a_part() -> Outcome {
    let (a, b) = pair("vale914")?;
    let size = a.reg.nr_memsize;
    let at = map_raw(&a.device, size, 0)?;
    // Holes in the middle; each rest is a mapping of its own.
    for hole in [1, 5, 6, 100] {
        unmap(at + hole * PAGE, PAGE);
    }
    a.send(&numbered(0..9))?;
    same("frames", b.recv()?, numbered(0..9))?;
    let Bound { map, device, .. } = a;
    drop((map, device));
    works("the rests hold the port", vale_find("vale914:a"))?;
    unmap(at + 7 * PAGE, size - 7 * PAGE);
    unmap(at, 4 * PAGE);
    same("one page still does", vale_find("vale914:a")?.1, 0)?;
    unmap(at + 4 * PAGE, PAGE);
    same("now it has gone", vale_find("vale914:a")?.1, VALE_NO_PORT)
}

fn hostile_madvise_loses_nothing() -> Outcome {
    let (a, b) = pair("vale915")?;
    let at = a.map.at(0) as *mut libc::c_void;
    let batch = numbered(0..40);
    for frame in &batch {
        a.tx(0).put(frame);
    }
    for advice in [
        libc::MADV_DONTNEED,
        libc::MADV_WILLNEED,
        libc::MADV_COLD,
        libc::MADV_PAGEOUT,
        libc::MADV_FREE,
        libc::MADV_REMOVE,
        libc::MADV_HUGEPAGE,
        libc::MADV_MERGEABLE,
        libc::MADV_POPULATE_WRITE,
        libc::MADV_DONTNEED,
    ] {
        // SAFETY: advice never frees what the region holds, which is what is tested; the mapping
        // stays.
        unsafe { libc::madvise(at, a.reg.nr_memsize as usize, advice) };
    }
    // SAFETY: locking pages in memory changes nothing that Rust knows about.
    unsafe { libc::mlock(at, a.reg.nr_memsize as usize) };
    a.device.txsync()?;
    same("frames", b.recv()?, batch)
}

fn hostile_fork_with_a_mapping() -> Outcome {
    let (a, b) = pair("vale916")?;
    // SAFETY: the case's process has one thread, so the child may do anything that the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            // The child's mapping is the same memory, not a copy: it fills and the parent sends.
            for frame in numbered(0..20) {
                a.tx(0).put(&frame);
            }
            // SAFETY: always safe; the parent's destructors are not the child's to run.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            same(
                "the child",
                waitpid(child, None)?,
                WaitStatus::Exited(child, 0),
            )?;
        }
    }
    same("cursor", a.tx(0).head(), 20)?;
    a.device.txsync()?;
    same("frames", b.recv()?, numbered(0..20))
}

fn hostile_pages_outlive_the_region() -> Outcome {
    let (a, b) = pair("vale917")?;
    let (mut reader, writer) = pipe().map(|(r, w)| (std::fs::File::from(r), w))?;
    let frame = frame_of(2048, BROADCAST, station(1), 5);
    let index = a.tx(0).slot(0).buf_idx;
    a.tx(0).write_buf(index, &frame);
    let piece = libc::iovec {
        iov_base: a.map.at(a.tx(0).buf_at(index)).cast(),
        iov_len: 2048,
    };
    // The pipe now holds the page itself, not a copy of it.
    // SAFETY: the range lies inside the mapping.
    let spliced = unsafe { libc::vmsplice(writer.as_raw_fd(), &piece, 1, 0) };
    same("bytes in the pipe", spliced, 2048)?;
    drop((a, b));
    fails("the switch has gone", vale_find("vale917:a"), Errno::ENOENT)?;
    // Memory of that kind is used again.
    let (c, d) = pair("vale917")?;
    c.send(&numbered(0..60))?;
    same("frames", d.recv()?, numbered(0..60))?;
    let mut bytes = vec![0; 2048];
    reader.read_exact(&mut bytes)?;
    that("the page as it was", bytes == frame)
}
