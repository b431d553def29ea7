// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which regions this process has mapped: each once, for all ports that are in it.

use crate::{
    failure::{Failure, Fallible},
    types::NmemD,
};
use ferromap_abi::consts::GLOBAL_MEM_ID;
use memmap2::{MmapOptions, MmapRaw};
use nix::unistd::geteuid;
use std::{
    fs::OpenOptions,
    os::{fd::RawFd, unix::fs::MetadataExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a region's number belongs to: region 1 is there once for each network namespace, and once
/// more for each user who may not administrate it.
#[derive(PartialEq, Eq)]
struct Owner(u64, u32);

impl Owner {
    fn of(mem_id: u16) -> Self {
        if mem_id != GLOBAL_MEM_ID {
            return Owner(0, 0);
        }
        let namespace = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |of| of.ino());
        Owner(namespace, geteuid().as_raw())
    }
}

/// A region that is mapped. The box stays where it is, since programs have its address.
struct Mapped {
    told: Box<NmemD>,
    owner: Owner,
    /// The mapping, unless it is the program's own memory. Held for its drop.
    _map: Option<Arc<MmapRaw>>,
}

static MAPPED: Mutex<Vec<Mapped>> = Mutex::new(Vec::new());

fn mapped() -> MutexGuard<'static, Vec<Mapped>> {
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The region of a bound descriptor, which is mapped unless it was before. It stays until
/// [`release`] was called as often as this.
pub(crate) fn map(fd: RawFd, mem_id: u16, size: usize) -> Fallible<*const NmemD> {
    acquire(mem_id, size, 0, || {
        let map = MmapOptions::new().len(size).map_raw(fd);
        let map = map.map_err(|e| Failure::system("the port's memory cannot be mapped", &e))?;
        Ok((map.as_mut_ptr() as usize, Some(Arc::new(map))))
    })
}

/// The region that was made of the program's memory at `base`, of a file if that is one of ours.
pub(crate) fn extmem(mem_id: u16, base: usize, size: usize) -> Fallible<*const NmemD> {
    acquire(mem_id, size, 1, || Ok((base, file_at(base))))
}

fn acquire(
    mem_id: u16,
    size: usize,
    is_extmem: i32,
    make: impl FnOnce() -> Fallible<(usize, Option<Arc<MmapRaw>>)>,
) -> Fallible<*const NmemD> {
    let owner = Owner::of(mem_id);
    let mut all = mapped();
    let same = |m: &&mut Mapped| m.told.mem_id == mem_id && m.told.size == size && m.owner == owner;
    if let Some(there) = all.iter_mut().find(same) {
        there.told.refcount += 1;
        return Ok(&raw const *there.told);
    }
    let (mem, map) = make()?;
    let told = Box::new(NmemD {
        mem_id,
        is_extmem,
        refcount: 1,
        mem,
        size,
    });
    let at = &raw const *told;
    all.push(Mapped {
        told,
        owner,
        _map: map,
    });
    Ok(at)
}

/// Gives a region back; with the last port it is unmapped. What is none of ours is left alone.
pub(crate) fn release(mem: *const NmemD) {
    let mut all = mapped();
    let Some(at) = all.iter().position(|m| std::ptr::eq(&*m.told, mem)) else {
        return;
    };
    all[at].told.refcount -= 1;
    if all[at].told.refcount <= 0 {
        all.swap_remove(at);
    }
}

/// Where a region is, and how many bytes it has.
pub(crate) fn place(mem: *const NmemD) -> Option<(usize, usize)> {
    let all = mapped();
    let found = all.iter().find(|m| std::ptr::eq(&*m.told, mem))?;
    Some((found.told.mem, found.told.size))
}

/// Files that are to become regions, until these are there and hold them.
static FILES: Mutex<Vec<Arc<MmapRaw>>> = Mutex::new(Vec::new());

fn files() -> MutexGuard<'static, Vec<Arc<MmapRaw>>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn file_at(base: usize) -> Option<Arc<MmapRaw>> {
    let all = files();
    let found = all.iter().find(|map| map.as_ptr() as usize == base);
    found.cloned()
}

/// Maps a file, all of it, to be read and written; where, and how many bytes.
pub(crate) fn map_file(path: &str) -> Fallible<(usize, usize)> {
    let failed = |e: std::io::Error| Failure::system(path, &e);
    let file = OpenOptions::new().read(true).write(true).open(path);
    let map = MmapOptions::new().map_raw(&file.map_err(failed)?);
    let map = map.map_err(failed)?;
    let place = (map.as_mut_ptr() as usize, map.len());
    if place.1 == 0 {
        return Err(Failure::invalid(format!(
            "{path} is empty: make it as large as the region"
        )));
    }
    files().push(Arc::new(map));
    Ok(place)
}

/// Unmaps the file at `base`, if it is one of these and no region is made of it.
pub(crate) fn unmap_file(base: usize) {
    files().retain(|map| map.as_ptr() as usize != base);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::fd::AsRawFd};

    #[test]
    fn a_region_is_mapped_once_and_goes_with_its_last_port() {
        let path = std::env::temp_dir().join(format!("ferromap-c-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let file = file.unwrap();
        file.set_len(8192).unwrap();
        let fd = file.as_raw_fd();
        let ok = |got: Fallible<*const NmemD>| got.unwrap_or_else(|f| panic!("{}", f.words));

        let one = ok(map(fd, 77, 8192));
        let other = ok(map(fd, 77, 8192));
        assert!(std::ptr::eq(one, other));
        let elsewhere = ok(map(fd, 78, 8192));
        assert_ne!(place(one).unwrap().0, place(elsewhere).unwrap().0);
        assert_eq!(place(one).unwrap().1, 8192);
        release(one);
        assert!(place(other).is_some());
        release(other);
        assert!(place(one).is_none());
        // Nothing of ours: nothing happens.
        release(one);
        release(elsewhere);

        // A file stays mapped as long as a region is made of it.
        let (base, size) =
            map_file(path.to_str().unwrap()).unwrap_or_else(|f| panic!("{}", f.words));
        let region = ok(extmem(79, base, size));
        unmap_file(base);
        assert!(file_at(base).is_none());
        assert_eq!(place(region), Some((base, 8192)));
        release(region);
        std::fs::remove_file(&path).unwrap();
        assert!(map_file(path.to_str().unwrap()).is_err_and(|f| f.errno as i32 == 2));
    }
}
