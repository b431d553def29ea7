// SPDX-License-Identifier: MIT OR Apache-2.0

//! A port that the program hands over.

use super::{
    context, list, request,
    rings::{Region, Run},
};
use crate::{
    failure::Fallible,
    memory,
    types::{Nmctx, NmportD},
};
use ferromap_abi::{
    options::{NmreqOptExtmem, NmreqOptOffsets},
    wire::{IfHeader, NmreqOption, NmreqPoolsInfo},
};
use nix::errno::Errno;
use std::{
    ops::{Deref, DerefMut},
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
};

/// A port that nobody else looks at for now.
///
/// # Invariant
///
/// `extmem` and `offsets` are null, or came from [`Handle::add`] and are in the list of options,
/// which is one as `list.rs` describes. Outside of this file nothing of these is changed.
pub(crate) struct Handle<'a>(&'a mut NmportD);

impl Deref for Handle<'_> {
    type Target = NmportD;
    fn deref(&self) -> &NmportD {
        self.0
    }
}

impl DerefMut for Handle<'_> {
    fn deref_mut(&mut self) -> &mut NmportD {
        self.0
    }
}

/// A port in memory of the program's.
pub(crate) fn make(value: NmportD) -> Fallible<*mut NmportD> {
    Ok(context::boxed(value.ctx, value)?.as_ptr())
}

impl Handle<'_> {
    /// The port at an address; none for null.
    ///
    /// # Safety
    ///
    /// `d` is null, or came from [`make`] and is not freed; the program has changed no more of it
    /// than the header allows, and uses it in no other thread now.
    pub(crate) unsafe fn new(d: *mut NmportD) -> Option<Self> {
        // SAFETY: by the contract.
        unsafe { d.as_mut() }.map(Handle)
    }

    /// Frees the port itself.
    pub(crate) fn free(self) {
        let (ctx, d): (*mut Nmctx, *mut NmportD) = (self.0.ctx, self.0);
        // SAFETY: it came from `make`, that is from this context, and nobody uses it any more.
        unsafe { context::give_back(ctx, d.cast()) }
    }

    /// An option in memory of the program's, at the front of the list.
    fn add<T>(&mut self, option: T) -> Fallible<*mut T> {
        let at: NonNull<T> = context::boxed(self.ctx, option)?;
        // SAFETY: every `T` here begins with an option, and stays until `forget`.
        unsafe { list::push(&mut self.0.hdr, at.as_ptr().cast::<NmreqOption>()) };
        Ok(at.as_ptr())
    }

    /// Takes an option that came from [`Self::add`] out of the list and frees it; or null.
    fn forget<T>(&mut self, option: *mut T) {
        if !option.is_null() {
            // SAFETY: the list is one, by the invariant.
            unsafe { list::remove(&mut self.0.hdr, option.cast()) };
            // SAFETY: from `add`, and nowhere any more.
            unsafe { context::give_back(self.0.ctx, option.cast()) }
        }
    }

    /// Sets or takes back the option for memory of the program's.
    pub(crate) fn set_extmem(&mut self, option: Option<NmreqOptExtmem>) -> Fallible {
        self.forget(self.0.extmem);
        self.0.extmem = ptr::null_mut();
        if let Some(option) = option {
            self.0.extmem = self.add(option)?;
        }
        Ok(())
    }

    pub(crate) fn extmem(&self) -> Option<&NmreqOptExtmem> {
        // SAFETY: null, or the option that `add` has made.
        unsafe { self.0.extmem.as_ref() }
    }

    /// Where the program may ask for sizes, and reads what they came to; or null.
    pub(crate) fn extmem_info(&self) -> *mut NmreqPoolsInfo {
        match NonNull::new(self.0.extmem) {
            // SAFETY: a field of the option that `add` has made.
            Some(option) => unsafe { &raw mut (*option.as_ptr()).nro_info },
            None => ptr::null_mut(),
        }
    }

    /// Sets or takes back the option for offsets.
    pub(crate) fn set_offsets(&mut self, option: Option<NmreqOptOffsets>) -> Fallible {
        self.forget(self.0.offsets);
        self.0.offsets = ptr::null_mut();
        if let Some(option) = option {
            self.0.offsets = self.add(option)?;
        }
        Ok(())
    }

    pub(crate) fn offsets(&self) -> Option<&NmreqOptOffsets> {
        // SAFETY: null, or the option that `add` has made.
        unsafe { self.0.offsets.as_ref() }
    }

    /// Types and statuses of all options.
    pub(crate) fn statuses(&self) -> Vec<(u32, u32)> {
        // SAFETY: the list is one, by the invariant.
        unsafe { list::all(&self.0.hdr) }
    }

    pub(crate) fn request(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        // SAFETY: ours are whole, and the program's are its own promise.
        unsafe { request::register(fd, self.0) }
    }

    fn region(&self) -> Option<Region> {
        // SAFETY: what is mapped stays until this port releases it, for which it must be had
        // mutably; the value goes before.
        memory::place(self.0.mem).map(|place| unsafe { Region::new(place) })
    }

    /// The address of the netmap_if, and the rings that are bound.
    pub(crate) fn bound(&self) -> Option<(*mut IfHeader, Run, Run)> {
        self.region()?.bound(self.0.reg.nr_offset)
    }

    /// Puts a frame into transmit ring `number`, if there is room.
    pub(crate) fn inject(&self, number: u16, frame: &[u8]) -> bool {
        let nifp = self.0.nifp.addr();
        let region = self.region();
        region.is_some_and(|region| region.inject(nifp, number, frame))
    }
}
