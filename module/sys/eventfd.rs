// SPDX-License-Identifier: GPL-2.0

//! Eventfds (`eventfd(2)`): by them a program wakes us without a system call of the module's, and
//! is woken.

use super::{bindings, wait::Spot};
use core::{marker::PhantomData, mem::offset_of, ptr};
use kernel::{error::from_err_ptr, prelude::*};

/// An eventfd of a program's, which stays open for as long as this lives.
///
/// # Invariants
///
/// There is a reference to each of `file` and `context`, which belong together, and `queue` is
/// that of `context`.
pub(crate) struct Eventfd {
    file: *mut bindings::file,
    context: *mut bindings::eventfd_ctx,
    queue: *mut bindings::wait_queue_head,
}

// SAFETY: any task may signal an eventfd, wait for it, and give the references back.
unsafe impl Send for Eventfd {}
// SAFETY: as above; an eventfd has a lock of its own for all that.
unsafe impl Sync for Eventfd {}

impl Eventfd {
    /// The eventfd behind a descriptor of the calling process. `EBADF` if nothing is open there,
    /// `EINVAL` if it is something else.
    pub(crate) fn of(fd: c_int) -> Result<Self> {
        // SAFETY: copes with any number; looks at the calling process's descriptors.
        let file = from_err_ptr(unsafe { bindings::eventfd_fget(fd) })?;
        // SAFETY: the file is there by the reference of `eventfd_fget`.
        let context = match from_err_ptr(unsafe { bindings::eventfd_ctx_fileget(file) }) {
            Ok(context) => context,
            Err(e) => {
                // SAFETY: gives that reference back.
                unsafe { bindings::fput(file) };
                return Err(e);
            }
        };
        // INVARIANT: both references are this value's from here on. The queue follows.
        let mut eventfd = Eventfd {
            file,
            context,
            queue: ptr::null_mut(),
        };
        eventfd.queue = eventfd.find_queue().ok_or(EINVAL)?;
        Ok(eventfd)
    }

    /// Its wait queue, which only its poll operation tells.
    fn find_queue(&self) -> Option<*mut bindings::wait_queue_head> {
        /// What poll is asked with; `table` comes first.
        #[repr(C)]
        struct Find {
            table: bindings::poll_table,
            found: *mut bindings::wait_queue_head,
        }
        const _: () = assert!(offset_of!(Find, table) == 0);

        /// # Safety
        ///
        /// Called by an eventfd's poll operation only, with the table of a [`Find`].
        unsafe extern "C" fn found(
            _file: *mut bindings::file,
            queue: *mut bindings::wait_queue_head,
            table: *mut bindings::poll_table_struct,
        ) {
            // SAFETY: the table is what a `Find` begins with, which is ours during the call.
            unsafe { (*table.cast::<Find>()).found = queue };
        }

        let mut find = Find {
            table: bindings::poll_table {
                _qproc: Some(found),
                _key: u32::MAX,
            },
            found: ptr::null_mut(),
        };
        // SAFETY: the file is there by our reference. An eventfd asks for one queue (fs/eventfd.c,
        // `eventfd_poll`) by the function of the table, and keeps neither.
        unsafe { bindings::vfs_poll(self.file, (&raw mut find).cast()) };
        (!find.found.is_null()).then_some(find.found)
    }

    /// Where to wait until it is signalled.
    pub(crate) fn spot(&self) -> Spot<'_> {
        // INVARIANT: the queue is the context's, which is there by our reference.
        Spot(self.queue, PhantomData)
    }

    /// Adds one to its counter, and wakes who waits for that.
    pub(crate) fn signal(&self) {
        // SAFETY: the context is there by our reference. We are in no function that an eventfd
        // calls to wake somebody, where this would be refused.
        unsafe { bindings::eventfd_signal_mask(self.context, 0) };
    }
}

impl Drop for Eventfd {
    fn drop(&mut self) {
        // SAFETY: gives back the references of `of`, once.
        unsafe {
            bindings::eventfd_ctx_put(self.context);
            bindings::fput(self.file);
        }
    }
}
