/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The netmap interface, version 14, as a C program sees it: what is in the memory that program and
 * kernel share, and requests on /dev/netmap. <net/netmap_user.h> has what a program does with it.
 *
 * Written from docs/netmap-abi.md of Ferromap, which describes all of this; comments here are
 * short. A test compares every structure and every number with those that module and crate use
 * (abi/), in both directions. For 64-bit processes.
 */
#ifndef FERROMAP_NET_NETMAP_H
#define FERROMAP_NET_NETMAP_H

#ifdef __cplusplus
/* Rings and tables end in arrays of any length, of which every C++ compiler knows, and warns. */
#pragma GCC system_header
#endif

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/types.h>

/* Programs may ask which netmap they have by this; both ends are accepted by the module. */
#define NETMAP_API 14
#define NETMAP_MIN_API 14
#define NETMAP_MAX_API 15

#define NM_CACHE_ALIGN 128

/* Longest chain of slots that makes one frame. */
#define NETMAP_MAX_FRAGS 64

/* Bytes of a port's name in a request, with its closing NUL. */
#define NETMAP_REQ_IFNAMSIZ 64
/* Most bytes of a request's body and options together. */
#define NETMAP_REQ_MAXSIZE 4096

/*
 * Shared memory. Buffer i of a region is at (address of a ring) + buf_ofs + i * nr_buf_size; 0 is
 * no buffer.
 */

/* A frame, or a part of one. */
struct netmap_slot {
	uint32_t buf_idx; /* the buffer */
	uint16_t len;     /* bytes in this slot */
	uint16_t flags;   /* NS_* */
	uint64_t ptr;     /* address with NS_INDIRECT, offset with that option, else free */
};

#define NS_BUF_CHANGED 0x0001 /* buf_idx is another than it was */
#define NS_REPORT 0x0002      /* tell soon that this one was sent */
#define NS_FORWARD 0x0004     /* pass a released frame on to host or wire */
#define NS_NO_LEARN 0x0008    /* switch: do not learn the source */
#define NS_INDIRECT 0x0010    /* switch, sending: data is at ptr */
#define NS_MOREFRAG 0x0020    /* the frame goes on in the next slot */
#define NS_TXMON 0x0040       /* monitor: the frame was sent, not received */

#define NS_PORT_SHIFT 8
#define NS_PORT_MASK 0xff00

/* Received from a switch: how many slots the frame has. */
#define NS_RFRAGS_SHIFT 8
#define NS_RFRAGS(slot) (((slot)->flags >> NS_RFRAGS_SHIFT) & 0xff)

/*
 * A ring. Slots from head to tail, without the latter, are the program's. It moves head past what
 * it hands over, and cur to where it wants to be woken; tail is the kernel's.
 */
struct netmap_ring {
	const int64_t buf_ofs;      /* from here to buffer 0 */
	const uint32_t num_slots;
	const uint32_t nr_buf_size; /* bytes of every buffer */
	const uint16_t ringid;      /* in its direction; host rings come last */
	const uint16_t dir;         /* 1 to transmit, 0 to receive */

	uint32_t head;
	uint32_t cur;
	uint32_t tail;
	uint32_t flags; /* NR_TIMESTAMP, NR_FORWARD */
	uint32_t pad0;

	struct timeval ts;    /* of the last receive sync */
	uint64_t offset_mask; /* bits of slot.ptr that are an offset */
	uint64_t buf_align;   /* what the start of sent frames must be aligned to; 0: nothing */
	uint64_t pad1[7];

	uint8_t sem[128] __attribute__((aligned(NM_CACHE_ALIGN))); /* the program's own */

	struct netmap_slot slot[];
};

#define NR_TIMESTAMP 0x0002 /* write ts at each sync, whatever the module's parameters say */
#define NR_FORWARD 0x0004   /* look for NS_FORWARD */

/*
 * What a descriptor is bound to. ring_ofs has transmit rings, host transmit rings, receive rings,
 * host receive rings, each from the start of this structure; 0 for those that are not bound.
 */
struct netmap_if {
	char ni_name[16];
	const uint32_t ni_version;
	const uint32_t ni_flags; /* NI_* */
	const uint32_t ni_tx_rings;
	const uint32_t ni_rx_rings;
	uint32_t ni_bufs_head; /* first extra buffer; each has the next in its first 4 bytes */
	const uint32_t ni_host_tx_rings;
	const uint32_t ni_host_rx_rings;
	uint32_t ni_spare1[3];
	const ssize_t ring_ofs[];
};

#define NI_PRIV_MEM 0x1 /* the region is this port's alone */

