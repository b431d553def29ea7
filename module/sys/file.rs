// SPDX-License-Identifier: GPL-2.0

//! A character device with poll and page faults, both of which `kernel::miscdevice` lacks.
//!
//! Each callback makes references of the kernel's pointers, calls safe code, and makes an errno,
//! events or a page of what that returns.

use super::{backing::Backing, wait::WaitQueue};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    fs::LocalFile,
    mm::{
        virt::{flags, VmaNew, VmaRef},
        Mm,
    },
    prelude::*,
    seq_file::SeqFile,
    types::{ForeignOwnable, Opaque},
};

/// What an open file of the device does.
pub(crate) trait Device: Sized + Send + Sync + 'static {
    /// What every open file needs to know.
    type Context: Send + Sync;

    /// A process opens the node.
    fn open(context: &Self::Context, kin: Kin<Self>) -> Result<Pin<KBox<Self>>>;
    /// The last reference to the open file is gone: duplicates, forked copies, mappings.
    fn release(self: Pin<KBox<Self>>);
    /// `ioctl(2)`; what it returns is what the system call returns.
    fn ioctl(&self, asker: &Asker<'_>, cmd: u32, arg: u64) -> Result<isize>;
    /// `poll(2)` and its kin; returns the events that are there.
    fn poll<'a>(&'a self, poll: Poll<'a>) -> u32;
    /// The memory that `mmap(2)` shows, whole.
    fn memory(&self) -> Option<&dyn Backing>;
    /// That memory is about to be mapped in an address space, by mmap(2) or by fork(2), and may be
    /// written from there on.
    fn will_be_written(&self, from: &Mm);
    /// Lines for `/proc/PID/fdinfo/FD`.
    fn show(&self, out: &SeqFile);
}

/// Who makes a request: the calling process, and whoever opened the file.
pub(crate) struct Asker<'a> {
    file: *mut bindings::file,
    _lifetime: PhantomData<&'a ()>,
}

/// `linux/fs.h`: the file was opened for writing.
const FMODE_WRITE: bindings::fmode_t = 1 << 1;

impl Asker<'_> {
    /// Whether the file was opened for writing.
    pub(crate) fn may_write(&self) -> bool {
        // SAFETY: `Table::ioctl` makes the only one, which it lends for the call: the kernel keeps
        // the file open during that (fs/ioctl.c, `CLASS(fd, f)`). How it was opened never changes.
        unsafe { (*self.file).f_mode & FMODE_WRITE != 0 }
    }

    /// The file, open for as long as `self` is lent.
    pub(crate) fn file(&self) -> *mut bindings::file {
        self.file
    }
}

/// By what other open files of the same device are known: they have the same operations.
pub(crate) struct Kin<T> {
    operations: *const bindings::file_operations,
    _device: PhantomData<fn() -> T>,
}

// SAFETY: the pointer is only compared, which any thread may do.
unsafe impl<T> Send for Kin<T> {}
// SAFETY: the pointer is only compared, which several threads may do at once.
unsafe impl<T> Sync for Kin<T> {}

impl<T: Device> Kin<T> {
    /// Calls `f` with the open file behind a descriptor of the calling process. `None` if it is of
    /// something else, `EBADF` if nothing is open there.
    pub(crate) fn with<R>(&self, fd: u32, f: impl FnOnce(&T) -> R) -> Result<Option<R>> {
        let file = LocalFile::fget(fd)?;
        // SAFETY: the reference keeps the file; its operations do not change after opening.
        let operations = unsafe { (*file.as_ptr()).f_op };
        if !core::ptr::eq(operations, self.operations) {
            return Ok(None);
        }
        // SAFETY: an open file of this device, as its operations tell; the reference keeps it open
        // during the call, and `f` cannot keep what it is given.
        Ok(Some(f(unsafe { Table::<T>::device(file.as_ptr()) })))
    }
}

/// A process that looks for events, and may go to sleep until there are some. `kernel::sync::poll`
/// has a table for queues of its own kind only, which wake everybody whatever he waits for, and
/// wait for readers of RCU whenever one goes; and it does not tell what the process waits for
/// (docs/decisions/0025).
///
/// `'a` lasts until the file's `release` has begun, and cannot be taken for less. So whatever is
/// borrowed for `'a` lives as long: [`Device::poll`] has nothing to borrow it from but the open
/// file itself.
pub(crate) struct Poll<'a> {
    file: *mut bindings::file,
    table: *mut bindings::poll_table,
    _until_release: PhantomData<fn(&'a ())>,
}

