// SPDX-License-Identifier: MIT OR Apache-2.0

//! Numbers of the netmap API, under their netmap names.

/// Lowest and highest `nr_version` that `NIOCCTRL` accepts; both mean the same interface.
pub const NETMAP_MIN_API: u16 = 14;
/// See [`NETMAP_MIN_API`].
pub const NETMAP_MAX_API: u16 = 15;
/// The version that programs should put into `nr_version`.
pub const NETMAP_API: u16 = 14;

/// Size of `nr_name` in a [`NmreqHeader`](super::wire::NmreqHeader), with its closing NUL.
pub const NETMAP_REQ_IFNAMSIZ: usize = 64;
/// Most bytes of a request's body and options together.
pub const NETMAP_REQ_MAXSIZE: usize = 4096;
/// Size of a Linux interface name, with its closing NUL.
pub const IFNAMSIZ: usize = 16;
/// Size of `data` in a [`NmIfreq`](super::wire::NmIfreq).
pub const NM_IFRDATA_LEN: usize = 256;
/// Alignment of what both sides of a ring write, in bytes.
pub const NM_CACHE_ALIGN: usize = 128;
/// Longest chain of slots that makes one packet.
pub const NETMAP_MAX_FRAGS: usize = 64;
/// Buffer indexes below this are never handed out: 0 means "no buffer", 1 is kept back.
pub const NETMAP_RESERVED_BUFS: u32 = 2;
/// Shortest frame that carries an Ethernet header, in bytes.
pub const ETH_HLEN: usize = 14;

const fn ioc(dir: u32, nr: u32, size: usize) -> u32 {
    (dir << 30) | ((size as u32) << 16) | ((b'i' as u32) << 8) | nr
}
const NONE: u32 = 0;
const READ_WRITE: u32 = 3;

/// Legacy: information on a port; argument [`Nmreq`](super::wire::Nmreq).
pub const NIOCGINFO: u32 = ioc(READ_WRITE, 145, 60);
/// Legacy: bind the file to a port; argument [`Nmreq`](super::wire::Nmreq).
pub const NIOCREGIF: u32 = ioc(READ_WRITE, 146, 60);
/// Send what is ready on the bound transmit rings; no argument.
pub const NIOCTXSYNC: u32 = ioc(NONE, 148, 0);
/// Give back released slots and take new packets on the bound receive rings; no argument.
pub const NIOCRXSYNC: u32 = ioc(NONE, 149, 0);
/// Configuration of in-kernel switch extensions; argument
/// [`NmIfreq`](super::wire::NmIfreq).
pub const NIOCCONFIG: u32 = ioc(READ_WRITE, 150, 272);
/// A control request; argument [`NmreqHeader`](super::wire::NmreqHeader).
pub const NIOCCTRL: u32 = ioc(READ_WRITE, 151, 88);

const _: () = {
    assert!(NIOCGINFO == 0xC03C_6991);
    assert!(NIOCREGIF == 0xC03C_6992);
    assert!(NIOCTXSYNC == 0x6994);
    assert!(NIOCRXSYNC == 0x6995);
    assert!(NIOCCONFIG == 0xC110_6996);
    assert!(NIOCCTRL == 0xC058_6997);
};

// Request types (`nr_reqtype`).
pub const NETMAP_REQ_REGISTER: u16 = 1;
pub const NETMAP_REQ_PORT_INFO_GET: u16 = 2;
pub const NETMAP_REQ_VALE_ATTACH: u16 = 3;
pub const NETMAP_REQ_VALE_DETACH: u16 = 4;
pub const NETMAP_REQ_VALE_LIST: u16 = 5;
pub const NETMAP_REQ_PORT_HDR_SET: u16 = 6;
pub const NETMAP_REQ_PORT_HDR_GET: u16 = 7;
pub const NETMAP_REQ_VALE_NEWIF: u16 = 8;
pub const NETMAP_REQ_VALE_DELIF: u16 = 9;
pub const NETMAP_REQ_VALE_POLLING_ENABLE: u16 = 10;
pub const NETMAP_REQ_VALE_POLLING_DISABLE: u16 = 11;
pub const NETMAP_REQ_POOLS_INFO_GET: u16 = 12;
pub const NETMAP_REQ_SYNC_KLOOP_START: u16 = 13;
pub const NETMAP_REQ_SYNC_KLOOP_STOP: u16 = 14;
pub const NETMAP_REQ_CSB_ENABLE: u16 = 15;

// Option types (`nro_reqtype`).
pub const NETMAP_REQ_OPT_EXTMEM: u32 = 1;
pub const NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS: u32 = 2;
pub const NETMAP_REQ_OPT_CSB: u32 = 3;
pub const NETMAP_REQ_OPT_SYNC_KLOOP_MODE: u32 = 4;
pub const NETMAP_REQ_OPT_OFFSETS: u32 = 5;
/// The first option type that netmap does not know.
pub const NETMAP_REQ_OPT_MAX: u32 = 6;

// Modes of REGISTER (`nr_mode`, and the low four bits of the legacy `nr_flags`).
pub const NR_REG_DEFAULT: u32 = 0;
pub const NR_REG_ALL_NIC: u32 = 1;
pub const NR_REG_SW: u32 = 2;
pub const NR_REG_NIC_SW: u32 = 3;
pub const NR_REG_ONE_NIC: u32 = 4;
pub const NR_REG_PIPE_MASTER: u32 = 5;
pub const NR_REG_PIPE_SLAVE: u32 = 6;
pub const NR_REG_NULL: u32 = 7;
pub const NR_REG_ONE_SW: u32 = 8;
/// Where the legacy `nr_flags` keeps the mode.
pub const NR_REG_MASK: u32 = 0xf;

