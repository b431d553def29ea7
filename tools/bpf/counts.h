/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* Counts what a program decides, where `xdp status` looks for it. A program ends with
 * `return verdict(ctx, XDP_DROP);` in place of `return XDP_DROP;`. */
#ifndef FERROMAP_COUNTS_H
#define FERROMAP_COUNTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct xdp_count {
	__u64 packets;
	__u64 bytes;
};

/* By the number of the action. Each CPU has its own, so nothing of it is atomic. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_REDIRECT + 1);
	__type(key, __u32);
	__type(value, struct xdp_count);
} xdp_counts SEC(".maps");

static __always_inline int verdict(struct xdp_md *ctx, __u32 action)
{
/* Switches count for their ports; for these the programs are compiled without. */
#ifndef COUNTED_ELSEWHERE
	struct xdp_count *count = bpf_map_lookup_elem(&xdp_counts, &action);

	if (count) {
		count->packets++;
		count->bytes += ctx->data_end - ctx->data;
	}
#else
	(void)ctx;
#endif
	return action;
}

#endif
