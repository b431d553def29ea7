// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a port needs of whatever is behind it: `/dev/netmap`, or the fake.

use crate::{
    error::{Error, Result},
    memory::{self, Memory, PoolSizes},
    raw::{
        csb::Csb,
        ioctl::{self, Options},
        region::{Region, RegionId},
    },
    spec::Offsets,
};
use ferromap_abi::{
    consts::*,
    ext::{NmreqWhy, FERROMAP_REQ_WHY},
    options::NmKloopEventfds,
    wire::{NmreqRegister, Plain},
};
use nix::{
    errno::Errno,
    fcntl::{open, OFlag},
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::stat::Mode,
};
use std::{
    ffi::OsString,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc,
    },
    time::Duration,
};

/// One open file that can be bound to a port.
pub(crate) trait Device: Send + Sync {
    /// REGISTER. On success `request` and `offsets` hold what the kernel returned.
    fn register(
        &self,
        name: &str,
        request: &mut NmreqRegister,
        offsets: Option<&mut Offsets>,
    ) -> Result<()>;
    /// A second open file of the same device, unbound, for the region that is there.
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
    /// CSB_ENABLE: the kernel writes to `csb` from then on, while a loop runs.
    fn csb_enable(&self, name: &str, csb: &Csb) -> Result<()>;
    /// SYNC_KLOOP_START, with the CSB of the last CSB_ENABLE; returns when the loop has ended.
    fn kloop_start(
        &self,
        name: &str,
        sleep_us: u32,
        eventfds: &[NmKloopEventfds],
        csb: &Csb,
    ) -> Result<()>;
    /// SYNC_KLOOP_STOP.
    fn kloop_stop(&self, name: &str) -> Result<()>;
    /// A descriptor to wait for in an event loop.
    fn fd(&self) -> BorrowedFd<'_>;
    /// What the kernel tells of the file to whoever looks into `/proc`.
    fn fdinfo(&self) -> std::io::Result<String> {
        let fd = self.fd().as_raw_fd();
        // Not /proc/self: a thread may have descriptors of its own.
        std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{fd}"))
    }
}

/// An open `/dev/netmap`.
pub(crate) struct NetmapFile {
    file: OwnedFd,
    lent: Option<Arc<Lent>>,
    /// What the region is to be made of.
    memory: Option<(Memory, PoolSizes)>,
}

/// A descriptor whose memory region is to be used.
struct Lent {
    fd: OwnedFd,
    /// Never used twice in a process.
    number: u64,
}

impl NetmapFile {
    pub(crate) fn open() -> Result<Self> {
        let file = open(
            "/dev/netmap",
            OFlag::O_RDWR | OFlag::O_CLOEXEC,
            Mode::empty(),
        );
        let file = file.map_err(Error::open_device)?;
        Ok(NetmapFile {
            file,
            lent: None,
            memory: None,
        })
    }

    /// The same file, to be bound in memory of this process.
    pub(crate) fn within(self, memory: Option<(Memory, PoolSizes)>) -> Self {
        NetmapFile { memory, ..self }
    }

    /// Opens the device, to bind it in the memory region of the file behind `fd`.
    pub(crate) fn open_in(fd: BorrowedFd<'_>) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let fd = fd.try_clone_to_owned();
        let fd = fd.map_err(|e| Error::open_device(errno_of(&e)))?;
        let number = NEXT.fetch_add(1, Relaxed);
        Ok(NetmapFile {
            lent: Some(Arc::new(Lent { fd, number })),
            ..Self::open()?
        })
    }

    /// Which region the kernel means by `mem_id`.
    fn region_id(&self, mem_id: u16) -> RegionId {
        match &self.lent {
            _ if mem_id != GLOBAL_MEM_ID => RegionId::Kernel(mem_id),
            Some(lent) => RegionId::Lent(lent.number),
            None => RegionId::Shared {
                namespace: std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |of| of.ino()),
                user: nix::unistd::geteuid().as_raw(),
            },
        }
    }

    /// A request; a failure comes with the kernel's explanation, if it has one.
    pub(crate) fn control<B: Plain>(
        &self,
        call: &'static str,
        reqtype: u16,
        name: &mut OsString,
        body: &mut B,
    ) -> Result<()> {
        self.ask(call, reqtype, name, body, &mut Options::default())
    }

    /// The same with options.
    pub(crate) fn ask<B: Plain>(
        &self,
        call: &'static str,
        reqtype: u16,
        name: &mut OsString,
        body: &mut B,
        options: &mut Options<'_>,
    ) -> Result<()> {
        ioctl::control(self.file.as_fd(), reqtype, name, body, options).map_err(|errno| {
            let name = name.to_string_lossy();
            Error::request(call, &name, errno, self.why(reqtype, errno))
        })
    }

    /// A request without a body.
    pub(crate) fn bare(&self, call: &'static str, reqtype: u16, name: &str) -> Result<()> {
        ioctl::bare(self.file.as_fd(), reqtype, &mut name.to_owned().into())
            .map_err(|errno| Error::request(call, name, errno, self.why(reqtype, errno)))
    }

    fn why(&self, reqtype: u16, errno: Errno) -> Option<String> {
        why(self.file.as_fd(), reqtype, errno)
    }
}

