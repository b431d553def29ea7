// SPDX-License-Identifier: MIT OR Apache-2.0

//! The calls on `/dev/netmap`.

use ferromap_abi::{
    consts::{NETMAP_API, NETMAP_REQ_IFNAMSIZ, NIOCCTRL, NIOCRXSYNC, NIOCTXSYNC},
    ext::NmreqOptRegion,
    wire::{NmreqHeader, Plain},
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
