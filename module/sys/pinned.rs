// SPDX-License-Identifier: GPL-2.0

//! Memory of a process that stays where it is, for the kernel to use as well.

use super::{
    bindings, task,
    vmalloc::{Lease, Note},
};
use core::{ffi::c_void, ptr::NonNull};
use kernel::{mm::Mm, page::PAGE_SIZE, prelude::*, sync::aref::ARef};

/// Pages of a process, which stay where they are and live on without it. They count against its
/// limit of such memory (`RLIMIT_MEMLOCK`).
///
/// # Invariants
///
/// `pins` came out of a box, and is there until `_lease` gives it back.
pub(crate) struct Pinned {
    pins: NonNull<Pins>,
    _lease: Lease,
}

// SAFETY: any thread may give back what another has pinned.
unsafe impl Send for Pinned {}
// SAFETY: a reference shows which pages there are; whoever reads or writes there vouches for that
// himself.
unsafe impl Sync for Pinned {}

/// Why there are no pages.
pub(crate) enum Unpinnable {
    /// More than the process may have that stay, or than the machine has; or no memory to note
    /// which.
    TooMany,
    /// There is no memory there that the process may write to, or it is of a kind that cannot stay:
    /// that of a file on a disk.
    Fault,
    /// Nobody waits for them any more.
    Killed,
}

impl From<Error> for Unpinnable {
    fn from(_: Error) -> Self {
        Unpinnable::TooMany
    }
}

impl From<kernel::alloc::AllocError> for Unpinnable {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Unpinnable::TooMany
    }
}

impl Pinned {
    /// The `count` pages from `addr` on, at least one, of the calling process. Brings in what is
    /// not there, which may take as long as another process likes (userfaultfd).
    pub(crate) fn of_caller(addr: u64, count: u64) -> Result<Self, Unpinnable> {
        let note = Note::blank()?;
        let mut pins = KBox::new(Pins::charge(count)?, GFP_KERNEL_ACCOUNT)?;
        pins.pin(addr)?;
        let pins = NonNull::from(KBox::leak(pins));
        // INVARIANT: it came out of a box just now.
        Ok(Pinned {
            pins,
            _lease: Lease::new(note, pins.cast(), 0, drop_pins),
        })
    }

    pub(crate) fn pages(&self) -> &[*mut bindings::page] {
        // SAFETY: there for as long as `self` is, by the invariant, and nobody changes it.
        unsafe { &self.pins.as_ref().pages }
    }
}

/// # Safety
///
/// `pins` must have come out of a box, and be nobody else's.
unsafe extern "C" fn drop_pins(pins: *const c_void) {
    // SAFETY: the caller vouches for that.
    drop(unsafe { KBox::from_raw(pins.cast_mut().cast::<Pins>()) });
}

/// # Invariants
///
/// `pages` are pinned, and `charged` are counted among those of `mm` that stay.
struct Pins {
    pages: KVVec<*mut bindings::page>,
    charged: usize,
    mm: ARef<Mm>,
}

impl Pins {
    /// Room for `count` pages of the calling process, which are counted from now on.
    fn charge(count: u64) -> Result<Self, Unpinnable> {
        let current = kernel::current!();
        let mm = current.mm().ok_or(Unpinnable::Fault)?;
        let count = usize::try_from(count).map_err(|_| Unpinnable::TooMany)?;
        // SAFETY: reads a counter of the kernel's.
        if count > unsafe { bindings::totalram_pages() } {
            return Err(Unpinnable::TooMany);
        }
        // SAFETY: its own address space, which any task may ask for whose memory is not locked.
        let ret = unsafe { bindings::account_locked_vm(mm.as_raw().cast(), count, true) };
        kernel::error::to_result(ret)?;
        // INVARIANT: counted just now.
        let mut pins = Pins {
            pages: KVVec::new(),
            charged: count,
            mm: ARef::from(&**mm),
        };
        pins.pages.reserve(count, GFP_KERNEL_ACCOUNT)?;
        Ok(pins)
    }

    /// Pins as many pages as were charged.
    fn pin(&mut self, addr: u64) -> Result<(), Unpinnable> {
        // Two megabytes at once: then a look whether somebody still waits.
        const AT_ONCE: usize = 512;
        const FLAGS: u32 = bindings::ferromap_pinning_FERROMAP_PINNING;
        while self.pages.len() < self.charged {
            let there = self.pages.len();
            let room = self.pages.spare_capacity_mut();
            let count = (self.charged - there).min(room.len()).min(AT_ONCE);
            let addr = (addr as usize).wrapping_add(there * PAGE_SIZE);
            // SAFETY: may be called by any task that may sleep, and copes with any address; there
            // is room for so many.
            let pinned = unsafe {
                bindings::pin_user_pages_fast(addr, count as i32, FLAGS, room.as_mut_ptr().cast())
            };
            match usize::try_from(pinned) {
                // INVARIANT: pinned just now.
                // SAFETY: the first so many of the room were written just now.
                Ok(pinned) if pinned > 0 => unsafe { self.pages.inc_len(pinned.min(count)) },
                _ if task::is_killed() => return Err(Unpinnable::Killed),
                _ => return Err(Unpinnable::Fault),
            }
            if !task::go_on() {
                return Err(Unpinnable::Killed);
            }
        }
        Ok(())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // SAFETY: both are undone once, and were done, by the invariant; for process context, as
        // what gives back is. The address space may have gone but for its head, which we keep.
        unsafe {
            bindings::unpin_user_pages_dirty_lock(self.pages.as_mut_ptr(), self.pages.len(), true);
            bindings::account_locked_vm(self.mm.as_raw().cast(), self.charged, false);
        }
    }
}