/*
 * Requests: ioctl(fd, NIOCCTRL, &header), with a body for most, and options, of which each names
 * the next. Addresses are numbers of 64 bits.
 */

struct nmreq_header {
	uint16_t nr_version;  /* NETMAP_API */
	uint16_t nr_reqtype;  /* NETMAP_REQ_* */
	uint32_t nr_reserved; /* 0 */
	char nr_name[NETMAP_REQ_IFNAMSIZ];
	uint64_t nr_options;  /* struct nmreq_option, or 0 */
	uint64_t nr_body;     /* one of the structures below, or 0 */
};

#define NETMAP_REQ_REGISTER 1
#define NETMAP_REQ_PORT_INFO_GET 2
#define NETMAP_REQ_VALE_ATTACH 3
#define NETMAP_REQ_VALE_DETACH 4
#define NETMAP_REQ_VALE_LIST 5
#define NETMAP_REQ_PORT_HDR_SET 6
#define NETMAP_REQ_PORT_HDR_GET 7
#define NETMAP_REQ_VALE_NEWIF 8
#define NETMAP_REQ_VALE_DELIF 9
#define NETMAP_REQ_VALE_POLLING_ENABLE 10
#define NETMAP_REQ_VALE_POLLING_DISABLE 11
#define NETMAP_REQ_POOLS_INFO_GET 12
#define NETMAP_REQ_SYNC_KLOOP_START 13
#define NETMAP_REQ_SYNC_KLOOP_STOP 14
#define NETMAP_REQ_CSB_ENABLE 15

/* How every option begins. */
struct nmreq_option {
	uint64_t nro_next;    /* the next one, or 0 */
	uint32_t nro_reqtype; /* NETMAP_REQ_OPT_* */
	uint32_t nro_status;  /* returned: 0, or an errno */
	uint64_t nro_size;    /* all bytes, for options without a fixed size */
};

#define NETMAP_REQ_OPT_EXTMEM 1
#define NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS 2
#define NETMAP_REQ_OPT_CSB 3
#define NETMAP_REQ_OPT_SYNC_KLOOP_MODE 4
#define NETMAP_REQ_OPT_OFFSETS 5
#define NETMAP_REQ_OPT_MAX 6 /* the first that does not exist */

/* NETMAP_REQ_REGISTER: binds the descriptor to a port. Counts are asked for and returned. */
struct nmreq_register {
	uint64_t nr_offset;  /* returned: of the netmap_if in the region */
	uint64_t nr_memsize; /* returned: bytes of the region */
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_host_tx_rings;
	uint16_t nr_host_rx_rings;
	uint16_t nr_mem_id; /* region; 0 for the one that the port has */
	uint16_t nr_ringid; /* which one, for NR_REG_ONE_NIC and NR_REG_ONE_SW */
	uint32_t nr_mode;   /* NR_REG_* */
	uint32_t nr_extra_bufs;
	uint32_t pad;
	uint64_t nr_flags;  /* the flags below */
};

#define NR_REG_DEFAULT 0
#define NR_REG_ALL_NIC 1     /* all rings but those of the host */
#define NR_REG_SW 2          /* all host rings */
#define NR_REG_NIC_SW 3      /* both */
#define NR_REG_ONE_NIC 4     /* one pair */
#define NR_REG_PIPE_MASTER 5 /* in struct nmreq only; else by the name */
#define NR_REG_PIPE_SLAVE 6
#define NR_REG_NULL 7        /* no port: memory alone */
#define NR_REG_ONE_SW 8      /* one pair of host rings */

#define NR_MONITOR_TX 0x100
#define NR_MONITOR_RX 0x200
#define NR_ZCOPY_MON 0x400
#define NR_EXCLUSIVE 0x800        /* share no ring */
#define NR_RX_RINGS_ONLY 0x2000
#define NR_TX_RINGS_ONLY 0x4000
#define NR_ACCEPT_VNET_HDR 0x8000 /* frames may begin with a virtio-net header */
#define NR_DO_RX_POLL 0x10000
#define NR_NO_TX_POLL 0x20000     /* poll does not send unless asked for POLLOUT */

/* NETMAP_REQ_PORT_INFO_GET */
struct nmreq_port_info_get {
	uint64_t nr_memsize;
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_host_tx_rings;
	uint16_t nr_host_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad[3];
};

/* NETMAP_REQ_VALE_ATTACH: reg says mode and region. */
struct nmreq_vale_attach {
	struct nmreq_register reg;
	uint32_t port_index; /* returned */
	uint32_t pad1;
};

/* NETMAP_REQ_VALE_DETACH */
struct nmreq_vale_detach {
	uint32_t port_index; /* returned */
	uint32_t pad1;
};

