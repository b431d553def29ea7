// SPDX-License-Identifier: MIT OR Apache-2.0

//! The calls on `/dev/netmap`.

use super::csb::Csb;
use ferromap_abi::{
    consts::*,
    ext::NmreqOptRegion,
    options::{NmKloopEventfds, NmreqOptCsb},
    wire::{NmreqHeader, NmreqOption, NmreqSyncKloopStart, Plain},
};
use nix::{errno::Errno, libc};
use std::{
    ffi::{OsStr, OsString},
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
};

/// A request with a body, and perhaps an option. `body` and `option` go to the kernel and are
/// overwritten with what it returns; `name` is overwritten too, for `VALE_LIST`. A name that does
/// not fit is the caller's to refuse: here it is cut.
pub(crate) fn control<B: Plain>(
    fd: BorrowedFd<'_>,
    reqtype: u16,
    name: &mut OsString,
    body: &mut B,
    option: Option<&mut NmreqOptRegion>,
) -> Result<(), Errno> {
    let option = option.map_or(0, |option| std::ptr::from_mut(option) as u64);
    // SAFETY: `body` and the option are borrowed mutably for the whole call, and any bytes
    // that the kernel writes there make valid `Plain` values. Each request type is sent with
    // its own body type.
    unsafe { call(fd, reqtype, name, std::ptr::from_mut(body) as u64, option) }
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
        nro_opt: NmreqOption {
            nro_reqtype: NETMAP_REQ_OPT_CSB,
            ..NmreqOption::default()
        },
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
/// `body` and `options` are 0, or the address of a body of this request and of an option without a
/// successor; the kernel may write to them.
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