/// The kernel's sentence on the request that just failed. netmap itself returns EINVAL here.
pub(crate) fn why(file: BorrowedFd<'_>, reqtype: u16, errno: Errno) -> Option<String> {
    let mut why = NmreqWhy::zeroed();
    let mut name = OsString::new();
    ioctl::control(
        file,
        FERROMAP_REQ_WHY,
        &mut name,
        &mut why,
        &mut Options::default(),
    )
    .ok()?;
    let same = why.reqtype == u32::from(reqtype) && why.errno == errno as u32;
    (same && !why.text().is_empty()).then(|| why.text().to_owned())
}

impl From<NetmapFile> for OwnedFd {
    fn from(file: NetmapFile) -> OwnedFd {
        file.file
    }
}

impl AsFd for NetmapFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Device for NetmapFile {
    fn register(
        &self,
        name: &str,
        request: &mut NmreqRegister,
        offsets: Option<&mut Offsets>,
    ) -> Result<()> {
        let mut options = Options::default();
        if let Some(lent) = &self.lent {
            options.region(lent.fd.as_fd());
        }
        if let Some((memory, pools)) = &self.memory {
            options.memory(memory, pools);
        }
        if let Some(offsets) = &offsets {
            options.offsets(offsets);
        }
        let (file, reqtype) = (self.file.as_fd(), NETMAP_REQ_REGISTER);
        ioctl::control(
            file,
            reqtype,
            &mut name.to_owned().into(),
            request,
            &mut options,
        )
        .map_err(|errno| Error::request("REGISTER", name, errno, self.why(reqtype, errno)))?;
        if let (Some(offsets), Some(max)) = (offsets, options.max_offset()) {
            offsets.max = max;
        }
        Ok(())
    }

    fn another(&self) -> Result<Box<dyn Device>> {
        Ok(Box::new(NetmapFile {
            lent: self.lent.clone(),
            ..NetmapFile::open()?
        }))
    }

    fn map(&self, len: usize, mem_id: u16) -> std::result::Result<Arc<Region>, Errno> {
        let id = self.region_id(mem_id);
        let own = self.memory.as_ref().map(|(memory, _)| memory);
        if let Some(region) = memory::region(mem_id, own, |own| Region::within(own, len, id))? {
            return Ok(region);
        }
        Region::map(self.file.as_fd(), len, id)
            .map(Arc::new)
            .map_err(|e| errno_of(&e))
    }

    fn txsync(&self) -> std::result::Result<(), Errno> {
        ioctl::txsync(self.file.as_fd())
    }

    fn rxsync(&self) -> std::result::Result<(), Errno> {
        ioctl::rxsync(self.file.as_fd())
    }

    fn poll(
        &self,
        events: PollFlags,
        timeout: Option<Duration>,
    ) -> std::result::Result<PollFlags, Errno> {
        let mut fds = [PollFd::new(self.file.as_fd(), events)];
        poll(&mut fds, poll_timeout(timeout))?;
        Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
    }

    fn csb_enable(&self, name: &str, csb: &Csb) -> Result<()> {
        ioctl::csb_enable(self.file.as_fd(), csb).map_err(|errno| {
            let why = self.why(NETMAP_REQ_CSB_ENABLE, errno);
            Error::request("CSB_ENABLE", name, errno, why)
        })
    }

    fn kloop_start(
        &self,
        name: &str,
        sleep_us: u32,
        eventfds: &[NmKloopEventfds],
        csb: &Csb,
    ) -> Result<()> {
        ioctl::kloop_start(self.file.as_fd(), sleep_us, eventfds, csb).map_err(|errno| {
            let why = self.why(NETMAP_REQ_SYNC_KLOOP_START, errno);
            Error::request("SYNC_KLOOP_START", name, errno, why)
        })
    }

    fn kloop_stop(&self, name: &str) -> Result<()> {
        let (file, request) = (self.file.as_fd(), NETMAP_REQ_SYNC_KLOOP_STOP);
        ioctl::bare(file, request, &mut OsString::new()).map_err(|errno| {
            let why = self.why(request, errno);
            Error::request("SYNC_KLOOP_STOP", name, errno, why)
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
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
