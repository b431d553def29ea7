/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for what bindings.list names: includes, and functions in place of macros. */
#include <linux/bottom_half.h>
#include <linux/capability.h>
#include <linux/bpf.h>
#include <linux/cpumask.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_netdev.h>
#include <linux/nsproxy.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/sched/signal.h>
#include <linux/skbuff.h>
#include <linux/vmalloc.h>
#include <linux/rcupdate.h>
#include <net/checksum.h>
#include <net/gso.h>
#include <net/net_namespace.h>
#include <net/xdp.h>
#include <trace/events/xdp.h>
/* Nor are macros made of others. */
enum ferromap_sizes {
	FERROMAP_CACHE_LINE = SMP_CACHE_BYTES,
};

#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

/* Macros that take arguments are nothing to bindgen. */
static inline bool ferromap_boot_cpu_has(unsigned int feature)
{
	return boot_cpu_has(feature);
}
#endif
