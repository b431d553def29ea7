// SPDX-License-Identifier: MIT OR Apache-2.0

//! Options of requests, as a program puts them into a list behind
//! [`NmreqHeader::nr_options`](super::wire::NmreqHeader), and the memory of CSB mode that one of
//! them names (sections 2.10 and 2.11 of the interface). C programs know them under the same names
//! in small letters.

use super::wire::{plain, NmreqOption, NmreqPoolsInfo};

/// `NETMAP_REQ_OPT_EXTMEM`: the region is made of the program's memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqOptExtmem {
    pub nro_opt: NmreqOption,
    /// Where it starts, as the program has it mapped.
    pub nro_usrptr: u64,
    /// Its bytes (`nr_memsize`), and how many objects of which size are wanted, 0 for the default.
    /// Returned with what they came to.
    pub nro_info: NmreqPoolsInfo,
}

/// `NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS`; a [`NmKloopEventfds`] for each bound ring follows,
/// transmit rings first, and `nro_size` counts all of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqOptSyncKloopEventfds {
    pub nro_opt: NmreqOption,
}

/// How a kernel loop and the program wake each other about one ring; -1 for not at all.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmKloopEventfds {
    /// Eventfd that the program writes to wake the loop.
    pub ioeventfd: i32,
    /// Eventfd that the loop writes to wake the program.
    pub irqfd: i32,
}

/// `NETMAP_REQ_OPT_CSB`: where `head`, `cur` and `tail` of the rings are from now on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqOptCsb {
    pub nro_opt: NmreqOption,
    /// User address of an array of [`NmCsbAtok`], one for each bound ring, transmit rings first.
    pub csb_atok: u64,
    /// The same of [`NmCsbKtoa`].
    pub csb_ktoa: u64,
}

/// `NETMAP_REQ_OPT_SYNC_KLOOP_MODE`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqOptSyncKloopMode {
    pub nro_opt: NmreqOption,
    /// `NM_OPT_SYNC_KLOOP_DIRECT_*`.
    pub mode: u32,
    pub pad1: u32,
}

/// `NETMAP_REQ_OPT_OFFSETS`: frames do not start where their buffers do.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmreqOptOffsets {
    pub nro_opt: NmreqOption,
    /// Largest offset, in bytes; returned with the one that holds.
    pub nro_max_offset: u64,
    /// What all slots start with.
    pub nro_initial_offset: u64,
    /// How many low bits of `slot.ptr` are the offset; 0 for all.
    pub nro_offset_bits: u32,
    /// Not used.
    pub nro_tx_align: u32,
    /// Bytes to the next frame where several share a buffer; 0 if they do not.
    pub nro_min_gap: u64,
}

/// What a program tells of a ring in CSB mode.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmCsbAtok {
    pub head: u32,
    pub cur: u32,
    /// Not 0 where the program wants to be woken.
    pub appl_need_kick: u32,
    /// Flags of the sync.
    pub sync_flags: u32,
    pub pad: [u32; 12],
}

/// What the kernel tells of a ring in CSB mode.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NmCsbKtoa {
    pub hwcur: u32,
    pub hwtail: u32,
    /// Not 0 where the kernel wants to be woken.
    pub kern_need_kick: u32,
    pub pad: [u32; 13],
}

#[allow(unsafe_code)]
mod layout {
    use super::*;
    plain!(NmreqOptExtmem, 96, align 8; nro_opt @ 0, nro_usrptr @ 24, nro_info @ 32);
    plain!(NmreqOptSyncKloopEventfds, 24, align 8; nro_opt @ 0);
    plain!(NmKloopEventfds, 8, align 4; ioeventfd @ 0, irqfd @ 4);
    plain!(NmreqOptCsb, 40, align 8; nro_opt @ 0, csb_atok @ 24, csb_ktoa @ 32);
    plain!(NmreqOptSyncKloopMode, 32, align 8; nro_opt @ 0, mode @ 24, pad1 @ 28);
    plain!(NmreqOptOffsets, 56, align 8; nro_opt @ 0, nro_max_offset @ 24,
        nro_initial_offset @ 32, nro_offset_bits @ 40, nro_tx_align @ 44, nro_min_gap @ 48);
    plain!(NmCsbAtok, 64, align 4; head @ 0, cur @ 4, appl_need_kick @ 8, sync_flags @ 12,
        pad @ 16);
    plain!(NmCsbKtoa, 64, align 4; hwcur @ 0, hwtail @ 4, kern_need_kick @ 8, pad @ 12);
}
