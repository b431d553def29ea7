// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses that must not be trusted, and lists of options, good and bad.

use ferromap_abi::consts::NETMAP_REQ_MAXSIZE;
use ferromap_abi::wire::{NmreqOption, Plain};
use nix::errno::Errno;

const PAGE: usize = 4096;

/// One page that can be used, followed by one that cannot: what reaches over the end faults.
pub struct GuardPage(*mut u8);

impl GuardPage {
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                2 * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let page = GuardPage(base.cast());
        // SAFETY: the second page is inside the mapping just made, and holds nothing yet.
        Errno::result(unsafe { libc::mprotect(page.0.add(PAGE).cast(), PAGE, libc::PROT_NONE) })?;
        Ok(page)
    }

    /// An address that cannot be read or written.
    pub fn bad(&self) -> u64 {
        self.0 as u64 + PAGE as u64
    }

    /// Copies `value` to the end of the good page, except for its last `cut` bytes, which would lie
    /// on the bad one. Its address.
    pub fn place<T: Copy>(&self, value: T, cut: usize) -> u64 {
        let whole = size_of::<T>();
        assert!(cut <= whole && whole <= PAGE);
        let at = self.0.wrapping_add(PAGE - (whole - cut));
        let from = std::ptr::from_ref(&value).cast::<u8>();
        // SAFETY: `whole - cut` bytes of the value, to the end of the good page.
        unsafe { std::ptr::copy_nonoverlapping(from, at, whole - cut) };
        at as u64
    }

    /// From now on the good page can be read only.
    pub fn make_read_only(&self) -> Result<(), Errno> {
        // SAFETY: the page is ours, and no reference into it exists.
        Errno::result(unsafe { libc::mprotect(self.0.cast(), PAGE, libc::PROT_READ) }).map(drop)
    }
}

impl Drop for GuardPage {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which nobody keeps a reference.
        unsafe { libc::munmap(self.0.cast(), 2 * PAGE) };
    }
}

/// A page at an address that the test chooses.
pub struct LowPage(*mut u8);

impl LowPage {
    pub fn at(address: u64) -> Result<Self, Errno> {
        // SAFETY: a new mapping, which takes no other's place.
        let base = unsafe {
            libc::mmap(
                address as usize as *mut libc::c_void,
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(LowPage(base.cast()))
    }

    pub fn write<T: Plain>(&self, at: usize, value: T) {
        assert!(at + size_of::<T>() <= PAGE);
        // SAFETY: within the page, which is ours.
        unsafe { self.0.add(at).cast::<T>().write_unaligned(value) };
    }

    /// All of it, as it is now.
    pub fn bytes(&self) -> [u8; PAGE] {
        // SAFETY: the page, which is ours.
        unsafe { self.0.cast::<[u8; PAGE]>().read() }
    }

    pub fn set_bytes(&self, bytes: &[u8; PAGE]) {
        // SAFETY: the page, which is ours, and into which there is no reference.
        unsafe { self.0.cast::<[u8; PAGE]>().write(*bytes) };
    }

    /// What is there now: the kernel may have written it.
    pub fn read<T: Plain>(&self, at: usize) -> T {
        assert!(at + size_of::<T>() <= PAGE);
        // SAFETY: within the page, which is ours; any bytes are a `Plain` value.
        unsafe { self.0.add(at).cast::<T>().read_unaligned() }
    }
}

impl Drop for LowPage {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which nobody keeps a reference.
        unsafe { libc::munmap(self.0.cast(), PAGE) };
    }
}

/// An option with room for the largest body of the fixed-size ones.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Opt {
    pub head: NmreqOption,
    pub body: [u64; 9],
}

/// What `nro_status` holds until the kernel writes it: no errno.
pub const UNTOUCHED: u32 = 0xdead;

/// Bytes of the head that each option has.
pub const OPTION_HEAD: usize = size_of::<NmreqOption>();
/// What the module keeps of each, its address as well.
pub const OPTION_KEPT: usize = OPTION_HEAD + 8;
/// As much as a request, its options and their bodies may have, as they are sent.
pub const OPTIONS_SENT_MOST: usize = NETMAP_REQ_MAXSIZE;
/// And as they are kept.
pub const OPTIONS_KEPT_MOST: usize = 4144;

/// A list of options. The addresses stay as they are as long as nothing is added.
pub struct OptionList(Vec<Opt>);

impl OptionList {
    /// Options of these types, linked in this order, with empty bodies.
    pub fn of(types: &[u32]) -> Self {
        let option = |&nro_reqtype: &u32| Opt {
            head: NmreqOption {
                nro_reqtype,
                nro_status: UNTOUCHED,
                ..Default::default()
            },
            ..Default::default()
        };
        let mut list = OptionList(types.iter().map(option).collect());
        for i in 1..list.0.len() {
            let next = list.address(i);
            list.link(i - 1, next);
        }
        list
    }

    /// The address of the first, for the header.
    pub fn first(&mut self) -> u64 {
        self.address(0)
    }

    pub fn address(&mut self, index: usize) -> u64 {
        std::ptr::from_mut(&mut self.0[index]) as u64
    }

    /// Makes option `index` point to `next`, whatever that is.
    pub fn link(&mut self, index: usize, next: u64) {
        self.0[index].head.nro_next = next;
    }

    pub fn option(&mut self, index: usize) -> &mut Opt {
        &mut self.0[index]
    }

    /// The status of each option, as an errno number. Read from memory anew: the kernel wrote it.
    pub fn statuses(&self) -> Vec<u32> {
        let status = |o: &Opt| {
            let at = std::ptr::from_ref(&o.head.nro_status);
            // SAFETY: a field of our own vector.
            unsafe { at.read_volatile() }
        };
        self.0.iter().map(status).collect()
    }
}
