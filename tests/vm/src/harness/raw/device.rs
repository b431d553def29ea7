// SPDX-License-Identifier: MIT OR Apache-2.0

//! An open `/dev/netmap`, and mappings of it.

use ferromap_abi::consts::{NETMAP_API, NIOCCTRL, NIOCGINFO, NIOCREGIF, NIOCRXSYNC, NIOCTXSYNC};
use ferromap_abi::wire::{Nmreq, NmreqHeader, Plain};
use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// An open `/dev/netmap`.
pub struct Device(OwnedFd);

/// A header for a request of type `reqtype` on `name`: no options, no body. Longer names are cut to
/// the 64 bytes of the field.
pub fn header(reqtype: u16, name: &[u8]) -> NmreqHeader {
    let mut header = NmreqHeader::zeroed();
    header.nr_version = NETMAP_API;
    header.nr_reqtype = reqtype;
    for (to, from) in header.nr_name.iter_mut().zip(name) {
        *to = *from;
    }
    header
}

/// The address of something, as requests carry it.
pub fn address<T>(of: &mut T) -> u64 {
    std::ptr::from_mut(of) as u64
}

impl Device {
    pub fn open() -> Result<Self, Errno> {
        Device::open_for(OFlag::O_RDWR)
    }

    /// For reading, writing, or both.
    pub fn open_for(access: OFlag) -> Result<Self, Errno> {
        open("/dev/netmap", access | OFlag::O_CLOEXEC, Mode::empty()).map(Device)
    }

    /// Any ioctl with any argument.
    pub fn ioctl(&self, command: u32, argument: u64) -> Result<i32, Errno> {
        // SAFETY: the kernel checks the address; memory it may write at a good one is the caller's
        // request, header or body, which the callers below keep borrowed or alive.
        let result = unsafe { libc::ioctl(self.raw(), command.into(), argument) };
        Errno::result(result)
    }

    /// `NIOCCTRL` with this header as it is.
    pub fn ctrl(&self, header: &mut NmreqHeader) -> Result<(), Errno> {
        self.ioctl(NIOCCTRL, address(header)).map(drop)
    }

    /// A request with a body, of whatever size: nothing checks that the two belong together.
    pub fn request<B>(&self, reqtype: u16, name: &str, body: &mut B) -> Result<(), Errno> {
        self.request_with(reqtype, name, body, 0)
    }

    /// The same with a list of options.
    pub fn request_with<B>(
        &self,
        reqtype: u16,
        name: &str,
        body: &mut B,
        options: u64,
    ) -> Result<(), Errno> {
        let mut header = header(reqtype, name.as_bytes());
        header.nr_body = address(body);
        header.nr_options = options;
        self.ctrl(&mut header)
    }

    /// Legacy `NIOCREGIF`.
    pub fn regif(&self, request: &mut Nmreq) -> Result<(), Errno> {
        self.ioctl(NIOCREGIF, address(request)).map(drop)
    }

    /// Legacy `NIOCGINFO`.
    pub fn ginfo(&self, request: &mut Nmreq) -> Result<(), Errno> {
        self.ioctl(NIOCGINFO, address(request)).map(drop)
    }

    pub fn txsync(&self) -> Result<(), Errno> {
        self.ioctl(NIOCTXSYNC, 0).map(drop)
    }

    pub fn rxsync(&self) -> Result<(), Errno> {
        self.ioctl(NIOCRXSYNC, 0).map(drop)
    }

    /// Polls for `events` and returns those that came; none when the time is over.
    pub fn poll(&self, events: PollFlags, limit: Duration) -> Result<PollFlags, Errno> {
        let mut fds = [PollFd::new(self.0.as_fd(), events)];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        poll(&mut fds, limit)?;
        Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
    }

    /// Maps `len` bytes from `offset` on, shared, readable and writable.
    pub fn map(&self, len: u64, offset: u64) -> Result<Mapping, Errno> {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        self.map_with(len, offset, rights, libc::MAP_SHARED)
    }

