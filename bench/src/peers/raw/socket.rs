// SPDX-License-Identifier: MIT OR Apache-2.0

//! Options and addresses of sockets.

use anyhow::{Context, Result};
use nix::net::if_::if_nametoindex;
use std::{ffi::c_int, os::fd::RawFd};

/// Sets an option, whose value has the type that the kernel documents for it.
pub fn set_option<T: Copy>(socket: RawFd, level: c_int, option: c_int, value: T) -> Result<()> {
    // SAFETY: the kernel only reads, from a value that lives until the call returns, and no more
    // bytes than it has.
    let code = unsafe {
        libc::setsockopt(
            socket,
            level,
            option,
            (&raw const value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    nix::errno::Errno::result(code)
        .map(drop)
        .with_context(|| format!("option {option} of level {level} was refused"))
}

/// Binds a packet socket to an interface. It receives frames with that EtherType; with 0, none.
pub fn bind_packet(socket: RawFd, interface: &str, ethertype: u16) -> Result<()> {
    let index = if_nametoindex(interface).with_context(|| format!("no interface {interface}"))?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: c_int::try_from(index)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel only reads, from an address that lives until the call returns, and no more
    // bytes than it has.
    let code = unsafe {
        libc::bind(
            socket,
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    };
    nix::errno::Errno::result(code)
        .map(drop)
        .with_context(|| format!("no packet socket on {interface}"))
}

/// Lets one system call send up to `frames` frames of an AF_XDP socket in copy mode. The
/// kernel's default, 32, would make many calls of one large batch. `frames` is no more than the
/// ring has slots.
pub fn send_at_once(socket: RawFd, frames: u32) -> Result<()> {
    /// Since Linux 6.17; not in libc yet.
    const XDP_MAX_TX_SKB_BUDGET: c_int = 9;
    set_option(socket, libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET, frames)
}
