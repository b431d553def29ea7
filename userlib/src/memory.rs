// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory of this process that becomes a port's region.

use crate::{
    error::{Error, Result},
    raw::region::Region,
};
use ferromap_abi::wire::NmreqPoolsInfo;
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use std::{
    fs::OpenOptions,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Memory for the region of a port, in place of the kernel's own: [`PortBuilder::memory`]. A clone
/// is the same memory. It stays mapped as long as a clone of it or a port in it is there.
///
/// All ports that are opened in it are in one region, which the first of them makes, and exchange
/// buffers. What stays where it is for that counts against the `RLIMIT_MEMLOCK` of who is not
/// privileged, and while another port is opened in it, twice. Slots in it name no memory elsewhere
/// ([`TxSlot::set_indirect`](crate::TxSlot::set_indirect)).
///
/// Threads in several network namespaces have no ports in the same memory.
///
/// [`PortBuilder::memory`]: crate::PortBuilder::memory
#[derive(Clone)]
#[doc(alias = "NETMAP_REQ_OPT_EXTMEM")]
pub struct Memory(Arc<MmapRaw>);

/// How many objects of which size a region in [`Memory`] has. 0 leaves the choice to the kernel,
/// whose `priv_*` parameters do for one port with a ring each way, or for two. What is left of the
/// memory is for buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSizes {
    /// Descriptions of bindings: one for each open file.
    pub interfaces: u32,
    /// Bytes of each.
    pub interface_size: u32,
    /// Rings.
    pub rings: u32,
    /// Bytes of each: 256, and 16 for each slot.
    pub ring_size: u32,
    /// Buffers.
    pub buffers: u32,
    /// Bytes of each.
    pub buffer_size: u32,
}

impl From<&PoolSizes> for NmreqPoolsInfo {
    /// What a request asks for.
    fn from(pools: &PoolSizes) -> Self {
        NmreqPoolsInfo {
            nr_if_pool_objtotal: pools.interfaces,
            nr_if_pool_objsize: pools.interface_size,
            nr_ring_pool_objtotal: pools.rings,
            nr_ring_pool_objsize: pools.ring_size,
            nr_buf_pool_objtotal: pools.buffers,
            nr_buf_pool_objsize: pools.buffer_size,
            ..NmreqPoolsInfo::default()
        }
    }
}

impl Memory {
    /// A file, all of it: on tmpfs (`/dev/shm`) or in huge pages (`/dev/hugepages`), or a memfd by
    /// its name in `/proc/self/fd`. A program that opens a port in the same file is in the same
    /// region.
    ///
    /// Nobody writes to the file by other ways while ports are in it, or cuts it: that ends who
    /// looks at what was there, as it does with any file that is mapped.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e: std::io::Error| Error::memory(path.display(), &e);
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        let mut all = lock(&FILES);
        all.retain(|there| there.map.strong_count() > 0);
        let id = (about.dev(), about.ino());
        if let Some(map) = all
            .iter()
            .find(|f| f.id == id)
            .and_then(|f| f.map.upgrade())
        {
            return if map.len() as u64 == about.len() {
                Ok(Memory(map))
            } else {
                // Two regions with some pages in common would lend the same bytes twice.
                Err(Error::Memory {
                    name: path.display().to_string(),
                    reason: format!(
                        "ports are in it as it was when it had {} bytes: close them first",
                        map.len()
                    ),
                    errno: None,
                })
            };
        }
        let map = MmapOptions::new().map_raw(&file).map_err(failed)?;
        let memory = Self::of(map, path.display())?;
        all.push(File {
            id,
            map: Arc::downgrade(&memory.0),
        });
        Ok(memory)
    }

    /// So many bytes that no other program has.
    pub fn anonymous(bytes: usize) -> Result<Self> {
        let name = format!("{bytes} bytes of this program's");
        let map = MmapOptions::new().len(bytes).map_anon();
        Self::of(map.map_err(|e| Error::memory(&name, &e))?.into(), &name)
    }

    /// So many bytes, rounded up to whole huge pages, that no other program has: the processor
    /// looks up a few addresses for all of them. The machine has as many such pages as
    /// `sysctl vm.nr_hugepages` says.
    pub fn huge_pages(bytes: usize) -> Result<Self> {
        let name = format!("{bytes} bytes of huge pages");
        let failed = |e: &std::io::Error| Error::memory(&name, e);
        let told = std::fs::read_to_string("/proc/meminfo").map_err(|e| failed(&e))?;
        let refused = |reason: String, errno| Error::Memory {
            name: name.clone(),
            reason,
            errno,
        };
        let page = huge_page(&told)
            .ok_or_else(|| refused("this kernel has no huge pages".to_owned(), None))?;
        // A part of such a page could not be unmapped.
        let len = bytes.checked_next_multiple_of(page);
        let len = len.ok_or_else(|| refused("there are not so many".to_owned(), None))?;
        let bits = page.trailing_zeros() as u8;
        let map = MmapOptions::new().len(len).huge(Some(bits)).map_anon();
        let map = map.map_err(|e| match failed(&e).errno() {
            errno @ Some(Errno::ENOMEM) => refused(
                format!(
                    "too few huge pages are free, and it takes {}: sysctl vm.nr_hugepages=N makes \
                     N of them",
                    len / page
                ),
                errno,
            ),
            _ => failed(&e),
        })?;
        Self::of(map.into(), &name)
    }

    fn of(map: MmapRaw, name: impl std::fmt::Display) -> Result<Self> {
        if map.len() == 0 {
            return Err(Error::Memory {
                name: name.to_string(),
                reason: "it is empty: make it as large as the region".to_owned(),
                errno: None,
            });
        }
        Ok(Memory(Arc::new(map)))
    }

    /// Bytes of it.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Where it is. Nothing in Rust refers to what is there, except by [`Region`].
    pub(crate) fn base(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }
}

