// SPDX-License-Identifier: GPL-2.0

//! Memory of a process that stays where it is, for the kernel to use as well.

use super::{
    bindings, task,
    vmalloc::{self, Lease, Note},
};
use core::{
    ffi::c_void,
    ptr::{null_mut, NonNull},
};
use kernel::{page::PAGE_SIZE, prelude::*};

/// Pages of a process, which stay where they are and live on without it. They count among those
/// that its user keeps so, up to the limit of who asks (`RLIMIT_MEMLOCK`).
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
    /// More than the user may keep.
    Limit,
    /// More than the machine has, or no memory to note which, or to move them to where they can
    /// stay.
    NoMemory,
    /// There is no memory there that the process may write to, or it is of a kind that cannot stay:
    /// that of a file on a disk.
    Fault,
    /// Nobody waits for them any more.
    Killed,
}

impl From<Error> for Unpinnable {
    fn from(_: Error) -> Self {
        Unpinnable::NoMemory
    }
}

impl From<kernel::alloc::AllocError> for Unpinnable {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Unpinnable::NoMemory
    }
}

impl Pinned {
    /// The `count` pages from `addr` on, at least one, of the calling process. Brings in what is
    /// not there, which may take as long as another process likes (userfaultfd).
    pub(crate) fn of_caller(addr: u64, count: u64) -> Result<Self, Unpinnable> {
        let note = Note::blank()?;
        let count = usize::try_from(count).map_err(|_| Unpinnable::NoMemory)?;
        let mut pins = KBox::new(Pins::charge(count)?, GFP_KERNEL_ACCOUNT)?;
        pins.pin(addr)?;
        let pins = NonNull::from(KBox::leak(pins));
        // INVARIANT: it came out of a box just now.
        Ok(Pinned {
            pins,
            _lease: Lease::new(note, pins.cast(), count * PAGE_SIZE, drop_pins),
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
unsafe fn drop_pins(pins: *const c_void, _: usize) {
    // SAFETY: the caller vouches for that.
    drop(unsafe { KBox::from_raw(pins.cast_mut().cast::<Pins>()) });
}

/// # Invariants
///
/// `pages` are pinned, and `charged` are counted among those that `user` keeps, if that is anybody.
struct Pins {
    pages: KVVec<*mut bindings::page>,
    charged: usize,
    user: *mut bindings::user_struct,
}

impl Pins {
    /// Room for `count` pages of the calling process, which are counted from now on.
    fn charge(count: usize) -> Result<Self, Unpinnable> {
        // SAFETY: reads a counter of the kernel's.
        if count > unsafe { bindings::totalram_pages() } {
            return Err(Unpinnable::NoMemory);
        }
        let user = counted(count).or_else(|| {
            // What was closed just now may count until somebody has given it back.
            vmalloc::wait_for_the_rest();
            counted(count)
        });
        let user = user.ok_or(Unpinnable::Limit)?;
        // INVARIANT: counted just now.
        let mut pins = Pins {
            pages: KVVec::new(),
            charged: count,
            user,
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
                _ if pinned == ENOMEM.to_errno() => return Err(Unpinnable::NoMemory),
                _ => return Err(Unpinnable::Fault),
            }
            if !task::go_on() {
                return Err(Unpinnable::Killed);
            }
        }
        Ok(())
    }
}

/// Counts so many pages among those that the user keeps, and says who that is: nobody for one who
/// may keep any number. `None` if he may not keep as many.
fn counted(count: usize) -> Option<*mut bindings::user_struct> {
    let mut user = null_mut();
    // SAFETY: may be called by any task; the reference that it gives is ours.
    let done = unsafe { bindings::ferromap_charge_pages(&mut user, count) };
    done.then_some(user)
}

impl Drop for Pins {
    fn drop(&mut self) {
        // SAFETY: both are undone once, and were done, by the invariant; for process context, as
        // what gives back is. No lock of the process is taken, which it could hold for as long as
        // it likes.
        unsafe {
            bindings::unpin_user_pages_dirty_lock(self.pages.as_mut_ptr(), self.pages.len(), true);
            bindings::ferromap_uncharge_pages(self.user, self.charged);
        }
    }
}
