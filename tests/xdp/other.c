// SPDX-License-Identifier: MIT OR Apache-2.0

/* No program for interfaces. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int classifies(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}
