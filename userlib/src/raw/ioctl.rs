// SPDX-License-Identifier: MIT OR Apache-2.0

//! The calls on `/dev/netmap`.

use super::csb::Csb;
use crate::{
    memory::{Memory, PoolSizes},
    spec::Offsets,
};
use ferromap_abi::{
    consts::*,
    ext::{NmreqOptRegion, FERROMAP_OPT_REGION},
    options::{NmKloopEventfds, NmreqOptCsb, NmreqOptExtmem, NmreqOptOffsets},
    wire::{NmreqHeader, NmreqOption, NmreqPoolsInfo, NmreqSyncKloopStart, Plain},
};
use nix::{errno::Errno, libc};
use std::{
    ffi::{OsStr, OsString},
    marker::PhantomData,
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
};

/// Options of a request. What they name lives as long as they do.
#[derive(Default)]
pub(crate) struct Options<'a> {
    region: Option<NmreqOptRegion>,
    extmem: Option<NmreqOptExtmem>,
    offsets: Option<NmreqOptOffsets>,
    named: PhantomData<&'a Memory>,
}

impl<'a> Options<'a> {
    /// The port is to be in the region of the file behind `fd`.
    pub(crate) fn region(&mut self, fd: BorrowedFd<'a>) {
        self.region = Some(NmreqOptRegion {
            nro_opt: head(FERROMAP_OPT_REGION),
            fd: fd.as_raw_fd(),
            pad: 0,
        });
    }

    /// The port's region is to be made of `memory`.
    pub(crate) fn memory(&mut self, memory: &'a Memory, pools: &PoolSizes) {
        self.extmem = Some(NmreqOptExtmem {
            nro_opt: head(NETMAP_REQ_OPT_EXTMEM),
            nro_usrptr: memory.base() as u64,
            nro_info: NmreqPoolsInfo {
                nr_memsize: memory.len() as u64,
                ..pools.into()
            },
        });
    }

    /// Frames of the port are to start at offsets.
    pub(crate) fn offsets(&mut self, offsets: &Offsets) {
        self.offsets = Some(NmreqOptOffsets {
            nro_opt: head(NETMAP_REQ_OPT_OFFSETS),
            nro_max_offset: offsets.max,
            nro_initial_offset: offsets.initial,
            nro_offset_bits: offsets.bits,
            nro_tx_align: 0,
            nro_min_gap: offsets.min_gap,
        });
    }

    /// The largest offset that the kernel has granted.
    pub(crate) fn max_offset(&self) -> Option<u64> {
        self.offsets.as_ref().map(|option| option.nro_max_offset)
    }

    /// Links the options, and says where the first one is; 0 if there is none.
    fn link(&mut self) -> u64 {
        let mut next = 0;
        // The head of an option is its first field.
        if let Some(option) = &mut self.region {
            option.nro_opt.nro_next = next;
            next = std::ptr::from_mut(option) as u64;
        }
        if let Some(option) = &mut self.extmem {
            option.nro_opt.nro_next = next;
            next = std::ptr::from_mut(option) as u64;
        }
        if let Some(option) = &mut self.offsets {
            option.nro_opt.nro_next = next;
            next = std::ptr::from_mut(option) as u64;
        }
        next
    }
}

fn head(kind: u32) -> NmreqOption {
    NmreqOption {
        nro_reqtype: kind,
        ..NmreqOption::default()
    }
}

/// A request with a body, and perhaps options. `body` and `options` go to the kernel and are
/// overwritten with what it returns; `name` is overwritten too, for `VALE_LIST`. A name that does
/// not fit is the caller's to refuse: here it is cut.
pub(crate) fn control<B: Plain>(
    fd: BorrowedFd<'_>,
    reqtype: u16,
    name: &mut OsString,
    body: &mut B,
    options: &mut Options<'_>,
) -> Result<(), Errno> {
    let options = options.link();
    // SAFETY: `body` and the options are borrowed mutably for the whole call, and any bytes
    // that the kernel writes there make valid `Plain` values. Each request type is sent with
    // its own body type. Memory that an option names is a mapping of its own, to which nothing in
    // Rust refers but by the region that becomes of it.
    unsafe { call(fd, reqtype, name, std::ptr::from_mut(body) as u64, options) }
}

