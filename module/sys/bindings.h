/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for what bindings.list names: includes, and functions in place of macros. */
#include <linux/bottom_half.h>
#include <linux/capability.h>
#include <linux/bpf.h>
#include <linux/cpumask.h>
#include <linux/etherdevice.h>
#include <linux/eventfd.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_netdev.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>
#include <linux/vmalloc.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>
#include <net/checksum.h>
#include <net/gso.h>
#include <net/net_namespace.h>
#include <net/xdp.h>
#include <trace/events/xdp.h>
/* Nor are macros made of others. */
enum ferromap_sizes {
	FERROMAP_CACHE_LINE = SMP_CACHE_BYTES,
	FERROMAP_LARGEST_BLOCK = PAGE_SIZE << MAX_PAGE_ORDER,
	/* Of a frame, in single pages. */
	FERROMAP_IN_PAGES = MAX_SKB_FRAGS * PAGE_SIZE,
};

/* Macros that take arguments are nothing to bindgen. */
static inline int ferromap_get_user_u32(unsigned int *value, const unsigned int __user *from)
{
	return get_user(*value, from);
}

static inline int ferromap_put_user_u32(unsigned int value, unsigned int __user *to)
{
	return put_user(value, to);
}

static inline void *ferromap_vmap(struct page **pages, unsigned int count)
{
	return vmap(pages, count, VM_MAP, PAGE_KERNEL);
}

/* The page at an address of allocated memory, or of a mapping of pages. */
static inline struct page *ferromap_page_of(const void *at)
{
	return is_vmalloc_addr(at) ? vmalloc_to_page(at) : virt_to_page(at);
}

/*
 * Counts pages among those that the user of the calling process keeps where they are, as far as he
 * may (RLIMIT_MEMLOCK). Who has CAP_IPC_LOCK may keep any number, and *user is NULL then.
 */
static inline bool ferromap_charge_pages(struct user_struct **user, unsigned long count)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long old;

	*user = NULL;
	if (capable(CAP_IPC_LOCK))
		return true;
	old = atomic_long_read(&current_user()->locked_vm);
	do {
		if (count > limit || (unsigned long)old > limit - count)
			return false;
	} while (!atomic_long_try_cmpxchg(&current_user()->locked_vm, &old, old + count));
	*user = get_uid(current_user());
	return true;
}

/* Takes it back, for whom it was done. */
static inline void ferromap_uncharge_pages(struct user_struct *user, unsigned long count)
{
	if (!user)
		return;
	atomic_long_sub(count, &user->locked_vm);
	free_uid(user);
}

/* How pages are kept for a long time. */
enum ferromap_pinning {
	FERROMAP_PINNING = FOLL_WRITE | FOLL_LONGTERM,
};

static inline void ferromap_cond_resched_tasks_rcu_qs(void)
{
	cond_resched_tasks_rcu_qs();
}
/*
 * Where bytes of a frame are, in its page of that number, and how many; NULL behind its last page.
 * It must not be in high memory.
 */
static inline void *ferromap_page_of_skb(const struct sk_buff *skb, unsigned int number,
					 unsigned int *len)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	if (number >= shared->nr_frags)
		return NULL;
	*len = skb_frag_size(&shared->frags[number]);
	return skb_frag_address(&shared->frags[number]);
}

/*
 * What any interface says that takes frames in several pieces; what our own do for the stack, and
 * what of that is about VLAN tags.
 */
enum ferromap_features {
	FERROMAP_LISTS = NETIF_F_SG,
	FERROMAP_VLAN_TAGS = NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX |
		NETIF_F_HW_VLAN_STAG_TX | NETIF_F_HW_VLAN_STAG_RX,
	FERROMAP_OWN_FEATURES = NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_RXCSUM |
		NETIF_F_SCTP_CRC | NETIF_F_HIGHDMA | NETIF_F_GSO_SOFTWARE | NETIF_F_GSO_ENCAP_ALL |
		FERROMAP_VLAN_TAGS,
};

#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

static inline bool ferromap_boot_cpu_has(unsigned int feature)
{
	return boot_cpu_has(feature);
}
#endif