/// Bytes of a huge page, by `/proc/meminfo`.
fn huge_page(meminfo: &str) -> Option<usize> {
    let mut lines = meminfo.lines();
    let size = lines.find_map(|line| line.strip_prefix("Hugepagesize:"))?;
    let kib: usize = size.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
        .filter(|bytes| bytes.is_power_of_two())
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A file that is mapped.
struct File {
    /// Device and inode.
    id: (u64, u64),
    map: Weak<MmapRaw>,
}

static FILES: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Regions in memory of this process, by the kernel's number.
///
/// Whoever has one has a file that is bound in it, too, and closes that later, so that the kernel
/// gives the number to no other region meanwhile.
static REGIONS: Mutex<Vec<(u16, Weak<Region>)>> = Mutex::new(Vec::new());

fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The region of a file that has just been bound, if it is in memory of this process: the kernel
/// maps such a region for nobody. With `memory` it is.
pub(crate) fn region(
    mem_id: u16,
    memory: Option<&Memory>,
    make: impl FnOnce(&Memory) -> Option<Region>,
) -> std::result::Result<Option<Arc<Region>>, Errno> {
    let mut all = lock(&REGIONS);
    all.retain(|(_, region)| region.strong_count() > 0);
    let there = all.iter().find(|(id, _)| *id == mem_id);
    if let Some(region) = there.and_then(|(_, region)| region.upgrade()) {
        return Ok(Some(region));
    }
    let Some(memory) = memory else {
        return Ok(None);
    };
    // A file that was cut and grew again has other pages: the kernel sees another region where one
    // of ours is still in use.
    let same = |region: Arc<Region>| region.is_in(memory);
    if all
        .iter()
        .filter_map(|(_, region)| region.upgrade())
        .any(same)
    {
        return Err(Errno::EBUSY);
    }
    let region = Arc::new(make(memory).ok_or(Errno::ERANGE)?);
    all.push((mem_id, Arc::downgrade(&region)));
    Ok(Some(region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::region::RegionId;
    use nix::sys::memfd::{memfd_create, MFdFlags};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_file_is_mapped_once_and_only_as_it_was() {
        let file = std::fs::File::from(memfd_create("ferromap", MFdFlags::empty()).unwrap());
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let empty = Memory::file(&path).unwrap_err().to_string();
        assert!(empty.contains("it is empty"), "{empty}");
        file.set_len(8192).unwrap();
        let one = Memory::file(&path).unwrap();
        let other = Memory::file(&path).unwrap();
        assert_eq!((one.base(), one.len()), (other.base(), 8192));
        file.set_len(16384).unwrap();
        drop(one);
        let grown = Memory::file(&path).unwrap_err().to_string();
        assert!(grown.contains("had 8192 bytes"), "{grown}");
        drop(other);
        assert_eq!(Memory::file(&path).unwrap().len(), 16384);
        let missing = Memory::file("/proc/self/fd/-").unwrap_err();
        assert_eq!(missing.errno(), Some(Errno::ENOENT));
        assert!(
            missing.to_string().contains("/proc/self/fd/- "),
            "{missing}"
        );
    }

    #[test]
    fn huge_pages_are_whole() {
        let told = "MemFree: 1 kB\nHugetlb:  0 kB\nHugepagesize:       2048 kB\n";
        assert_eq!(huge_page(told), Some(2 << 20));
        for none in [
            "",
            "Hugepagesize: 3 kB\n",
            "Hugepagesize: 0 kB\n",
            "Hugepagesize: x kB\n",
        ] {
            assert_eq!(huge_page(none), None, "{none}");
        }
        let told = std::fs::read_to_string("/proc/meminfo").unwrap();
        // Most machines have none to give.
        match (Memory::huge_pages(1), huge_page(&told)) {
            (Ok(memory), page) => assert_eq!(Some(memory.len()), page),
            (Err(why), Some(_)) => {
                assert!(why.to_string().contains("sysctl vm.nr_hugepages"), "{why}");
            }
            (Err(why), None) => assert!(why.to_string().contains("no huge pages"), "{why}"),
        }
        assert!(Memory::huge_pages(usize::MAX).is_err());
        assert!(Memory::huge_pages(0).is_err());
    }

    #[test]
    fn a_region_is_known_by_its_number_while_it_is_there() {
        let memory = Memory::anonymous(8192).unwrap();
        let make = |len: usize| {
            move |memory: &Memory| Region::within(memory, len, RegionId::Kernel(0xfff0))
        };
        assert!(region(0xfff0, None, make(4096)).unwrap().is_none());
        assert!(region(0xfff0, Some(&memory), make(8193)).is_err());
        let one = region(0xfff0, Some(&memory), make(8192)).unwrap().unwrap();
        let other = region(0xfff0, None, make(8192)).unwrap().unwrap();
        assert!(Arc::ptr_eq(&one, &other));
        // Other pages have come to where they are.
        assert!(region(0xfff1, Some(&memory), make(8192)).is_err());
        // The region keeps its memory.
        drop(memory);
        one.write_u32(8188, 7);
        assert_eq!(other.read_u32(8188), Some(7));
        drop((one, other));
        assert!(region(0xfff0, None, make(8192)).unwrap().is_none());
        assert!(Memory::anonymous(0).is_err());
    }
}
