// SPDX-License-Identifier: GPL-2.0

//! Copies from and to the calling process, and whether it is the one whose memory is meant.

use super::{bindings, nospec};
use crate::abi::wire::Plain;
use core::sync::atomic::{fence, AtomicBool, Ordering::*};
use kernel::{
    mm::Mm,
    prelude::*,
    sync::{aref::ARef, SetOnce},
    task::Task,
    transmute::{AsBytes, FromBytes},
    types::NotThreadSafe,
    uaccess::{UserPtr, UserSlice},
};

/// A structure of the interface, which knows nothing of the kernel, for the kernel's ways to copy.
#[repr(transparent)]
pub(crate) struct Bytes<T: Plain>(pub(crate) T);

// SAFETY: any pattern of bytes is a `Plain` value, which is `Copy` and so has nothing to be mutated
// inside.
unsafe impl<T: Plain> FromBytes for Bytes<T> {}
// SAFETY: a `Plain` structure has no padding, and is `Copy` and so has nothing to be mutated
// inside.
unsafe impl<T: Plain> AsBytes for Bytes<T> {}

/// Fetches a structure, once, into a private copy. `EFAULT` if the process cannot read it.
pub(crate) fn read<T: Plain>(addr: u64) -> Result<T> {
    let Bytes(value) = slice(addr, size_of::<T>())?.reader().read()?;
    Ok(value)
}

/// Fetches bytes, once. `EFAULT` if the process cannot read them.
pub(crate) fn read_bytes(addr: u64, out: &mut [u8]) -> Result {
    slice(addr, out.len())?.reader().read_slice(out)
}

/// Writes a structure. `EFAULT` if the process cannot write there.
pub(crate) fn write<T: Plain>(addr: u64, value: &T) -> Result {
    slice(addr, size_of::<T>())?.writer().write(&Bytes(*value))
}

/// Writes bytes. `EFAULT` if the process cannot write there.
pub(crate) fn write_bytes(addr: u64, bytes: &[u8]) -> Result {
    slice(addr, bytes.len())?.writer().write_slice(bytes)
}

/// Fetches a word that another of the process's threads may be writing, in one piece; `addr` is
/// aligned. What was written before that is seen after it. `EFAULT` if the process cannot read it.
pub(crate) fn load(addr: u64) -> Result<u32> {
    let mut value = 0;
    // SAFETY: copes with any address; the value is ours to write.
    let ret = unsafe { bindings::ferromap_get_user_u32(&mut value, addr as usize as *const u32) };
    kernel::error::to_result(ret)?;
    fence(Acquire);
    Ok(value)
}

/// Writes a word that others may be reading, in one piece; `addr` is aligned. Who sees it sees what
/// was written before. `EFAULT` if the process cannot write there.
pub(crate) fn store(addr: u64, value: u32) -> Result {
    fence(Release);
    // SAFETY: copes with any address of the process, whose memory it is.
    let ret = unsafe { bindings::ferromap_put_user_u32(value, addr as usize as *mut u32) };
    kernel::error::to_result(ret)
}

fn slice(addr: u64, len: usize) -> Result<UserSlice> {
    let addr = usize::try_from(addr).map_err(|_| EFAULT)?;
    Ok(UserSlice::new(UserPtr::from_addr(addr), len))
}

/// The address space of a process, remembered but not kept: its memory goes when its processes do.
/// Nobody else is taken for it, as long as this lives.
pub(crate) struct AddressSpace(ARef<Mm>);

impl AddressSpace {
    /// That of the running process. A kernel thread has none.
    pub(crate) fn of_caller() -> Option<Self> {
        Some(AddressSpace(ARef::from(&**kernel::current!().mm()?)))
    }

    /// The running process, if this is its address space. After fork or exec it has another; all
    /// its threads share one, and so do processes made with `CLONE_VM`. A kernel thread is never
    /// it, even if it was lent the memory.
    ///
    /// Addresses of its memory are what it wrote itself, as long as nobody else could, which
    /// `writers` know.
    #[inline]
    pub(crate) fn enter<'a>(&'a self, writers: &'a Writers) -> Option<Caller<'a>> {
        let entered = self.is_running() && !writers.others_than(self);
        entered.then_some(Caller(self, writers, NotThreadSafe))
    }

