/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * What Ferromap has and netmap has not. Requests and options are numbered from 0x1000 on; netmap
 * returns EINVAL or EOPNOTSUPP. abi/src/ext.rs describes them in full.
 */
#ifndef FERROMAP_NET_FERROMAP_H
#define FERROMAP_NET_FERROMAP_H

#include <net/netmap.h>

#define FERROMAP_REQ_FIRST 0x1000

/* Why the last refused request on this descriptor was refused. */
#define FERROMAP_REQ_WHY 0x1000

#define WHY_TEXT 244

struct nmreq_why {
	uint32_t reqtype; /* the request; of a legacy one, what it is now */
	/* The errno it failed with, 0 if none has failed yet. As a name `errno` is a macro. */
	uint32_t error;
	uint32_t len;        /* bytes of text */
	char text[WHY_TEXT]; /* one sentence, UTF-8, no closing NUL */
};

/* XDP programs on a port of a switch ("vale0:a") or on all of one ("vale0:"). */
#define FERROMAP_REQ_XDP_ATTACH 0x1001
#define FERROMAP_REQ_XDP_DETACH 0x1002
#define FERROMAP_REQ_XDP_QUERY 0x1003

#define FERROMAP_XDP_REPLACE 1 /* flags: in place of the one that is there */
#define XDP_ACTIONS 5

struct xdp_count {
	uint64_t packets;
	uint64_t bytes;
};

struct nmreq_xdp {
	int32_t fd;
	uint32_t flags;
	uint32_t expected; /* id of the program that must be there; 0 for any */
	uint32_t prog_id;  /* returned: id of the program that is or was there */
	struct xdp_count actions[XDP_ACTIONS]; /* returned, by XDP_ABORTED and so on */
};

/* Whether REGISTER would do it; nothing is bound. Body: struct nmreq_register, back as it was. */
#define FERROMAP_REQ_PROBE 0x1004

/* Option: the region of another descriptor, also across users and network namespaces. */
#define FERROMAP_OPT_REGION 0x1000

struct nmreq_opt_region {
	struct nmreq_option nro_opt;
	int32_t fd;
	uint32_t pad;
};

/* netmap_ring.flags, to transmit: within a region frames change hands instead of being copied. */
#define FERROMAP_NR_SWAP 0x1000

/* netmap_if.ni_flags: an interface behind which is its own driver. */
#define FERROMAP_NI_EMULATED 0x10000

/* nmreq_vale_list.pad1: what is behind a port. */
#define FERROMAP_VALE_VIRTUAL 1
#define FERROMAP_VALE_INTERFACE 2
#define FERROMAP_VALE_HOST 3
#define FERROMAP_VALE_PERSISTENT 4

/* Limits, and numbers that mean something. */
#define NETMAP_RESERVED_BUFS 2 /* buffers below are never handed out */
#define GLOBAL_MEM_ID 1        /* the region that interfaces share */
#define RING_DIR_TX 1          /* netmap_ring.dir */
#define RING_DIR_RX 0
#define VALE_MAX_RINGS 16
#define VALE_MAX_SLOTS 4096
#define VALE_DEFAULT_SLOTS 1024
#define VALE_MAX_EXTRA_BUFS 524288
#define VALE_MAX_FRAME 1514
#define VALE_MAX_PORTS 254
#define PIPE_MAX_PER_BASE 64
#define PIPE_MAX_RINGS 256
#define PIPE_MAX_SLOTS 4096
#define MONITOR_MAX_PER_PORT 32
#define MONITOR_MAX_SLOTS 4096
#define VALE_NO_PORT 255 /* VALE_LIST: the switch has no such port */

#endif /* FERROMAP_NET_FERROMAP_H */
