// SPDX-License-Identifier: MIT OR Apache-2.0

//! Structures and numbers against the tables of the interface, copied out once more: a slip of the
//! pen beside a structure would have to be made here too.

use core::mem::{offset_of, size_of};
use ferromap_abi::{consts::*, ext::NmreqWhy, options::*, wire::*};

/// What `_IOC` of the kernel's `asm-generic/ioctl.h` makes of it.
fn ioc(dir: u32, nr: u32, size: usize) -> u32 {
    let size = u32::try_from(size).unwrap();
    dir * (1 << 30) + size * (1 << 16) + 0x69 * (1 << 8) + nr
}

#[test]
fn ioctl_numbers_are_those_of_c_programs() {
    let table = [
        (NIOCTXSYNC, 0x6994, ioc(0, 148, 0)),
        (NIOCRXSYNC, 0x6995, ioc(0, 149, 0)),
        (NIOCCTRL, 0xC058_6997, ioc(3, 151, size_of::<NmreqHeader>())),
        (NIOCREGIF, 0xC03C_6992, ioc(3, 146, size_of::<Nmreq>())),
        (NIOCGINFO, 0xC03C_6991, ioc(3, 145, size_of::<Nmreq>())),
        (NIOCCONFIG, 0xC110_6996, ioc(3, 150, 16 + 256)),
    ];
    for (ours, documented, computed) in table {
        assert_eq!((ours, ours), (documented, computed), "{documented:#x}");
    }
}

macro_rules! offsets {
    ($t:ident: $($field:ident $off:literal),*) => {
        $(
            let field = concat!(stringify!($t), ".", stringify!($field));
            assert_eq!(offset_of!($t, $field), $off, "{field}");
        )*
    };
}

#[test]
fn fields_lie_where_c_programs_look_for_them() {
    offsets!(Slot: buf_idx 0, len 4, flags 6, ptr 8);
    offsets!(RingHeader: buf_ofs 0, num_slots 8, nr_buf_size 12, ringid 16, dir 18, head 20, cur 24,
        tail 28, flags 32, ts_sec 40, ts_usec 48, offset_mask 56, buf_align 64, sem 128);
    offsets!(IfHeader: ni_name 0, ni_version 16, ni_flags 20, ni_tx_rings 24, ni_rx_rings 28,
        ni_bufs_head 32, ni_host_tx_rings 36, ni_host_rx_rings 40, ni_spare1 44);
    offsets!(Nmreq: nr_name 0, nr_version 16, nr_offset 20, nr_memsize 24, nr_tx_slots 28,
        nr_rx_slots 32, nr_tx_rings 36, nr_rx_rings 38, nr_ringid 40, nr_cmd 42, nr_arg1 44,
        nr_arg2 46, nr_arg3 48, nr_flags 52, spare2 56);
    offsets!(NmreqHeader: nr_version 0, nr_reqtype 2, nr_reserved 4, nr_name 8, nr_options 72,
        nr_body 80);
    offsets!(NmreqOption: nro_next 0, nro_reqtype 8, nro_status 12, nro_size 16);
    offsets!(NmreqRegister: nr_offset 0, nr_memsize 8, nr_tx_slots 16, nr_rx_slots 20,
        nr_tx_rings 24, nr_rx_rings 26, nr_host_tx_rings 28, nr_host_rx_rings 30, nr_mem_id 32,
        nr_ringid 34, nr_mode 36, nr_extra_bufs 40, nr_flags 48);
    offsets!(NmreqPortInfoGet: nr_memsize 0, nr_tx_slots 8, nr_rx_slots 12, nr_tx_rings 16,
        nr_rx_rings 18, nr_host_tx_rings 20, nr_host_rx_rings 22, nr_mem_id 24);
    offsets!(NmreqValeAttach: reg 0, port_index 56);
    offsets!(NmreqValeDetach: port_index 0);
    offsets!(NmreqValeList: nr_bridge_idx 0, nr_port_idx 4);
    offsets!(NmreqPortHdr: nr_hdr_len 0);
    offsets!(NmreqValeNewif: nr_tx_slots 0, nr_rx_slots 4, nr_tx_rings 8, nr_rx_rings 10,
        nr_mem_id 12);
    offsets!(NmreqOptExtmem: nro_usrptr 24, nro_info 32);
    offsets!(NmreqOptCsb: csb_atok 24, csb_ktoa 32);
    offsets!(NmreqOptSyncKloopMode: mode 24);
    offsets!(NmreqOptOffsets: nro_max_offset 24, nro_initial_offset 32, nro_offset_bits 40,
        nro_tx_align 44, nro_min_gap 48);
    offsets!(NmKloopEventfds: ioeventfd 0, irqfd 4);
    offsets!(NmCsbAtok: head 0, cur 4, appl_need_kick 8, sync_flags 12);
    offsets!(NmCsbKtoa: hwcur 0, hwtail 4, kern_need_kick 8);
    offsets!(NmIfreq: nifr_name 0, data 16);
    offsets!(NmreqValePolling: nr_mode 0, nr_first_cpu_id 4, nr_num_polling_cpus 8);
    offsets!(NmreqPoolsInfo: nr_memsize 0, nr_mem_id 8, nr_if_pool_offset 16,
        nr_if_pool_objtotal 24, nr_if_pool_objsize 28, nr_ring_pool_offset 32,
        nr_ring_pool_objtotal 40, nr_ring_pool_objsize 44, nr_buf_pool_offset 48,
        nr_buf_pool_objtotal 56, nr_buf_pool_objsize 60);
    offsets!(NmreqSyncKloopStart: sleep_us 0);
    offsets!(NmreqOptCsb: csb_atok 24, csb_ktoa 32);
    offsets!(NmreqOptSyncKloopMode: mode 24);
    offsets!(NmKloopEventfds: ioeventfd 0, irqfd 4);
    offsets!(NmCsbAtok: head 0, cur 4, appl_need_kick 8, sync_flags 12);
    offsets!(NmCsbKtoa: hwcur 0, hwtail 4, kern_need_kick 8);
}

