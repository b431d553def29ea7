// SPDX-License-Identifier: MIT OR Apache-2.0

//! Calls of libbpf that libbpf-rs does not have.
#![allow(unsafe_code)] // nobody else wraps them

use libbpf_rs::{
    libbpf_sys::{self, bpf_xdp_attach_opts},
    AsRawLibbpf, OpenMap,
};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

/// Puts `new`, or nothing, onto an interface; with `old`, only if that is what is there. `flags` is
/// the mode, and whether there may be a program at all.
pub fn set(
    interface: i32,
    new: Option<BorrowedFd<'_>>,
    old: Option<BorrowedFd<'_>>,
    flags: u32,
) -> io::Result<()> {
    let options = bpf_xdp_attach_opts {
        sz: size_of::<bpf_xdp_attach_opts>() as u64,
        // libbpf takes 0 for none.
        old_prog_fd: old.map_or(0, |fd| fd.as_raw_fd()),
        ..bpf_xdp_attach_opts::default()
    };
    let new = new.map_or(-1, |fd| fd.as_raw_fd());
    // SAFETY: the options are alive and of the size that they tell; the rest is numbers, which the
    // kernel checks.
    answer(unsafe { libbpf_sys::bpf_xdp_attach(interface, new, flags, &options) })
}

/// Has a program hold a map that it does not use.
pub fn bind(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no options are an option; the rest is numbers, which the kernel checks.
    answer(unsafe {
        libbpf_sys::bpf_prog_bind_map(program.as_raw_fd(), map.as_raw_fd(), ptr::null())
    })
}

/// Takes off what a link holds; the link itself stays with whoever has it open.
pub fn detach_link(id: u32) -> io::Result<()> {
    // SAFETY: a number, which the kernel checks.
    let fd = unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) };
    answer(fd)?;
    // SAFETY: the descriptor is new, and nobody else's.
    let link = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a number, which the kernel checks.
    answer(unsafe { libbpf_sys::bpf_link_detach(link.as_raw_fd()) })
}

/// Whether a map is to be found in bpffs, by its name, once it is loaded.
pub fn is_pinned_by_name(map: &OpenMap<'_>) -> bool {
    // SAFETY: the map is alive.
    unsafe { !libbpf_sys::bpf_map__pin_path(map.as_libbpf_object().as_ptr()).is_null() }
}

fn answer(code: i32) -> io::Result<()> {
    if code < 0 {
        return Err(io::Error::from_raw_os_error(-code));
    }
    Ok(())
}
