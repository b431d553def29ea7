// SPDX-License-Identifier: GPL-2.0

//! Memory of a process that is to be a region (`NETMAP_REQ_OPT_EXTMEM`, section 3.9 of the
//! interface).

use super::knobs::{within_memory, PAGE};
use crate::{
    abi::{
        layout::{Layout, PoolRequest},
        wire::NmreqPoolsInfo,
    },
    refusal::{refuse, Fallible},
    sys::pinned::{Pinned, Unpinnable},
};
use kernel::{prelude::*, sync::Arc};

/// Pages of a process, and where the pools are to be in them.
pub(crate) struct UserMemory {
    pages: Arc<Pinned>,
    layout: Layout,
}

impl UserMemory {
    /// The calling process's memory from `addr` on, as large and with such pools as `info` says.
    /// May take as long as the process likes.
    pub(crate) fn new(addr: u64, info: &NmreqPoolsInfo) -> Fallible<Arc<Self>> {
        let (page, bytes) = (u64::from(PAGE), info.nr_memsize);
        if addr % page != 0 {
            refuse!(
                EINVAL,
                "nro_usrptr is {:#x}, which is not where a page begins",
                addr
            );
        }
        let wanted = [
            (info.nr_if_pool_objsize, info.nr_if_pool_objtotal),
            (info.nr_ring_pool_objsize, info.nr_ring_pool_objtotal),
            (info.nr_buf_pool_objsize, info.nr_buf_pool_objtotal),
        ];
        let least = within_memory(wanted.map(|(size, count)| PoolRequest { size, count }))?;
        let Some(layout) = least.filling(PAGE, bytes - bytes % page) else {
            refuse!(
                ENOMEM,
                "nr_memsize is {}, and the pools take {} bytes: give more memory, or ask for less \
                 in nro_info",
                bytes,
                least.bytes()
            );
        };
        let pages = match Pinned::of_caller(addr, bytes / page) {
            Ok(pages) => pages,
            Err(Unpinnable::NoMemory) => refuse!(
                ENOMEM,
                "the machine has no {} bytes that can be kept where they are: give less memory",
                bytes
            ),
            Err(Unpinnable::Limit) => refuse!(
                ENOMEM,
                "{} bytes may not stay where they are: raise RLIMIT_MEMLOCK (ulimit -l), or give \
                 less memory",
                bytes
            ),
            Err(Unpinnable::Fault) => refuse!(
                EFAULT,
                "not all of the {} bytes at {:#x} can be kept where they are: they must be mapped, \
                 writable, and not of a file on a disk",
                bytes,
                addr
            ),
            Err(Unpinnable::Killed) => return Err(EINTR.into()),
        };
        let pages = Arc::new(pages, GFP_KERNEL_ACCOUNT)?;
        Ok(Arc::new(UserMemory { pages, layout }, GFP_KERNEL_ACCOUNT)?)
    }

    /// Whether they are the same pages in the same order.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.pages.pages() == other.pages.pages()
    }

    pub(super) fn pages(&self) -> &Arc<Pinned> {
        &self.pages
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }
}