    /// Maps with any protection and flags.
    pub fn map_with(
        &self,
        len: u64,
        offset: u64,
        rights: i32,
        flags: i32,
    ) -> Result<Mapping, Errno> {
        Mapping::with(len, offset, rights, flags, self.raw())
    }

    /// A second descriptor of the same open file.
    pub fn dup(&self) -> Result<Device, Errno> {
        nix::unistd::dup(&self.0).map(Device)
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A mapping of a region, undone when dropped.
pub struct Mapping {
    base: *mut u8,
    len: usize,
}

// SAFETY: a mapping is reachable from every thread, and all access is by raw pointers.
unsafe impl Send for Mapping {}
// SAFETY: as above; nothing here keeps a reference into the region.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Memory that is not a device's, of a file or of none; to be read and written.
    pub fn new(len: u64, flags: i32, file: RawFd) -> Result<Self, Errno> {
        Mapping::with(len, 0, libc::PROT_READ | libc::PROT_WRITE, flags, file)
    }

    fn with(len: u64, offset: u64, rights: i32, flags: i32, file: RawFd) -> Result<Self, Errno> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len as usize,
                rights,
                flags,
                file,
                offset as libc::off_t,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Mapping {
            base: base.cast(),
            len: len as usize,
        })
    }

    /// Children do not inherit the mapping.
    pub fn keep_from_children(&self) -> Result<(), Errno> {
        self.advise(libc::MADV_DONTFORK)
    }

    /// `madvise(2)` for all of it.
    pub fn advise(&self, advice: i32) -> Result<(), Errno> {
        self.advise_part(0, self.len as u64, advice)
    }

    /// `madvise(2)` for a part.
    pub fn advise_part(&self, offset: u64, len: u64, advice: i32) -> Result<(), Errno> {
        assert!(offset as usize + len as usize <= self.len);
        // SAFETY: a part of our own mapping, which stays one; any bytes may be in it.
        let done = unsafe { libc::madvise(self.at(offset).cast(), len as usize, advice) };
        Errno::result(done).map(drop)
    }

    /// Other memory in the place of a part, with these rights: of a file, or of none.
    pub fn replace(
        &self,
        offset: u64,
        len: u64,
        rights: i32,
        file: Option<RawFd>,
    ) -> Result<(), Errno> {
        assert!(offset as usize + len as usize <= self.len);
        let kind = match file {
            Some(_) => libc::MAP_SHARED,
            None => libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        };
        // SAFETY: a part of our own mapping, into which nobody has a reference.
        let base = unsafe {
            libc::mmap(
                self.at(offset).cast(),
                len as usize,
                rights,
                kind | libc::MAP_FIXED,
                file.unwrap_or(-1),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(())
    }

    /// `mprotect(2)` for a part.
    pub fn protect(&self, offset: u64, len: u64, rights: i32) -> Result<(), Errno> {
        assert!(offset as usize + len as usize <= self.len);
        // SAFETY: a part of our own mapping; who does this does not touch it in another way.
        let done = unsafe { libc::mprotect(self.at(offset).cast(), len as usize, rights) };
        Errno::result(done).map(drop)
    }

    /// The address of `offset` in the region. Tests pass offsets that the kernel gave out; one
    /// beyond the end stops the test here.
    pub fn at(&self, offset: u64) -> *mut u8 {
        assert!(
            (offset as usize) < self.len,
            "offset {offset} is outside the mapping of {} bytes",
            self.len
        );
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.base.add(offset as usize) }
    }

    pub fn read<T: Copy>(&self, offset: u64) -> T {
        let at = self.at(offset).cast::<T>();
        assert!(offset as usize + size_of::<T>() <= self.len && at.is_aligned());
        // SAFETY: inside the mapping and aligned; volatile, as the kernel may write it meanwhile.
        unsafe { at.read_volatile() }
    }

    pub fn write<T: Copy>(&self, offset: u64, value: T) {
        let at = self.at(offset).cast::<T>();
        assert!(offset as usize + size_of::<T>() <= self.len && at.is_aligned());
        // SAFETY: as in `read`.
        unsafe { at.write_volatile(value) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and rings borrow nothing of it that could be used later.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}
