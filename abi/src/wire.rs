// SPDX-License-Identifier: MIT OR Apache-2.0

//! Structures that cross the border between a program and the kernel, in host byte order, as a
//! 64-bit process lays them out. Every size and every offset is asserted below its structure.
//!
//! [`Plain`] marks those that any pattern of bytes makes valid and that have no padding, so that
//! both sides may copy them as bytes.

// All that this crate says `unsafe` for, here and by `plain!` in `ext`: that a layout is plain.
#![allow(unsafe_code)]

use super::consts::{IFNAMSIZ, NETMAP_REQ_IFNAMSIZ, NM_IFRDATA_LEN};

/// A structure that may be copied from and to untrusted memory byte by byte.
///
/// # Safety
///
/// Every bit pattern must be a valid value, and the type must have no padding bytes.
pub unsafe trait Plain: Copy + 'static {
    /// The value whose bytes are all zero.
    fn zeroed() -> Self {
        // SAFETY: every bit pattern is a valid value of a `Plain` type.
        unsafe { core::mem::zeroed() }
    }
}

/// Bytes of a field, given how to reach it.
#[allow(
    dead_code,
    reason = "rustc 1.85 does not see what unnamed constants use"
)]
pub(crate) const fn width<T, F>(_: fn(&T) -> &F) -> usize {
    core::mem::size_of::<F>()
}

/// Asserts the layout of a structure, field by field, and makes it [`Plain`]. All fields must be
/// named: together they have as many bytes as the structure, so that nothing in it is padding.
macro_rules! plain {
    ($t:ident, $size:literal, align $align:literal; $($field:ident @ $off:literal),* $(,)?) => {
        const _: () = {
            assert!(core::mem::size_of::<$t>() == $size);
            assert!(core::mem::align_of::<$t>() == $align);
            $(assert!(core::mem::offset_of!($t, $field) == $off);)*
            assert!(0 $(+ $crate::abi::wire::width::<$t, _>(|all| &all.$field))* == $size);
        };
        // SAFETY: integers, arrays of integers and plain structures only, and the fields' sizes add
        // up to the asserted size.
        unsafe impl $crate::abi::wire::Plain for $t {}
    };
}
pub(crate) use plain;

/// `struct netmap_slot`: one packet, or one fragment of a packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "netmap_slot")]
pub struct Slot {
    /// Index of the buffer in the region.
    pub buf_idx: u32,
    /// Bytes in this slot.
    pub len: u16,
    /// `NS_*`.
    pub flags: u16,
    /// User address with `NS_INDIRECT`, packet offset with the offsets option, else the program's.
    pub ptr: u64,
}
plain!(Slot, 16, align 8; buf_idx @ 0, len @ 4, flags @ 6, ptr @ 8);

/// `struct netmap_ring`: the header of a ring; its slots follow at [`RingHeader::SLOTS`].
#[repr(C, align(128))]
#[derive(Clone, Copy)]
#[doc(alias = "netmap_ring")]
pub struct RingHeader {
    /// From the start of this ring to buffer 0, in bytes.
    pub buf_ofs: i64,
    pub num_slots: u32,
    /// Bytes of every buffer of the region.
    pub nr_buf_size: u32,
    /// Index of the ring in its direction; host rings continue after the NIC rings.
    pub ringid: u16,
    /// `RING_DIR_*`.
    pub dir: u16,
    /// First slot that belongs to the program. Written by the program.
    pub head: u32,
    /// Where the program wants to be woken. Written by the program.
    pub cur: u32,
    /// First slot that belongs to the kernel. Written by the kernel.
    pub tail: u32,
    /// `NR_TIMESTAMP`, `NR_FORWARD`. Written by the program.
    pub flags: u32,
    pub pad0: u32,
    /// Wall clock of the last receive sync: seconds, microseconds.
    pub ts_sec: i64,
    pub ts_usec: i64,
    /// Bits of `slot.ptr` that are a packet offset; 0 without the offsets option.
    pub offset_mask: u64,
    /// Alignment that transmit packets need; 0 for none.
    pub buf_align: u64,
    pub pad1: [u64; 7],
    /// The program's own; the kernel never touches it.
    pub sem: [u8; 128],
}
plain!(RingHeader, 256, align 128; buf_ofs @ 0, num_slots @ 8, nr_buf_size @ 12, ringid @ 16,
    dir @ 18, head @ 20, cur @ 24, tail @ 28, flags @ 32, pad0 @ 36, ts_sec @ 40, ts_usec @ 48,
    offset_mask @ 56, buf_align @ 64, pad1 @ 72, sem @ 128);

