// SPDX-License-Identifier: MIT OR Apache-2.0

//! The Linux stack's side of an interface: a packet socket for one Ethernet type gets frames after,
//! and only if, nobody took them off the interface; and what it sends is what the stack sends.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// When nothing has come for so long, nothing will.
pub const QUIET: Duration = Duration::from_millis(100);

/// The Ethernet type of the frames that tests send.
const TYPE: u16 = 0x88b5;

/// A packet socket of one interface.
pub struct Stack {
    socket: OwnedFd,
    /// What it has had no room for, as far as the kernel has been asked: it tells once.
    lost: AtomicU64,
}

impl Stack {
    pub fn on(interface: &str) -> Result<Stack, Errno> {
        Stack::of_type(interface, TYPE)
    }

    /// A packet tap: gets everything that passes the interface, in both directions.
    pub fn tap(interface: &str) -> Result<Stack, Errno> {
        Stack::of_type(interface, libc::ETH_P_ALL as u16)
    }

    fn of_type(interface: &str, kind: u16) -> Result<Stack, Errno> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        let protocol = i32::from(kind.to_be());
        // SAFETY: makes a socket; its number is ours.
        let socket = unsafe {
            let fd = Errno::result(libc::socket(libc::AF_PACKET, libc::SOCK_RAW, protocol))?;
            OwnedFd::from_raw_fd(fd)
        };
        // SAFETY: all zeros are an address of this kind.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = kind.to_be();
        address.sll_ifindex = index as i32;
        // SAFETY: an address of that size.
        Errno::result(unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as u32,
            )
        })?;
        let stack = Stack {
            socket,
            lost: AtomicU64::new(0),
        };
        // For as many long frames as a case sends at a time.
        stack.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 16 << 20)?;
        Ok(stack)
    }

    /// Has frames sent without a queueing discipline.
    pub fn bypass_queueing(&self) -> Result<(), Errno> {
        self.set(libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)
    }

    fn set(&self, level: i32, option: i32, value: i32) -> Result<(), Errno> {
        // SAFETY: the option is a number.
        Errno::result(unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                option,
                (&raw const value).cast(),
                size_of_val(&value) as u32,
            )
        })
        .map(drop)
    }

    /// Sends a frame, header and all.
    pub fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        // SAFETY: the bytes of the frame.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
            )
        };
        Errno::result(sent).map(drop)
    }

    /// How many frames it has had no room for.
    pub fn lost(&self) -> Result<u64, Errno> {
        // `struct tpacket_stats` (linux/if_packet.h): packets, and drops.
        let (mut told, mut len) = ([0u32; 2], 8);
        // SAFETY: room for as many bytes as `len` says.
        Errno::result(unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                told.as_mut_ptr().cast(),
                &raw mut len,
            )
        })?;
        Ok(self.lost.fetch_add(told[1].into(), SeqCst) + u64::from(told[1]))
    }

    /// Frames that arrive, until none has for `quiet`.
    pub fn receive(&self, quiet: Duration) -> Result<Vec<Vec<u8>>, Errno> {
        self.receive_some(usize::MAX, quiet)
    }

    /// Frames that arrive, until it is so many, or in vain.
    pub fn wait_for(&self, count: usize) -> Result<Vec<Vec<u8>>, Errno> {
        self.receive_some(count, Duration::from_secs(10))
    }

    fn receive_some(&self, most: usize, quiet: Duration) -> Result<Vec<Vec<u8>>, Errno> {
        let mut frames = Vec::new();
        while frames.len() < most {
            let mut fd = libc::pollfd {
                fd: self.socket.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one descriptor.
            let ready = unsafe { libc::poll(&mut fd, 1, quiet.as_millis() as i32) };
            if Errno::result(ready)? == 0 {
                return Ok(frames);
            }
            let mut frame = vec![0u8; 65536];
            // SAFETY: a buffer of that size.
            let len = unsafe {
                libc::recv(
                    self.socket.as_raw_fd(),
                    frame.as_mut_ptr().cast(),
                    frame.len(),
                    0,
                )
            };
            frame.truncate(Errno::result(len)? as usize);
            frames.push(frame);
        }
        Ok(frames)
    }
}
