// SPDX-License-Identifier: MIT OR Apache-2.0

//! A page that takes as long to come as the test likes: whoever touches it sleeps (userfaultfd,
//! linux/userfaultfd.h).

use nix::errno::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};

const PAGE: usize = 4096;
const UFFD_API: u64 = 0xaa;
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;
const MODE_MISSING: u64 = 1;
/// `struct uffd_msg`.
const MESSAGE: usize = 32;

pub struct SlowPage {
    page: *mut libc::c_void,
    faults: File,
}

// SAFETY: nobody touches the page but by its address, and the file may be used by every thread.
unsafe impl Sync for SlowPage {}

impl SlowPage {
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: a new file, which is ours.
        let faults = unsafe {
            let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC);
            File::from_raw_fd(Errno::result(fd)? as i32)
        };
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, rights, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let page = SlowPage { page, faults };
        page.ask(UFFDIO_API, &mut [UFFD_API, 0, 0])?;
        page.ask(
            UFFDIO_REGISTER,
            &mut [page.address(), PAGE as u64, MODE_MISSING, 0],
        )?;
        Ok(page)
    }

    pub fn address(&self) -> u64 {
        self.page as u64
    }

    fn ask<const N: usize>(&self, request: u64, body: &mut [u64; N]) -> Result<(), Errno> {
        // SAFETY: the body is as long as the request says.
        let result = unsafe { libc::ioctl(self.faults.as_raw_fd(), request, body.as_mut_ptr()) };
        Errno::result(result).map(drop)
    }

    /// Waits until somebody sleeps for the page.
    pub fn wait(&self) -> std::io::Result<()> {
        (&self.faults).read_exact(&mut [0; MESSAGE])
    }

    /// The page is there, with zeros; who slept goes on.
    pub fn come(&self) -> Result<(), Errno> {
        self.ask(UFFDIO_ZEROPAGE, &mut [self.address(), PAGE as u64, 0, 0])
    }
}

impl Drop for SlowPage {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which nobody keeps a reference.
        unsafe { libc::munmap(self.page, PAGE) };
    }
}