impl RingHeader {
    /// Where the slots start, in bytes from the start of the ring.
    pub const SLOTS: usize = core::mem::size_of::<RingHeader>();

    /// Bytes of a ring of `slots` slots.
    pub const fn bytes(slots: u32) -> usize {
        Self::SLOTS + slots as usize * core::mem::size_of::<Slot>()
    }
}

/// `struct netmap_if`: which rings a binding has; the `ring_ofs` array of `i64` follows.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(alias = "netmap_if")]
pub struct IfHeader {
    pub ni_name: [u8; IFNAMSIZ],
    pub ni_version: u32,
    /// `NI_PRIV_MEM`.
    pub ni_flags: u32,
    pub ni_tx_rings: u32,
    pub ni_rx_rings: u32,
    /// First of the extra buffers, 0 for none. Written by both.
    pub ni_bufs_head: u32,
    /// At least 1, also for ports without host rings.
    pub ni_host_tx_rings: u32,
    pub ni_host_rx_rings: u32,
    pub ni_spare1: [u32; 3],
}
plain!(IfHeader, 56, align 4; ni_name @ 0, ni_version @ 16, ni_flags @ 20, ni_tx_rings @ 24,
    ni_rx_rings @ 28, ni_bufs_head @ 32, ni_host_tx_rings @ 36, ni_host_rx_rings @ 40,
    ni_spare1 @ 44);

impl IfHeader {
    /// Where the `ring_ofs` array starts, in bytes from the start of the structure.
    pub const RING_OFS: usize = core::mem::size_of::<IfHeader>();

    /// Bytes of a netmap_if with `rings` entries in `ring_ofs`.
    pub const fn bytes(rings: usize) -> usize {
        Self::RING_OFS + rings * core::mem::size_of::<i64>()
    }
}

/// `struct nmreq_header`: every `NIOCCTRL` request starts here.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(alias = "nmreq_header")]
pub struct NmreqHeader {
    pub nr_version: u16,
    /// `NETMAP_REQ_*`.
    pub nr_reqtype: u16,
    /// Must be 0.
    pub nr_reserved: u32,
    pub nr_name: [u8; NETMAP_REQ_IFNAMSIZ],
    /// User address of the first option, or 0.
    pub nr_options: u64,
    /// User address of the body, or 0.
    pub nr_body: u64,
}
plain!(NmreqHeader, 88, align 8; nr_version @ 0, nr_reqtype @ 2, nr_reserved @ 4, nr_name @ 8,
    nr_options @ 72, nr_body @ 80);

/// `struct nmreq_option`: the head of every option.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_option")]
pub struct NmreqOption {
    /// User address of the next option, or 0.
    pub nro_next: u64,
    /// `NETMAP_REQ_OPT_*`.
    pub nro_reqtype: u32,
    /// 0 when the option was honoured, else an errno. Written by the kernel.
    pub nro_status: u32,
    /// Size of the whole option; only read for options of variable size.
    pub nro_size: u64,
}
plain!(NmreqOption, 24, align 8; nro_next @ 0, nro_reqtype @ 8, nro_status @ 12, nro_size @ 16);