#[test]
fn requests_have_the_sizes_that_the_kernel_copies() {
    let table = [
        (size_of::<NmreqHeader>(), 88),
        (size_of::<NmreqOption>(), 24),
        (size_of::<NmreqRegister>(), 56),
        (size_of::<NmreqPortInfoGet>(), 32),
        (size_of::<NmreqValeAttach>(), 64),
        (size_of::<NmreqValeDetach>(), 8),
        (size_of::<NmreqValeList>(), 8),
        (size_of::<NmreqPortHdr>(), 8),
        (size_of::<NmreqValeNewif>(), 16),
        (size_of::<NmreqValePolling>(), 16),
        (size_of::<NmreqPoolsInfo>(), 64),
        (size_of::<NmreqSyncKloopStart>(), 8),
        (size_of::<NmreqOptCsb>(), 40),
        (size_of::<NmreqOptSyncKloopMode>(), 32),
        (size_of::<NmKloopEventfds>(), 8),
        (size_of::<NmCsbAtok>(), 64),
        (size_of::<NmCsbKtoa>(), 64),
        (size_of::<Nmreq>(), 60),
        (size_of::<NmreqWhy>(), 256),
    ];
    for (i, (ours, documented)) in table.into_iter().enumerate() {
        assert_eq!(ours, documented, "row {i}");
        assert!(ours <= NETMAP_REQ_MAXSIZE);
    }
}

#[test]
fn rings_and_interfaces_grow_by_a_slot_and_an_offset() {
    assert_eq!(size_of::<Slot>(), 16);
    for slots in [0, 1, 2, 1024, 4096, 1 << 20] {
        assert_eq!(RingHeader::bytes(slots), 256 + 16 * slots as usize);
    }
    assert_eq!(RingHeader::bytes(u32::MAX), 256 + 16 * 0xffff_ffff);
    for rings in [0, 1, 4, 34] {
        assert_eq!(IfHeader::bytes(rings), 56 + 8 * rings);
    }
}

#[test]
fn flags_and_modes_have_their_documented_values() {
    let flags = [
        NS_BUF_CHANGED,
        NS_REPORT,
        NS_FORWARD,
        NS_NO_LEARN,
        NS_INDIRECT,
        NS_MOREFRAG,
        NS_TXMON,
    ];
    for (bit, flag) in flags.into_iter().enumerate() {
        assert_eq!(flag, 1 << bit);
    }
    let flags = [NR_MONITOR_TX, NR_MONITOR_RX, NR_ZCOPY_MON, NR_EXCLUSIVE];
    assert_eq!(flags, [0x100, 0x200, 0x400, 0x800]);
    let flags = [
        NR_RX_RINGS_ONLY,
        NR_TX_RINGS_ONLY,
        NR_ACCEPT_VNET_HDR,
        NR_DO_RX_POLL,
        NR_NO_TX_POLL,
    ];
    assert_eq!(flags, [0x2000, 0x4000, 0x8000, 0x10000, 0x20000]);
    let modes = [
        NR_REG_DEFAULT,
        NR_REG_ALL_NIC,
        NR_REG_SW,
        NR_REG_NIC_SW,
        NR_REG_ONE_NIC,
        NR_REG_PIPE_MASTER,
        NR_REG_PIPE_SLAVE,
        NR_REG_NULL,
        NR_REG_ONE_SW,
    ];
    assert!(modes.into_iter().eq(0..9));
    let options = [
        NETMAP_REQ_OPT_EXTMEM,
        NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
        NETMAP_REQ_OPT_CSB,
        NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
        NETMAP_REQ_OPT_OFFSETS,
        NETMAP_REQ_OPT_MAX,
    ];
    assert!(options.into_iter().eq(1..7));
    let legacy = [
        NETMAP_RING_MASK,
        NETMAP_NO_TX_POLL,
        NETMAP_SW_RING,
        NETMAP_HW_RING,
        NETMAP_DO_RX_POLL,
    ];
    assert_eq!(legacy, [0x0fff, 0x1000, 0x2000, 0x4000, 0x8000]);
}
