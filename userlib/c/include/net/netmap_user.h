/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * What a C program does with rings and buffers; and, where NETMAP_WITH_LIBS is defined before,
 * nm_open() and what belongs to it, by which a program opens ports without any library.
 * <libnetmap.h> has the newer way, which knows all kinds of ports and options.
 *
 * A program may use a ring between two syncs (NIOCTXSYNC, NIOCRXSYNC, poll) as it likes: the kernel
 * looks at it only then.
 */
#ifndef FERROMAP_NET_NETMAP_USER_H
#define FERROMAP_NET_NETMAP_USER_H

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <net/if.h>
#include <net/netmap.h>
#include <net/netmap_virt.h>

#ifdef __cplusplus
extern "C" {
#endif

#define _NETMAP_OFFSET(type, ptr, offset) ((type)(void *)((char *)(ptr) + (offset)))

/* The netmap_if of a binding, by the address of the region and nr_offset. */
#define NETMAP_IF(base, offset) _NETMAP_OFFSET(struct netmap_if *, base, offset)

/* Rings by number, from 0; those of the host follow. One that is not bound is the nifp itself. */
#define NETMAP_TXRING(nifp, index) \
	_NETMAP_OFFSET(struct netmap_ring *, nifp, (nifp)->ring_ofs[index])
#define NETMAP_RXRING(nifp, index) \
	_NETMAP_OFFSET(struct netmap_ring *, nifp, \
		(nifp)->ring_ofs[(index) + (nifp)->ni_tx_rings + (nifp)->ni_host_tx_rings])

/* A buffer by its index, and back. */
#define NETMAP_BUF(ring, index) \
	((char *)(ring) + (ring)->buf_ofs + (size_t)(index) * (ring)->nr_buf_size)
#define NETMAP_BUF_IDX(ring, buf) \
	((uint32_t)(((const char *)(buf) - ((const char *)(ring) + (ring)->buf_ofs)) / \
		(ring)->nr_buf_size))

/* With the option for offsets: read that of a slot, write it, and where its frame starts. */
#define NETMAP_ROFFSET(ring, slot) ((slot)->ptr & (ring)->offset_mask)
#define NETMAP_WOFFSET(ring, slot, offset) \
	((void)((slot)->ptr = ((slot)->ptr & ~(ring)->offset_mask) | \
		((uint64_t)(offset) & (ring)->offset_mask)))
#define NETMAP_BUF_OFFSET(ring, slot) \
	(NETMAP_BUF(ring, (slot)->buf_idx) + NETMAP_ROFFSET(ring, slot))

/* The slot after this one. */
static inline uint32_t nm_ring_next(struct netmap_ring *ring, uint32_t i)
{
	return i + 1 == ring->num_slots ? 0 : i + 1;
}

/* How many slots are the program's: frames that have come, or room to send. */
static inline uint32_t nm_ring_space(struct netmap_ring *ring)
{
	uint32_t head = ring->head, tail = ring->tail;

	return tail >= head ? tail - head : tail + ring->num_slots - head;
}

static inline int nm_ring_empty(struct netmap_ring *ring)
{
	return ring->head == ring->tail;
}

/* Whether something was handed over that has not left yet. */
static inline int nm_tx_pending(struct netmap_ring *ring)
{
	return nm_ring_next(ring, ring->tail) != ring->head;
}

/* Copies a frame, and no byte more. */
static inline void nm_pkt_copy(const void *from, void *to, size_t len)
{
	memcpy(to, from, len);
}

#ifdef __cplusplus
}
#endif

#ifdef NETMAP_WITH_LIBS
#include <net/netmap_open.h>
#endif

#endif /* FERROMAP_NET_NETMAP_USER_H */