// Flags of REGISTER (`nr_flags`). Bits that are not listed are ignored: pkt-gen sets 0x1000.
pub const NR_MONITOR_TX: u64 = 0x100;
pub const NR_MONITOR_RX: u64 = 0x200;
pub const NR_ZCOPY_MON: u64 = 0x400;
pub const NR_EXCLUSIVE: u64 = 0x800;
pub const NR_RX_RINGS_ONLY: u64 = 0x2000;
pub const NR_TX_RINGS_ONLY: u64 = 0x4000;
pub const NR_ACCEPT_VNET_HDR: u64 = 0x8000;
pub const NR_DO_RX_POLL: u64 = 0x10000;
pub const NR_NO_TX_POLL: u64 = 0x20000;

// Flags of a slot.
pub const NS_BUF_CHANGED: u16 = 0x0001;
pub const NS_REPORT: u16 = 0x0002;
pub const NS_FORWARD: u16 = 0x0004;
pub const NS_NO_LEARN: u16 = 0x0008;
pub const NS_INDIRECT: u16 = 0x0010;
pub const NS_MOREFRAG: u16 = 0x0020;
pub const NS_TXMON: u16 = 0x0040;
/// VALE receive slots: how many slots the packet has, in the upper byte of `flags`.
pub const NS_RFRAGS_SHIFT: u16 = 8;
/// VALE transmit slots: a port to send to, in the upper byte of `flags`; ignored.
pub const NS_PORT_SHIFT: u16 = 8;
/// See [`NS_PORT_SHIFT`].
pub const NS_PORT_MASK: u16 = 0xff << NS_PORT_SHIFT;

// Flags of a ring (`netmap_ring.flags`).
pub const NR_TIMESTAMP: u32 = 0x0002;
pub const NR_FORWARD: u32 = 0x0004;

/// `netmap_if.ni_flags`: the region is private to this port.
pub const NI_PRIV_MEM: u32 = 0x1;

/// `netmap_ring.dir` of transmit rings. The public comment says the opposite; these are the values
/// that programs have seen for twelve years.
pub const RING_DIR_TX: u16 = 1;
/// `netmap_ring.dir` of receive rings.
pub const RING_DIR_RX: u16 = 0;

// Legacy: bits of `nr_ringid`.
pub const NETMAP_RING_MASK: u16 = 0x0fff;
pub const NETMAP_NO_TX_POLL: u16 = 0x1000;
pub const NETMAP_SW_RING: u16 = 0x2000;
pub const NETMAP_HW_RING: u16 = 0x4000;
pub const NETMAP_DO_RX_POLL: u16 = 0x8000;

// Legacy: `nr_cmd`.
pub const NETMAP_BDG_ATTACH: u16 = 1;
pub const NETMAP_BDG_DETACH: u16 = 2;
pub const NETMAP_BDG_REGOPS: u16 = 3;
pub const NETMAP_BDG_LIST: u16 = 4;
pub const NETMAP_BDG_VNET_HDR: u16 = 5;
pub const NETMAP_BDG_NEWIF: u16 = 6;
pub const NETMAP_BDG_DELIF: u16 = 7;
pub const NETMAP_PT_HOST_CREATE: u16 = 8;
pub const NETMAP_PT_HOST_DELETE: u16 = 9;
pub const NETMAP_BDG_POLLING_ON: u16 = 10;
pub const NETMAP_BDG_POLLING_OFF: u16 = 11;
pub const NETMAP_VNET_HDR_GET: u16 = 12;
/// Legacy `nr_arg1` of `NETMAP_BDG_ATTACH`: attach the host rings too.
pub const NETMAP_BDG_HOST: u16 = 1;

// Polling of attached interfaces.
pub const NETMAP_POLLING_MODE_SINGLE_CPU: u32 = 1;
pub const NETMAP_POLLING_MODE_MULTI_CPU: u32 = 2;

// Modes of a kernel loop: what whoever writes to an `ioeventfd` does himself.
pub const NM_OPT_SYNC_KLOOP_DIRECT_TX: u32 = 1;
pub const NM_OPT_SYNC_KLOOP_DIRECT_RX: u32 = 2;

/// The region that ports share unless they ask for another.
pub const GLOBAL_MEM_ID: u16 = 1;

// Limits of VALE (sections 8.3 and 9 of the interface).
pub const VALE_MAX_RINGS: u16 = 16;
pub const VALE_MAX_SLOTS: u32 = 4096;
pub const VALE_DEFAULT_SLOTS: u32 = 1024;
pub const VALE_MAX_EXTRA_BUFS: u32 = 524_288;
/// Longest frame that a switch port gets when one for it is segmented, unless it is an interface's.
pub const VALE_MAX_FRAME: u32 = 1514;
/// Port indexes of a switch are `0..VALE_MAX_PORTS`.
pub const VALE_MAX_PORTS: usize = 254;
// Limits of pipes (section 8.6 of the interface).
pub const PIPE_MAX_PER_BASE: usize = 64;
pub const PIPE_MAX_RINGS: u16 = 256;
pub const PIPE_MAX_SLOTS: u32 = 4096;
/// Monitors of one port. netmap has no such limit.
pub const MONITOR_MAX_PER_PORT: usize = 32;
pub const MONITOR_MAX_SLOTS: u32 = 4096;
/// What VALE_LIST reports for a port that the named switch does not have.
pub const VALE_NO_PORT: u32 = 255;
