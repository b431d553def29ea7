// SPDX-License-Identifier: MIT OR Apache-2.0

//! The call that opens a port.

use crate::types::NmportD;
use ferromap_abi::{
    consts::{NETMAP_API, NETMAP_REQ_REGISTER, NIOCCTRL},
    wire::NmreqHeader,
};
use nix::{errno::Errno, libc};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes a header one of a request of that type. Its name and its options stay.
pub(crate) fn begin(hdr: &mut NmreqHeader, reqtype: u16, body: u64) {
    hdr.nr_version = NETMAP_API;
    hdr.nr_reqtype = reqtype;
    hdr.nr_reserved = 0;
    hdr.nr_body = body;
}

/// REGISTER, as header and body of the port say.
///
/// # Safety
///
/// The options of the header are a list of options that are whole, with what they refer to.
pub(crate) unsafe fn register(fd: BorrowedFd<'_>, d: &mut NmportD) -> Result<(), Errno> {
    let body = (&raw mut d.reg).expose_provenance() as u64;
    begin(&mut d.hdr, NETMAP_REQ_REGISTER, body);
    let hdr = &raw mut d.hdr;
    // SAFETY: the header has the size that the number carries; its body is that of a REGISTER and
    // mutably borrowed with it, and the caller vouches for the options.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), NIOCCTRL as _, hdr) }).map(drop)
}
