// SPDX-License-Identifier: MIT OR Apache-2.0

//! The structures that `include/libnetmap.h` has beside those of the interface.

use ferromap_abi::{
    options::{NmreqOptExtmem, NmreqOptOffsets},
    wire::{IfHeader, NmreqHeader, NmreqRegister, Plain},
};
use std::ffi::{c_char, c_int, c_void};

/// Asserts where the fields are. A test reads these lines, and compares them with the header.
macro_rules! layout {
    ($t:ident, $size:literal, align $align:literal; $($field:ident @ $off:literal),* $(,)?) => {
        const _: () = {
            assert!(size_of::<$t>() == $size && align_of::<$t>() == $align);
            $(assert!(std::mem::offset_of!($t, $field) == $off);)*
        };
    };
}

/// A port. The program may have changed any of it.
#[repr(C)]
pub(crate) struct NmportD {
    pub(crate) hdr: NmreqHeader,
    pub(crate) reg: NmreqRegister,
    pub(crate) mem: *const NmemD,
    pub(crate) ctx: *mut Nmctx,
    pub(crate) register_done: c_int,
    pub(crate) mmap_done: c_int,
    pub(crate) extmem: *mut NmreqOptExtmem,
    pub(crate) offsets: *mut NmreqOptOffsets,
    pub(crate) nifp: *mut IfHeader,
    pub(crate) first_tx_ring: u16,
    pub(crate) last_tx_ring: u16,
    pub(crate) first_rx_ring: u16,
    pub(crate) last_rx_ring: u16,
    pub(crate) cur_tx_ring: u16,
    pub(crate) cur_rx_ring: u16,
    pub(crate) fd: c_int,
    /// What `reg` was before it was returned.
    pub(crate) asked: NmreqRegister,
}
layout!(NmportD, 264, align 8; hdr @ 0, reg @ 88, mem @ 144, ctx @ 152, register_done @ 160,
    mmap_done @ 164, extmem @ 168, offsets @ 176, nifp @ 184, first_tx_ring @ 192,
    last_tx_ring @ 194, first_rx_ring @ 196, last_rx_ring @ 198, cur_tx_ring @ 200,
    cur_rx_ring @ 202, fd @ 204, asked @ 208);

impl NmportD {
    /// A port that is nothing yet.
    pub(crate) fn new(ctx: *mut Nmctx) -> Self {
        NmportD {
            hdr: NmreqHeader::zeroed(),
            reg: NmreqRegister::default(),
            mem: std::ptr::null(),
            ctx,
            register_done: 0,
            mmap_done: 0,
            extmem: std::ptr::null_mut(),
            offsets: std::ptr::null_mut(),
            nifp: std::ptr::null_mut(),
            first_tx_ring: 1,
            last_tx_ring: 0,
            first_rx_ring: 1,
            last_rx_ring: 0,
            cur_tx_ring: 0,
            cur_rx_ring: 0,
            fd: -1,
            asked: NmreqRegister::default(),
        }
    }
}

/// Memory of a region, for programs to look at; `memory.rs` has what it is.
#[repr(C)]
pub(crate) struct NmemD {
    pub(crate) mem_id: u16,
    pub(crate) is_extmem: c_int,
    pub(crate) refcount: c_int,
    /// The address, as a number: nothing here follows it.
    pub(crate) mem: usize,
    pub(crate) size: usize,
}
layout!(NmemD, 32, align 8; mem_id @ 0, is_extmem @ 4, refcount @ 8, mem @ 16, size @ 24);

pub(crate) type ErrorCb = unsafe extern "C" fn(*mut Nmctx, *const c_char);
pub(crate) type MallocCb = unsafe extern "C" fn(*mut Nmctx, usize) -> *mut c_void;
pub(crate) type FreeCb = unsafe extern "C" fn(*mut Nmctx, *mut c_void);
pub(crate) type LockCb = unsafe extern "C" fn(*mut Nmctx, c_int);

/// What the program brings along.
#[repr(C)]
pub(crate) struct Nmctx {
    pub(crate) verbose: c_int,
    pub(crate) error: Option<ErrorCb>,
    pub(crate) malloc: Option<MallocCb>,
    pub(crate) free: Option<FreeCb>,
    pub(crate) lock: Option<LockCb>,
}
layout!(Nmctx, 40, align 8; verbose @ 0, error @ 8, malloc @ 16, free @ 24, lock @ 32);
