// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a port needs of whatever is behind it: `/dev/netmap`, or the fake.

use crate::{
    error::{Error, Result},
    raw::{ioctl, region::Region},
};
use ferromap_abi::{
    consts::*,
    ext::{NmreqWhy, FERROMAP_REQ_WHY},
    wire::{NmreqRegister, Plain},
};
use nix::{
    errno::Errno,
    fcntl::{open, OFlag},
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::stat::Mode,
};
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

/// One open file that can be bound to a port.
pub(crate) trait Device: Send + Sync {
    /// REGISTER. On success `request` holds the kernel's answer.
    fn register(&self, name: &str, request: &mut NmreqRegister) -> Result<()>;
    /// A second open file of the same device, unbound.
    fn another(&self) -> Result<Box<dyn Device>>;
    /// The memory of the bound port, `len` bytes, known to the kernel as `mem_id`.
    fn map(&self, len: usize, mem_id: u16) -> std::result::Result<Arc<Region>, Errno>;
    /// Hands released transmit slots over.
    fn txsync(&self) -> std::result::Result<(), Errno>;
    /// Gives receive slots back and takes new packets.
    fn rxsync(&self) -> std::result::Result<(), Errno>;
    /// Syncs and waits.
    fn poll(
        &self,
        events: PollFlags,
        timeout: Option<Duration>,
    ) -> std::result::Result<PollFlags, Errno>;
    /// A descriptor to wait for in an event loop.
    fn fd(&self) -> BorrowedFd<'_>;
}

/// An open `/dev/netmap`.
pub(crate) struct NetmapFile(OwnedFd);

impl NetmapFile {
    pub(crate) fn open() -> Result<Self> {
        open(
            "/dev/netmap",
            OFlag::O_RDWR | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map(NetmapFile)
        .map_err(Error::open_device)
    }

    /// A request; a failure comes with the kernel's explanation, if it has one.
    pub(crate) fn control<B: Plain>(
        &self,
        call: &'static str,
        reqtype: u16,
        name: &mut String,
        body: &mut B,
    ) -> Result<()> {
        ioctl::control(self.0.as_fd(), reqtype, name, body)
            .map_err(|errno| Error::request(call, name, errno, self.why(reqtype, errno)))
    }

    /// A request without a body.
    pub(crate) fn bare(&self, call: &'static str, reqtype: u16, name: &str) -> Result<()> {
        ioctl::bare(self.0.as_fd(), reqtype, &mut name.to_owned())
            .map_err(|errno| Error::request(call, name, errno, self.why(reqtype, errno)))
    }

    /// The kernel's sentence on the request that just failed. netmap itself answers EINVAL here.
    fn why(&self, reqtype: u16, errno: Errno) -> Option<String> {
        let mut why = NmreqWhy::zeroed();
        ioctl::control(
            self.0.as_fd(),
            FERROMAP_REQ_WHY,
            &mut String::new(),
            &mut why,
        )
        .ok()?;
        let same = why.reqtype == u32::from(reqtype) && why.errno == errno as u32;
        (same && !why.text().is_empty()).then(|| why.text().to_owned())
    }
}

impl AsFd for NetmapFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Device for NetmapFile {
    fn register(&self, name: &str, request: &mut NmreqRegister) -> Result<()> {
        let mut name = name.to_owned();
        self.control("REGISTER", NETMAP_REQ_REGISTER, &mut name, request)
    }

    fn another(&self) -> Result<Box<dyn Device>> {
        Ok(Box::new(NetmapFile::open()?))
    }

    fn map(&self, len: usize, mem_id: u16) -> std::result::Result<Arc<Region>, Errno> {
        Region::map(self.0.as_fd(), len, mem_id)
            .map(Arc::new)
            .map_err(|e| e.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw))
    }

    fn txsync(&self) -> std::result::Result<(), Errno> {
        ioctl::txsync(self.0.as_fd())
    }

    fn rxsync(&self) -> std::result::Result<(), Errno> {
        ioctl::rxsync(self.0.as_fd())
    }

    fn poll(
        &self,
        events: PollFlags,
        timeout: Option<Duration>,
    ) -> std::result::Result<PollFlags, Errno> {
        let mut fds = [PollFd::new(self.0.as_fd(), events)];
        poll(&mut fds, poll_timeout(timeout))?;
        Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Milliseconds, rounded up, so that a short wait is not a spin; `None` waits for ever.
fn poll_timeout(timeout: Option<Duration>) -> PollTimeout {
    match timeout {
        None => PollTimeout::NONE,
        Some(t) => {
            PollTimeout::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
        }
    }
}
