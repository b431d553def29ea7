// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that keep the module loaded while somebody has them open.
//!
//! `kernel::debugfs` (7.3) does not: its file operations name no owner, so a file that is closed after the
//! module was unloaded is released by operations that went with the module.

use core::{marker::PhantomData, ptr::null};
use kernel::{bindings, prelude::*, seq_file::SeqFile};

/// What a file shows when it is read.
pub(crate) trait Show: Send + Sync + 'static {
    /// Prints all of it; may be called again with a larger buffer.
    fn show(&self, out: &SeqFile);
}

/// An entry of debugfs, removed when dropped. Where debugfs is not to be had there is none, and nobody
/// minds.
struct Entry(*mut bindings::dentry);

// SAFETY: debugfs has its own locks.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: null, an error, or ours since it was created. Waits for reads that have begun.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// A directory at the top of debugfs.
pub(crate) struct Dir(Entry);

impl Dir {
    pub(crate) fn new(name: &'static CStr) -> Self {
        // SAFETY: the name is a C string; no parent means the top.
        let entry =
            unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), core::ptr::null_mut()) };
        Dir(Entry(entry))
    }

    /// A file that shows `data`, for as long as the answer lives. The directory must live as long.
    pub(crate) fn file<T: Show>(&self, name: &'static CStr, data: T) -> Result<File<T>> {
        let data = KBox::new(data, GFP_KERNEL)?;
        // SAFETY: the parent is ours and alive, or an error, which is passed on. The data stays where it
        // is until the entry is removed; the operations are static.
        let entry = unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                0o400,
                (self.0).0,
                core::ptr::from_ref(&*data).cast_mut().cast(),
                null(),
                &Table::<T>::FOPS,
            )
        };
        Ok(File {
            _entry: Entry(entry),
            _data: data,
        })
    }
}

/// A file of debugfs.
pub(crate) struct File<T> {
    // Goes first: nobody may read when the data goes.
    _entry: Entry,
    _data: KBox<T>,
}

/// The C table for a kind of file.
struct Table<T>(PhantomData<T>);

impl<T: Show> Table<T> {
    /// # Safety
    ///
    /// The kernel's open callback on a file that [`Dir::file`] made.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: debugfs keeps the data's address there.
        unsafe { bindings::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// # Safety
    ///
    /// The kernel's show callback of a seq_file that `open` set up.
    unsafe extern "C" fn show(out: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: the private pointer is the data's. debugfs lets nobody read once the entry is removed,
        // and the data is not freed before.
        let data = unsafe { &*(*out).private.cast::<T>() };
        // SAFETY: the kernel's seq_file, exclusively ours during the call.
        data.show(unsafe { SeqFile::from_raw(out) });
        0
    }

    const FOPS: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };
}