/// `struct nmreq_register`: body of `NETMAP_REQ_REGISTER`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_register")]
pub struct NmreqRegister {
    /// Where this binding's netmap_if is, in bytes from the start of the region. Returned.
    pub nr_offset: u64,
    /// Bytes of the region. Returned.
    pub nr_memsize: u64,
    pub nr_tx_slots: u32,
    pub nr_rx_slots: u32,
    pub nr_tx_rings: u16,
    pub nr_rx_rings: u16,
    pub nr_host_tx_rings: u16,
    pub nr_host_rx_rings: u16,
    /// Region; 0 lets the kernel choose.
    pub nr_mem_id: u16,
    /// Ring number for `NR_REG_ONE_NIC` and `NR_REG_ONE_SW`.
    pub nr_ringid: u16,
    /// `NR_REG_*`.
    pub nr_mode: u32,
    /// Extra buffers: asked for, then obtained.
    pub nr_extra_bufs: u32,
    pub pad: u32,
    /// `NR_*` flags.
    pub nr_flags: u64,
}
plain!(NmreqRegister, 56, align 8; nr_offset @ 0, nr_memsize @ 8, nr_tx_slots @ 16,
    nr_rx_slots @ 20, nr_tx_rings @ 24, nr_rx_rings @ 26, nr_host_tx_rings @ 28,
    nr_host_rx_rings @ 30, nr_mem_id @ 32, nr_ringid @ 34, nr_mode @ 36,
    nr_extra_bufs @ 40, pad @ 44, nr_flags @ 48);

/// `struct nmreq_port_info_get`: body of `NETMAP_REQ_PORT_INFO_GET`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_port_info_get")]
pub struct NmreqPortInfoGet {
    pub nr_memsize: u64,
    pub nr_tx_slots: u32,
    pub nr_rx_slots: u32,
    pub nr_tx_rings: u16,
    pub nr_rx_rings: u16,
    pub nr_host_tx_rings: u16,
    pub nr_host_rx_rings: u16,
    pub nr_mem_id: u16,
    pub pad: [u16; 3],
}
plain!(NmreqPortInfoGet, 32, align 8; nr_memsize @ 0, nr_tx_slots @ 8, nr_rx_slots @ 12,
    nr_tx_rings @ 16, nr_rx_rings @ 18, nr_host_tx_rings @ 20, nr_host_rx_rings @ 22,
    nr_mem_id @ 24, pad @ 26);

/// `struct nmreq_vale_attach`: body of `NETMAP_REQ_VALE_ATTACH`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_vale_attach")]
pub struct NmreqValeAttach {
    pub reg: NmreqRegister,
    pub port_index: u32,
    pub pad1: u32,
}
plain!(NmreqValeAttach, 64, align 8; reg @ 0, port_index @ 56, pad1 @ 60);

/// `struct nmreq_vale_detach`: body of `NETMAP_REQ_VALE_DETACH`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_vale_detach")]
pub struct NmreqValeDetach {
    pub port_index: u32,
    pub pad1: u32,
}
plain!(NmreqValeDetach, 8, align 4; port_index @ 0, pad1 @ 4);

/// `struct nmreq_vale_list`: body of `NETMAP_REQ_VALE_LIST`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_vale_list")]
pub struct NmreqValeList {
    pub nr_bridge_idx: u16,
    pub pad1: u16,
    pub nr_port_idx: u32,
}
plain!(NmreqValeList, 8, align 4; nr_bridge_idx @ 0, pad1 @ 2, nr_port_idx @ 4);

/// `struct nmreq_port_hdr`: body of `NETMAP_REQ_PORT_HDR_SET` and `_GET`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_port_hdr")]
pub struct NmreqPortHdr {
    /// Length of the virtio-net header, in bytes: 0, 10 or 12.
    pub nr_hdr_len: u32,
    pub pad1: u32,
}
plain!(NmreqPortHdr, 8, align 4; nr_hdr_len @ 0, pad1 @ 4);

/// `struct nmreq_vale_newif`: body of `NETMAP_REQ_VALE_NEWIF`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_vale_newif")]
pub struct NmreqValeNewif {
    pub nr_tx_slots: u32,
    pub nr_rx_slots: u32,
    pub nr_tx_rings: u16,
    pub nr_rx_rings: u16,
    pub nr_mem_id: u16,
    pub pad1: u16,
}
plain!(NmreqValeNewif, 16, align 4; nr_tx_slots @ 0, nr_rx_slots @ 4, nr_tx_rings @ 8,
    nr_rx_rings @ 10, nr_mem_id @ 12, pad1 @ 14);

