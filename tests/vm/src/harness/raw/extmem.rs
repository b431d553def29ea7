// SPDX-License-Identifier: MIT OR Apache-2.0

//! Regions in memory of the test's own (`NETMAP_REQ_OPT_EXTMEM`).

use super::device::{Device, Mapping};
use super::{vale, Bound, Reg};
use crate::harness::check::*;
use crate::harness::traces::meminfo;
use crate::harness::traffic::wait_until;
use ferromap_abi::consts::*;
use ferromap_abi::options::NmreqOptExtmem;
use ferromap_abi::wire::{NmreqOption, NmreqPoolsInfo};
use nix::errno::Errno;
use nix::sys::memfd::{memfd_create, MFdFlags};
use std::fs;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// What two ports of 64 slots have room in.
const BYTES: u64 = 2 << 20;

/// Fresh memory, and nobody else's.
pub fn anonymous(len: u64) -> Result<Arc<Mapping>, Errno> {
    Mapping::new(len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1).map(Arc::new)
}

/// The option for memory at an address, with these pools.
pub fn option(addr: u64, info: NmreqPoolsInfo) -> NmreqOptExtmem {
    NmreqOptExtmem {
        nro_opt: NmreqOption {
            nro_reqtype: NETMAP_REQ_OPT_EXTMEM,
            nro_status: super::hostile::UNTOUCHED,
            ..Default::default()
        },
        nro_usrptr: addr,
        nro_info: info,
    }
}

/// A few small objects of each kind: they fit 2 MiB.
pub fn few(bytes: u64) -> NmreqPoolsInfo {
    NmreqPoolsInfo {
        nr_memsize: bytes,
        nr_if_pool_objtotal: 16,
        nr_if_pool_objsize: 1024,
        nr_ring_pool_objtotal: 16,
        nr_ring_pool_objsize: 8192,
        nr_buf_pool_objtotal: 256,
        nr_buf_pool_objsize: 2048,
        ..Default::default()
    }
}

/// Two ports of a switch in the same memory of the test's own.
pub fn two(switch: &str) -> Outcome<(Bound, Bound)> {
    let map = anonymous(BYTES)?;
    let port = |name| {
        vale(&format!("{switch}:{name}"))
            .slots(64, 64)
            .bind_within(&map, few(BYTES))
    };
    Ok((
        works("the first", port("a"))?.0,
        works("the second", port("b"))?.0,
    ))
}

/// A file in memory, mapped so many times.
pub fn file_maps<const N: usize>(len: u64) -> Outcome<[Arc<Mapping>; N]> {
    let file = memfd_create(c"extmem", MFdFlags::MFD_CLOEXEC)?;
    nix::unistd::ftruncate(&file, len as i64)?;
    let mut maps = Vec::new();
    for _ in 0..N {
        maps.push(Arc::new(Mapping::new(
            len,
            libc::MAP_SHARED,
            file.as_raw_fd(),
        )?));
    }
    maps.try_into().or_else(|_| fail("as many as asked for"))
}

/// So many huge pages for whoever asks, until this is dropped.
pub struct HugePages(());

impl HugePages {
    const COUNT: &str = "/proc/sys/vm/nr_hugepages";

    pub fn new(count: u32) -> Outcome<Self> {
        let huge = HugePages(());
        fs::write(Self::COUNT, count.to_string())?;
        Ok(huge)
    }

    /// Takes them back, and waits until nobody has any: those that are in use stay until then.
    pub fn wait_until_gone(self) -> Outcome {
        drop(self);
        wait_until("all huge pages are back", || {
            meminfo("HugePages_Total").is_ok_and(|count| count == 0)
        })
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(Self::COUNT, "0");
    }
}

impl Reg {
    /// Binds it with its region in that memory, which is what is read and written. Also returns
    /// what became of the option.
    pub fn bind_within(
        self,
        map: &Arc<Mapping>,
        info: NmreqPoolsInfo,
    ) -> Result<(Bound, NmreqOptExtmem), Errno> {
        let mut option = option(map.at(0) as u64, info);
        let mut asked = self.options(super::device::address(&mut option));
        let device = Device::open()?;
        asked.send(&device)?;
        let bound = Bound {
            map: map.clone(),
            device,
            reg: asked.body,
        };
        Ok((bound, option))
    }

    /// What comes of it where a refusal is expected, and the status.
    pub fn try_within(self, addr: u64, info: NmreqPoolsInfo) -> (Result<(), Errno>, u32) {
        let mut option = option(addr, info);
        let asked = self.options(super::device::address(&mut option));
        let came = asked.try_bind();
        (came, option.nro_opt.nro_status)
    }
}
