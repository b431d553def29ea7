/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* Requests as programs made them before NIOCCTRL. <net/netmap.h> includes this. */
#ifndef FERROMAP_NET_NETMAP_LEGACY_H
#define FERROMAP_NET_NETMAP_LEGACY_H

#include <stdint.h>
#include <sys/ioctl.h>

struct nmreq {
	char nr_name[16];
	uint32_t nr_version; /* NETMAP_API */
	uint32_t nr_offset;  /* returned: of the netmap_if in the region */
	uint32_t nr_memsize; /* returned: low 32 bits of the region's size */
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_ringid;  /* a ring's number, and the bits below */
	uint16_t nr_cmd;     /* 0 or NETMAP_BDG_* */
	uint16_t nr_arg1;
	uint16_t nr_arg2;    /* region */
	uint32_t nr_arg3;    /* extra buffers */
	uint32_t nr_flags;   /* NR_REG_* in NR_REG_MASK, and the flags of struct nmreq_register */
	uint32_t spare2;
};

#define NR_REG_MASK 0xf

#define NETMAP_RING_MASK 0x0fff
#define NETMAP_NO_TX_POLL 0x1000
#define NETMAP_SW_RING 0x2000
#define NETMAP_HW_RING 0x4000
#define NETMAP_DO_RX_POLL 0x8000

#define NETMAP_BDG_ATTACH 1
#define NETMAP_BDG_DETACH 2
#define NETMAP_BDG_REGOPS 3
#define NETMAP_BDG_LIST 4
#define NETMAP_BDG_VNET_HDR 5
#define NETMAP_BDG_NEWIF 6
#define NETMAP_BDG_DELIF 7
#define NETMAP_PT_HOST_CREATE 8
#define NETMAP_PT_HOST_DELETE 9
#define NETMAP_BDG_POLLING_ON 10
#define NETMAP_BDG_POLLING_OFF 11
#define NETMAP_VNET_HDR_GET 12

#define NETMAP_BDG_HOST 1 /* nr_arg1 of NETMAP_BDG_ATTACH: the host rings as well */

#define NM_IFRDATA_LEN 256

struct nm_ifreq {
	char nifr_name[16];
	char data[NM_IFRDATA_LEN];
};

#define NIOCGINFO _IOWR('i', 145, struct nmreq)
#define NIOCREGIF _IOWR('i', 146, struct nmreq)
#define NIOCCONFIG _IOWR('i', 150, struct nm_ifreq)

#endif /* FERROMAP_NET_NETMAP_LEGACY_H */