/* NETMAP_REQ_VALE_LIST: the first port from these indexes on, or with a name its indexes. */
struct nmreq_vale_list {
	uint16_t nr_bridge_idx;
	uint16_t pad1;
	uint32_t nr_port_idx;
};

/* NETMAP_REQ_PORT_HDR_SET, NETMAP_REQ_PORT_HDR_GET */
struct nmreq_port_hdr {
	uint32_t nr_hdr_len; /* bytes of the virtio-net header: 0, 10 or 12 */
	uint32_t pad1;
};

/* NETMAP_REQ_VALE_NEWIF */
struct nmreq_vale_newif {
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad1;
};

/* NETMAP_REQ_VALE_POLLING_ENABLE, NETMAP_REQ_VALE_POLLING_DISABLE */
struct nmreq_vale_polling {
	uint32_t nr_mode;
	uint32_t nr_first_cpu_id;
	uint32_t nr_num_polling_cpus;
	uint32_t pad1;
};

#define NETMAP_POLLING_MODE_SINGLE_CPU 1
#define NETMAP_POLLING_MODE_MULTI_CPU 2

/* NETMAP_REQ_POOLS_INFO_GET: what a region is made of. */
struct nmreq_pools_info {
	uint64_t nr_memsize;
	uint16_t nr_mem_id;
	uint16_t pad1[3];
	uint64_t nr_if_pool_offset;
	uint32_t nr_if_pool_objtotal;
	uint32_t nr_if_pool_objsize;
	uint64_t nr_ring_pool_offset;
	uint32_t nr_ring_pool_objtotal;
	uint32_t nr_ring_pool_objsize;
	uint64_t nr_buf_pool_offset;
	uint32_t nr_buf_pool_objtotal;
	uint32_t nr_buf_pool_objsize;
};

/* NETMAP_REQ_SYNC_KLOOP_START */
struct nmreq_sync_kloop_start {
	uint32_t sleep_us;
	uint32_t pad1;
};

/* Option of REGISTER: the region is made of memory of the program. */
struct nmreq_opt_extmem {
	struct nmreq_option nro_opt;
	uint64_t nro_usrptr;
	struct nmreq_pools_info nro_info; /* nr_memsize and counts; returned as they came out */
};

/* Option of REGISTER: frames start at an offset in their buffers, kept in slot.ptr. */
struct nmreq_opt_offsets {
	struct nmreq_option nro_opt;
	uint64_t nro_max_offset;
	uint64_t nro_initial_offset;
	uint32_t nro_offset_bits; /* low bits of slot.ptr; 0 for all */
	uint32_t nro_tx_align;    /* not used */
	uint64_t nro_min_gap;
};

/* Option of REGISTER and CSB_ENABLE: arrays with an entry for each bound ring, to transmit first */
struct nmreq_opt_csb {
	struct nmreq_option nro_opt;
	uint64_t csb_atok;
	uint64_t csb_ktoa;
};

/* What the program tells of a ring in CSB mode. */
struct nm_csb_atok {
	uint32_t head;
	uint32_t cur;
	uint32_t appl_need_kick; /* the program wants to be woken */
	uint32_t sync_flags;
	uint32_t pad[12];
};

/* What the kernel tells of it. */
struct nm_csb_ktoa {
	uint32_t hwcur;
	uint32_t hwtail;
	uint32_t kern_need_kick; /* the kernel wants to be woken */
	uint32_t pad[13];
};

/* Option of SYNC_KLOOP_START: an entry for each bound ring; nro_size counts all of it. */
struct nm_kloop_eventfds {
	int32_t ioeventfd; /* wakes the kernel; -1 for none */
	int32_t irqfd;     /* wakes the program; -1 for none */
};

struct nmreq_opt_sync_kloop_eventfds {
	struct nmreq_option nro_opt;
	struct nm_kloop_eventfds eventfds[];
};

/* Option of SYNC_KLOOP_START */
struct nmreq_opt_sync_kloop_mode {
	struct nmreq_option nro_opt;
	uint32_t mode; /* NM_OPT_SYNC_KLOOP_* */
	uint32_t pad1;
};

#define NM_OPT_SYNC_KLOOP_DIRECT_TX 1
#define NM_OPT_SYNC_KLOOP_DIRECT_RX 2

#include <net/netmap_legacy.h>

#define NIOCTXSYNC _IO('i', 148)
#define NIOCRXSYNC _IO('i', 149)
#define NIOCCTRL _IOWR('i', 151, struct nmreq_header)

#endif /* FERROMAP_NET_NETMAP_H */
