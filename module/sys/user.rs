// SPDX-License-Identifier: GPL-2.0

//! Copies from and to the calling process.

use crate::abi::wire::Plain;
use core::mem::{size_of, MaybeUninit};
use kernel::{
    bindings,
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};

/// Fetches a structure, once, into a private copy. `EFAULT` if the process cannot read it.
pub(crate) fn read<T: Plain>(addr: u64) -> Result<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the slice covers `value`, and uninitialised bytes are what it is of.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(
            value.as_mut_ptr().cast::<MaybeUninit<u8>>(),
            size_of::<T>(),
        )
    };
    slice(addr, size_of::<T>())?.reader().read_raw(bytes)?;
    // SAFETY: `read_raw` filled every byte, and every pattern of bytes is a `Plain` value.
    Ok(unsafe { value.assume_init() })
}

/// Fetches bytes, once. `EFAULT` if the process cannot read them.
pub(crate) fn read_bytes(addr: u64, out: &mut [u8]) -> Result {
    slice(addr, out.len())?.reader().read_slice(out)
}

/// Writes a structure. `EFAULT` if the process cannot write there.
pub(crate) fn write<T: Plain>(addr: u64, value: &T) -> Result {
    // SAFETY: a `Plain` value has no padding, so each of its bytes is initialised.
    let bytes = unsafe {
        core::slice::from_raw_parts(core::ptr::from_ref(value).cast::<u8>(), size_of::<T>())
    };
    slice(addr, bytes.len())?.writer().write_slice(bytes)
}

fn slice(addr: u64, len: usize) -> Result<UserSlice> {
    let addr = usize::try_from(addr).map_err(|_| EFAULT)?;
    Ok(UserSlice::new(UserPtr::from_addr(addr), len))
}

/// Whether there is a process to copy from: kernel threads have none, and would see that of whoever ran before.
pub(crate) fn is_there() -> bool {
    // SAFETY: the running task's own flags.
    unsafe { (*bindings::get_current()).flags & bindings::PF_KTHREAD == 0 }
}

/// Brings the process's pages in, so that a copy that may not sleep finds them. May sleep. What is not
/// there to be brought in is noticed by that copy.
pub(crate) fn fault_in(addr: u64, len: usize) {
    // SAFETY: looks at the process's own memory only, and copes with any address.
    unsafe { bindings::fault_in_readable(addr as usize as *const c_char, len) };
}

/// Fetches up to 16 bytes without sleeping: `EFAULT` also where the page would first have to be brought in.
/// Bytes past `len` are zero.
pub(crate) fn read_head(addr: u64, len: usize) -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: `bytes` is ours to write.
    unsafe { read_atomic(bytes.as_mut_ptr(), addr, len.min(16))? };
    Ok(bytes)
}

/// Fetches bytes without sleeping, as [`read_head`], into memory.
///
/// # Safety
///
/// `to` must be valid for writing `len` bytes.
pub(crate) unsafe fn read_atomic(to: *mut u8, addr: u64, len: usize) -> Result {
    // SAFETY: `to` as promised by the caller; any user address is coped with.
    let ret =
        unsafe { bindings::copy_from_user_nofault(to.cast(), addr as usize as *const c_void, len) };
    kernel::error::to_result(ret as i32)
}
