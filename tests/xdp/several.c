// SPDX-License-Identifier: MIT OR Apache-2.0

/* Two programs for interfaces, and one that is for something else. None counts itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp/first")
int lets_everything_through(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

SEC("xdp/second")
int lets_nothing_through(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

SEC("tc")
int classifies(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}