/// `struct nmreq_vale_polling`: body of `NETMAP_REQ_VALE_POLLING_ENABLE` and `_DISABLE`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_vale_polling")]
pub struct NmreqValePolling {
    pub nr_mode: u32,
    pub nr_first_cpu_id: u32,
    pub nr_num_polling_cpus: u32,
    pub pad1: u32,
}
plain!(NmreqValePolling, 16, align 4; nr_mode @ 0, nr_first_cpu_id @ 4, nr_num_polling_cpus @ 8,
    pad1 @ 12);

/// `struct nmreq_pools_info`: body of `NETMAP_REQ_POOLS_INFO_GET`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_pools_info")]
pub struct NmreqPoolsInfo {
    pub nr_memsize: u64,
    pub nr_mem_id: u16,
    pub pad1: [u16; 3],
    pub nr_if_pool_offset: u64,
    pub nr_if_pool_objtotal: u32,
    pub nr_if_pool_objsize: u32,
    pub nr_ring_pool_offset: u64,
    pub nr_ring_pool_objtotal: u32,
    pub nr_ring_pool_objsize: u32,
    pub nr_buf_pool_offset: u64,
    pub nr_buf_pool_objtotal: u32,
    pub nr_buf_pool_objsize: u32,
}
plain!(NmreqPoolsInfo, 64, align 8; nr_memsize @ 0, nr_mem_id @ 8, pad1 @ 10,
    nr_if_pool_offset @ 16, nr_if_pool_objtotal @ 24, nr_if_pool_objsize @ 28,
    nr_ring_pool_offset @ 32, nr_ring_pool_objtotal @ 40, nr_ring_pool_objsize @ 44,
    nr_buf_pool_offset @ 48, nr_buf_pool_objtotal @ 56, nr_buf_pool_objsize @ 60);

/// `struct nmreq_sync_kloop_start`: body of `NETMAP_REQ_SYNC_KLOOP_START`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq_sync_kloop_start")]
pub struct NmreqSyncKloopStart {
    pub sleep_us: u32,
    pub pad1: u32,
}
plain!(NmreqSyncKloopStart, 8, align 4; sleep_us @ 0, pad1 @ 4);

/// `struct nmreq`: argument of the legacy `NIOCREGIF` and `NIOCGINFO`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "nmreq")]
pub struct Nmreq {
    pub nr_name: [u8; IFNAMSIZ],
    pub nr_version: u32,
    pub nr_offset: u32,
    /// Bytes of the region, its low 32 bits.
    pub nr_memsize: u32,
    pub nr_tx_slots: u32,
    pub nr_rx_slots: u32,
    pub nr_tx_rings: u16,
    pub nr_rx_rings: u16,
    /// Ring number and old flags (`NETMAP_RING_MASK`, `NETMAP_HW_RING`, ...).
    pub nr_ringid: u16,
    /// 0 or `NETMAP_BDG_*`.
    pub nr_cmd: u16,
    pub nr_arg1: u16,
    /// Region.
    pub nr_arg2: u16,
    /// Extra buffers.
    pub nr_arg3: u32,
    /// Mode in the low four bits, then the `NR_*` flags.
    pub nr_flags: u32,
    pub spare2: u32,
}
plain!(Nmreq, 60, align 4; nr_name @ 0, nr_version @ 16, nr_offset @ 20, nr_memsize @ 24,
    nr_tx_slots @ 28, nr_rx_slots @ 32, nr_tx_rings @ 36, nr_rx_rings @ 38, nr_ringid @ 40,
    nr_cmd @ 42, nr_arg1 @ 44, nr_arg2 @ 46, nr_arg3 @ 48, nr_flags @ 52, spare2 @ 56);

/// `struct nm_ifreq`: argument of the legacy `NIOCCONFIG`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "nm_ifreq")]
pub struct NmIfreq {
    pub nifr_name: [u8; IFNAMSIZ],
    pub data: [u8; NM_IFRDATA_LEN],
}
plain!(NmIfreq, 272, align 1; nifr_name @ 0, data @ 16);
