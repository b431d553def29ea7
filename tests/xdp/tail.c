// SPDX-License-Identifier: MIT OR Apache-2.0

/* Calls another program through an array of programs, which is pinned by its name unless UNPINNED
 * is defined. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int drops_all(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
#ifndef UNPINNED
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
	__array(values, int(struct xdp_md *));
} fm_calls SEC(".maps") = {
	.values = { [0] = (void *)&drops_all },
};

SEC("xdp")
int calls_it(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &fm_calls, 0);
	return XDP_PASS;
}