impl<'a> Poll<'a> {
    /// Which events the process waits for.
    pub(crate) fn wanted(&self) -> u32 {
        // SAFETY: the table is null, which means all, or valid during the callback that made this.
        unsafe { self.table.as_ref() }.map_or(u32::MAX, |table| table._key)
    }

    /// Wakes the process when `queue` is woken. Look for the events after this, not before.
    pub(crate) fn wait_on(&self, queue: &'a WaitQueue) {
        // SAFETY: file and table are those of the running poll. The queue lives until the file's
        // release has begun; poll and select let go of it before they return, epoll before that
        // (fs/file_table.c, `__fput`), and who else polls holds the file open meanwhile.
        unsafe { bindings::poll_wait(self.file, queue.as_ptr(), self.table) };
    }
}

/// The device node, for as long as this lives.
///
/// `misc` comes first, so that a pointer to it is a pointer to all of this.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Device> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    context: T::Context,
}

// SAFETY: registering and deregistering may happen on different threads, and the context is `Send`.
unsafe impl<T: Device> Send for Registration<T> {}
// SAFETY: a reference gives nothing to do with the device; what `open` uses on any thread is the
// context, which is `Sync`.
unsafe impl<T: Device> Sync for Registration<T> {}

impl<T: Device> Registration<T> {
    /// Registers `/dev/NAME` with mode 0600 under misc minor `minor`, or under any free one if that
    /// is taken. A fixed minor lets the node exist before the module is loaded.
    pub(crate) fn new(
        name: &'static CStr,
        minor: i32,
        context: T::Context,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Before the node is there: somebody may open it at once.
            context,
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let register = |minor| {
                    let mut misc: bindings::miscdevice = pin_init::zeroed();
                    misc.minor = minor;
                    misc.name = name.as_char_ptr();
                    misc.mode = 0o600;
                    misc.fops = &Table::<T>::FOPS;
                    // SAFETY: `slot` is ours to write and does not move; name and operations are
                    // static, and `drop` deregisters before the memory goes.
                    to_result(unsafe {
                        slot.write(misc);
                        bindings::misc_register(slot)
                    })
                };
                match register(minor) {
                    Err(e) if e == EBUSY => register(bindings::MISC_DYNAMIC_MINOR as i32),
                    done => done,
                }
            }),
        })
    }
}

#[pinned_drop]
impl<T: Device> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: registered in `new`, or there would be nothing to drop.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// The C tables for a device type.
struct Table<T>(PhantomData<T>);

impl<T: Device> Table<T> {
    /// # Safety
    ///
    /// `file` must be an open file of this device, and stay so for `'a`.
    unsafe fn device<'a>(file: *mut bindings::file) -> &'a T {
        // SAFETY: `open` put it there, and only `release` takes it back, before which the file is
        // open, as it is for `'a`.
        unsafe { Pin::<KBox<T>>::borrow((*file).private_data) }.get_ref()
    }

    /// # Safety
    ///
    /// The kernel's open callback.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: a misc device is opened with a pointer to itself in the private data; the
        // registration begins with it, and cannot go during the call: both `open` and
        // `misc_deregister` hold misc's lock.
        let registration = unsafe { &*(*file).private_data.cast::<Registration<T>>() };
        let kin = Kin {
            // SAFETY: the kernel calls this on a file that it opens, whose operations are ours
            // already.
            operations: unsafe { (*file).f_op },
            _device: PhantomData,
        };
        match T::open(&registration.context, kin) {
            Ok(device) => {
                // SAFETY: the file is being opened, so that its private data is ours to set.
                unsafe { (*file).private_data = device.into_foreign() };
                0
            }
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// The kernel's release callback: the file is one that `open` accepted, and nobody else has it
    /// any more.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `open` put it there, nobody borrows it any more, and this runs once.
        let device = unsafe { Pin::<KBox<T>>::from_foreign((*file).private_data) };
        device.release();
        0
    }

    /// # Safety
    ///
    /// The kernel's ioctl callback.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: the kernel calls this on a file that `open` accepted, which stays open during the
        // call.
        let device = unsafe { Self::device(file) };
        let asker = Asker {
            file,
            _lifetime: PhantomData,
        };
        match device.ioctl(&asker, cmd, arg as u64) {
            Ok(value) => value,
            Err(e) => e.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// The kernel's poll callback.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: the kernel calls this on a file that `open` accepted, and its device is there
        // until `release` has begun.
        let device = unsafe { Self::device(file) };
        device.poll(Poll {
            file,
            table,
            _until_release: PhantomData,
        })
    }