/// A request without a body.
pub(crate) fn bare(fd: BorrowedFd<'_>, reqtype: u16, name: &mut OsString) -> Result<(), Errno> {
    // SAFETY: there is no body to write to.
    unsafe { call(fd, reqtype, name, 0, 0) }
}

/// `CSB_ENABLE`: the kernel writes to `csb`, now and in every loop.
pub(crate) fn csb_enable(fd: BorrowedFd<'_>, csb: &Csb) -> Result<(), Errno> {
    let (csb_atok, csb_ktoa) = csb.addresses();
    let mut option = NmreqOptCsb {
        nro_opt: head(NETMAP_REQ_OPT_CSB),
        csb_atok,
        csb_ktoa,
    };
    let option = std::ptr::from_mut(&mut option) as u64;
    // SAFETY: there is no body; the option lives until the call returns. What it names consists of
    // atomics, which the kernel may write at any time during the call.
    unsafe { call(fd, NETMAP_REQ_CSB_ENABLE, &mut OsString::new(), 0, option) }
}

/// `SYNC_KLOOP_START`, which returns when the loop has ended. Until then the kernel writes to
/// `csb`, with which the file has entered CSB mode last.
pub(crate) fn kloop_start(
    fd: BorrowedFd<'_>,
    sleep_us: u32,
    eventfds: &[NmKloopEventfds],
    _csb: &Csb,
) -> Result<(), Errno> {
    let mut body = NmreqSyncKloopStart { sleep_us, pad1: 0 };
    let pair = |a: [u8; 4], b: [u8; 4]| {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
        u64::from_ne_bytes([a0, a1, a2, a3, b0, b1, b2, b3])
    };
    let size = size_of::<NmreqOption>() + size_of_val(eventfds);
    // An option of variable size: next, type and status, size; then the descriptors.
    let kind = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS.to_ne_bytes();
    let mut option = vec![0, pair(kind, [0; 4]), size as u64];
    let fds = eventfds.iter();
    option.extend(fds.map(|fds| pair(fds.ioeventfd.to_ne_bytes(), fds.irqfd.to_ne_bytes())));
    let (body, option) = (std::ptr::from_mut(&mut body), option.as_mut_ptr());
    // SAFETY: body and option live until the call returns, and any bytes that the kernel writes
    // there are good ones. The CSB is borrowed as long.
    unsafe {
        call(
            fd,
            NETMAP_REQ_SYNC_KLOOP_START,
            &mut OsString::new(),
            body as u64,
            option as u64,
        )
    }
}

/// # Safety
///
/// `body` and `options` are 0, or the address of a body of this request and of the first option of
/// a list; the kernel may write to them, and to memory that they name.
unsafe fn call(
    fd: BorrowedFd<'_>,
    reqtype: u16,
    name: &mut OsString,
    body: u64,
    options: u64,
) -> Result<(), Errno> {
    let mut header = NmreqHeader::zeroed();
    header.nr_version = NETMAP_API;
    header.nr_reqtype = reqtype;
    let len = name.len().min(NETMAP_REQ_IFNAMSIZ - 1);
    header.nr_name[..len].copy_from_slice(&name.as_bytes()[..len]);
    header.nr_body = body;
    header.nr_options = options;
    // SAFETY: the header is a private structure of the size that NIOCCTRL's number carries, and the
    // caller vouches for the body.
    let ret = unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            NIOCCTRL as _,
            std::ptr::from_mut(&mut header),
        )
    };
    Errno::result(ret)?;
    *name = OsStr::from_bytes(ferromap_abi::name::trim(&header.nr_name)).to_owned();
    Ok(())
}

/// `NIOCTXSYNC`.
pub(crate) fn txsync(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the call takes no argument.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), NIOCTXSYNC as _, 0) }).map(drop)
}

/// `NIOCRXSYNC`.
pub(crate) fn rxsync(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the call takes no argument.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), NIOCRXSYNC as _, 0) }).map(drop)
}
