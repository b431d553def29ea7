// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that keep the module loaded while somebody has them open.
//!
//! `kernel::debugfs` (7.3) does not: its file operations name no owner, so a file that is closed
//! after the module was unloaded is released by operations that went with the module.

use core::{marker::PhantomData, ptr::null};
use kernel::{bindings, prelude::*, seq_file::SeqFile, sync::Arc};

/// What a file shows when it is read.
pub(crate) trait Show: Send + Sync + 'static {
    /// Prints all of it; may be called again with a larger buffer.
    fn show(&self, out: &SeqFile);
}

/// An entry of debugfs, removed when dropped. Where debugfs is not to be had there is none, and
/// nobody minds.
struct Entry(*mut bindings::dentry);

// SAFETY: debugfs has locks of its own, so that any task may remove an entry.
unsafe impl Send for Entry {}
// SAFETY: a reference only shows the pointer, with which debugfs works under locks of its own.
unsafe impl Sync for Entry {}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: null, an error, or ours since it was created: nobody else removes it, and a
        // directory goes after all that is in it. Waits for reads that have begun.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// A directory at the top of debugfs. It goes with the last of its files, if there are any.
pub(crate) struct Dir(Arc<Entry>);

impl Dir {
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: the name is a C string; no parent means the top.
        let entry =
            unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), core::ptr::null_mut()) };
        Ok(Dir(Arc::new(Entry(entry), GFP_KERNEL)?))
    }

    /// A file that shows `data`, for as long as what is returned lives.
    pub(crate) fn file<T: Show>(&self, name: &'static CStr, data: T) -> Result<File<T>> {
        let data = KBox::new(data, GFP_KERNEL)?;
        // SAFETY: the parent is ours and alive, or an error, which is passed on. The data is in a
        // box, which keeps it where it is until the entry has been removed; the operations are
        // static.
        let entry = unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                0o400,
                self.0 .0,
                core::ptr::from_ref(&*data).cast_mut().cast(),
                null(),
                &Table::<T>::FOPS,
            )
        };
        Ok(File {
            _entry: Entry(entry),
            _data: data,
            _dir: self.0.clone(),
        })
    }
}

/// A file of debugfs.
pub(crate) struct File<T> {
    // Goes first: nobody may read when the data goes, nor be in the directory when that goes.
    _entry: Entry,
    _data: KBox<T>,
    _dir: Arc<Entry>,
}

/// The C table for a kind of file.
struct Table<T>(PhantomData<T>);

impl<T: Show> Table<T> {
    /// # Safety
    ///
    /// The kernel's open callback on a file that [`Dir::file`] made.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: debugfs keeps the data's address in the inode, and `show` takes it to be that.
        unsafe { bindings::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// # Safety
    ///
    /// The kernel's show callback of a seq_file that `open` set up.
    unsafe extern "C" fn show(out: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `open` gave the data's address. debugfs lets nobody read once the entry is
        // removed, and the data is not freed before; it is `Sync`.
        let data = unsafe { &*(*out).private.cast::<T>() };
        // SAFETY: the kernel calls this with a seq_file of its own, which is ours during the call.
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
