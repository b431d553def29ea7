/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * CSB mode, for virtual machine monitors and whoever else has a loop in the kernel move frames:
 * <net/netmap.h> has the structures, the options and the requests, this how a program writes and
 * reads its entries while the loop runs. <net/netmap_user.h> includes it.
 *
 * Between telling of head and looking at kern_need_kick there must be a full barrier: the kernel
 * sets that and looks at head once more, so that one of the two sees what the other did.
 */
#ifndef FERROMAP_NET_NETMAP_VIRT_H
#define FERROMAP_NET_NETMAP_VIRT_H

#include <stdint.h>
#include <net/netmap.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CSB mode: tell the kernel of head and cur, which reads them the other way round. */
static inline void nm_sync_kloop_appl_write(struct nm_csb_atok *atok, uint32_t cur, uint32_t head)
{
	__atomic_store_n(&atok->cur, cur, __ATOMIC_RELAXED);
	__atomic_store_n(&atok->head, head, __ATOMIC_RELEASE);
}

/* CSB mode: what the kernel tells, which writes hwcur first. */
static inline void nm_sync_kloop_appl_read(struct nm_csb_ktoa *ktoa, uint32_t *hwtail,
	uint32_t *hwcur)
{
	*hwtail = __atomic_load_n(&ktoa->hwtail, __ATOMIC_ACQUIRE);
	*hwcur = __atomic_load_n(&ktoa->hwcur, __ATOMIC_RELAXED);
}

#ifdef __cplusplus
}
#endif

#endif /* FERROMAP_NET_NETMAP_VIRT_H */
