// SPDX-License-Identifier: MIT OR Apache-2.0

/* A program for each action, and for what else the tests need. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}