    /// Whether it is that of the running process.
    pub(crate) fn is_running(&self) -> bool {
        // SAFETY: the running task is there, and these fields of it no other task changes.
        let (flags, mm) = unsafe {
            let task = Task::current_raw();
            ((*task).flags, (*task).mm)
        };
        flags & bindings::PF_KTHREAD == 0 && mm == self.0.as_raw()
    }
}

/// Which processes could write to memory that they share with us: nobody yet, one, or several. It
/// never becomes fewer.
pub(crate) struct Writers {
    first: SetOnce<AddressSpace>,
    several: AtomicBool,
}

impl Writers {
    pub(crate) const fn none() -> Self {
        Writers {
            first: SetOnce::new(),
            several: AtomicBool::new(false),
        }
    }

    /// Memory of a process, which may share it with others in ways that nobody tells us.
    pub(crate) const fn anybody() -> Self {
        Writers {
            first: SetOnce::new(),
            several: AtomicBool::new(true),
        }
    }

    /// Whoever has that address space will be able to, once this has returned.
    pub(crate) fn add(&self, space: &Mm) {
        let first = self.first.populate(AddressSpace(ARef::from(space)));
        let is_it = |first: &AddressSpace| first.0.as_raw() == space.as_raw();
        if !first && !self.first.as_ref().is_some_and(is_it) {
            self.several.store(true, SeqCst);
        }
    }

    /// Whether there are any but this one.
    #[inline]
    fn others_than(&self, own: &AddressSpace) -> bool {
        let is_other = |first: &AddressSpace| first.0.as_raw() != own.0.as_raw();
        self.several.load(Relaxed) || self.first.as_ref().is_some_and(is_other)
    }
}

/// The running process, known to be the one whose memory may be read. Made by
/// [`AddressSpace::enter`] alone, during a system call of that process.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a>(&'a AddressSpace, &'a Writers, NotThreadSafe);

impl Caller<'_> {
    /// Brings its pages in, so that a copy that may not sleep finds them. May sleep. What is not
    /// there to be brought in is noticed by that copy.
    pub(crate) fn fault_in(self, addr: u64, len: usize) {
        // SAFETY: looks at the running process's own memory only, and copes with any address.
        unsafe { bindings::fault_in_readable(addr as usize as *const c_char, len) };
    }

    /// Fetches up to 16 bytes without sleeping: `EFAULT` also where the page would first have to be
    /// brought in. Bytes past `len` are zero.
    pub(crate) fn read_head(self, addr: u64, len: usize) -> Result<[u8; 16]> {
        let mut bytes = [0; 16];
        // SAFETY: `bytes` has 16 bytes, which are ours to write.
        unsafe { self.read_atomic(bytes.as_mut_ptr(), addr, len.min(16))? };
        Ok(bytes)
    }

    /// Fetches bytes without sleeping, as [`read_head`](Self::read_head).
    pub(crate) fn read_now(self, addr: u64, out: &mut [u8]) -> Result {
        // SAFETY: `out` has as many bytes, which are ours to write.
        unsafe { self.read_atomic(out.as_mut_ptr(), addr, out.len()) }
    }

    /// Fetches bytes without sleeping, as [`read_head`](Self::read_head), into memory.
    ///
    /// # Safety
    ///
    /// `to` must be valid for writing `len` bytes.
    pub(crate) unsafe fn read_atomic(self, to: *mut u8, addr: u64, len: usize) -> Result {
        // The kernel's half of all addresses is refused below, but by a comparison only
        // (mm/maccess.c), and what is read here selects an entry of the learning table.
        const USER: usize = isize::MAX as usize + 1;
        let from = nospec::confine(addr as usize, USER);
        // The address was read before this: had somebody else written it, we would see that he can
        // (`Writers::add`).
        fence(Acquire);
        if from as u64 != addr || self.1.others_than(self.0) {
            return Err(EFAULT);
        }
        // SAFETY: the caller vouches for `to`; any address of a process is coped with.
        let ret =
            unsafe { bindings::copy_from_user_nofault(to.cast(), from as *const c_void, len) };
        kernel::error::to_result(ret as i32)
    }
}