    /// # Safety
    ///
    /// The kernel's mmap callback.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: the kernel calls this on a file that `open` accepted, which stays open during the
        // call.
        let device = unsafe { Self::device(file) };
        // SAFETY: the kernel calls this with an area that it sets up: it is not in its address
        // space yet, whose lock the caller holds for writing (mm/vma.c, `__mmap_new_file_vma`).
        let area = unsafe { VmaNew::from_raw(vma) };
        // SAFETY: the area is there during the call, and is written by the caller alone, who waits
        // for us.
        let pages = unsafe { (*vma).vm_pgoff };
        if let Err(e) = Self::may_map(device, area, pages) {
            return e.to_errno();
        }
        // SAFETY: the area is being set up, which is when a driver chooses its operations; nobody
        // looks at them before this returns. They are static, and the file, which the area keeps,
        // keeps the module.
        unsafe { (*vma).vm_ops = &Self::VM_OPS };
        0
    }

    /// Whether the area lies inside the device's memory and is of the one useful kind: shared, and
    /// not executable. Nothing is mapped yet: pages come when they are touched.
    fn may_map(device: &T, area: &VmaNew, first_page: usize) -> Result {
        let memory = device.memory().ok_or(EINVAL)?;
        let len = area.end().checked_sub(area.start()).ok_or(EINVAL)?;
        let end = first_page
            .checked_mul(kernel::page::PAGE_SIZE)
            .and_then(|start| start.checked_add(len))
            .ok_or(EINVAL)?;
        if end as u64 > memory.bytes() {
            return Err(EINVAL);
        }
        // A private mapping that may be written would show the process a copy of its own: it would
        // fill slots that nobody sees.
        let may_write = area.flags() & flags::MAYWRITE != 0;
        if area.flags() & flags::SHARED == 0 && may_write {
            return Err(EINVAL);
        }
        area.try_clear_mayexec()?;
        area.set_dontexpand();
        area.set_dontdump();
        if may_write {
            device.will_be_written(area.mm());
        }
        Ok(())
    }

    /// An area has come into being by another one that `mmap` accepted: the child's, in fork(2), or
    /// a part of the same process's.
    ///
    /// # Safety
    ///
    /// The kernel's open callback on such an area.
    unsafe extern "C" fn copied(area: *mut bindings::vm_area_struct) {
        // SAFETY: the area's file is that of the area that it came from, which keeps it open during
        // the call: one of ours, since its operations are. All who call this hold the lock of the
        // area's address space for writing (mm/mmap.c, `dup_mmap`; mm/vma.c, `__split_vma` and
        // `copy_vma`).
        let (device, area) = unsafe {
            (
                Self::device((*area).vm_file),
                VmaRef::from_raw(area.cast_const()),
            )
        };
        if area.flags() & flags::MAYWRITE != 0 {
            device.will_be_written(area.mm());
        }
    }

    /// # Safety
    ///
    /// The kernel's fault callback on an area that `mmap` accepted.
    unsafe extern "C" fn fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: the fault is in an area that `mmap` accepted, or a copy of one, which keeps its
        // file open: one of ours. Offset and file of an area do not change under the lock that a
        // fault holds.
        let (device, pages) = unsafe {
            let area = (*vmf).__bindgen_anon_1.vma;
            (Self::device((*area).vm_file), (*vmf).__bindgen_anon_1.pgoff)
        };
        let page = pages
            .checked_mul(kernel::page::PAGE_SIZE)
            .and_then(|offset| device.memory()?.page(offset as u64).ok());
        match page {
            Some(page) => {
                // SAFETY: the fault's page is for us to fill in; the kernel takes over the
                // reference that `Backing::page` gave (mm/memory.c, `__do_fault`).
                unsafe { (*vmf).page = page };
                0
            }
            None => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }

    /// # Safety
    ///
    /// The kernel's fdinfo callback.
    unsafe extern "C" fn show(out: *mut bindings::seq_file, file: *mut bindings::file) {
        // SAFETY: the kernel calls this on a file that `open` accepted, which stays open during the
        // call.
        let device = unsafe { Self::device(file) };
        // SAFETY: the kernel calls this with a seq_file of its own, which is ours during the call.
        device.show(unsafe { SeqFile::from_raw(out) });
    }

    const VM_OPS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        open: Some(Self::copied),
        fault: Some(Self::fault),
        ..pin_init::zeroed()
    };

    const FOPS: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: bindings::compat_ptr_ioctl,
        poll: Some(Self::poll),
        mmap: Some(Self::mmap),
        show_fdinfo: Some(Self::show),
        llseek: Some(bindings::noop_llseek),
        ..pin_init::zeroed()
    };
}
